"""Claims about newborn units: C3, C4, C6 and C8."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from ....harness.metrics.summary import cohort_curves, curve_of
from ...statistics.inference import Interval, summarise
from ..measured import Measured
from .tests import (
    ALPHA,
    FEWEST_SEEDS,
    ClaimVerdict,
    Judgement,
    by_compactness,
    decide,
    paired,
    rows_of,
    share,
)

NEAR_ONE = 0.8
"""An activation parity above it is near 1 or larger."""
FAR_BELOW_ONE = 0.5
"""A gradient parity below it is far below 1."""
FEWEST_METHODS = 5
RESAMPLES = 2000

SeedValues = dict[int, float]


def _grown(results: Sequence[Measured], method: str = "Grow") -> Iterator[Measured]:
    """Yield the entries of a method that have cohorts of newborns at enough seeds."""
    for one in results:
        if one.method == method and sum(map(bool, one.cohorts.values())) >= FEWEST_SEEDS:
            yield one


def _interval(values: SeedValues) -> Interval | None:
    return summarise([*values.values()]).interval if len(values) >= FEWEST_SEEDS else None


def _side(interval: Interval, low: float, high: float) -> Judgement:
    """Judge whether an interval lies wholly in (low, high), or wholly outside of it."""
    if interval.low > low and interval.high < high:
        return "confirmed"
    outside = interval.high < low or interval.low > high
    return "refuted" if outside else "not decided"


def starved_at_birth(results: Sequence[Measured]) -> ClaimVerdict:
    """C3: at birth activation parity is near or above 1, gradient parity far below 1."""
    parts: list[Judgement] = []
    numbers: list[str] = []
    for one in _grown(results):
        for cycle, (activation, gradient) in enumerate(_births(one), 1):
            for name, values, low, high in (
                ("activation", activation, NEAR_ONE, float("inf")),
                ("gradient", gradient, -1.0, FAR_BELOW_ONE),
            ):
                found = _interval(values)
                parts.append("not decided" if found is None else _side(found, low, high))
                if found is not None:
                    numbers.append(
                        f"{one.row} {one.label}, growth {cycle}: {name} parity "
                        f"{_shown(found)}: {parts[-1]}"
                    )
    missing = [] if parts else ["3 seeds of Grow with newborns after the first update"]
    return ClaimVerdict(
        "C3",
        "At birth newborns have an activation parity near or above 1 and a gradient parity far "
        "below 1.",
        decide(parts, missing),
        f"First measurement after birth, mean over layers, 95 % t interval over seeds wholly "
        f"above {NEAR_ONE} (activation) and below {FAR_BELOW_ONE} (gradient), at every growth and "
        "compactness; growth before the first update is left out.",
        tuple(numbers),
        tuple(missing),
    )


def _births(one: Measured) -> list[tuple[SeedValues, SeedValues]]:
    """Return activation and gradient parity right after each birth, in order of birth."""
    births = sorted({row["birth"] for rows in one.cohorts.values() for row in rows})
    return [
        (_at_birth(one, birth, "activation"), _at_birth(one, birth, "gradient")) for birth in births
    ]


def _at_birth(one: Measured, birth: int, name: str) -> SeedValues:
    found = {}
    for seed, rows in one.cohorts.items():
        curves = [curve for curve in cohort_curves(rows) if curve[0]["birth"] == birth]
        first = [value for curve in curves if (value := curve[0][name]) is not None]
        if first:
            found[seed] = fmean(first)
    return found


def slow_to_integrate(results: Sequence[Measured]) -> ClaimVerdict:
    """C4: activation ratio near 1 over the cycle; gradient ratio below 1 and rising with age."""
    parts: list[Judgement] = []
    numbers: list[str] = []
    for one in _grown(results):
        for name, values, low, high in (
            ("mean activation parity", _means(one, "activation"), NEAR_ONE, 1 / NEAR_ONE),
            ("mean gradient parity", _means(one, "gradient"), -1.0, 1.0),
            ("rank correlation of gradient parity with age", _trends(one), 0.0, 2.0),
        ):
            found = _interval(values)
            parts.append("not decided" if found is None else _side(found, low, high))
            if found is not None:
                numbers.append(f"{one.row} {one.label}: {name} {_shown(found)}: {parts[-1]}")
    missing = [] if parts else ["3 seeds of Grow with newborns after the first update"]
    return ClaimVerdict(
        "C4",
        "Over the cycle the activation ratio stays near 1, the gradient ratio stays below 1 and "
        "rises with age.",
        decide(parts, missing),
        "95 % t intervals over seeds of means over updates: activation wholly in "
        f"({NEAR_ONE}, {1 / NEAR_ONE}), gradient below 1, mean Spearman correlation of a "
        "cohort's gradient ratio with age above 0.",
        tuple(numbers),
        tuple(missing),
    )


def _means(one: Measured, name: str) -> SeedValues:
    found = {}
    for seed, rows in one.cohorts.items():
        values = [v for c in cohort_curves(rows) if (v := _over_updates(c, name)) is not None]
        if values:
            found[seed] = fmean(values)
    return found


def _over_updates(curve: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return a cohort's mean after birth; every update counts the same, however often measured."""
    known = [(row["age"], row[name]) for row in curve if row["age"] > 0 and row[name] is not None]
    if not known:
        return None
    ages, ratios = np.array(known, dtype=np.float64).T
    if len(known) == 1:
        return float(ratios[0])
    return float(np.trapezoid(ratios, ages) / (ages[-1] - ages[0]))


def _trends(one: Measured) -> SeedValues:
    found = {}
    for seed, rows in one.cohorts.items():
        values = []
        for curve in cohort_curves(rows):
            ages, ratios = curve_of(curve, "gradient")
            if len(ages) >= 3 and not np.isnan(ratios).any():
                # A constant ratio has no ranks: it does not rise.
                values.append(_spearman(ages, ratios) if len(set(ratios)) > 1 else 0.0)
        if values:
            found[seed] = fmean(values)
    return found


def _spearman(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])


def parity_predicts_taa(results: Sequence[Measured]) -> ClaimVerdict:
    """C6: early gradient parity ranks methods as cycle TAA does, and not as ticket ACC does."""
    parts: list[Judgement] = []
    numbers: list[str] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        points = _points([one for one in results if one.row == row])
        if len({one.method for one in points}) < FEWEST_METHODS:
            missing.append(
                f"{row}: {FEWEST_METHODS} methods with parity, TAA and tickets at 3 seeds"
            )
            continue
        rho, low, high, p = _rank_correlation(points, "taa")
        ticket, ticket_low, ticket_high, ticket_p = _rank_correlation(points, "wt_acc")
        follows = ticket_p < ALPHA and ticket_low > 0
        if p < ALPHA and low > 0 and not follows:
            parts.append("confirmed")
        else:
            parts.append("refuted" if high < 0.5 or (p < ALPHA and follows) else "not decided")
        numbers.append(
            f"{row}, {len(points)} entries: Spearman with TAA {rho:.2f} [{low:.2f}, {high:.2f}], "
            f"p = {p:.2g} (printed .88); with ticket ACC {ticket:.2f} [{ticket_low:.2f}, "
            f"{ticket_high:.2f}], p = {ticket_p:.2g}: {parts[-1]}"
        )
    return ClaimVerdict(
        "C6",
        "Early gradient parity predicts cycle TAA across methods; ticket ACC does not follow.",
        decide(parts, missing),
        "Spearman correlation over methods and compactnesses, permutation test (positive) at 5 %, "
        f"95 % interval of {RESAMPLES} bootstraps over seeds; refuted where that interval is below "
        "0.5, or ticket ACC follows as well.",
        tuple(numbers),
        tuple(missing),
    )


def _points(results: Sequence[Measured]) -> list[Measured]:
    wanted = ("parity_gradient_early", "taa", "wt_acc")
    return [one for one in results if len(_shared(one, wanted)) >= FEWEST_SEEDS]


def _shared(one: Measured, wanted: Sequence[str]) -> set[int]:
    return set.intersection(*({*one.values(name)} for name in wanted))


def _rank_correlation(points: Sequence[Measured], metric: str) -> tuple[float, float, float, float]:
    """Return Spearman's rho, its bootstrap interval, and the one-sided permutation p-value."""
    pairs = [_pairs(one, metric) for one in points]
    x, y = (np.array([pair[:, column].mean() for pair in pairs]) for column in (0, 1))
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        picked = [pair[generator.integers(0, len(pair), len(pair))].mean(0) for pair in pairs]
        one, other = np.array(picked).T
        if len(set(one)) > 1 and len(set(other)) > 1:
            drawn.append(_spearman(one.tolist(), other.tolist()))
    rho = _spearman(x.tolist(), y.tolist())
    shuffled = [_spearman(generator.permutation(x).tolist(), y.tolist()) for _ in range(RESAMPLES)]
    p = (1 + sum(one >= rho - 1e-12 for one in shuffled)) / (1 + RESAMPLES)
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (float("nan"), float("nan"))
    return rho, float(low), float(high), p


def _pairs(one: Measured, metric: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    x, y = one.values("parity_gradient_early"), one.values(metric)
    return np.array([[x[seed], y[seed]] for seed in x if seed in y])


def selection_leaves_deficit(results: Sequence[Measured]) -> ClaimVerdict:
    """C8: gradient-based selection leaves the gradient parity of newborns below 1."""
    parts: list[Judgement] = []
    numbers: list[str] = []
    for one in results:
        values = one.values("parity_gradient_early") if one.method == "Grow+GradMax" else {}
        found = _interval(values)
        if found is not None:
            parts.append(_side(found, -1.0, 1.0))
            plain = by_compactness(results, one.row, "Grow").get(one.compactness)
            numbers.append(
                f"{one.row}{share(one.compactness)}: early gradient parity {_shown(found)}: "
                f"{parts[-1]}{_beside(values, plain)}"
            )
    missing = [] if parts else ["3 seeds of Grow+GradMax with newborns"]
    return ClaimVerdict(
        "C8",
        "Gradient-based selection does not remove the newborn gradient deficit.",
        decide(parts, missing),
        "95 % t interval over seeds of the early gradient parity wholly below 1 at every row and "
        "compactness measured; beside it the paired difference from selection by activation.",
        tuple(numbers),
        tuple(missing),
    )


def _beside(values: Mapping[int, float], plain: Measured | None) -> str:
    other = plain.values("parity_gradient_early") if plain else {}
    found = paired(values, other)
    if found is None:
        return ""
    half = found.interval.half_width
    return f"; minus selection by activation {found.mean:+.3f} ±{half:.3f}, p = {found.p:.2g}"


def _shown(interval: Interval) -> str:
    middle = (interval.low + interval.high) / 2
    return f"{middle:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
