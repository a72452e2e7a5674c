"""Grow: start small and switch units on."""

from dataclasses import dataclass
from typing import Literal

from ...harness.engine.edits import Insertion, Network, StatePolicy
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..budget import ScheduledEdits, units_this_time
from ..selection import (
    UnitChoice,
    alive_everywhere,
    best,
    check_score,
    note_alive,
    random_scores,
    score,
)


@dataclass(frozen=True, kw_only=True)
class Grow(UnitChoice, ScheduledEdits):
    """Start with a sparse seed and switch the best dead units on at every edit.

    Never replaces a unit and never rewinds. Source: Lillo and Cheney 2026; how many units one edit
    adds is not printed there, the mirror image of Prune's rule is used.
    """

    name = "grow"
    seed_share: float = 0.1
    """Share of each layer's units that are alive from the start, chosen by chance, in (0, 1]."""
    selection: Literal[
        "activation", "gradient", "random", "mask-gradient", "gradmax", "least-recent"
    ] = "activation"
    """Which dead units come first, on a scoring batch: those that would fire most (activation);
    receive most |dL/dz| (gradient, the study's "GradMax-style"); change the loss most
    (mask-gradient); whose incoming weights would receive the largest gradient of the whole batch
    (gradmax); or those dead for longest, never alive first (least-recent); or any (random)."""
    tau: float = 0.05
    """Threshold on the post-activation above which a unit counts as firing."""
    insertion: Insertion = "stored"
    """Weights of newborn units."""
    state: StatePolicy = "stock"
    """Optimiser state of newborn units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seed_share <= 1:
            raise BenchError(f"seed_share={self.seed_share}: give a share in (0, 1].")
        if self.state == "donor":
            raise BenchError(
                "state='donor' needs a rule for choosing donors, which grow has not. Write "
                "grow+newborn-state(policy=donor)."
            )

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave only the seed alive: `seed_share` of each layer, but no more than its target."""
        check_score(self.selection, net)
        for layer, target in zip(net.hidden, self.targets(net), strict=True):
            seed = min(max(1, round(self.seed_share * layer.units)), target)
            scores = random_scores(net, ctx)[layer.name]
            net.start_with(layer, best(scores, layer.alive, seed))
        self._note_alive(net, ctx)

    def edit(self, net: Network, ctx: Context) -> None:
        """Switch on this edit's share of the missing units, input side first."""
        self._note_alive(net, ctx)
        scores = score(self.selection, net, ctx, self.tau)
        left = self.edits_left(ctx.plan, ctx.update)
        for layer, target in zip(net.hidden, self.targets(net), strict=True):
            count = units_this_time(target - alive_everywhere(layer), left)
            chosen = best(self.in_order(scores[layer.name]), ~layer.alive, count)
            net.grow(layer, chosen, insertion=self.insertion, state=self.state)
        self._note_alive(net, ctx)

    def _note_alive(self, net: Network, ctx: Context) -> None:
        if self.selection == "least-recent":
            note_alive(net, ctx)
