"""Pruning of single weights: by a threshold without rewind, and lottery tickets with rewind.

A run on these schedules is a chain of levels: the first trains every weight, and each edit starts
the next. The edit that a schedule places before the first update is therefore left out: five events
prune four times, at the moments at which Grow and Prune edit but the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Plan
from ...harness.errors import BenchError
from ..budget import Scheduled
from ..rewiring.base import layers_but, magnitudes
from ..rewiring.choice import count, lowest


@dataclass(frozen=True, kw_only=True)
class WeightPruning(Scheduled):
    """Cut single connections at the start of every level but the first."""

    edits_structure: ClassVar[bool] = True

    selection: Literal["magnitude", "random"] = "magnitude"
    """Which weights go: the smallest, or as many by chance (the control)."""
    dense: tuple[str, ...] = ("head",)
    """Names of the layers that stay whole, as fc1 or head; biases and norms always do."""

    def levels(self, plan: Plan) -> list[int]:
        """Return after which updates the levels start that train fewer weights."""
        return [update for update in self.edit_updates(plan) if update > 0]

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return after which updates `edit` is called."""
        return self.levels(plan)

    def scores(self, layer: Layer, ctx: Context) -> Tensor:
        """Return a score for each weight; the lowest go first."""
        return (
            magnitudes(layer) if self.selection == "magnitude" else ctx.uniform(layer.weight.shape)
        )

    def cut(self, net: Network, layer: Layer, chosen: Tensor) -> None:
        """Cut the chosen connections of a layer."""
        nothing = torch.zeros_like(chosen)
        net.rewire(layer, chosen, nothing, rule=f"{self.name}, {self.selection}")


@dataclass(frozen=True, kw_only=True)
class HanPruning(WeightPruning):
    """Cut weights below quality times their layer's standard deviation, train on.

    The standard deviation is that of the connections that are left, so that at one quality later
    cuts take fewer. Survivors keep their weights
    and continue with a new optimiser at a lower rate; units that no connection enters, or none
    leaves, are switched off. With selection="random" as many are cut by chance.

    Source: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks".
    Its L2 regularisation is the optimiser's weight_decay.
    """

    name = "han-pruning"
    quality: float = 0.5
    """Threshold in standard deviations, at least 0; 0 cuts nothing."""
    retrain_rate: float = 0.1
    """Factor on the learning rate after the first cut, above 0; Han et al.: 0.1, or 0.01."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quality < 0:
            raise BenchError(f"quality={self.quality}: give 0 or more standard deviations.")
        if self.retrain_rate <= 0:
            raise BenchError(f"retrain_rate={self.retrain_rate}: give a factor above 0.")

    def learning_rate(self, factor: float, net: Network, ctx: Context) -> float:
        """Return the rate, lower once something was cut."""
        del net
        return factor * self.retrain_rate if ctx.state.get("has cut") else factor

    @torch.no_grad()
    def edit(self, net: Network, ctx: Context) -> None:
        """Cut what is below the threshold and retrain."""
        for layer in layers_but(self.dense, net):
            live = layer.live_weights()
            below = live & (magnitudes(layer) < self.quality * _deviation(layer, live))
            self.cut(net, layer, lowest(self.scores(layer, ctx), live, count(below)))
        _switch_off_idle(net)
        net.optimizer.reset()
        ctx.state["has cut"] = True


@dataclass(frozen=True, kw_only=True)
class LotteryTicket(WeightPruning):
    """Cut a share of the weights by magnitude, return the others to their start.

    At level n a share (1 - share)^n of the weights is left, exactly what they were after
    `rewind_update` updates, and the optimiser is new; the learning-rate schedule goes on. In a
    stream every rewind forgets what was learned: compare with scheduled-reset. selection="random"
    is the control of a random mask with the original weights.

    Source: Frankle and Carbin 2019, "The Lottery Ticket Hypothesis"; with rewind_update > 0
    Frankle et al. 2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis".
    """

    name = "lottery-ticket"
    share: float = 0.2
    """Share of the weights left that a level cuts, in (0, 1)."""
    scope: Literal["global", "layer"] = "global"
    """Whether the smallest weights of all layers together go first, or those of each layer."""
    rewind_update: int = 0
    """Updates after which the weights were what they return to (k); before the first cut."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise BenchError(f"share={self.share}: give a share in (0, 1).")
        if self.rewind_update < 0:
            raise BenchError(f"rewind_update={self.rewind_update}: give 0 or more updates.")

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return the starts of the levels and the update of the snapshot.

        Raises:
            BenchError: the first level is cut before there is a snapshot.
        """
        levels = self.levels(plan)
        if self.rewind_update == 0:
            return levels
        if levels and levels[0] <= self.rewind_update:
            raise BenchError(
                f"rewind_update={self.rewind_update} is not before the first cut, after update "
                f"{levels[0]}. Give a smaller one, or fewer events."
            )
        return [self.rewind_update, *levels]

    @torch.no_grad()
    def edit(self, net: Network, ctx: Context) -> None:
        """Take the snapshot, or cut and rewind."""
        if 0 < self.rewind_update == ctx.update:
            net.take_snapshot()
            return
        layers = layers_but(self.dense, net)
        ctx.state["level"] = level = ctx.state.get("level", 0) + 1
        groups = [layers] if self.scope == "global" else [[layer] for layer in layers]
        for number, group in enumerate(groups):
            self._cut_group(net, group, number, level, ctx)
        net.rewind("snapshot" if self.rewind_update else "init")

    def _cut_group(
        self, net: Network, layers: list[Layer], number: int, level: int, ctx: Context
    ) -> None:
        """Cut the lowest of some layers together, down to the number of weights of the level."""
        live = [layer.live_weights().flatten(1) for layer in layers]
        scores = torch.cat([self.scores(layer, ctx).flatten(1) for layer in layers], 1)
        together = torch.cat(live, 1)
        left = count(together)
        first: Tensor = ctx.state.setdefault(f"weights {number}", left)
        target = (first.double() * (1 - self.share) ** level).round().long()
        chosen = lowest(scores, together, (left - target).clamp(min=0))
        parts = chosen.split([part.shape[1] for part in live], 1)
        for layer, part in zip(layers, parts, strict=True):
            self.cut(net, layer, part.reshape(layer.weight.shape))


def _deviation(layer: Layer, live: Tensor) -> Tensor:
    """Return the standard deviation of the live weights, in the shape (R, 1, 1[, 1, 1])."""
    axes = tuple(range(1, live.dim()))
    counted = live.sum(axes, keepdim=True).clamp(min=1)
    weight = layer.weight.detach() * live
    mean = weight.sum(axes, keepdim=True) / counted
    return (((weight - mean) * live).square().sum(axes, keepdim=True) / counted).sqrt()


def _switch_off_idle(net: Network) -> None:
    """Switch off units without a live weight in or out, as long as there are any."""
    while any(_switch_off_idle_units(net, layer) for layer in net.hidden):
        pass


def _switch_off_idle_units(net: Network, layer: Layer) -> bool:
    consumer = layer.consumer
    assert consumer is not None
    entered = layer.live_weights().flatten(2).any(2)
    columns = consumer.live_weights().transpose(1, 2).flatten(2).any(2)
    left = columns.unflatten(1, (layer.units, layer.columns_per_unit)).any(2)
    idle = layer.alive & ~(entered & left)
    idle &= (layer.alive & ~idle).any(1, keepdim=True)  # a layer without units says nothing at all
    net.prune(layer, idle)
    return bool(idle.any())
