"""Two entrants side by side: paired, stream by stream, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

from ...harness.errors import BenchError, unknown_name
from ...harness.fingerprint import digest
from ...harness.visible import visible
from ..statistics.inference import ALPHA, CONFIDENCE, Difference, Interval
from ..statistics.numbers import number, p_text
from ..statistics.power import POWER, seeds_needed
from ..statistics.resampling import improvement, improvement_interval
from .placing import between
from .standings import (
    PROVISIONAL_BELOW,
    Board,
    Estimate,
    Pair,
    Standing,
    StreamBoard,
)
from .table_notes import tested


@dataclass(frozen=True)
class StreamComparison:
    """Two entrants on one stream, the first minus the second."""

    stream: str
    difference: Difference | None
    """None where either has no value."""
    p_holm: float
    """Holm-corrected over all pairs of the stream's board; NaN where not tested."""
    seeds_needed: int | None
    """Seeds that would tell the measured difference apart in 80 % of cases, where it is not; None
    where it is, or nobody can say."""
    lost: tuple[int, int]
    """Runs that the two have lost: tests take these first."""
    wins: int
    """Shared seeds on which the first is better; higher, by a diagnostic metric."""
    shared: int
    """Seeds that pair the two; 0 where the difference is not paired."""


@dataclass(frozen=True)
class Comparison:
    """Two entrants of a board, the first minus the second."""

    first: str
    second: str
    metric: str
    better: str
    streams: tuple[StreamComparison, ...]
    improvement: Estimate | None
    """Probability that a run of the first is better (by a diagnostic metric: higher) than one of
    the second, mean over streams; bootstrap interval, NaN where somebody has fewer seeds than
    `PROVISIONAL_BELOW`. None where they share no stream."""
    score: Pair | None
    """Of the scores over streams, Holm-corrected over all pairs there; None where the board has
    none, or one of them has no place there."""
    no_score: str | None
    """Why there is none; None where there is one, or one stream only."""
    tests: tuple[int, ...]
    """Number of tests on every board that has any: of a stream, or over all of them."""


def comparison(board: Board, first: str, second: str) -> Comparison:
    """Compare two entrants on every stream of a board.

    Raises:
        BenchError: one is not on the board, or both are the same.
    """
    known = list(dict.fromkeys(one.entrant for stream in board.streams for one in stream.standings))
    for name in (first, second):
        versions = [label for label in known if label.startswith(f"{name} [")]
        if name not in known and versions:
            raise BenchError(
                f"'{name}' is on the board as {' and as '.join(versions)}. Name one of these."
            )
        if name not in known:
            raise unknown_name("entrant on the board", name, known, "Compare two of these.")
    if first == second:
        raise BenchError(f"'{first}' is compared with itself. Name two entrants.")
    sign = -1.0 if board.better == "lower" else 1.0
    streams = tuple(_on_stream(stream, (first, second), sign) for stream in board.streams)
    over_all = board.overall.pairs if board.overall else ()
    score = between(over_all).get((first, second))
    counted = [(_counted(stream, first), _counted(stream, second)) for stream in board.streams]
    return Comparison(
        first,
        second,
        board.metric,
        board.better,
        streams,
        _improvement([(a, b) for a, b in counted if a and b], sign),
        score,
        None if score or len(board.streams) < 2 else _no_score(board, (first, second)),
        tuple(
            filter(None, (tested(pairs) for pairs in (*(s.pairs for s in board.streams), over_all)))
        ),
    )


def sentences(found: Comparison) -> Iterator[str]:
    """Say in words what a comparison found."""
    return map(visible, _sentences(found))


def _sentences(found: Comparison) -> Iterator[str]:
    direction = "" if found.better == "diagnostic" else f" ({found.better} is better)"
    yield (
        f"{found.first} against {found.second} by {found.metric}{direction}; tests at "
        f"{ALPHA:.0%}, Holm over all pairs of each board ({_listed(found.tests)}):"
    )
    yield from (f"* {_stream_sentence(found, stream)}" for stream in found.streams)
    if found.score:
        yield _score_sentence(found, found.score)
    if found.no_score:
        yield f"Over all streams they are not compared: {found.no_score}."
    if len(found.tests) > 1:
        yield family_sentence(len(found.tests))
    if found.improvement:
        low, high = found.improvement.interval.low, found.improvement.interval.high
        limits = f"[{low:.2f}, {high:.2f}] (bootstrap over seeds)"
        if isnan(low):
            limits = f"(without an interval below {PROVISIONAL_BELOW} seeds)"
        yield (
            f"A run of {found.first} is {_ahead(found)} than one of {found.second} with "
            f"probability {found.improvement.value:.2f} {limits}."
        )


def _no_score(board: Board, names: tuple[str, str]) -> str:
    if board.overall is None:
        return board.no_overall or "there is no score"
    lacking = [one.entrant for one in board.overall.incomplete if one.entrant in names]
    return f"runs of {' and '.join(lacking)} are missing"


def _standing(stream: StreamBoard, name: str) -> Standing | None:
    return next((one for one in stream.standings if one.entrant == name), None)


def _counted(stream: StreamBoard, name: str) -> dict[int, float]:
    standing = _standing(stream, name)
    if standing is None or standing.summary is None:
        return {}
    lost = {} if stream.worst is None else dict.fromkeys(standing.lost, stream.worst)
    return {**standing.values, **lost}


def _pairable(stream: StreamBoard, name: str, counted: Mapping[int, float]) -> set[int]:
    """Return the seeds that may be paired with another entrant's."""
    standing = _standing(stream, name)
    return set(counted) - set(standing.other_tasks if standing else ())


def _on_stream(stream: StreamBoard, names: tuple[str, str], sign: float) -> StreamComparison:
    pair = between(stream.pairs).get(names)
    difference = pair.difference if pair else None
    first, second = (_counted(stream, name) for name in names)
    paired = difference is not None and difference.paired
    shared = _pairable(stream, names[0], first) & _pairable(stream, names[1], second)
    seeds = shared if paired else set()
    wins = sum(sign * (first[seed] - second[seed]) > 0 for seed in seeds)
    p_holm = pair.p_holm if pair else float("nan")
    apart = not p_holm >= ALPHA
    level = ALPHA / max(1, tested(stream.pairs))
    needed = None if pair is None or apart else seeds_needed(pair.difference, level)
    standings = [_standing(stream, name) for name in names]
    lost = tuple(len(one.lost) if one else 0 for one in standings)
    return StreamComparison(
        stream.stream, difference, p_holm, needed, (lost[0], lost[1]), wins, len(seeds)
    )


def _improvement(
    pairs: Sequence[tuple[dict[int, float], dict[int, float]]], sign: float
) -> Estimate | None:
    if not pairs:
        return None
    first = [[sign * value for value in a.values()] for a, _ in pairs]
    second = [[sign * value for value in b.values()] for _, b in pairs]
    if min(map(len, (*first, *second))) < PROVISIONAL_BELOW:
        return Estimate(improvement(first, second), Interval(nan, nan))
    seed = int(digest([first, second])[:8], 16)
    return Estimate(improvement(first, second), improvement_interval(first, second, seed))


def _stream_sentence(found: Comparison, stream: StreamComparison) -> str:
    difference = stream.difference
    if difference is None:
        return f"{stream.stream}: one of them has no value there."
    if difference.p != difference.p:
        return f"{stream.stream}: {number(difference.mean, '+')}, too few seeds to test."
    word = _words(found, difference.mean, stream.p_holm < ALPHA, found.better)
    test = f"paired t-test over {difference.count} seeds" if difference.paired else "Welch's test"
    if any(stream.lost):
        lost = f"{stream.lost[0]} against {stream.lost[1]}"
        test = f"lost runs first, {lost}, then a {'paired' * difference.paired or 'Welch'} t-test"
    wins = f"; {_ahead(found)} on {stream.wins} of {stream.shared} seeds" if stream.shared else ""
    effect = (
        f", effect size {difference.effect_size:+.1f}"
        if difference.effect_size == (difference.effect_size)
        else ""
    )
    return (
        f"{stream.stream}: {found.first} is {word}: {_numbers(difference)}, "
        f"{p_text(stream.p_holm)}{effect} ({test}){wins}.{_needed(stream)}"
    )


def _needed(stream: StreamComparison) -> str:
    difference = stream.difference
    if stream.seeds_needed is None or difference is None:
        return ""
    more = max(1, stream.seeds_needed - difference.count)
    return (
        f" If the difference and its spread are what they seem, {more} more "
        f"seed{'s' * (more > 1)} would tell them apart in {POWER:.0%} of cases."
    )


def family_sentence(families: int) -> str:
    """Say what may be concluded from several boards with a family of tests each."""
    return (
        f"Each board is a family of its own: on each, some difference is false in at most "
        f"{ALPHA:.0%} of cases, on {families} together in up to {1 - (1 - ALPHA) ** families:.0%}."
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _score_sentence(found: Comparison, pair: Pair) -> str:
    score = pair.difference
    if score.p != score.p:
        return "Over all streams: too few seeds to test."
    word = _words(found, score.mean, pair.p_holm < ALPHA, "higher")
    return (
        f"Over all streams {found.first} is {word}: score {_numbers(score)}, {p_text(pair.p_holm)}."
    )


def _ahead(found: Comparison) -> str:
    return "higher" if found.better == "diagnostic" else "better"


def _words(found: Comparison, mean: float, apart: bool, better: str) -> str:
    if not apart:
        return f"not told apart from {found.second}"
    if better == "diagnostic":
        return f"{'higher' if mean > 0 else 'lower'} than {found.second}"
    return f"{'better' if (mean > 0) == (better == 'higher') else 'worse'} than {found.second}"


def _numbers(difference: Difference) -> str:
    low, high = difference.interval.low, difference.interval.high
    limits = f"[{number(low, '+')}, {number(high, '+')}]"
    return f"{number(difference.mean, '+')} ({CONFIDENCE:.0%} CI {limits})"
