"""Cohorts across seeds: small ones are pooled, so that no curve rests on a handful of units."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .cohorts import mean_parity
from .summary import FACTORS, PARITIES, Row, cohort_curves

SMALLEST_COHORT = 8
"""Newborn units below which one cohort's mean is too noisy to stand alone."""


def pooled_curves(runs: Iterable[Sequence[Row]]) -> list[list[Row]]:
    """Return the parity curves of all cohorts of several seeds of one entrant.

    The cohorts of one layer and birth stand alone, one curve a seed, if each has at least
    `SMALLEST_COHORT` newborns. Otherwise they become one curve: at each age the mean of the seeds'
    shares (see `cohorts.mean_parity`), weighted by their newborns. The ratio of each seed is taken
    to its own incumbents, so a seed with larger gradients weighs no more.

    Args:
        runs: the cohort rows of each seed.

    Returns:
        Curves as of `cohort_curves`, none of them empty; a pooled one has the keys layer, birth,
        age, newborns, the parities and their factors, and silent: in what all incumbents are.
    """
    alike: dict[tuple[str, int], list[list[Row]]] = defaultdict(list)
    for rows in runs:
        for curve in cohort_curves(rows):
            alike[curve[0]["layer"], curve[0]["birth"]].append(curve)
    curves: list[list[Row]] = []
    for cohorts in alike.values():
        small = min(curve[0]["newborns"] for curve in cohorts) < SMALLEST_COHORT
        curves += [_pooled(cohorts)] if small else cohorts
    return [curve for curve in curves if curve]


def _pooled(cohorts: Sequence[Sequence[Row]]) -> list[Row]:
    """Merge cohorts age by age, at the ages at which all were measured."""
    by_age = [{row["age"]: row for row in curve} for curve in cohorts]
    shared = sorted(set.intersection(*map(set, by_age)))
    return [_merged([rows[age] for rows in by_age]) for age in shared]


def _merged(rows: Sequence[Row]) -> Mapping[str, Any]:
    newborns = sum(row["newborns"] for row in rows)
    same = {key: rows[0][key] for key in ("layer", "birth", "age")}
    ratios = {name: _mean(rows, name) for name in (*PARITIES, *FACTORS)}
    silent = set.intersection(*({*row.get("silent", ())} for row in rows))
    return {**same, "newborns": newborns, **ratios, "silent": sorted(silent)}


def _mean(rows: Sequence[Row], name: str) -> float | None:
    known = [(row[name], row["newborns"]) for row in rows if row.get(name) is not None]
    return mean_parity([ratio for ratio, _ in known], [newborns for _, newborns in known])
