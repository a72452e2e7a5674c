"""Dynamically expandable networks: retrain what a task needs, add units, duplicate what drifts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer, live_mask
from ...harness.engine.strategy import Context, Plan, Strategy
from ...harness.errors import BenchError
from ..budget import unit_targets
from ..newborns.slices import (
    at_units,
    best_of_each,
    column_blocks,
    consumer_of,
    like_rows,
    net2wider_slices,
    share_columns,
    start_with_seed,
)
from .proximal import group_norms, shrink_groups, soft_threshold


@dataclass(frozen=True, kw_only=True)
class Den(Strategy):
    """Retrain what a task needs, add units where it errs, duplicate those that drift.

    The first task is trained with L1. In every later one, for a share of its updates the head alone
    learns, with L1. Then the units are selected from which non-zero weights lead to the task's
    classes, and for the rest of the task only weights among them learn. Where the loss is still
    above `loss_threshold`, `units` new ones join in each layer, with zero outgoing weights so that
    the outputs stay, under a group lasso by its proximal step; those that come to nothing are
    removed at the end of the task. There, units whose incoming weights have drifted further than
    `split_threshold` are duplicated: the original returns to its weights before the task, the copy
    keeps the new ones.

    Left out, because there is one head for all tasks and no task id at test: inference with only
    the units that were there at a task. So original and copy share the outgoing weights by halves,
    which changes the function. Left out, too, is retraining after the split, and with it its
    penalty on drift: the stream has no updates for it. L2 is the optimiser's weight decay.
    Replicas may differ in their numbers of units.

    Source: Yoon et al. 2018, "Lifelong Learning with Dynamically Expandable Networks"; its released
    settings.
    """

    name = "den"
    needs = frozenset({"task boundary"})
    edits_structure = True
    seed_share: float = 0.5
    """Share of each layer's units that are alive from the start, chosen by chance, in (0, 1]."""
    compactness: float = 1.0
    """Share of the weight budget of the editable layers that may be alive at most, in (0, 1]."""
    head_share: float = 0.1
    """Share of a task's updates in which only the head learns, in [0, 1)."""
    units: int = 10
    """Units that one expansion adds to each layer, at least 0, as far as the budget goes."""
    loss_threshold: float = 0.01
    """Loss on a mini-batch above which the network expands."""
    split_threshold: float = 0.05
    """L2 distance that a unit's incoming weights move in a task before it is duplicated, at least
    0."""
    l1: float = 1e-5
    """Weight of L1, at least 0."""
    group: float = 1e-3
    """Weight of the group lasso on new units, at least 0."""

    def __post_init__(self) -> None:
        if not (
            0 < self.seed_share <= 1 and 0 < self.compactness <= 1 and 0 <= self.head_share < 1
        ):
            raise BenchError(
                f"seed_share={self.seed_share}, compactness={self.compactness}, head_share="
                f"{self.head_share}: give shares in (0, 1], (0, 1] and [0, 1)."
            )
        if min(self.units, self.split_threshold, self.l1, self.group) < 0:
            raise BenchError(
                f"units={self.units}, split_threshold={self.split_threshold}, l1={self.l1}, "
                f"group={self.group}: give 0 or more each."
            )

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return when, in every task but the first, the head has been trained alone."""
        starts = zip(plan.task_starts(), plan.task_updates, strict=True)
        return [start + int(self.head_share * updates) for start, updates in starts][1:]

    def limits(self, net: Network) -> list[int]:
        """Return how many units each layer may have at most."""
        units = [layer.units for layer in net.hidden]
        fan_in = [layer.weight.shape[2:].numel() for layer in net.hidden]
        return unit_targets(self.compactness, (), units, fan_in)

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave only the seed alive."""
        start_with_seed(net, ctx, self.seed_share, self.limits(net))

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Remember the weights, and freeze all but the head in every task but the first."""
        if ctx.task > 0:
            ctx.state["old"] = live_parameters(net)
            ctx.state["selected"] = {
                layer.name: torch.zeros_like(layer.alive) for layer in net.layers
            }
            ctx.state["newborn"] = dict(ctx.state["selected"])
            ctx.state["head alone"] = True

    def edit(self, net: Network, ctx: Context) -> None:
        """Select the part that the task needs, and expand where that is not enough."""
        ctx.state["selected"] = connected_units(net, _outputs_of_task(net, ctx))
        ctx.state["head alone"] = False
        self.expand(net, ctx)

    def expand(self, net: Network, ctx: Context) -> None:
        """Add units in the replicas whose loss is above the threshold; the outputs stay."""
        wants = ctx.score_batch(net).loss > self.loss_threshold
        for layer, limit in zip(net.hidden, self.limits(net), strict=True):
            room = (limit - layer.alive.sum(1)).clamp(min=0, max=self.units)
            newborn = best_of_each(torch.zeros_like(layer.bias), ~layer.alive, room * wants)
            net.grow(layer, newborn, insertion="zero-outgoing", state="zero_step")
            ctx.state["newborn"][layer.name] = newborn
            ctx.state["selected"][layer.name] = ctx.state["selected"][layer.name] | newborn

    def learning_rate(self, factor: float, net: Network, ctx: Context) -> float:
        """Note the rate of the coming step; the proximal steps take the same."""
        del net
        ctx.state["factor"] = factor
        return factor

    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember the weights before the step."""
        if ctx.task > 0:
            ctx.state["before"] = net.copy_parameters()

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Put back what is frozen, and take the proximal steps."""
        rates = torch.tensor(net.optimizer.learning_rates, device=net.device)
        rates = rates * float(ctx.state["factor"])
        before = ctx.state.pop("before", None)
        if before is None:
            for layer in net.layers:
                soft_threshold(layer.weight, self.l1 * rates)
            return
        for layer in net.layers:
            for name, parameter in layer.parameters().items():
                free = self._free(layer, name, ctx).expand_as(parameter)
                parameter.copy_(torch.where(free, parameter, before[f"{layer.name}.{name}"]))
        if ctx.state["head alone"]:
            soft_threshold(net.head.weight, self.l1 * rates)
        for layer in () if ctx.state["head alone"] else net.hidden:
            amount = (self.group * rates).unsqueeze(1) * ctx.state["newborn"][layer.name]
            shrink_groups(layer, amount)

    def _free(self, layer: Layer, name: str, ctx: Context) -> Tensor:
        """Return which entries of a parameter learn at the moment, to be expanded to its shape."""
        parameter = layer.parameters()[name]
        if ctx.state["head alone"]:
            is_head = layer.consumer is None
            return torch.full_like(parameter, is_head, dtype=torch.bool)
        rows = torch.ones_like(layer.alive)
        if layer.editable:
            rows = ctx.state["selected"][layer.name]
        producer = layer.producer
        if name != "weight" or producer is None or not producer.editable:
            return like_rows(rows, parameter)
        inputs = ctx.state["selected"][producer.name].repeat_interleave(
            producer.columns_per_unit, 1
        )
        columns = inputs.view(inputs.shape[0], 1, -1, *(1,) * (parameter.dim() - 3))
        newborn = ctx.state["newborn"][layer.name]
        free: Tensor = (like_rows(rows, parameter) & columns) | like_rows(newborn, parameter)
        return free

    def end_task(self, net: Network, ctx: Context) -> None:
        """Remove new units that came to nothing, then duplicate what has drifted."""
        if ctx.task == 0:
            return
        for layer in net.hidden:
            newborn = ctx.state["newborn"][layer.name]
            net.prune(layer, newborn & (group_norms(layer) == 0))
        drifts = [drift(layer, ctx.state["old"]) for layer in net.hidden]  # before any is copied
        for layer, limit, moved in zip(net.hidden, self.limits(net), drifts, strict=True):
            self.duplicate(net, layer, limit, moved, ctx)

    def duplicate(
        self, net: Network, layer: Layer, limit: int, drift: Tensor, ctx: Context
    ) -> None:
        """Split the units that drifted furthest, as far as there is room for their copies."""
        old = {name: ctx.state["old"][f"{layer.name}.{name}"] for name in layer.parameters()}
        elders = layer.alive & ~ctx.state["newborn"][layer.name]
        far = elders & (drift > self.split_threshold)
        room = torch.minimum((limit - layer.alive.sum(1)).clamp(min=0), far.sum(1))
        parents = best_of_each(drift, far, room)
        copies = best_of_each(torch.zeros_like(drift), ~layer.alive, room)
        donor = _pair_up(copies, parents)
        slices = net2wider_slices(layer, copies, donor)
        share_columns(layer, copies, donor)
        with torch.no_grad():
            for name, parameter in layer.parameters().items():
                mask = like_rows(parents, parameter)
                parameter.copy_(torch.where(mask, old[name], parameter))
        split = replace(slices, rule="drifted copy")
        net.grow(layer, copies, insertion=split, state="donor", donor=donor)


def live_parameters(net: Network) -> dict[str, Tensor]:
    """Return a copy of every parameter with 0 where it cannot matter: what is not there yet."""
    return {
        f"{layer.name}.{name}": parameter.detach() * live_mask(layer, name)
        for layer in net.layers
        for name, parameter in layer.parameters().items()
    }


def drift(layer: Layer, old: dict[str, Tensor]) -> Tensor:
    """Return how far each unit's live incoming weights are from old `live_parameters`: (R, U)."""
    moved = layer.weight.detach() * layer.live_weights() - old[f"{layer.name}.weight"]
    distance: Tensor = torch.linalg.vector_norm(moved.flatten(2), dim=2)
    return distance


def _outputs_of_task(net: Network, ctx: Context) -> Tensor:
    """Return the outputs that the current task trains: (R, classes) bool."""
    outputs = torch.zeros_like(net.head.alive)
    for replica, labels in enumerate(ctx.task_samples().train_y):
        # A regression has one output, and floats for labels.
        outputs[replica, ... if labels.is_floating_point() else labels.unique()] = True
    return outputs


def connected_units(net: Network, classes: Tensor) -> dict[str, Tensor]:
    """Return the alive units from which non-zero weights lead to some outputs.

    Args:
        net: the network.
        classes: (R, classes) bool.

    Returns:
        Layer name -> (R, U) bool, for every layer; those of the head are the classes.
    """
    selected = {net.head.name: classes}
    for layer in reversed(net.layers[:-1]):
        consumer = consumer_of(layer)
        reached = like_rows(selected[consumer.name], consumer.weight)
        paths = column_blocks(layer, (consumer.weight.detach() != 0) & reached)
        reaches: Tensor = paths.transpose(1, 2).flatten(2).any(2)
        selected[layer.name] = reaches & layer.alive
    return selected


def _pair_up(copies: Tensor, parents: Tensor) -> Tensor:
    """Give the k-th copy of each replica its k-th parent: (R, U) int64, both masks (R, U)."""
    order = parents.to(torch.int8).sort(dim=1, descending=True, stable=True).indices
    return at_units(copies, order)
