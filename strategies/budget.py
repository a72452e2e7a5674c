"""When edits happen and how many units each layer keeps.

Grow and Prune follow Lillo and Cheney 2026, "On the Stability of Growth in Structural Plasticity",
so that they meet the same integer targets at their last edit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..harness.engine.edits import Network
from ..harness.engine.strategy import Plan, Strategy
from ..harness.errors import BenchError


@dataclass(frozen=True, kw_only=True)
class Scheduled(Strategy):
    """A strategy that acts at a few moments of a run, at the *start* of each cycle.

    By default the run is cut into `events` equal cycles, as in the study; give one of
    `every_passes`, `every_tasks` and `at` to place the edits otherwise.
    """

    events: int = 5
    """Number of edits T, at least 1."""
    every_passes: int | None = None
    """Passes over a task's samples from one edit to the next."""
    every_tasks: int | None = None
    """Tasks from one edit to the next."""
    at: tuple[int, ...] = ()
    """Updates after which to edit, ascending; then `events` is not used."""

    def __post_init__(self) -> None:
        if self.events < 1:
            raise BenchError(f"events={self.events}: give at least 1.")
        if sum((self.every_passes is not None, self.every_tasks is not None, bool(self.at))) > 1:
            raise BenchError("give only one of every_passes, every_tasks and at.")
        if any(every is not None and every < 1 for every in (self.every_passes, self.every_tasks)):
            raise BenchError("every_passes and every_tasks must be at least 1.")
        if list(self.at) != sorted(set(self.at)):
            raise BenchError(f"at={self.at}: give ascending updates, each once.")

    def edit_updates(self, plan: Plan) -> Sequence[int]:
        """Return after which updates the edits happen; 0 is before the first."""
        if self.at:
            return self.at
        if self.every_passes is not None:
            return plan.pass_starts()[:: self.every_passes][: self.events]
        if self.every_tasks is not None:
            return plan.task_starts()[:: self.every_tasks][: self.events]
        return [event * plan.total_updates // self.events for event in range(self.events)]

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return after which updates `edit` is called."""
        return self.edit_updates(plan)

    def edits_left(self, plan: Plan, update: int) -> int:
        """Count the edits from the one at `update` on, itself included."""
        return sum(other >= update for other in self.edit_updates(plan))


@dataclass(frozen=True, kw_only=True)
class ScheduledEdits(Scheduled):
    """A strategy that moves every layer's number of alive units to a budget, edit by edit."""

    edits_structure = True
    compactness: float = 0.2
    """Share of the weight budget of the editable layers that is alive at the end, in (0, 1]."""
    allocation: tuple[float, ...] = ()
    """Bias of each editable layer's share of the budget, > 0; empty is neutral (all 1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.compactness <= 1:
            raise BenchError(f"compactness={self.compactness}: give a share in (0, 1].")
        if any(bias <= 0 for bias in self.allocation):
            raise BenchError(f"allocation={self.allocation}: every bias must be above 0.")

    def targets(self, net: Network) -> list[int]:
        """Return how many units of each editable layer are alive at the end."""
        return unit_targets(
            self.compactness,
            self.allocation,
            [layer.units for layer in net.hidden],
            [layer.weight.shape[2:].numel() for layer in net.hidden],
        )


def unit_targets(
    compactness: float,
    allocation: Sequence[float],
    units: Sequence[int],
    fan_in: Sequence[int],
) -> list[int]:
    """Turn a compactness in weight space into a number of units per layer.

    The kept weights, compactness times all weights, are spread in proportion to bias times weight
    mass; a layer's share over its fan-in, rounded, is its number of units, in [1, units]. With
    neutral biases this is round(compactness * units). The study prints the biases and not this
    formula.

    Args:
        compactness: share of the weights to keep, in (0, 1].
        allocation: one bias per layer, or none for neutral.
        units: allocated units per layer.
        fan_in: weights into one unit per layer.

    Raises:
        BenchError: there are biases, but not one per layer.
    """
    biases = list(allocation) or [1.0] * len(units)
    if len(biases) != len(units):
        raise BenchError(
            f"allocation has {len(biases)} biases, but there are {len(units)} editable layers. "
            "Give one per layer, or none."
        )
    mass = [count * inputs for count, inputs in zip(units, fan_in, strict=True)]
    budget = compactness * sum(mass)
    biased = [bias * m for bias, m in zip(biases, mass, strict=True)]
    kept = [budget * b / sum(biased) / inputs for b, inputs in zip(biased, fan_in, strict=True)]
    return [min(max(1, round(k)), count) for k, count in zip(kept, units, strict=True)]


def units_this_time(missing: int, edits_left: int) -> int:
    """Return how many units one edit moves: ceil(missing / edits left), so the last one ends it.

    Source: Lillo and Cheney 2026, eq. 22-23, `min(q, ceil(q / max(1, T - t)))` with t from 0 (the
    paper leaves the base open: from 0 gives T equal edits). Growth mirrors it.
    """
    return min(missing, math.ceil(missing / max(1, edits_left))) if missing > 0 else 0
