"""The standings over all streams: mean of normalised means, and beside it the IQM."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Literal

import numpy as np

from ...harness.fingerprint import canonical, digest
from ..statistics.inference import (
    FEWEST_SEEDS,
    Difference,
    Interval,
    Moments,
    known_from,
    moments,
    stratified,
)
from ..statistics.losses import Outcomes, difference
from ..statistics.resampling import interquartile_mean, iqm_interval, profile
from .placing import between, detectable, pairs, ranks
from .scoring import Score
from .standings import (
    Cost,
    Coverage,
    Estimate,
    Incomplete,
    Overall,
    OverallStanding,
    Pair,
    Profile,
    Rank,
    Standing,
    StreamBoard,
    Trust,
)

THRESHOLDS = np.linspace(0, 1, 51)
"""Of performance profiles."""

_TRUST: tuple[Trust, ...] = ("self-reported", "own", "reproduced", "verified")

Strata = Mapping[str, Outcomes]
"""Normalised outcomes by stream."""


def overall(
    streams: Sequence[tuple[StreamBoard, Sequence[Score]]],
    better: Literal["higher", "lower", "diagnostic"],
    run: str,
) -> tuple[Overall | None, str | None]:
    """Return the standings over all streams, or why there are none.

    Every value is normalised by its stream's anchors: (value - worst) / (best - worst). The score
    is the mean over streams of the means over seeds, with the stratified Welch interval (see
    `statistics.stratified`); two entrants are compared by the mean over streams of their paired
    differences, losses first (see `statistics.losses`). Only entrants that have ended all their
    runs on all streams have a score: what was not run is not zero. The others are listed.

    Args:
        streams: boards, with the scores that they are made of.
        better: which way of the metric is better.
        run: the command that makes what is missing.
    """
    why_not = _why_not([board for board, _ in streams], better)
    if why_not:
        return None, why_not
    incomplete = tuple(_incomplete(streams))
    entries = _entries(streams, {one.entrant for one in incomplete})
    if not entries:
        return None, f"nobody has ended all runs on all streams. Go on: {run}"
    entries.sort(key=lambda entry: (-entry.score.mean, entry.label))
    labels = [entry.label for entry in entries]
    by_label = {entry.label: entry for entry in entries}
    compared = pairs(
        labels, [_difference(by_label[a], by_label[b]) for a, b in combinations(labels, 2)]
    )
    turned = between(compared)
    seed = int(
        digest([[entry.label, sorted(entry.by_stream.items())] for entry in entries])[:8], 16
    )
    lost = {entry.label: sum(one.lost for one in entry.strata.values()) for entry in entries}
    places = ranks(labels, compared, 1.0, lost)
    hidden = detectable(labels, places, compared)
    standings = tuple(
        _standing(entry, place, turned.get((entry.label, labels[0])), seed, hidden.get(entry.label))
        for entry, place in zip(entries, places, strict=True)
    )
    profiles = tuple(_profile(entry, seed) for entry in entries)
    return Overall(standings, compared, profiles, incomplete, run), None


@dataclass(frozen=True)
class _Entry:
    label: str
    strata: Strata
    score: Moments
    standings: tuple[Standing, ...]
    """On every stream."""

    @property
    def by_stream(self) -> dict[str, float]:
        return {
            stream: sum(found.counted.values()) / len(found.counted)
            for stream, found in self.strata.items()
        }

    @property
    def values(self) -> list[list[float]]:
        return [list(found.counted.values()) for found in self.strata.values()]

    @property
    def fewest(self) -> int:
        """Number of runs that count on the stream that has fewest."""
        return min(map(len, self.values))

    def iqm_interval(self, seed: int) -> Interval:
        """Return the bootstrap interval of the interquartile mean, where there are seeds enough."""
        enough = self.fewest >= FEWEST_SEEDS
        return iqm_interval(self.values, seed) if enough else Interval(nan, nan)


def _why_not(boards: Sequence[StreamBoard], better: str) -> str | None:
    if better == "diagnostic":
        return "a diagnostic metric is not averaged over streams"
    if len(boards) < 2:
        return "there are results on one stream only" if boards else "there are no results"
    if len({canonical([board.name, board.settings]) for board in boards}) < len(boards):
        return "of some stream there are results on several samples or of several results versions"
    for board in boards:
        if board.anchors is None:
            return f"the suite fixes no anchors of the metric for {board.stream}"
        if not board.pairs and not any(standing.rank for standing in board.standings):
            return f"nobody has a value on {board.stream}"
    return None


def _incomplete(streams: Sequence[tuple[StreamBoard, Sequence[Score]]]) -> Iterator[Incomplete]:
    """Yield those who lack a run that was asked for, or any value on some stream."""
    for label in sorted({entry.label for _, scores in streams for entry in scores}):
        missing = {}
        for board, scores in streams:
            found = next((entry for entry in scores if entry.label == label), None)
            if found is None or found.missing or not found.ranked:
                missing[board.stream] = found.missing if found else ()
        if missing:
            yield Incomplete(label, missing)


def _entries(
    streams: Sequence[tuple[StreamBoard, Sequence[Score]]], left_out: Set[str]
) -> list[_Entry]:
    labels = {entry.label for _, scores in streams for entry in scores} - left_out
    found = []
    for label in labels:
        strata = {board.stream: _normalised(board, scores, label) for board, scores in streams}
        standings = tuple(
            one for board, _ in streams for one in board.standings if one.entrant == label
        )
        score = stratified(moments(list(one.counted.values())) for one in strata.values())
        found.append(_Entry(label, strata, score, standings))
    return found


def _normalised(board: StreamBoard, scores: Sequence[Score], label: str) -> Outcomes:
    assert board.anchors is not None
    worst, best = board.anchors
    found = next(entry for entry in scores if entry.label == label).outcomes(board.worst)
    values, counted = (
        {key: (value - worst) / (best - worst) for key, value in part.items()}
        for part in (found.values, found.counted)
    )
    return Outcomes(values, counted)


def _difference(first: _Entry, second: _Entry) -> Difference:
    return difference([(first.strata[name], second.strata[name]) for name in first.strata], 1)


def _standing(
    entry: _Entry, place: Rank, to_leader: Pair | None, seed: int, hidden: float | None
) -> OverallStanding:
    everything = np.concatenate([np.asarray(values) for values in entry.values])
    standings = entry.standings
    return OverallStanding(
        entrant=entry.label,
        rank=place,
        score=Estimate(entry.score.mean, known_from(entry.fewest, entry.score)),
        iqm=Estimate(float(interquartile_mean(everything)), entry.iqm_interval(seed)),
        by_stream=entry.by_stream,
        p_leader=to_leader.p_holm if to_leader else nan,
        detectable=hidden,
        least_seeds=min(len(one.values) for one in standings),
        needs=tuple(sorted({need for one in standings for need in one.needs})),
        cost=_total([one.cost for one in standings]),
        coverage=_covered([one.coverage for one in standings]),
        trust=_TRUST[min(_TRUST.index(one.trust) for one in standings)],
    )


def _total(costs: Sequence[Cost]) -> Cost:
    def total(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    trials = [one.tuning_trials for one in costs if one.tuning_trials is not None]
    return Cost(
        updates=total([one.updates for one in costs]),
        flops=total([one.flops for one in costs]),
        seconds=total([one.seconds for one in costs]),
        tuning_trials=max(trials) if trials else None,
    )


def _covered(parts: Sequence[Coverage]) -> Coverage:
    return Coverage(
        done=sum(part.done for part in parts),
        diverged=sum(part.diverged for part in parts),
        failed=sum(part.failed for part in parts),
        undefined=sum(part.undefined for part in parts),
        missing=sum(part.missing for part in parts),
    )


def _profile(entry: _Entry, seed: int) -> Profile:
    curves = profile(entry.values, THRESHOLDS, seed)
    share, low, high = (tuple(round(float(value), 4) for value in curve) for curve in curves)
    if entry.fewest < FEWEST_SEEDS:
        low = high = (nan,) * len(THRESHOLDS)
    return Profile(entry.label, tuple(THRESHOLDS.round(4).tolist()), share, low, high)
