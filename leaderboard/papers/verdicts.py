"""Whether a measured number is the printed one: by a test where one can be made."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal, TypeVar

from ...harness.metrics.cohorts import mean_parity
from ..statistics.inference import ALPHA, FEWEST_SEEDS, Interval, Moments, holm, moments
from .claims.parity import interval_of
from .paper import PERCENT, WINDOWED, Paper, Printed, Scale, is_parity, metric_unit

Verdict = Literal[
    "equivalent",
    "different",
    "near",
    "far",
    "not decided",
    "not run",
    "half scale: no verdict",
    "smoke scale: no verdict",
    "-",
]

RULE = (
    "Where a number is printed with its interval, its mean, standard error and seeds are tested "
    "against those measured. equivalent: the two differ by less than the metric's margin, by two "
    "one-sided Welch tests; different: they differ, by Welch's test. Each at 5 %, with p-values "
    "corrected by Holm over all numbers of a table in this report, those of either test among "
    "themselves. What is both, a small and sure difference, is called equivalent; its interval "
    "shows the difference. Where no interval of its own is printed, nothing is tested. near: the "
    "measured mean is within the margin of the printed number, or of the ends of a printed range; "
    f"far: it is not. not decided: no test decides, fewer than {FEWEST_SEEDS} seeds, or a run "
    "diverged or failed. not run: no run is done. -: nothing is printed; or, early in a task, the "
    "paper does not state the window of what is printed, so that ours is another quantity. "
    "Differences are measured minus printed, with their 95 % Welch interval where there is one, "
    "and with seeds measured vs printed."
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Comparison:
    """A printed mean and a measured one by Welch's tests."""

    margin: float
    """In the unit of the report, as the half-width."""
    printed_count: int
    """Seeds behind the printed mean."""
    half_width: float
    """Of the 95 % interval of the difference."""
    p_equivalent: float
    """Of two one-sided tests against the margin; after `judged` corrected."""
    p_different: float
    """Two-sided, of no difference; after `judged` corrected."""

    @property
    def verdict(self) -> Verdict:
        """What the p-values say; see `RULE`."""
        if self.p_equivalent < ALPHA:
            return "equivalent"
        return "different" if self.p_different < ALPHA else "not decided"


@dataclass(frozen=True)
class Cell:
    """One number: printed, measured, compared. All but counts in the unit of the report."""

    metric: str
    printed: Printed | None
    count: int
    """Seeds measured."""
    mean: float | None
    """None where nothing is measured."""
    interval: Interval | None
    """The 95 % t interval over seeds; None with fewer than two. That of a parity is made of shares
    and is not symmetric."""
    verdict: Verdict
    """Of a number that is tested only after `judged`: it hangs on the others of its table."""
    difference: float | None = None
    """Measured minus printed, see `Printed.off`; None where the two are not held together."""
    comparison: Comparison | None = None
    """None where nothing is tested."""

    @property
    def half_width(self) -> float | None:
        """Half of the width of the interval."""
        return None if self.interval is None else self.interval.half_width


def cell(
    metric: str,
    printed: Printed | None,
    values: Mapping[int, float],
    paper: Paper,
    scale: Scale = "paper",
    *,
    lost: int = 0,
) -> Cell:
    """Hold what is measured against what is printed.

    Args:
        metric: its name.
        printed: None where the paper has no such number.
        values: by seed, as in results.
        paper: that prints it.
        scale: of the runs; only those at the paper's are held against it.
        lost: runs that went wrong; those that are left are not a fair sample.
    """
    judges = printed is not None and metric not in WINDOWED
    if not values:
        return Cell(metric, printed, 0, None, None, "not run" if judges else "-")
    factor = PERCENT if metric_unit(metric) in ("%", "points") else 1.0
    found = moments([factor * value for value in values.values()])
    bare = Cell(metric, printed, len(values), *_estimate(metric, values, found), "-")
    if printed is None or not judges:
        return bare
    if scale != "paper":
        return replace(bare, verdict=_no_verdict(scale))
    bare = replace(bare, verdict="not decided", difference=printed.off(found.mean))
    if lost or len(values) < FEWEST_SEEDS:
        return bare
    return _against(bare, printed, found, paper)


def _estimate(
    metric: str, values: Mapping[int, float], found: Moments
) -> tuple[float | None, Interval | None]:
    """Return the mean over seeds and its interval; those of a parity are of shares."""
    if is_parity(metric):
        interval = interval_of(values) if len(values) > 1 else None
        return mean_parity([*values.values()]), interval
    return found.mean, found.interval() if len(values) > 1 else None


def _no_verdict(scale: Literal["half", "smoke"]) -> Verdict:
    return "half scale: no verdict" if scale == "half" else "smoke scale: no verdict"


def _against(one: Cell, printed: Printed, found: Moments, paper: Paper) -> Cell:
    """Test a measured mean against a printed one, or place it by the margin."""
    margin = paper.margins[one.metric].points
    if printed.source != "printed" or printed.half_width is None or paper.seed_count < 2:
        return replace(one, verdict="near" if abs(printed.off(found.mean)) <= margin else "far")
    theirs = Moments.of_interval(printed.value, printed.half_width, paper.seed_count)
    apart = found.minus(theirs)
    comparison = Comparison(
        margin,
        paper.seed_count,
        apart.interval().half_width,
        apart.equivalence_p(margin),
        apart.p_value(),
    )
    return replace(one, comparison=comparison)


def judged(cells: Mapping[Key, Cell]) -> dict[Key, Cell]:
    """Correct the p-values of one table for their number, and give what is tested its verdict."""
    tested = {key: one.comparison for key, one in cells.items() if one.comparison is not None}
    equivalent = holm([one.p_equivalent for one in tested.values()])
    different = holm([one.p_different for one in tested.values()])
    found = dict(cells)
    for (key, one), p, q in zip(tested.items(), equivalent, different, strict=True):
        corrected = replace(one, p_equivalent=p, p_different=q)
        found[key] = replace(cells[key], comparison=corrected, verdict=corrected.verdict)
    return found


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
    """Numbers that are held against printed ones and that both have at two seeds or more."""

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
        variant: {key: one for key, one in row.items() if _usable(one)}
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


def _usable(one: Cell) -> bool:
    return one.difference is not None and one.half_width is not None


def fit_sentence(first: str, found: Sequence[Fit]) -> str:
    """Say which variant is nearest, `first` being the one that all are compared with."""
    if not found:
        return "Fewer than two variants are measured, so which is nearest is not decided."
    listed = "; ".join(
        f"{one.variant} {one.distance:.2f}, {first} {one.first:.2f} over the same "
        f"{one.cells} number{'s' * (one.cells > 1)}: {one.judgement}"
        for one in found
    )
    nearer = [one.variant for one in found if one.judgement == "nearer"]
    if nearer:
        said = f"Nearest is {nearer[0]}"
    else:
        tied = [one.variant for one in found if one.judgement == "as near"]
        said = f"None is nearer than {first}" + (f"; as near: {', '.join(tied)}" if tied else "")
    return f"Root mean square of measured minus printed, points: {listed}. {said}."


def _off(cells: Sequence[Cell]) -> float:
    return _rms([one.difference or 0.0 for one in cells])


def _rms(values: Sequence[float]) -> float:
    return sqrt(sum(value * value for value in values) / len(values))
