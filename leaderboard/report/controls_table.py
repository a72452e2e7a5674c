"""The report's table of controls: what was run beside an entrant to know what about it acts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from ...harness.errors import BenchError
from ...harness.loop.controls import Control, controls_among, has_controls
from ...harness.loop.structure import structure_of
from ...harness.plugins.resolve import run_from_json
from ...harness.plural import plural
from ...harness.visible import in_markdown
from ..board.grouping import EntrantRuns, R, StreamRuns, grouped
from ..board.ranking import stream_key
from ..board.scoring import score, told_apart, worst_case
from ..statistics.inference import CONFIDENCE, Difference, holm
from ..statistics.losses import difference
from ..statistics.numbers import number, p_number
from ..store.result import Record, Result
from .controls_words import shown

METRICS = ("taoa", "acc")
"""Compared by the first of these that the runs have."""


@dataclass(frozen=True)
class Compared:
    """An entrant beside one of its controls."""

    control: Control
    label: str
    """Of the control's results: it says of which code they are, where there are several."""
    difference: Difference
    """Control minus entrant, losses first as on the board."""
    p: float
    """Holm-corrected over the controls of the entrant; NaN where it was not tested."""


def controls_table(stream: StreamRuns[Result]) -> Iterator[str]:
    """Yield a Markdown table for every entrant that has controls among the results.

    Who is a control of another one has none of its own: it is there to answer about that one.
    """
    metric = next((name for name in METRICS if _has(stream, name)), None)
    of = _controls_of(stream)
    for entrant in _subjects(stream, of) if metric else ():
        found = compared(entrant, stream.entrants, of[entrant.label], metric or "")
        if found:
            yield from _table(entrant.label, found, metric or "")


def compared(
    entrant: EntrantRuns[Result],
    everybody: Sequence[EntrantRuns[Result]],
    controls: Sequence[Control],
    metric: str,
) -> list[Compared]:
    """Compare an entrant with its controls by the tests of the board: lost runs first, then values.

    Args:
        entrant: one of those on the stream.
        everybody: on the stream.
        controls: those of the entrant that were run.
        metric: of which higher values are better.
    """
    scores = told_apart([score(one, metric) for one in everybody])
    worst = worst_case(metric, scores)
    outcomes = {one.label: one.outcomes(worst) for one in scores if one.counted(worst)}
    pairs = [
        (control, other.label, difference([(outcomes[other.label], outcomes[entrant.label])], 1))
        for control in controls
        for other in everybody
        if other.name == control.entrant.name and other.label != entrant.label
        if {other.label, entrant.label} <= outcomes.keys()
    ]
    corrected = holm([found.p for *_, found in pairs])
    return [Compared(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]


Controls = dict[str, list[Control]]
"""By the label of whose they are."""


def _controls_of(stream: StreamRuns[Result]) -> Controls:
    """Return the controls that were run, of every entrant of a stream that is done."""
    return {
        entrant.label: controls_run(
            entrant, [other for other in stream.entrants if other is not entrant]
        )
        for entrant in stream.entrants
    }


def _subjects(stream: StreamRuns[Result], of: Controls) -> list[EntrantRuns[Result]]:
    """Return the entrants that are no controls of others; two of each other are none."""
    names = {
        entrant.label: {control.entrant.name for control in of[entrant.label]}
        for entrant in stream.entrants
    }
    return [
        entrant
        for entrant in stream.entrants
        if not any(
            entrant.name in names[other.label] and other.name not in names[entrant.label]
            for other in stream.entrants
        )
    ]


def controls_run(entrant: EntrantRuns[Result], beside: Sequence[EntrantRuns[R]]) -> list[Control]:
    """Recognise controls by their settings: it does not matter how they came to be run."""
    if not entrant.done:
        return []  # nothing says how many units it had
    try:
        run = run_from_json(entrant.done[0].spec.model_dump())
        structure = structure_of(run.entrant.network, entrant.done[0].rows)
        if structure is None or not has_controls(run.entrant):
            return []
        return controls_among(
            run, structure, [run_from_json(other.runs[0].spec.model_dump()) for other in beside]
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
    candidates = [*others]
    for stream in grouped(results):
        seeds = {run.spec.seed for entrant in stream.entrants for run in entrant.runs}
        here = stream_key(stream.entrants[0].runs[0].spec.stream.model_dump())
        near = [
            other
            for other in candidates
            if other.spec.seed in seeds and stream_key(other.spec.stream.model_dump()) == here
        ]
        for beside in grouped(near):
            for entrant in _subjects(stream, _controls_of(stream)):
                names = {one.entrant.name for one in controls_run(entrant, beside.entrants)}
                found |= {
                    run.fingerprint
                    for other in beside.entrants
                    if other.name in names
                    for run in other.runs
                }
    return found - {result.fingerprint for result in results}


def _has(stream: StreamRuns[Result], metric: str) -> bool:
    runs = (run for entrant in stream.entrants for run in entrant.done)
    return any(run.metrics.get(metric) is not None for run in runs)


def _table(label: str, found: Sequence[Compared], metric: str) -> Iterator[str]:
    name = in_markdown(label)
    yield f"### Controls of {name}\n"
    of_ended = any(one.difference.ended for one in found)
    ended = "; e: over the runs that ended, lost ones come first in the test" * of_ended
    tests = sum(not isnan(one.p) for one in found)
    tested = f"paired t-tests, Holm over {plural(tests, 'control')}" if tests else "nothing tested"
    yield (
        f"By {in_markdown(metric)}; control minus {name}, mean and {CONFIDENCE:.0%} interval over "
        f"the seeds that both have ({tested}{ended}).\n"
    )
    yield "| control | entrant | difference | p | what it shows | what it asks |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        control, p = one.control, "-" if isnan(one.p) else p_number(one.p)
        says = shown(control.kind, one.difference, one.p)
        yield (
            f"| {control.kind} | {in_markdown(one.label)} | {_numbers(one.difference)} | {p} "
            f"| {says} | {control.question} |"
        )
    yield ""


def _numbers(found: Difference) -> str:
    low, high = found.interval.low, found.interval.high
    limits = "" if isnan(low) else f" [{number(low, '+')}, {number(high, '+')}]"
    return f"{number(found.mean, '+')}{limits}{' e' * found.ended}"
