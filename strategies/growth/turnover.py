"""Turnover: replace a few units at every edit, at constant size (RigL for whole units)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ...harness.engine.edits import Insertion, Network, Slices, StatePolicy
from ...harness.engine.network import Layer
from ...harness.engine.probe import Probe, outgoing_weights
from ...harness.engine.strategy import Context, Matched, Plan
from ...harness.errors import BenchError
from ...harness.metrics.cohorts import utility
from ..budget import ScheduledEdits
from ..newborns.slices import consumer_of, start_with_seed
from ..selection import (
    UnitChoice,
    alive_everywhere,
    best,
    magnitude_scores,
    random_scores,
    worst,
)

Score = Literal["utility", "magnitude", "activation", "gradient", "mask-gradient", "random"]


@dataclass(frozen=True, kw_only=True)
class Turnover(UnitChoice, ScheduledEdits):
    """Switch off the worst alive units and on as many of the best dead ones.

    The number of units is that of `compactness` from start to end, so turnover is seen apart from
    capacity. dies=random,born=random is the control "random unit turnover". To write
    better newborns add newborn-weights(rule=pair-matched).

    Source: RigL (Evci et al. 2020, "Rigging the Lottery") with units for weights; which scores
    stand for |weight| and |gradient| is this harness's choice.
    """

    name = "turnover"
    edits_structure = True
    matched: ClassVar[Matched] = {
        **UnitChoice.matched,
        "random-matched": {"dies": "random", "born": "random", "reverse": False},
    }
    share: float = 0.1
    """Share of a layer's alive units that one edit replaces, in (0, 1]: at least one unit, at most
    as many as are dead."""
    every_updates: int | None = None
    """Updates from one edit to the next, the first after as many; then `events` is not used."""
    dies: Literal["utility", "magnitude", "activation", "random"] = "utility"
    """Who goes: least mean |h| times L1 norm of the outgoing weights, least mean |incoming weight|,
    those that fire least, or any."""
    born: Literal["mask-gradient", "gradient", "activation", "random"] = "mask-gradient"
    """Who comes: by what switching on lowers the loss most to first order (sum of h dL/dh), those
    that receive most gradient, those that would fire most, or any."""
    insertion: Insertion | Literal["kept"] = "kept"
    """Weights of newborn units; kept is what the slot holds, on which `born` has judged it."""
    state: StatePolicy = "zero_step"
    """Optimiser state of newborn units."""
    tau: float = 0.05
    """Threshold on the post-activation above which a unit counts as firing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise BenchError(f"share={self.share}: give a share in (0, 1].")
        if self.every_updates is not None and self.every_updates < 1:
            raise BenchError(f"every_updates={self.every_updates}: give at least 1.")
        if self.every_updates and (self.every_passes or self.every_tasks or self.at):
            raise BenchError("give only one of every_updates, every_passes, every_tasks and at.")
        if self.state == "donor":
            raise BenchError(
                "state='donor' copies the state of a donor, and turnover has none. "
                "Use zero_step, or add newborn-state(policy=donor)."
            )

    def edit_updates(self, plan: Plan) -> Sequence[int]:
        """Return after which updates the edits happen."""
        if self.every_updates is None:
            return super().edit_updates(plan)
        return range(self.every_updates, plan.total_updates, self.every_updates)

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave as many random units alive as the budget has."""
        start_with_seed(net, ctx, 1.0, self.targets(net))

    def edit(self, net: Network, ctx: Context) -> None:
        """Replace units in every layer, all judged by one look before any is replaced."""
        probe = ctx.score_batch(net)
        worth, promise = (self._scores(kind, probe, net, ctx) for kind in (self.dies, self.born))
        for layer in net.hidden:
            alive = alive_everywhere(layer)
            count = min(max(1, round(self.share * alive)), layer.units - alive)
            newborn = best(self.in_order(promise[layer.name]), ~layer.alive, count)
            net.prune(layer, worst(self.in_order(worth[layer.name]), layer.alive, count))
            insertion = _kept(layer) if self.insertion == "kept" else self.insertion
            net.grow(layer, newborn, insertion=insertion, state=self.state)

    def _scores(self, kind: Score, probe: Probe, net: Network, ctx: Context) -> dict[str, Tensor]:
        if kind == "random":
            return random_scores(net, ctx)
        if kind == "magnitude":
            return magnitude_scores(net)
        return {layer.name: self._score(kind, probe, layer) for layer in net.hidden}

    def _score(self, kind: Score, probe: Probe, layer: Layer) -> Tensor:
        seen = probe.layers[layer.name]
        if kind == "activation":
            return (seen.raw > self.tau).float().mean(1)
        if kind == "gradient":
            return seen.delta.abs().mean(1)
        if kind == "mask-gradient":
            return -(seen.raw * seen.signal).mean(1)
        return utility(seen.raw, outgoing_weights(layer))


def _kept(layer: Layer) -> Slices:
    rows = {name: parameter.detach() for name, parameter in layer.parameters().items()}
    return Slices("kept", rows, consumer_of(layer).weight.detach())
