"""Making runs again, with the code installed here, and comparing what comes of them."""

import random
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...harness.errors import BenchError
from ...harness.execution.execute import Advance, execute
from ...harness.execution.jobs import Job, prepare, together
from ...harness.fingerprint import canonical
from ...harness.plugins.resolve import run_from_json
from ..store.result import Record, Result
from ..store.result_store import ResultStore
from .names import check_names
from .work import USUAL, Bounds, bounded, check_size, check_time

TIMES = frozenset({"seconds"})
"""Metrics that no run gives twice."""


class Check(BaseModel):
    """One run made again."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    fingerprint: str
    stream: str
    seed: int
    reported: float | None
    """The metric in the archive; None where it is undefined."""
    measured: float | None
    """The metric of the run made here."""
    deviation: float | None
    """Absolute difference; None where one of the two is undefined."""
    tolerance: float
    """How large it may be."""
    same_bits: bool
    """Whether status, rows and all metrics but times are equal to the last bit."""
    agrees: bool
    """Whether the run ended alike, and its metric is within the tolerance."""
    reason: str | None
    """Why it does not agree; None where it does."""


def choose(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """Choose runs at random, from as many streams as can be; failed runs are left out.

    Args:
        records: of one entrant.
        count: runs to choose; fewer are chosen where there are no more.
        seed: of the choice.
    """
    chance = random.Random(seed)
    by_stream: dict[bytes, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.fingerprint):
        if record.status != "failed":
            by_stream.setdefault(canonical(record.spec.stream.model_dump()), []).append(record)
    heaps = [chance.sample(found, len(found)) for found in by_stream.values()]
    chance.shuffle(heaps)
    chosen: list[Record] = []
    while len(chosen) < count and any(heaps):
        chosen += [heap.pop() for heap in heaps if heap][: count - len(chosen)]
    return chosen


def reproduce(
    reported: Sequence[Result],
    beside: Sequence[Record],
    metric: Callable[[Record], str],
    tolerance: Callable[[Record], float],
    *,
    data_dir: Path,
    workers: int | None,
    device: str,
    progress: Callable[[Advance], None],
    bounds: Bounds = USUAL,
) -> list[Check]:
    """Make runs again in a store of their own, and compare.

    The last bits depend on which seeds train in lockstep, and on some streams that grows until runs
    differ as two seeds do. So the other seeds that shared a stack with the reported ones are run
    beside them again, which costs little.

    Args:
        reported: results to be checked.
        beside: all runs of the entrant, the reported ones among them or not.
        metric: that is compared on a run's stream.
        tolerance: how far it may be off on a run's stream, at least 0.
        data_dir: where data sets are cached.
        workers: processes at a time; None takes one per core.
        device: to compute on.
        progress: called every so often.
        bounds: of what it may cost.

    Raises:
        BenchError: something that the runs need is not installed here, or is another version; they
            would cost more than they may; or it was stopped from the keyboard.
    """
    check_names(beside)
    asked = {_stack(result) for result in reported}
    company = {result.fingerprint: result.record for result in reported}
    for record in beside:
        if _stack(record) in asked:
            company.setdefault(record.fingerprint, record)
    in_order = sorted(company.values(), key=lambda run: (run.spec.stream.name, run.spec.seed))
    with bounded(bounds, device), tempfile.TemporaryDirectory() as folder:
        jobs = jobs_of(in_order, data_dir, bounds)
        check_time(jobs, data_dir, bounds)
        store = ResultStore(Path(folder))
        outcome = execute(
            jobs, store, data_dir=data_dir, workers=workers, device=device, progress=progress
        )
        if outcome.interrupted:
            raise BenchError("stopped before all runs were made again, so nothing is attested.")
        return [
            compared(result, store.read(result.fingerprint), metric(result), tolerance(result))
            for result in reported
        ]


def _stack(record: Record) -> str:
    """Return what tells the stack that it trained in."""
    return together(run_from_json(record.spec.model_dump()))


def compared(reported: Result, made: Result, metric: str, tolerance: float) -> Check:
    """Compare a result with that of the same run made again."""
    values = [result.metrics.get(metric) for result in (reported, made)]
    there = [value for value in values if value is not None]
    deviation = abs(there[0] - there[1]) if len(there) == 2 else None
    reason = None
    if reported.status != made.status:
        reason = f"it was {reported.status}, and here it {_ended(made)}"
    elif len(there) == 1 or (deviation or 0.0) > tolerance:
        reason = f"{metric} is off by more than {tolerance:g}"
    return Check(
        fingerprint=reported.fingerprint,
        stream=reported.spec.stream.name,
        seed=reported.spec.seed,
        reported=values[0],
        measured=values[1],
        deviation=deviation,
        tolerance=tolerance,
        same_bits=_outputs(reported) == _outputs(made),
        agrees=reason is None,
        reason=reason,
    )


def _ended(result: Result) -> str:
    return f"{result.status}: {result.reason}" if result.reason else f"is {result.status}"


def _outputs(result: Result) -> bytes:
    metrics = {name: value for name, value in result.metrics.items() if name not in TIMES}
    return canonical([result.status, result.rows, metrics])


def jobs_of(records: Iterable[Record], data_dir: Path, bounds: Bounds = USUAL) -> list[Job]:
    """Return the runs of some results, ready to be made again with what is installed here.

    Raises:
        BenchError: a name, a setting, the code, the data or a version is not the one that the
            results were made with; or the runs would cost more than they may.
    """
    wanted = list(records)
    check_names(wanted)
    runs = [run_from_json(one.spec.model_dump()) for one in wanted]
    check_size(runs, data_dir, bounds)
    jobs = prepare(runs, data_dir)
    for record, job in zip(wanted, jobs, strict=True):
        if job.fingerprint != record.fingerprint:
            raise BenchError(
                f"{record.spec.entrant.name} on {record.spec.stream.name} cannot be made again "
                f"here: {_difference(record, job)}."
            )
    return jobs


def _difference(record: Record, job: Job) -> str:
    """Say in what the run would be another one here."""
    if record.results_version != job.results_version:
        return (
            f"it was made with results version {record.results_version}, and here is "
            f"{job.results_version}; install the version of plasticity-bench that it was made with"
        )
    here: Mapping[str, Any] = job.sources
    for name, code in record.sources.strategies.items():
        if here["strategies"].get(name) != code:
            return (
                f"the code of {name} that is installed here is another one ({code[:12]} is "
                "needed); read its source in the archive, install it, and try again"
            )
    versions = here.get("versions", {})
    for package, version in record.sources.versions.items():
        if versions.get(package) != version:
            return f"it needs {package} {version}, and here is {versions.get(package, 'none')}"
    for part, what in (("stream", record.sources.stream), ("engine", record.sources.engine)):
        if here.get(part) != what:
            return (
                f"the code of the {part} that is installed here is another one "
                f"({what[:12] if what else 'that of the released version'} is needed); install it"
            )
    if here["data"] != record.sources.data:
        return "the samples here are others; check them: plasticity-bench data status"
    return "its settings are others than those that the installed code knows"


def largest(checks: Iterable[Check]) -> float | None:
    """Return the largest deviation; infinite where a run ended otherwise, None without any run."""
    deviations = [
        check.deviation if check.deviation is not None else (0.0 if check.agrees else inf)
        for check in checks
    ]
    return max(deviations, default=None)
