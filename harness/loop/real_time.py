"""A stream that does not wait: whoever is slow learns from fewer batches.

Source: Ghunaim et al. 2023, "Real-Time Evaluation in Online Continual Learning: A New Hope".
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Union

from ..engine.learner import StackedLearner
from ..metrics import cost
from ..modules.single_learner import SingleLearner
from ..plugins.registry import is_learner
from ..specs.spec import RunSpec
from ..stream import RealTime
from .monitor import layer_costs

if TYPE_CHECKING:
    from .run import StackedRun
    from .single_run import SingleRun

Trial = Union["StackedRun", "SingleRun"]

TIMED_UPDATES = 100
"""Updates of the entrant, and of a plain learner, that the clock is read over."""


@dataclass
class RelativeCosts:
    """Decides which batches go by because the learner is still busy with an earlier one.

    A learner that costs c >= 1 plain updates is busy for c batches; what is over a whole number is
    carried on. Nobody is faster than the stream: a cost under 1 counts as 1.
    """

    mode: RealTime
    measured: float = 1.0
    """By the clock, in updates of a plain learner on the same network."""
    lag: float = 0.0
    """Batches that will still go by."""
    counted: tuple[int, float] = field(default=(-1, 1.0))
    """Events in the ledger when FLOPs were last counted, and the cost since then."""
    spent: float = 0.0
    """Sum of the costs of all updates so far."""

    @classmethod
    def of(
        cls, mode: RealTime, specs: Sequence[RunSpec], data_dir: Path, device: str
    ) -> "RelativeCosts":
        """Prepare for a run, by the clock with a short trial of the entrant and a plain learner."""
        if mode == "off":
            return cls(mode)
        assert len(specs) == 1, "replicas that may miss different batches cannot be in lockstep"
        return cls(mode, clocked_cost(specs[0], data_dir, device) if mode == "clock" else 1.0)

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


def clocked_cost(spec: RunSpec, data_dir: Path, device: str) -> float:
    """Return the seconds of an update over those of a learner without strategies, in turns."""
    from .run import StackedRun
    from .single_run import SingleRun

    waiting = replace(
        spec, stream=replace(spec.stream, settings={**spec.stream.settings, "real_time": "off"})
    )
    plain = replace(waiting, entrant=replace(spec.entrant, strategies=()))
    base_run = StackedRun([plain], data_dir, device, measured=False)
    if is_learner(spec.entrant.strategies):
        own_run: Trial = SingleRun(waiting, data_dir, device, measured=False)
    else:
        own_run = StackedRun([waiting], data_dir, device, measured=False)
    runs = (own_run, base_run)
    turns = [[_seconds(run) for run in runs] for _ in range(5)]
    own, base = (median(times) for times in zip(*turns[1:], strict=True))
    return float(own / base)


def _seconds(run: "Trial") -> float:
    batches = run.trial_batches(TIMED_UPDATES // 4)
    started = time.perf_counter()
    for x, y in batches:
        run.trial_update(x, y).cpu()
    return time.perf_counter() - started
