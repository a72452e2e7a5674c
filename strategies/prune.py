"""Prune: start whole and switch units off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..harness.edits import Network
from ..harness.errors import BenchError
from ..harness.strategy import Context, Plan
from .budget import ScheduledEdits, units_this_time
from .selection import alive_everywhere, score, worst


@dataclass(frozen=True, kw_only=True)
class Prune(ScheduledEdits):
    """Switch off the units with the lowest score at every edit, then rewind the survivors.

    With the rewind to initialisation it is also a reset: on a stream of tasks compare with
    rewind="none" and a network that is reset at the same moments. Source: Lillo and Cheney 2026
    (iterative magnitude pruning with rewind); whether the head rewinds is not stated there, here
    everything does, as in the lottery-ticket papers (Frankle and Carbin 2019), unless
    `rewind_scope` says otherwise.
    """

    name = "prune"
    selection: Literal["magnitude", "activation", "random"] = "magnitude"
    """Which alive units go first: the smallest incoming weights, those that fire least, any."""
    tau: float = 0.05
    """Threshold on the post-activation above which a unit counts as firing."""
    rewind: Literal["init", "snapshot", "none"] = "init"
    """Where surviving weights return to after an edit; the optimiser then starts anew."""
    rewind_scope: Literal["all", "edited layers"] = "all"
    """Whether the head and an unedited trunk rewind too."""
    snapshot_update: int = 0
    """Update after which rewind="snapshot" takes it; edits before that do not rewind."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.snapshot_update < 0:
            raise BenchError(f"snapshot_update={self.snapshot_update}: give 0 or more.")

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
        scores = score(self.selection, net, ctx, self.tau)
        left = self.edits_left(ctx.plan, ctx.update)
        for layer, target in zip(net.hidden, self.targets(net), strict=True):
            count = units_this_time(alive_everywhere(layer) - target, left)
            net.prune(layer, worst(scores[layer.name], layer.alive, count))
        if self.rewind != "none":
            net.rewind(self.rewind, edited_layers_only=self.rewind_scope == "edited layers")
