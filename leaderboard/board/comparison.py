"""Two entrants side by side: paired, stream by stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from ...harness.errors import BenchError, unknown_name
from ...harness.fingerprint import digest
from ..statistics.inference import ALPHA, Difference, Interval
from ..statistics.power import seeds_needed
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
    lacking: Mapping[str, str]
    """What is in the way of a difference, by whoever of the two has no value."""
    missing: Mapping[str, tuple[int, ...]]
    """Seeds asked for that were not run, by whoever lacks any; none named where nothing was asked
    of it there."""


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
    standings = {name: _standing(stream, name) for name in names}
    lost = tuple(len(one.lost) if one else 0 for one in standings.values())
    return StreamComparison(
        stream.stream,
        difference,
        p_holm,
        needed,
        (lost[0], lost[1]),
        wins,
        len(seeds),
        lacking={
            name: _why_without(stream, one)
            for name, one in standings.items()
            if one is None or one.summary is None
        },
        missing={
            name: one.missing if one else ()
            for name, one in standings.items()
            if one is None or one.missing
        },
    )


def _why_without(stream: StreamBoard, standing: Standing | None) -> str:
    if standing is None or not standing.lost:
        return "no run"
    if set(standing.lost.values()) == {"undefined"}:
        return f"no value of {stream.metric}, {stream.undefined}"
    return "every run lost"


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
