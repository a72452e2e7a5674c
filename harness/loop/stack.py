"""One stack from start to end: replicas in lockstep, or learners one after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from ..errors import BenchError
from ..plugins.registry import is_learner
from ..row import Row
from ..specs.spec import RunSpec
from .run import StackedRun
from .single_run import SingleRun

TIMED_UPDATES = 100
"""Updates of the entrant, and of a plain learner, that the clock is read over."""


def run_stack(
    specs: Sequence[RunSpec],
    data_dir: Path,
    device: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[int, Row]]:
    """Run one stack from start to end, yielding (replica, row); the last row of each is its "end".

    Learners outside the stack train one after the other.

    Raises:
        BenchError: before any training if it cannot start; `PluginError` if a strategy raises.
    """
    if not specs:
        raise BenchError("no runs to make: the list of runs is empty. Give at least one seed.")
    if not is_learner(specs[0].entrant.strategies):
        trial = partial(clocked_cost, specs[0], data_dir, device)
        yield from StackedRun(specs, data_dir, device, trial=trial).rows(on_progress)
        return
    for replica, spec in enumerate(specs):

        def report(done: int, total: int, before: int = replica) -> None:
            on_progress(before * total + done, len(specs) * total)

        trial = partial(clocked_cost, spec, data_dir, device)
        for _, row in SingleRun(spec, data_dir, device, trial=trial).rows(report):
            yield replica, row


def clocked_cost(spec: RunSpec, data_dir: Path, device: str) -> float:
    """Return the seconds of an update over those of a learner without strategies, in turns."""
    waiting = replace(
        spec, stream=replace(spec.stream, settings={**spec.stream.settings, "real_time": "off"})
    )
    plain = replace(waiting, entrant=replace(spec.entrant, strategies=()))
    base_run = StackedRun([plain], data_dir, device, measured=False)
    if is_learner(spec.entrant.strategies):
        own_run: StackedRun | SingleRun = SingleRun(waiting, data_dir, device, measured=False)
    else:
        own_run = StackedRun([waiting], data_dir, device, measured=False)
    runs = (own_run, base_run)
    turns = [[_seconds(run) for run in runs] for _ in range(5)]
    own, base = (median(times) for times in zip(*turns[1:], strict=True))
    return float(own / base)


def _seconds(run: StackedRun | SingleRun) -> float:
    batches = run.trial_batches(TIMED_UPDATES // 4)
    started = time.perf_counter()
    for x, y in batches:
        run.trial_update(x, y).cpu()
    return time.perf_counter() - started
