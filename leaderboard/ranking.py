"""The board: who stands where on each stream, and how sure that is; computed once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ..harness.errors import BenchError, unknown_name
from ..harness.metrics import METRICS
from .grouping import EntrantRuns, StreamRuns, grouped
from .result import Result
from .statistics import Difference, Summary, compare, holm, summarise

ALPHA = 0.05
"""Level of every test, after Holm's correction."""
PROVISIONAL_BELOW = 5
"""A standing on fewer seeds is marked as provisional."""

Lost = Literal["diverged", "failed", "undefined"]


@dataclass(frozen=True)
class Standing:
    """Where one entrant stands on one stream."""

    entrant: str
    place: int | None
    """From 1; None where no seed has a value."""
    tied: bool
    """Whether others share the place."""
    summary: Summary | None
    """Over the seeds that have a value; None where there is none."""
    values: Mapping[int, float]
    """The metric by seed."""
    lost: Mapping[int, Lost]
    """Seeds without a value, and why."""
    difference: Difference | None
    """To the reference; None for the reference itself and where either has no value."""
    p_holm: float
    """P-value of that difference, Holm-corrected over the stream; NaN where it was not tested."""
    needs: tuple[str, ...]
    """What the entrant has to be told."""
    updates: float | None
    """Mean number of updates of a done run."""
    seconds: float | None
    """Mean wall time of a done run."""

    @property
    def significant(self) -> bool:
        """Whether the difference to the reference is unlikely to be chance, at `ALPHA`."""
        return self.p_holm < ALPHA

    @property
    def provisional(self) -> bool:
        """Whether there are too few seeds to rely on."""
        return len(self.values) < PROVISIONAL_BELOW

    @property
    def lost_share(self) -> float:
        """Share of the seeds that have no value, in [0, 1]."""
        return len(self.lost) / (len(self.lost) + len(self.values))


@dataclass(frozen=True)
class StreamBoard:
    """The standings on one stream, best first."""

    stream: str
    reference: str | None
    """The entrant that differences are taken to; None where it has no value on this stream."""
    comparisons: int
    """Number of tests that Holm's correction of the differences counts."""
    standings: tuple[Standing, ...]


@dataclass(frozen=True)
class Board:
    """The standings on every stream, by one metric."""

    metric: str
    better: Literal["higher", "lower"]
    streams: tuple[StreamBoard, ...]


def rank(results: Iterable[Result], metric: str = "taoa", reference: str = "dense") -> Board:
    """Rank the entrants of every stream by a performance metric.

    Entrants are ordered by the share of their seeds that was lost (a run diverged, failed, or has
    no value), least first, then by their mean over the other seeds. A lost seed is shown and never
    averaged as a number: whoever loses seeds stands below all who lose fewer.

    Places: the best entrant heads the first group. Going down, an entrant shares the head's place
    until one differs from the head at 5 % (paired t-test over shared seeds, Welch's where fewer
    than two are shared, Holm-corrected over all comparisons with this head); that one heads the
    next group. A place is 1 + the number of entrants in better groups. Entrants with unequal
    shares of lost seeds never share a place; what cannot be tested cannot be told apart.

    Differences are to the reference on the same stream, Holm-corrected over its entrants.

    Args:
        results: of any streams and entrants; those that cannot be compared are kept apart.
        metric: a name in `METRICS` that says what is better.
        reference: an entrant's name; of several variants, the best one is the reference.

    Raises:
        BenchError: the metric is unknown or only diagnostic.
    """
    better = _direction(metric)
    streams = tuple(_stream_board(s, metric, better, reference) for s in grouped(results))
    return Board(metric, better, streams)


def _direction(metric: str) -> Literal["higher", "lower"]:
    rankable = [name for name, entry in METRICS.items() if entry.better != "diagnostic"]
    if metric not in METRICS:
        raise unknown_name("metric", metric, rankable, "Rank by one of these.")
    better = METRICS[metric].better
    if better == "diagnostic":
        raise BenchError(
            f"'{metric}' is diagnostic: it explains a rank and does not make one. "
            f"Rank by one of: {', '.join(sorted(rankable))}."
        )
    return better


@dataclass(frozen=True)
class _Scored:
    """An entrant with its metric, before it is placed."""

    entrant: EntrantRuns
    values: dict[int, float]
    lost: dict[int, Lost]

    @property
    def lost_share(self) -> float:
        return len(self.lost) / len(self.entrant.runs)

    @property
    def mean(self) -> float:
        return sum(self.values.values()) / len(self.values)


def _scored(entrant: EntrantRuns, metric: str) -> _Scored:
    values: dict[int, float] = {}
    lost: dict[int, Lost] = {}
    for run in entrant.runs:
        value = run.metrics.get(metric)
        if run.status != "done":
            lost[run.spec.seed] = run.status
        elif value is None:
            lost[run.spec.seed] = "undefined"
        else:
            values[run.spec.seed] = value
    return _Scored(entrant, values, lost)


def _stream_board(
    stream: StreamRuns, metric: str, better: Literal["higher", "lower"], reference: str
) -> StreamBoard:
    sign = 1.0 if better == "higher" else -1.0
    scored = [_scored(entrant, metric) for entrant in stream.entrants]
    ranked = [entry for entry in scored if entry.values]
    ranked.sort(key=lambda entry: (entry.lost_share, -sign * entry.mean))
    unranked = [entry for entry in scored if not entry.values]
    chosen = _reference(ranked, reference)
    differences = [_difference(entry, chosen) for entry in ranked + unranked]
    p_values = holm([difference.p if difference else float("nan") for difference in differences])
    places: list[int | None] = [*_places(ranked), *(None for _ in unranked)]
    standings = tuple(
        _standing(entry, place, places.count(place) > 1 and place is not None, difference, p)
        for entry, place, difference, p in zip(
            ranked + unranked, places, differences, p_values, strict=True
        )
    )
    comparisons = sum(p == p for p in p_values)  # NaN, not tested, is unequal to itself
    return StreamBoard(
        stream.label, chosen.entrant.label if chosen else None, comparisons, standings
    )


def _reference(ranked: Sequence[_Scored], name: str) -> _Scored | None:
    """Return the entrant of that name; the best ranked one, and so the hardest to beat."""
    return next((entry for entry in ranked if entry.entrant.name == name), None)


def _difference(entry: _Scored, reference: _Scored | None) -> Difference | None:
    if reference is None or entry is reference or not entry.values:
        return None
    return compare(entry.values, reference.values)


def _places(ranked: Sequence[_Scored]) -> list[int]:
    places: list[int] = []
    for _, equally_whole in groupby(ranked, key=lambda entry: entry.lost_share):
        waiting = [entry.values for entry in equally_whole]
        while waiting:
            size = _group_size(waiting)
            places += [len(places) + 1] * size
            waiting = waiting[size:]
    return places


def _group_size(waiting: Sequence[Mapping[int, float]]) -> int:
    """Count the head and those after it up to the first that differs from the head."""
    head, *others = waiting
    corrected = holm([compare(values, head).p for values in others])
    apart = (number for number, p in enumerate(corrected, 1) if p < ALPHA)
    return next(apart, len(waiting))


def _standing(
    entry: _Scored, place: int | None, tied: bool, difference: Difference | None, p_holm: float
) -> Standing:
    return Standing(
        entrant=entry.entrant.label,
        place=place,
        tied=tied,
        summary=summarise(list(entry.values.values())) if entry.values else None,
        values=entry.values,
        lost=entry.lost,
        difference=difference,
        p_holm=p_holm,
        needs=tuple(sorted({need for run in entry.entrant.runs for need in run.needs})),
        updates=_mean_metric(entry.entrant.done, "updates"),
        seconds=_mean_metric(entry.entrant.done, "seconds"),
    )


def _mean_metric(runs: Iterable[Result], name: str) -> float | None:
    values = [value for run in runs if (value := run.metrics.get(name)) is not None]
    return sum(values) / len(values) if values else None
