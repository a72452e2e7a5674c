"""How long the runs of a paper's rows take, as far as results of the same shape tell."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from ...harness.execution.times import at_a_time, length_of, shape_of
from ...harness.plugins.registry import load_stream
from ...harness.specs.spec import RunSpec, build_settings
from ...harness.specs.suite import parse_seeds
from ..statistics.numbers import duration
from ..store.result import Record
from ..store.result_store import ResultStore
from .paper import SCALES, Entry, Scale
from .runs import Chosen, run_specs


def known_seconds(records: Iterable[Record]) -> dict[str, float]:
    """Return the seconds of a run by its shape and length, the median over finished results."""
    found: dict[str, list[float]] = {}
    for record in records:
        seconds = record.metrics.get("seconds")
        if record.status == "done" and seconds:
            spec = record.spec.model_dump()
            found.setdefault(shape_of(spec), []).append(seconds / length_of(spec))
    return {shape: median(values) for shape, values in found.items()}


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
    found = [known[shape] * length_of(spec) for spec in specs if (shape := shape_of(spec)) in known]
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
