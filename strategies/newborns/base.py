"""What interventions on newborn units share: who is newborn, how long, and where its slices are.

Every intervention is a strategy of its own beside whichever strategy gives birth, as in
`grow+two-speed`. A unit is newborn from the edit that switched it on or rewrote it until its window
is over; a unit that is born again is newborn anew. The *slices* of a unit are its row in the layer,
its bias and norm parameters, and its columns in the consumer. Shapes: R replicas, U units.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Strategy
from ...harness.errors import BenchError

Units = Mapping[str, Tensor]
"""Layer name -> (R, U) bool; layers without such units may be left out."""

NEVER = -1


def from_input_to_output(born: Units, net: Network) -> Iterator[tuple[Layer, Tensor]]:
    """Yield the layers with births and their newborn units, (R, U) bool.

    Where a newborn's row crosses the column of a newborn of the layer before, the row is written
    later and therefore counts.
    """
    for layer in net.hidden:
        if layer.name in born:
            yield layer, born[layer.name]


def slice_mask(layer: Layer, name: str, units: Units) -> Tensor | None:
    """Return which entries of a layer's parameter lie in the slices of some units.

    Args:
        layer: any layer, the head included.
        name: of the parameter.
        units: whose slices.

    Returns:
        A mask that broadcasts to the parameter; None if no unit is near.
    """
    rows = units.get(layer.name)
    if name != "weight":
        return rows
    columns = column_mask(layer, units)
    if rows is None:
        return columns
    rows = rows.view(*rows.shape, *(1,) * (layer.weight.dim() - 2))
    return rows if columns is None else rows | columns


def column_mask(layer: Layer, units: Units) -> Tensor | None:
    """Return which of a layer's weights read some units, as `slice_mask` does."""
    producer = layer.producer
    if producer is None or producer.name not in units:
        return None
    columns = units[producer.name].repeat_interleave(producer.columns_per_unit, 1)
    return columns.view(len(columns), 1, -1, *(1,) * (layer.weight.dim() - 3))


def note_births(born: Units, ctx: Context) -> None:
    """Remember the update of every birth; a later birth of a unit replaces an earlier one."""
    times: dict[str, Tensor] = ctx.state.setdefault("born", {})
    for name, units in born.items():
        known = times.get(name, torch.full(units.shape, NEVER, device=units.device))
        times[name] = torch.where(units, ctx.update, known)


def born_since(update: int, net: Network, ctx: Context) -> dict[str, Tensor]:
    """Return the alive units that were born after `update` updates or more."""
    times: dict[str, Tensor] = ctx.state.get("born", {})
    layers = {layer.name: layer for layer in net.layers}
    return {
        name: layers[name].alive & (time >= max(update, NEVER + 1)) for name, time in times.items()
    }


def youngest(ctx: Context) -> int | None:
    """Return the update of the latest birth in any replica; None if there was none."""
    times: dict[str, Tensor] = ctx.state.get("born", {})
    latest = max((int(time.max()) for time in times.values()), default=NEVER)
    return None if latest == NEVER else latest


@dataclass(frozen=True, kw_only=True)
class NewbornWindow(Strategy):
    """A strategy that acts in each of the first updates after a birth, and then no more.

    The window of a unit ends exactly `updates` batches of the stream after its birth, whatever
    happens to others; overlapping births each have their own clock.
    """

    updates: int = 1955
    """Length of the window in updates, at least 1; 1955 are 5 epochs of CIFAR at batch 128."""

    def __post_init__(self) -> None:
        if self.updates < 1:
            raise BenchError(f"updates={self.updates}: give at least 1.")

    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Open the window of every newborn."""
        del net
        note_births(born, ctx)

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return when the last window closes."""
        del net
        latest = youngest(ctx)
        return 0 if latest is None else latest + self.updates

    def newborns(self, net: Network, ctx: Context) -> dict[str, Tensor]:
        """Return the alive units whose window is open in the coming update."""
        return born_since(ctx.update - self.updates + 1, net, ctx)
