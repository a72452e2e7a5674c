"""Tests that several claims share: Welch, two one-sided tests, intervals; all at 5 %."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

from scipy.special import stdtr

from ...statistics.inference import (
    ALPHA,
    FEWEST_SEEDS,
    Difference,
    compare,
    difference_moments,
    holm,
)
from ...statistics.numbers import p_text
from ..measured import Measured

Judgement = Literal["confirmed", "refuted", "not decided", "premise does not hold"]


@dataclass(frozen=True)
class ClaimVerdict:
    """What the results say about a claim."""

    name: str
    text: str
    """What the paper says: in its abstract's words where they are quoted, else in ours."""
    premise: str
    """What has to be so for the claim to be about these results, and whether it is."""
    verdict: Judgement
    test: str
    """One sentence: how it was decided."""
    numbers: tuple[str, ...]
    """One line for each comparison made."""
    missing: tuple[str, ...] = ()
    """What would have to be run."""


def decide(parts: Sequence[Judgement], missing: Sequence[str]) -> Judgement:
    """Join the parts of a claim: one that is refuted refutes it; all must be confirmed.

    Parts whose premise does not hold say nothing of the claim, unless there are no others.
    """
    if "refuted" in parts:
        return "refuted"
    if missing or not parts or "not decided" in parts:
        return "not decided"
    return "confirmed" if "confirmed" in parts else "premise does not hold"


def welch(first: Measured, second: Measured, metric: str) -> Difference | None:
    """Compare two entries by Welch's test, as the study does; None with too few seeds."""
    values = [one.values(metric) for one in (first, second)]
    if min(map(len, values)) < FEWEST_SEEDS:
        return None
    # Keys that no seed shares keep the comparison from being paired.
    apart = [{(n, s): v for s, v in part.items()} for n, part in enumerate(values)]
    return compare(*apart)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """Compare two entries seed by seed; None with too few seeds in common."""
    if len(first.keys() & second.keys()) < FEWEST_SEEDS:
        return None
    return compare(first, second)


def equivalence(
    first: Mapping[int, float], second: Mapping[int, float], margin: float
) -> float | None:
    """Return the p-value of two one-sided paired t-tests against a margin (TOST).

    Below 5 % the means differ by less than the margin. None with too few seeds in common.
    """
    if len(first.keys() & second.keys()) < FEWEST_SEEDS:
        return None
    found, _ = difference_moments(first, second)
    return found.equivalence_p(margin)


def beyond(first: Mapping[int, float], second: Mapping[int, float], margin: float) -> float:
    """Return the two-sided p-value of the means not differing by more than a margin.

    Below 5 % the 95 % interval of the difference lies wholly beyond the margin on one side. NaN
    with too few seeds in common.
    """
    if len(first.keys() & second.keys()) < FEWEST_SEEDS:
        return nan
    found, _ = difference_moments(first, second)
    over = abs(found.mean) - margin
    if found.error == 0:
        return 0.0 if over > 0 else 1.0
    return min(1.0, 2 * float(stdtr(found.degrees, -over / found.error)))


def corrected(differences: Sequence[Difference]) -> list[float]:
    """Return Holm's p-values of some differences."""
    return holm([one.p for one in differences])


def points(difference: Difference) -> str:
    """Write a difference of accuracies in points of per cent."""
    half = 100 * difference.interval.half_width
    return f"{100 * difference.mean:+.2f} ±{half:.2f} points (n={difference.count})"


def signs(
    differences: Sequence[tuple[str, int, Difference]], words: str
) -> tuple[list[Judgement], list[str]]:
    """Judge the direction of each difference, corrected for their number."""
    p_values = corrected([found for *_, found in differences])
    parts: list[Judgement] = [
        _sign(found, p, wanted) for (_, wanted, found), p in zip(differences, p_values, strict=True)
    ]
    numbers = [
        f"{where}: {words}{points(found)}, Holm {p_text(p)}: {part}"
        for (where, _, found), p, part in zip(differences, p_values, parts, strict=True)
    ]
    return parts, numbers


def _sign(difference: Difference, p: float, wanted: int) -> Judgement:
    """Judge the direction of a difference by its corrected p-value."""
    if not p < ALPHA:
        return "not decided"
    return "confirmed" if difference.mean * wanted > 0 else "refuted"


def by_compactness(
    results: Sequence[Measured], row: str, method: str
) -> dict[float | None, Measured]:
    """Return the entries of a method on a row by compactness."""
    return {one.compactness: one for one in results if one.row == row and one.method == method}


def rows_of(results: Sequence[Measured]) -> list[str]:
    """Return the rows that there are, in order."""
    return list(dict.fromkeys(one.row for one in results))


def share(compactness: float | None) -> str:
    """Write a compactness."""
    return "" if compactness is None else f" {compactness:.0%}"
