"""Whether a measured number is the printed one, by one stated rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from ..statistics import summarise
from .paper import PERCENT, Printed, metric_unit

Verdict = Literal["met", "missed", "not decided", "not run", "-"]

FEWEST_SEEDS = 3
"""With fewer seeds nothing is decided."""

WIDEST = 2.0
"""Half-width in points of per cent above which a measured interval is too wide to meet a number,
unless the printed one is as wide."""

WIDER = 2.0
"""How many times wider than an interval that is printed beside its number a measured one may be:
3 or 5 seeds give wider ones than 10."""

RULE = (
    "met: the measured mean is within the sum of the printed and the measured half-width of the "
    "printed number; missed: it is beyond; not decided: fewer than "
    f"{FEWEST_SEEDS} seeds, a run that diverged or failed, or within but the measured interval is "
    f"wider than ±{WIDEST:g} points and than {WIDER:g} times the printed one (than the printed one "
    "itself where it is a bound, a range or a substitute); not run: no run is done."
)


@dataclass(frozen=True)
class Cell:
    """One number: printed, measured, compared. All but counts in the unit of the report."""

    metric: str
    printed: Printed | None
    count: int
    """Seeds measured."""
    mean: float | None
    """None where nothing is measured."""
    half_width: float | None
    """Of the 95 % t interval over seeds; None with fewer than two."""
    verdict: Verdict
    """"-" where nothing is printed."""

    @property
    def difference(self) -> float | None:
        """Measured minus printed."""
        if self.printed is None or self.mean is None:
            return None
        return self.mean - self.printed.value


def cell(
    metric: str, printed: Printed | None, values: Mapping[int, float], *, lost: int = 0
) -> Cell:
    """Compare what is measured with what is printed.

    Args:
        metric: its name.
        printed: None where the paper has no such number.
        values: by seed, as in results.
        lost: runs that went wrong; those that are left are not a fair sample.
    """
    if not values:
        return Cell(metric, printed, 0, None, None, "-" if printed is None else "not run")
    factor = PERCENT if metric_unit(metric) in ("%", "points") else 1.0
    summary = summarise([factor * value for value in values.values()])
    half = None if summary.count < 2 else summary.interval.half_width
    verdict: Verdict = "-"
    if printed is not None:
        lucky = judge(printed, summary.count, summary.mean, half)
        verdict = "not decided" if lost else lucky
    return Cell(metric, printed, summary.count, summary.mean, half, verdict)


def judge(printed: Printed, count: int, mean: float, half_width: float | None) -> Verdict:
    """Apply the rule to one number; see `RULE`."""
    if count < FEWEST_SEEDS or half_width is None:
        return "not decided"
    if abs(mean - printed.value) > printed.half_width + half_width:
        return "missed"
    wider = WIDER if printed.source == "printed" else 1.0
    too_wide = half_width > max(WIDEST, wider * printed.half_width)
    return "not decided" if too_wide else "met"


@dataclass(frozen=True)
class Fit:
    """How near a variant comes to the printed numbers of its row."""

    variant: str
    distance: float
    """Root mean square of measured minus printed, points of per cent."""
    spread: float
    """Root mean square of the measured half-widths."""
    cells: int
    """Numbers that every variant compared has; each counts once."""


def fits(cells: Mapping[str, Mapping[tuple[str, str], Cell]]) -> list[Fit]:
    """Rank variants by their distance from the printed numbers, the nearest first.

    Args:
        cells: variant -> (entry, metric) -> cell. Only cells that are printed and that all
            variants with anything measured have at two seeds or more are compared.
    """
    usable = {
        variant: {
            key: one
            for key, one in row.items()
            if one.difference is not None and one.half_width is not None
        }
        for variant, row in cells.items()
    }
    usable = {variant: row for variant, row in usable.items() if row}
    if not usable:
        return []
    shared = set.intersection(*({*row} for row in usable.values()))
    if not shared:
        return []
    found = [
        Fit(
            variant,
            _rms([row[key].difference or 0.0 for key in shared]),
            _rms([row[key].half_width or 0.0 for key in shared]),
            len(shared),
        )
        for variant, row in usable.items()
    ]
    return sorted(found, key=lambda fit: fit.distance)


def fit_sentence(ranked: Sequence[Fit]) -> str:
    """Say which variant fits best, and which are as near within the intervals measured."""
    if len(ranked) < 2:
        return "Fewer than two variants are measured, so which fits best is not decided."
    best, *others = ranked
    tied = [one for one in others if one.distance - best.distance <= one.spread + best.spread]
    listed = ", ".join(f"{one.variant} {one.distance:.2f}" for one in ranked)
    said = (
        f"Root mean square of measured minus printed over {best.cells} numbers, points: {listed}. "
        f"Nearest is {best.variant}"
    )
    if not tied:
        return f"{said}; no other is as near within the intervals measured."
    return f"{said}, and as near within the intervals measured: {_names(tied)}."


def _names(ranked: Sequence[Fit]) -> str:
    return ", ".join(one.variant for one in ranked)


def _rms(values: Sequence[float]) -> float:
    return sqrt(sum(value * value for value in values) / len(values))
