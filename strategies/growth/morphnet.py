"""MorphNet: shrink by a regulariser that knows what units cost, and expand what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Insertion, Network, StatePolicy
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..budget import ScheduledEdits
from ..newborns.slices import best_of_each, consumer_of, start_with_seed
from .proximal import group_norms, shrink_groups


@dataclass(frozen=True, kw_only=True)
class MorphNet(ScheduledEdits):
    """Move units to the layers that use them, at a constant cost in weights.

    The network starts at the budget. Between edits a group lasso shrinks each unit's incoming
    weights and bias (behind a norm layer gain and shift), in proportion to the weights that the
    unit costs, by a proximal step after that of the optimiser. An edit removes the units that have
    come to nothing and widens all layers by the largest common factor omega at which the network
    does not cost more than at the start. Weights are kept and new units are drawn, where the paper
    trains each structure from scratch. After the last edit nothing shrinks any more. Widths differ
    between replicas.

    Source: Gordon et al. 2018, "MorphNet: Fast & Simple Resource-Constrained Structure Learning of
    Deep Networks".
    """

    name = "morphnet"
    edits_structure = True
    strength: float = 0.1
    """Weight of the group lasso, at least 0, for a unit of mean cost; the step is this times the
    learning rate (without its schedule) times the unit's cost over the mean."""
    threshold: float = 0.0
    """Norm of its group down to which a unit is removed, at least 0."""
    insertion: Insertion = "fresh"
    """Weights of newborn units."""
    state: StatePolicy = "zero_step"
    """Optimiser state of newborn units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strength < 0 or self.threshold < 0:
            raise BenchError(
                f"strength={self.strength}, threshold={self.threshold}: give 0 or more each."
            )
        if self.state == "donor":
            raise BenchError("state='donor' needs donors, which morphnet has not. Use zero_step.")

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave as many random units alive as the budget has."""
        start_with_seed(net, ctx, 1.0, self.targets(net))

    def budget(self, net: Network) -> int:
        """Return how many weights the network may have, those of the head included."""
        return weights_of(net, self.targets(net))

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the update of the last edit."""
        return max(self.edit_updates(ctx.plan))

    def after_step(self, net: Network, ctx: Context) -> None:
        """Shrink every unit by what it costs."""
        if ctx.update >= self.acts_until(net, ctx):
            return
        costs = {layer.name: marginal_cost(layer) for layer in net.hidden}
        total = sum((costs[layer.name] * layer.alive.sum(1) for layer in net.hidden), 0)
        units = sum((layer.alive.sum(1) for layer in net.hidden), 0)
        rates = torch.tensor(net.optimizer.learning_rates, device=net.device)
        for layer in net.hidden:
            relative = costs[layer.name] * units / total
            amount = (self.strength * rates * relative).unsqueeze(1).expand_as(layer.bias)
            shrink_groups(layer, amount)

    def edit(self, net: Network, ctx: Context) -> None:
        """Remove what has come to nothing, then widen."""
        for layer in net.hidden:
            norms = group_norms(layer)
            largest = best_of_each(norms, layer.alive, torch.ones(net.replicas, device=net.device))
            net.prune(layer, layer.alive & (norms <= self.threshold) & ~largest)
        budget = self.budget(net)
        alive = torch.stack([layer.alive.sum(1) for layer in net.hidden], 1).tolist()
        wanted = torch.tensor([widened(net, widths, budget) for widths in alive])
        for number, layer in enumerate(net.hidden):
            missing = wanted[:, number].to(net.device) - layer.alive.sum(1)
            newborn = best_of_each(ctx.uniform(layer.alive.shape), ~layer.alive, missing)
            net.grow(layer, newborn, insertion=self.insertion, state=self.state)


def marginal_cost(layer: Layer) -> Tensor:
    """Return how many weights one unit of a hidden layer costs: (R,), alive counts as they are."""
    consumer = consumer_of(layer)
    kernel = consumer.weight.shape[3:].numel()
    outgoing = consumer.alive.sum(1) * layer.columns_per_unit * kernel
    return (layer.alive_fan_in() + outgoing).float()


def weights_of(net: Network, widths: Sequence[int]) -> int:
    """Count the weights between alive units at some widths of the editable layers."""
    width = {layer.name: count for layer, count in zip(net.hidden, widths, strict=True)}
    total = 0
    for layer in net.layers:
        before = layer.producer
        inputs = layer.weight.shape[2]
        if before is not None:
            inputs = width.get(before.name, before.units) * before.columns_per_unit
        total += width.get(layer.name, layer.units) * inputs * layer.weight.shape[3:].numel()
    return total


def omegas(net: Network, widths: Sequence[int]) -> list[tuple[float, int]]:
    """Return every factor at which round(omega * width) of some layer rises by one, ascending.

    With the number of that layer; each layer up to its allocated units.
    """
    steps = [
        ((now + 0.5) / width, number)
        for number, (layer, width) in enumerate(zip(net.hidden, widths, strict=True))
        for now in range(width, layer.units)
    ]
    return sorted(steps)


def widened(net: Network, widths: Sequence[int], budget: int) -> list[int]:
    """Return round(omega * widths) for the largest omega at which the weights fit the budget."""
    found, trial = list(widths), list(widths)
    steps = omegas(net, widths)
    for place, (omega, number) in enumerate(steps):
        trial[number] += 1
        if place + 1 < len(steps) and steps[place + 1][0] == omega:
            continue  # layers that rise at the same factor do so together
        if weights_of(net, trial) > budget:
            break
        found = list(trial)
    return found
