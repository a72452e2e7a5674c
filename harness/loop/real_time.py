"""A stream that does not wait: whoever is slow learns from fewer batches.

Source: Ghunaim et al. 2023, "Real-Time Evaluation in Online Continual Learning: A New Hope".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..engine.learner import StackedLearner
from ..metrics import cost
from ..modules.single_learner import SingleLearner
from ..stream import RealTime
from .monitor import layer_costs

Trial = Callable[[], float]
"""Measures by the clock what an update of the entrant costs, in updates of a plain learner."""


@dataclass
class RelativeCosts:
    """Decides which batches go by because the learner is still busy with an earlier one.

    A learner that costs c >= 1 plain updates is busy for c batches; what is over a whole number is
    carried on. Nobody is faster than the stream: a cost under 1 counts as 1.
    """

    mode: RealTime
    measured: float | None = None
    """By the clock, in updates of a plain learner on the same network; None if it was not read."""
    lag: float = 0.0
    """Batches that will still go by."""
    counted: tuple[int, float] = field(default=(-1, 1.0))
    """Events in the ledger when FLOPs were last counted, and the cost since then."""
    spent: float = 0.0
    """Sum of the costs of all updates so far."""

    @classmethod
    def of(cls, mode: RealTime, replicas: int, trial: Trial | None) -> "RelativeCosts":
        """Prepare for a run of that many replicas, by the clock with a trial made now."""
        alone = mode == "off" or replicas == 1
        assert alone, "replicas that may miss different batches cannot be in lockstep"
        return cls(mode, trial() if mode == "clock" and trial is not None else None)

    def is_free(self, learner: StackedLearner | SingleLearner) -> bool:
        """Tell whether the learner takes the next batch, and count what that costs."""
        if self.mode == "off":
            return True
        if self.lag >= 1:
            self.lag -= 1
            return False
        now = self._cost(learner)
        self.spent += now
        self.lag += max(now, 1.0) - 1
        return True

    def _cost(self, learner: StackedLearner | SingleLearner) -> float:
        if self.mode == "clock":
            assert self.measured is not None, "a run by the clock starts with a trial: run_stack"
            return self.measured
        if isinstance(learner, SingleLearner):
            return learner.cost_factor
        events = len(learner.net.ledger)
        if self.counted[0] != events:
            self.counted = (events, counted_cost(learner))
        return self.counted[1]

    def mean(self, updates: int) -> float | None:
        """Return the mean cost of that many updates; None where the stream waits."""
        return None if self.mode == "off" else self.spent / max(1, updates)

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from here."""
        return {name: getattr(self, name) for name in ("measured", "lag", "counted", "spent")}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        for name, value in saved.items():
            setattr(self, name, value)


def counted_cost(learner: StackedLearner) -> float:
    """Return the FLOPs of an update over those of the same network with all its units alive.

    What a strategy computes besides is its own word: `Strategy.cost_factor`.
    """
    now = cost.forward_flops(layer_costs(learner.net, 0), 1)
    whole = cost.forward_flops(layer_costs(learner.net, 0, whole=True), 1)
    factor = 1.0
    for strategy, _ in learner.entries:
        factor *= strategy.cost_factor
    return factor * now / whole
