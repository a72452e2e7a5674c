"""The report's table of controls: what was run beside an entrant to know what about it acts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...harness.errors import BenchError
from ...harness.loop.controls import Control, controls_among, has_controls
from ...harness.loop.structure import structure_of
from ...harness.plugins.resolve import run_from_json
from ..board.grouping import EntrantRuns, R, StreamRuns, grouped
from ..board.ranking import stream_key
from ..board.standings import ALPHA
from ..statistics.inference import Difference, compare, holm
from ..store.result import Record, Result

METRICS = ("taoa", "acc")
"""Compared by the first of these that the runs have."""


@dataclass(frozen=True)
class Compared:
    """An entrant beside one of its controls."""

    control: Control
    label: str
    """Of the control's results: it says of which code they are, where there are several."""
    difference: Difference
    """Control minus entrant."""
    p: float
    """Holm-corrected over the controls of the entrant."""

    @property
    def verdict(self) -> str:
        """Better, worse, or not told apart."""
        if not self.p < ALPHA:
            return "not told apart"
        return "better" if self.difference.mean > 0 else "worse"


def controls_table(stream: StreamRuns[Result]) -> Iterator[str]:
    """Yield a Markdown table for every entrant that has controls among the results."""
    metric = next((name for name in METRICS if _has(stream, name)), None)
    for entrant in stream.entrants if metric else ():
        found = compared(entrant, stream.entrants, metric or "")
        if found:
            yield from _table(entrant.label, found, metric or "")


def compared(
    entrant: EntrantRuns[Result], others: Sequence[EntrantRuns[Result]], metric: str
) -> list[Compared]:
    """Compare an entrant with those of the others that are controls of it, by paired t-tests."""
    if not entrant.done:
        return []
    beside = [other for other in others if other is not entrant and other.done]
    values = _values(entrant, metric)
    pairs = [
        (control, other.label, compare(theirs, values))
        for control in _controls(entrant, beside)
        for other in beside
        if other.name == control.entrant.name
        if values and (theirs := _values(other, metric))
    ]
    corrected = holm([difference.p for *_, difference in pairs])
    return [Compared(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]


def _controls(entrant: EntrantRuns[Result], beside: Sequence[EntrantRuns[R]]) -> list[Control]:
    """Recognise controls by their settings: it does not matter how they came to be run."""
    try:
        run = run_from_json(entrant.done[0].spec.model_dump())
        structure = structure_of(run.entrant.network, entrant.done[0].rows)
        if structure is None or not has_controls(run.entrant):
            return []
        return controls_among(
            run, structure, [run_from_json(other.done[0].spec.model_dump()) for other in beside]
        )
    except BenchError:  # a strategy or stream of somebody else's that is not installed here
        return []


def controls_beside(results: Sequence[Result], others: Iterable[Record]) -> set[str]:
    """Return the fingerprints of results that are controls of those given: same stream and seeds.

    Args:
        results: of any streams and entrants.
        others: what else there is; those given may be among them.
    """
    found: set[str] = set()
    candidates = [other for other in others if other.status == "done"]
    for stream in grouped(results):
        seeds = {run.spec.seed for entrant in stream.entrants for run in entrant.runs}
        here = stream_key(stream.entrants[0].runs[0].spec.stream.model_dump())
        near = [
            other
            for other in candidates
            if other.spec.seed in seeds and stream_key(other.spec.stream.model_dump()) == here
        ]
        for beside in grouped(near):
            for entrant in stream.entrants:
                controls = _controls(entrant, beside.entrants) if entrant.done else ()
                names = {control.entrant.name for control in controls}
                found |= {
                    run.fingerprint
                    for other in beside.entrants
                    if other.name in names
                    for run in other.runs
                }
    return found - {result.fingerprint for result in results}


def _values(entrant: EntrantRuns[Result], metric: str) -> dict[int, float]:
    numbers = {run.spec.seed: run.metrics.get(metric) for run in entrant.done}
    return {seed: value for seed, value in numbers.items() if value is not None}


def _has(stream: StreamRuns[Result], metric: str) -> bool:
    return any(_values(entrant, metric) for entrant in stream.entrants)


def _table(label: str, found: Sequence[Compared], metric: str) -> Iterator[str]:
    yield f"### Controls of {label}\n"
    yield (
        f"By {metric}; control minus {label}, mean and 95 % interval over the seeds that both have "
        f"(paired t-tests, Holm over {len(found)} controls).\n"
    )
    yield "| control | entrant | difference | | what it shows |"
    yield "|---|---|---|---|---|"
    for one in found:
        low, high = one.difference.interval.low, one.difference.interval.high
        numbers = f"{one.difference.mean:+.4f} [{low:+.4f}, {high:+.4f}]"
        control = one.control
        yield (
            f"| {control.kind} | `{one.label}` | {numbers} | {one.verdict} | {control.question} |"
        )
    yield ""
