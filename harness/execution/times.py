"""How long runs will take: from results of the same shape, else from a short timed trial."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from joblib import cpu_count  # type: ignore[import-untyped]

from ..plugins.registry import is_learner
from ..specs.spec import RunSpec
from .execute import thread_count
from .jobs import SEEDS_TOGETHER, Job

TRIAL_SECONDS = 0.5
"""A trial ends after that long, and after two updates at least."""
TRIAL_UPDATES = 20
TICKET = "winning-ticket"
"""A strategy that trains once more after the run."""

Source = Literal["results", "trial"]


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run, on one worker."""

    seconds: float
    source: Source
    """Results of the same shape in the store; or a trial, without evaluation and measuring."""


def estimates(jobs: Sequence[Job], known: Mapping[str, float], data_dir: Path) -> list[Estimate]:
    """Return an estimate for every run, making one trial of each shape that has no results.

    Args:
        jobs: of `prepare`.
        known: seconds of a run by its `shape_of`, over its `length_of`.
        data_dir: where data sets are cached.
    """
    trials: dict[str, float] = {}
    found = []
    kinds = [_trial_shape(job.run.as_json()) for job in jobs]
    for job, kind in zip(jobs, kinds, strict=True):
        spec = job.run.as_json()
        shape = shape_of(spec)
        if shape in known:
            found.append(Estimate(known[shape] * length_of(spec), "results"))
            continue
        if kind not in trials:
            alike = [other.run for other, same in zip(jobs, kinds, strict=True) if same == kind]
            trials[kind] = _update_seconds(job.run, alike, data_dir)
        twice = 2 if any(one.name == TICKET for one in job.run.entrant.strategies) else 1
        found.append(Estimate(twice * job.updates * trials[kind], "trial"))
    return found


def at_a_time(workers: int | None) -> int:
    """Return how many runs or stacks run at a time."""
    return workers or int(cpu_count(only_physical_cores=True))


def shape_of(spec: Mapping[str, Any]) -> str:
    """Return all that the speed of a run depends on, but for its length."""
    entrant, stream = spec["entrant"], spec["stream"]
    settings = {k: v for k, v in stream["settings"].items() if k not in ("tasks", "passes")}
    optimizer = {k: v for k, v in entrant["optimizer"].items() if k != "lr"}
    return json.dumps(
        [stream["name"], settings, entrant["strategies"], entrant["network"], optimizer],
        sort_keys=True,
    )


def length_of(spec: Mapping[str, Any]) -> float:
    """Return how often a run goes through the samples of a task."""
    settings = spec["stream"]["settings"]
    passes = 1 if settings.get("updates_per_task") else settings.get("passes", 1)
    return float(settings.get("tasks", 1) * passes)


def _trial_shape(spec: Mapping[str, Any]) -> str:
    """Return what a trial depends on: strategies by name, and not how far they go."""
    entrant, stream = spec["entrant"], spec["stream"]
    names = [one["name"] for one in entrant["strategies"]]
    batch = [stream["settings"].get(name) for name in ("source", "batch_size")]
    return json.dumps([batch, names, entrant["network"]], sort_keys=True)


def _update_seconds(run: RunSpec, alike: Sequence[RunSpec], data_dir: Path) -> float:
    """Return the seconds of an update of one replica, trained beside others of its shape."""
    from ..loop.run import StackedRun

    if is_learner(run.entrant.strategies):
        return 1e-3  # outside the stack; about what Avalanche takes for an update
    seeds = {one.seed for one in alike}
    count = max(1, min(len(seeds), SEEDS_TOGETHER))
    specs = [RunSpec(run.stream, run.entrant, seed) for seed in sorted(seeds)[:count]]
    with _threads():
        trial = StackedRun(specs, data_dir, measured=False)
        batches = trial.trial_batches(TRIAL_UPDATES)
        trial.trial_update(*batches[0])
        started, done = time.perf_counter(), 0
        for batch in batches:
            trial.trial_update(*batch)
            done += 1
            if done >= 2 and time.perf_counter() - started > TRIAL_SECONDS:
                break
        return (time.perf_counter() - started) / done / len(specs)


@contextmanager
def _threads() -> Iterator[None]:
    """Compute with as many threads as a worker has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(thread_count())
    try:
        yield
    finally:
        torch.set_num_threads(before)
