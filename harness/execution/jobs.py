"""Runs made ready: what each depends on, how long it is, and which ones train in lockstep."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plugins.registry import is_learner, load_entrant, load_stream
from ..specs.fingerprint import fingerprint
from ..specs.spec import RunSpec, StreamSpec, build_settings

if TYPE_CHECKING:
    from ..stream import Samples, Stream


@dataclass(frozen=True)
class Job:
    """One run with all that its result file says beside the numbers."""

    run: RunSpec
    fingerprint: str
    sources: Mapping[str, Any] = field(hash=False)
    """SHA-256 of the data and of each strategy's code."""
    results_version: int
    needs: tuple[str, ...]
    """What the entrant has to be told."""
    updates: int
    """Updates of the whole run."""


@dataclass(frozen=True)
class Stack:
    """Runs that train in lockstep: they differ in seed, or in seed and learning rate, only."""

    jobs: tuple[Job, ...]

    @property
    def work(self) -> int:
        """Updates, times replicas."""
        return sum(job.updates for job in self.jobs)


def prepare(runs: Iterable[RunSpec], data_dir: Path) -> list[Job]:
    """Load what the runs need and name them by all that their numbers depend on.

    Raises:
        BenchError: a data set is missing, the source of a strategy cannot be read, or a learner
            cannot follow a stream.
    """
    from ..loop.single_run import check_first_task
    from ..plugins.sources import RESULTS_VERSION, code_of

    jobs = []
    for run in runs:
        settings = json.dumps(dict(run.stream.settings), sort_keys=True)
        stream, samples = _stream_and_samples(run.stream.name, settings, data_dir)
        if is_learner(run.entrant.strategies):
            check_first_task(run, stream, samples)
        updates = sum(stream.task_updates(samples))
        names = [strategy.name for strategy in run.entrant.strategies]
        used = {"data": samples.digest, **code_of(names)}
        name = fingerprint(run.as_json(), used, RESULTS_VERSION)
        jobs.append(Job(run, name, used, RESULTS_VERSION, _needs(run), updates))
    return jobs


@lru_cache(maxsize=1)  # runs come stream by stream, and samples may be large
def _stream_and_samples(name: str, settings: str, data_dir: Path) -> "tuple[Stream, Samples]":
    spec = StreamSpec(name, json.loads(settings))
    stream = build_settings(load_stream(name).cls, spec.settings, f"stream {name}")
    samples = stream.load(data_dir)
    stream.task_sequence(samples, seed=0)  # refuses settings that do not fit the samples
    return stream, samples


def _needs(run: RunSpec) -> tuple[str, ...]:
    classes = [load_entrant(strategy.name) for strategy in run.entrant.strategies]
    return tuple(sorted({need for cls in classes for need in cls.needs}))


def stacks(jobs: Sequence[Job], workers: int, most: int) -> list[Stack]:
    """Group jobs into stacks, the longest first.

    Args:
        jobs: of any streams and entrants.
        workers: stacks that run at the same time; one group alone is split among them.
        most: replicas of one stack, at least 1.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_shape(job.run), []).append(job)
    limit = max(1, min(most, ceil(len(jobs) / workers)))
    made = [
        Stack(part)
        for group in groups.values()
        for part in _parts(group, limit if _stacks(group[0].run) else 1)
    ]
    return sorted(made, key=lambda stack: -stack.work)


def _shape(run: RunSpec) -> str:
    """Return what runs must share to train in lockstep."""
    shape = run.as_json()
    del shape["seed"], shape["entrant"]["optimizer"]["lr"]
    return json.dumps(shape, sort_keys=True)


def _stacks(run: RunSpec) -> bool:
    """Tell whether replicas can be in lockstep.

    Not those of learners outside the stack, nor where the stream does not wait: each may miss
    different batches.
    """
    waits = run.stream.settings.get("real_time", "off") == "off"
    return waits and not is_learner(run.entrant.strategies)


def _parts(group: Sequence[Job], limit: int) -> list[tuple[Job, ...]]:
    """Cut a group into the fewest parts within the limit, as equal as can be."""
    count = ceil(len(group) / limit)
    return [tuple(group[part::count]) for part in range(count)]
