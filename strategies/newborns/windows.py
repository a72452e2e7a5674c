"""What newborn units and their elders may learn for a while after a birth, or for ever.

All of them act on what a step has done to the weights and not on gradients: under Adam a gradient
times a constant is the same update. Everything is by replica: where none is newborn, nothing acts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.probe import outgoing_weights
from ...harness.engine.strategy import Context, Strategy
from ...harness.errors import BenchError
from ...harness.metrics.cohorts import outgoing_norm
from .base import (
    NewbornWindow,
    Units,
    born_since,
    column_mask,
    note_births,
    slice_mask,
    youngest,
)


def remember(net: Network, ctx: Context) -> None:
    """Keep the weights as they are before a step, for `weights_before`."""
    ctx.state["before"] = net.copy_parameters()


def weights_before(ctx: Context) -> dict[str, Tensor]:
    """Return, once, the weights as they were before the step."""
    before: dict[str, Tensor] = ctx.state.pop("before")
    return before


def scale_newborn_updates(
    net: Network, units: Units, before: Mapping[str, Tensor], factor: float
) -> None:
    """Multiply what a step did to the slices of some units: W <- W_old + factor (W_new - W_old).

    An entry where a row and a column cross is scaled once. Factor 0 restores every bit.
    """
    for layer, name, parameter in _parameters(net):
        mask = slice_mask(layer, name, units)
        if mask is not None:
            old = before[f"{layer.name}.{name}"]
            parameter.copy_(torch.where(mask, _scaled(old, parameter, factor), parameter))


def _scaled(old: Tensor, new: Tensor, factor: float) -> Tensor:
    return old if factor == 0 else old + factor * (new - old)


def _parameters(net: Network) -> Iterator[tuple[Layer, str, Tensor]]:
    for layer in net.layers:
        for name, parameter in layer.parameters().items():
            yield layer, name, parameter


def _replicas_with(units: Units, net: Network) -> Tensor:
    """Return the replicas in which any unit is meant: (R,) bool."""
    none = torch.zeros(net.replicas, dtype=torch.bool, device=net.device)
    return torch.stack([none, *(mask.any(1) for mask in units.values())]).any(0)


def _outside(net: Network, layer: Layer, name: str, units: Units) -> Tensor:
    """Return what is in no slice of the units, in replicas that have any; see `slice_mask`."""
    parameter = layer.parameters()[name]
    inside = slice_mask(layer, name, units)
    concerned = _replicas_with(units, net).view(-1, *(1,) * (parameter.dim() - 1))
    return concerned if inside is None else concerned & ~inside


@dataclass(frozen=True, kw_only=True)
class UpdateScaling(NewbornWindow):
    """A window in which updates are scaled: knows the weights before the step."""

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember the weights before the step."""
        remember(net, ctx)


@dataclass(frozen=True, kw_only=True)
class TwoSpeed(UpdateScaling):
    """Let newborns learn faster for a while: W <- W_old + factor (W_new - W_old).

    On their incoming and outgoing weights, biases and norm parameters; what crosses is scaled once.
    Under plain SGD and under AdamW that is a learning rate `factor` times as large, weight decay
    included, as in torch's own. Source: Lillo and Cheney 2026, "Two-Speed".
    """

    name = "two-speed"
    factor: float = 5.0
    """By what the newborns' updates are multiplied, at least 0; the study tried 2 to 10."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_factor(self.factor)

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Multiply the newborns' updates."""
        scale_newborn_updates(net, self.newborns(net, ctx), weights_before(ctx), self.factor)


@dataclass(frozen=True, kw_only=True)
class SlowIncumbents(UpdateScaling):
    """Let everything but newborn units learn slower for a while, the head included.

    Updates are scaled as in Two-Speed, on all that is in no newborn unit's slices.
    """

    name = "slow-incumbents"
    factor: float = 0.1
    """By what all other updates are multiplied, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_factor(self.factor)

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Multiply the others' updates."""
        before, newborns = weights_before(ctx), self.newborns(net, ctx)
        for layer, name, parameter in _parameters(net):
            mask = _outside(net, layer, name, newborns)
            slower = _scaled(before[f"{layer.name}.{name}"], parameter, self.factor)
            parameter.copy_(torch.where(mask, slower, parameter))


def _check_factor(factor: float) -> None:
    if not factor >= 0:
        raise BenchError(f"factor={factor}: give 0 or more.")


@dataclass(frozen=True, kw_only=True)
class FreezeIncumbents(UpdateScaling):
    """Let nothing but newborn units learn for a while.

    All that is in no newborn unit's slices stays as it is to the last bit: weights, biases, norm
    parameters, the optimiser's state and its clocks.
    """

    name = "freeze-incumbents"
    head: Literal["frozen", "biases", "all"] = "frozen"
    """What of the head learns beside the newborns' outgoing weights: nothing, its biases, or it."""

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember everything before the step."""
        super().after_backward(net, ctx)
        optimizer = net.optimizer
        ctx.state["state before"] = [
            {key: tensor.clone() for key, tensor in slot.state.items()} for slot in optimizer.slots
        ]
        ctx.state["clocks before"] = {n: clock.clone() for n, clock in optimizer.clocks.items()}

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Put back what may not learn."""
        before, newborns = weights_before(ctx), self.newborns(net, ctx)
        states = ctx.state.pop("state before")
        for slot, state in zip(net.optimizer.slots, states, strict=True):
            if self._learns(net, slot.layer, slot.name):
                continue
            frozen = _outside(net, slot.layer, slot.name, newborns)
            old = before[f"{slot.layer.name}.{slot.name}"]
            slot.parameter.copy_(torch.where(frozen, old, slot.parameter))
            for key, tensor in slot.state.items():
                # What torch makes at its first step was zero before.
                tensor.copy_(torch.where(frozen, state.get(key, torch.zeros(())), tensor))
        self._stop_clocks(net, newborns, ctx.state.pop("clocks before"))

    def _learns(self, net: Network, layer: Layer, name: str) -> bool:
        return layer is net.head and (
            self.head == "all" or (self.head == "biases" and name == "bias")
        )

    def _stop_clocks(self, net: Network, newborns: Units, before: Mapping[str, Tensor]) -> None:
        have_come_apart = False
        for layer in net.layers:
            if self._learns(net, layer, "bias"):
                continue
            frozen = _outside(net, layer, "bias", newborns).expand_as(layer.alive)
            clock = net.optimizer.clocks[layer.name]
            stopped = torch.where(frozen, before[layer.name], clock)
            have_come_apart |= not torch.equal(stopped, clock)
            clock.copy_(stopped)
        if have_come_apart:
            net.optimizer.split_clocks()


@dataclass(frozen=True, kw_only=True)
class MatchNorms(NewbornWindow):
    """Hold newborns' outgoing norms at the incumbents' mean for a while.

    The L2 norm of all weights from a unit into alive units of its consumer; where it is zero it
    stays so, and without incumbents in the layer nothing is done.
    """

    name = "match-norms"

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Project the newborns' outgoing weights, and no others."""
        newborns = self.newborns(net, ctx)
        for layer in net.hidden:
            if layer.name not in newborns or layer.consumer is None:
                continue
            newborn = newborns[layer.name]
            incumbent = layer.alive & ~newborn
            norm = outgoing_norm(outgoing_weights(layer))
            mean = (norm * incumbent).sum(1, keepdim=True) / incumbent.sum(1, keepdim=True)
            can_match = newborn & (norm > 0) & mean.isfinite()
            factor = torch.where(can_match, mean / norm, 1.0)
            weight = layer.consumer.weight
            columns = factor.repeat_interleave(layer.columns_per_unit, 1)
            weight.mul_(columns.view(len(columns), 1, -1, *(1,) * (weight.dim() - 3)))


@dataclass(frozen=True, kw_only=True)
class FreezeNewborns(Strategy):
    """Never let newborn units learn: shows what structure alone is worth.

    From its birth on no step moves a newborn unit's slices, without end; the units alive from the
    start learn as ever.
    """

    name = "freeze-newborns"
    part: Literal["all", "outgoing"] = "all"
    """What never learns: both sides, or the outgoing weights alone."""

    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Freeze the newborns."""
        del net
        note_births(born, ctx)

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the end of the run once a unit is born."""
        del net
        return 0 if youngest(ctx) is None else ctx.plan.total_updates

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember the weights before the step."""
        remember(net, ctx)

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Put back what never learns."""
        before, newborns = weights_before(ctx), born_since(0, net, ctx)
        if self.part == "all":
            scale_newborn_updates(net, newborns, before, factor=0)
            return
        for layer in net.layers:
            mask = column_mask(layer, newborns)
            if mask is not None:
                layer.weight.copy_(torch.where(mask, before[f"{layer.name}.weight"], layer.weight))
