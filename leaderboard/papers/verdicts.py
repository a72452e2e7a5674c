"""Whether a measured number is the printed one, by one stated rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from ..statistics.inference import summarise
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

WINDOWED = frozenset({"early_task_accuracy"})
"""Metrics over a window that is not stated: ours is another, so no variant is judged by them."""

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
    """How near a variant comes to the printed numbers, beside the row's first variant."""

    variant: str
    distance: float
    """Root mean square of measured minus printed, points of per cent."""
    first: float
    """The same of the first variant, over the same numbers."""
    spread: float
    """Root mean square of the measured half-widths of both."""
    cells: int
    """Numbers that are printed and that both have at two seeds or more."""

    @property
    def judgement(self) -> Literal["nearer", "as near", "farther"]:
        """How the two compare: as near where they differ by no more than the intervals."""
        if abs(self.first - self.distance) <= self.spread:
            return "as near"
        return "nearer" if self.distance < self.first else "farther"


def fits(cells: Mapping[str, Mapping[tuple[str, str], Cell]]) -> list[Fit]:
    """Compare variants with the first of them, each over the numbers that both have.

    Args:
        cells: variant -> (entry, metric) -> cell.

    Returns:
        Those that share a number with the first, by how much nearer they are in proportion.
    """
    usable = {
        variant: {key: one for key, one in row.items() if _usable(key[1], one)}
        for variant, row in cells.items()
    }
    first, *others = usable
    found = []
    for variant in others:
        shared = usable[first].keys() & usable[variant].keys()
        if shared:
            own, base = ([usable[name][key] for key in shared] for name in (variant, first))
            halves = [one.half_width or 0.0 for one in own + base]
            found.append(Fit(variant, _off(own), _off(base), _rms(halves), len(shared)))
    return sorted(found, key=lambda fit: fit.distance / max(fit.first, 1e-9))


def _usable(metric: str, one: Cell) -> bool:
    return metric not in WINDOWED and one.difference is not None and one.half_width is not None


def fit_sentence(first: str, found: Sequence[Fit]) -> str:
    """Say which variant fits best, `first` being the one that all are compared with."""
    if not found:
        return "Fewer than two variants are measured, so which fits best is not decided."
    listed = "; ".join(
        f"{one.variant} {one.distance:.2f}, {first} {one.first:.2f} over the same "
        f"{one.cells} number{'s' * (one.cells > 1)}: {one.judgement}"
        for one in found
    )
    nearer = [one.variant for one in found if one.judgement == "nearer"]
    if nearer:
        said = f"Best fits {nearer[0]}"
    else:
        tied = [one.variant for one in found if one.judgement == "as near"]
        said = f"None is nearer than {first}" + (f"; as near: {', '.join(tied)}" if tied else "")
    return f"Root mean square of measured minus printed, points: {listed}. {said}."


def _off(cells: Sequence[Cell]) -> float:
    return _rms([one.difference or 0.0 for one in cells])


def _rms(values: Sequence[float]) -> float:
    return sqrt(sum(value * value for value in values) / len(values))
