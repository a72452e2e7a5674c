"""How long runs will take: from results of the same shape, else from a short timed trial."""

import json
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from joblib import cpu_count  # type: ignore[import-untyped]

from ...harness.execution.execute import thread_count
from ...harness.execution.jobs import SEEDS_TOGETHER, Job
from ...harness.plugins.registry import is_learner, load_stream
from ...harness.specs.spec import RunSpec, build_settings
from ...harness.specs.suite import parse_seeds
from ..statistics.numbers import duration
from ..store.result import Record
from ..store.result_store import ResultStore
from .paper import SCALES, Entry, Scale
from .runs import Chosen, run_specs

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


def known_seconds(records: Iterable[Record]) -> dict[str, float]:
    """Return the seconds of a run by its shape and length, the median over finished results."""
    found: dict[str, list[float]] = {}
    for record in records:
        seconds = record.metrics.get("seconds")
        if record.status == "done" and seconds:
            spec = record.spec.model_dump()
            found.setdefault(_shape(spec), []).append(seconds / _length(spec))
    return {shape: median(values) for shape, values in found.items()}


def estimates(
    jobs: Sequence[Job],
    known: Mapping[str, float],
    data_dir: Path,
    workers: int | None,
) -> list[Estimate]:
    """Return an estimate for every run, making one trial of each shape that has no results.

    Args:
        jobs: of `prepare`.
        known: of `known_seconds`.
        data_dir: where data sets are cached.
        workers: processes at a time; None is one per core.
    """
    trials: dict[str, float] = {}
    found = []
    kinds = [_trial_shape(job.run.as_json()) for job in jobs]
    for job, kind in zip(jobs, kinds, strict=True):
        spec = job.run.as_json()
        shape = _shape(spec)
        if shape in known:
            found.append(Estimate(known[shape] * _length(spec), "results"))
            continue
        if kind not in trials:
            alike = [other.run for other, same in zip(jobs, kinds, strict=True) if same == kind]
            trials[kind] = _update_seconds(job.run, alike, data_dir)
        twice = 2 if any(one.name == TICKET for one in job.run.entrant.strategies) else 1
        found.append(Estimate(twice * job.updates * trials[kind], "trial"))
    return found


def row_times(
    rows: Sequence[Chosen], store: ResultStore, data_dir: Path, workers: int | None
) -> dict[tuple[Chosen, Scale], str]:
    """Say how long the runs of rows take for all printed seeds, as far as a store can tell.

    Nothing is tried out: entries without results of their shape are taken to be like the others of
    their row and scale; "unknown" where none has any, "no mnist" where a data set is not here.
    """
    firsts: dict[tuple[Chosen, Scale], list[RunSpec]] = {
        (one, scale): _specs(one, scale, one.row.entries[:1]) for one in rows for scale in SCALES
    }
    streams = {runs[0].stream.name for runs in firsts.values()}
    records = list(store.records(streams=streams))
    known, there = known_seconds(records), {record.spec.stream.name for record in records}
    return {
        (one, scale): _row_time(one, scale, first[0], known, there, data_dir, workers)
        for (one, scale), first in firsts.items()
    }


def _row_time(
    one: Chosen,
    scale: Scale,
    first: RunSpec,
    known: Mapping[str, float],
    streams: Container[str],
    data_dir: Path,
    workers: int | None,
) -> str:
    stream = build_settings(load_stream(first.stream.name).cls, first.stream.settings, "stream")
    if not stream.is_here(data_dir):
        return f"no {stream.source}"
    if first.stream.name not in streams:
        return "unknown"
    specs = [run.as_json() for run in dict.fromkeys(_specs(one, scale, one.row.entries))]
    found = [known[shape] * _length(spec) for spec in specs if (shape := _shape(spec)) in known]
    if not found:
        return "unknown"
    seconds = fmean(found) * len(specs) * len(parse_seeds(one.paper.seeds))
    return duration(seconds / at_a_time(workers))


def _specs(one: Chosen, scale: Scale, entries: Sequence[Entry]) -> list[RunSpec]:
    """Return the first seed of entries."""
    seeds = parse_seeds(one.paper.seeds)[:1]
    return [
        run
        for entry in entries
        for request in entry.entrants
        for run in run_specs(one.row, one.variant, scale, entry, request, seeds)
    ]


def at_a_time(workers: int | None) -> int:
    """Return how many runs or stacks run at a time."""
    return workers or int(cpu_count(only_physical_cores=True))


def _shape(spec: Mapping[str, Any]) -> str:
    """Return all that the speed of a run depends on, but for its length."""
    entrant, stream = spec["entrant"], spec["stream"]
    settings = {k: v for k, v in stream["settings"].items() if k not in ("tasks", "passes")}
    optimizer = {k: v for k, v in entrant["optimizer"].items() if k != "lr"}
    return json.dumps(
        [stream["name"], settings, entrant["strategies"], entrant["network"], optimizer],
        sort_keys=True,
    )


def _length(spec: Mapping[str, Any]) -> float:
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
    from ...harness.loop.run import StackedRun

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
