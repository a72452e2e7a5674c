"""Runs made ready: what each depends on, how long it is, and which ones train in lockstep."""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fingerprint import fingerprint
from ..plugins.registry import is_learner, load_entrant, load_stream
from ..process_state import kept_process_state
from ..specs.spec import RunSpec, StreamSpec, build_settings

if TYPE_CHECKING:
    from ..stream import Samples, Stream


SEEDS_TOGETHER = 5
"""Seeds of one entrant on one stream train in lockstep by fives: 0 to 4, 5 to 9, and so on.

Which others share its stack may change the last bits of a run (a kernel takes the end of a tensor
another way than its body), so a stack is settled by the runs that were asked for, and not by how
many workers there are or what is done already.
"""


@dataclass(frozen=True)
class Job:
    """One run with all that its result file says beside the numbers."""

    run: RunSpec
    fingerprint: str
    sources: Mapping[str, Any] = field(hash=False)
    """SHA-256 of the data and of the code that is not of the results version; see `code_of`."""
    results_version: int
    needs: tuple[str, ...]
    """What the entrant has to be told."""
    updates: int
    """Updates of the whole run."""


@dataclass(frozen=True)
class Stack:
    """Runs that train in lockstep: they differ in their seeds only."""

    jobs: tuple[Job, ...]
    """In the order of their seeds."""
    done: frozenset[str] = frozenset()
    """Fingerprints of those that have a result: they only keep the others company again."""

    @property
    def missing(self) -> tuple[Job, ...]:
        """Those whose results are to be made."""
        return tuple(job for job in self.jobs if job.fingerprint not in self.done)

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
        used = {"data": samples.digest, **code_of(names, run.stream.name)}
        name = fingerprint(run.as_json(), used, RESULTS_VERSION)
        jobs.append(Job(run, name, used, RESULTS_VERSION, _needs(run), updates))
    return jobs


@lru_cache(maxsize=1)  # runs come stream by stream, and samples may be large
def _stream_and_samples(name: str, settings: str, data_dir: Path) -> "tuple[Stream, Samples]":
    spec = StreamSpec(name, json.loads(settings))
    stream = build_settings(load_stream(name).cls, spec.settings, f"stream {name}")
    with kept_process_state():
        samples = stream.load(data_dir)
        stream.task_sequence(samples, seed=0)  # refuses settings that do not fit the samples
    return stream, samples


def _needs(run: RunSpec) -> tuple[str, ...]:
    classes = [load_entrant(strategy.name) for strategy in run.entrant.strategies]
    return tuple(sorted({need for cls in classes for need in cls.needs}))


def stacks(jobs: Iterable[Job], done: Container[str] = ()) -> list[Stack]:
    """Group jobs into the stacks that they train in, the longest first.

    Args:
        jobs: all that were asked for, of any streams and entrants, in any order.
        done: fingerprints that have a result; stacks of nothing else are left out.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(together(job.run), []).append(job)
    ordered = (tuple(sorted(group, key=lambda job: job.run.seed)) for group in groups.values())
    made = [
        Stack(group, frozenset(job.fingerprint for job in group if job.fingerprint in done))
        for group in ordered
    ]
    return sorted((stack for stack in made if stack.missing), key=lambda stack: -stack.work)


def together(run: RunSpec) -> str:
    """Return what runs share that train in lockstep: a text that is equal for them alone."""
    shape = run.as_json()
    if _stacks(run):
        shape["seed"] //= SEEDS_TOGETHER
    return json.dumps(shape, sort_keys=True)


def _stacks(run: RunSpec) -> bool:
    """Tell whether replicas can be in lockstep.

    Not those of learners outside the stack, nor where the stream does not wait: each may miss
    different batches.
    """
    waits = run.stream.settings.get("real_time", "off") == "off"
    return waits and not is_learner(run.entrant.strategies)
