"""Prune: start whole and switch units off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Plan
from ...harness.errors import BenchError
from ..budget import ScheduledEdits, units_this_time
from ..selection import UnitChoice, alive_everywhere, score, worst
from .unit_scores import UnitScore, mean_inputs, sample_batch, unit_scores


@dataclass(frozen=True, kw_only=True)
class Prune(UnitChoice, ScheduledEdits):
    """Switch off the units with the lowest score at every edit, rewind the others.

    compactness=1 switches off none and rewinds all the same: the control "rewind without prune".
    With the rewind to initialisation it is also a reset: on a stream of tasks compare with
    rewind="none" and a network that is reset at the same moments. Source: Lillo and Cheney 2026
    (iterative magnitude pruning with rewind); whether the head rewinds is not stated there, here
    everything does, as in the lottery-ticket papers (Frankle and Carbin 2019), unless
    `rewind_scope` says otherwise.
    """

    name = "prune"
    selection: Literal["magnitude", "activation", "random"] | UnitScore = "magnitude"
    """Which alive units go first: the smallest incoming weights, those that fire least, any.

    Or those that contribute least: contribution is mean |h| * sum |w_out|, adaptable-contribution
    that of |h - mean h| over sum |w_in|, taylor |mean of h dL/dh|, taylor-2017 the mean of each
    sample's |h dL/dh|, taylor-2019 (sum of w dL/dw)^2.
    """
    tau: float = 0.05
    """Threshold on the post-activation above which a unit counts as firing."""
    rewind: Literal["init", "snapshot", "none"] = "init"
    """Where surviving weights return to after an edit; the optimiser then starts anew."""
    rewind_scope: Literal["all", "edited layers"] = "all"
    """Whether the head and an unedited trunk rewind too."""
    snapshot_update: int = 0
    """Update after which rewind="snapshot" takes it; edits before that do not rewind."""
    compensate: bool = False
    """Whether consumers' biases take over the mean of what was pruned; needs rewind="none".

    The mean is over one mini-batch of the current task.
    """
    reset_state: bool = False
    """Whether the optimiser starts anew under rewind="none" too; with a rewind it always does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.snapshot_update < 0:
            raise BenchError(f"snapshot_update={self.snapshot_update}: give 0 or more.")
        if self.compensate and self.rewind != "none":
            raise BenchError(
                f"compensate=true with rewind={self.rewind}: the rewind would undo it. "
                "Set rewind=none."
            )

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return the edits and, where one is wanted, the update of the snapshot."""
        snapshot = [self.snapshot_update] if self.rewind == "snapshot" else []
        return [*self.edit_updates(plan), *snapshot]

    def edit(self, net: Network, ctx: Context) -> None:
        """Switch off this edit's share of the units in excess, then rewind."""
        if self.rewind == "snapshot" and ctx.update == self.snapshot_update:
            net.take_snapshot()
        if ctx.update not in self.edit_updates(ctx.plan):
            return
        scores = self._scores(net, ctx)
        means = mean_inputs(net, sample_batch(ctx)[0]) if self.compensate else {}
        left = self.edits_left(ctx.plan, ctx.update)
        for layer, target in zip(net.hidden, self.targets(net), strict=True):
            count = units_this_time(alive_everywhere(layer) - target, left)
            chosen = worst(self.in_order(scores[layer.name]), layer.alive, count)
            if self.compensate and layer.consumer is not None:
                _compensate(layer, layer.consumer, chosen, means[layer.consumer.name])
            net.prune(layer, chosen)
        if self.rewind != "none":
            net.rewind(self.rewind, edited_layers_only=self.rewind_scope == "edited layers")
        elif self.reset_state:
            net.optimizer.reset()

    def _scores(self, net: Network, ctx: Context) -> dict[str, Tensor]:
        match self.selection:
            case "magnitude" | "activation" | "random" as kind:
                return score(kind, net, ctx, self.tau)
            case kind:
                return unit_scores(kind, net, ctx)


@torch.no_grad()
def _compensate(layer: Layer, consumer: Layer, pruned: Tensor, means: Tensor) -> None:
    """Add the mean contribution of units that are about to be pruned to their consumers' biases.

    Args:
        layer: whose units are pruned.
        consumer: the layer that reads them; a convolution counts its padding as if it were picture.
        pruned: (R, U) bool, alive.
        means: mean of each of the consumer's inputs, (R, I).
    """
    columns = pruned.repeat_interleave(layer.columns_per_unit, 1)
    live = consumer.weight * consumer.live_weights()
    weight = live.flatten(3).sum(3) if consumer.is_convolution else live
    consumer.bias += torch.einsum("roi,ri->ro", weight, means * columns)
