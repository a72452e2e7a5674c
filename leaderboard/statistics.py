"""Statistics over seeds: Student's intervals, differences to a reference, Holm's correction.

Few seeds are the rule here. At five seeds Student's interval keeps its 95 % (under normal noise),
while percentile bootstraps cover about 87 %, and signed-rank tests cannot go below p = 0.06.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

CONFIDENCE = 0.95
"""Coverage of every interval."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Student's confidence interval around an estimate; its limits are NaN for a single seed."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Distance from the estimate to either limit: the interval is symmetric."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Summary:
    """What n seeds say about one entrant."""

    count: int
    mean: float
    sd: float
    """Sample standard deviation (n - 1); NaN for a single seed."""
    interval: Interval


@dataclass(frozen=True)
class Difference:
    """How far an entrant's mean is from a reference's, over shared seeds where there are any."""

    count: int
    """Shared seeds of a paired difference, else the smaller number of seeds of the two."""
    mean: float
    """Entrant minus reference."""
    interval: Interval
    p: float
    """Two-sided p-value of no difference; NaN where there is too little data to test."""
    paired: bool


def summarise(values: Sequence[float]) -> Summary:
    """Return count, mean, sample standard deviation and the t interval of at least one value.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    mean, error, sd = _moments(values)
    interval, _ = _student(mean, error, len(values) - 1)
    return Summary(len(values), mean, sd, interval)


def compare(values: Mapping[int, float], reference: Mapping[int, float]) -> Difference:
    """Compare an entrant with a reference, both given as one value for each seed.

    A seed fixes the data order, the tasks and the initial weights, so seeds that both have are
    compared pairwise (paired t-test). With fewer than two shared seeds it is Welch's test on all
    values. Differences without any spread count as certain: p is 1 at zero and 0 elsewhere.

    Raises:
        ValueError: either has no value.
    """
    if not values or not reference:
        raise ValueError("a difference needs at least one value on both sides")
    shared = sorted(values.keys() & reference.keys())
    if len(shared) >= 2:
        return _paired([values[seed] - reference[seed] for seed in shared])
    return _welch(list(values.values()), list(reference.values()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in the same order, each in [0, 1].

    A p-value that is NaN was not tested: it stays NaN and does not count.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if not isnan(p))
    corrected = list(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        corrected[index] = largest
    return corrected


def band(curves: ArrayLike) -> tuple[Curve, Curve, Curve]:
    """Return mean, lower and upper limit of the t interval at every point of a curve.

    Args:
        curves: (seeds, points), finite.

    Returns:
        Three arrays of (points,); the limits are NaN for a single seed.
    """
    values = np.asarray(curves, dtype=np.float64)
    count = len(values)
    mean = values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = values.std(axis=0, ddof=1) / sqrt(count) * float(student.ppf(_UPPER, count - 1))
    return mean, mean - half, mean + half


_UPPER = (1 + CONFIDENCE) / 2


def _moments(values: Sequence[float]) -> tuple[float, float, float]:
    """Return mean, standard error and sample standard deviation; NaN for those of one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    sd = float(np.std(values, ddof=1))
    return mean, sd / sqrt(len(values)), sd


def _paired(differences: Sequence[float]) -> Difference:
    mean, error, _ = _moments(differences)
    interval, p = _student(mean, error, len(differences) - 1)
    return Difference(len(differences), mean, interval, p, paired=True)


def _welch(values: Sequence[float], reference: Sequence[float]) -> Difference:
    """Compare unpaired values (Welch 1947: unequal variances, approximate degrees of freedom)."""
    mean, error, _ = _moments(values)
    mean_reference, error_reference, _ = _moments(reference)
    squares = error**2 + error_reference**2
    parts = error**4 / max(len(values) - 1, 1) + error_reference**4 / max(len(reference) - 1, 1)
    degrees = squares**2 / parts if parts else 1.0
    interval, p = _student(mean - mean_reference, sqrt(squares), degrees)
    return Difference(
        min(len(values), len(reference)), mean - mean_reference, interval, p, paired=False
    )


def _student(estimate: float, error: float, degrees: float) -> tuple[Interval, float]:
    """Return the t interval and the two-sided p-value; written out since scipy warns at error 0."""
    if isnan(error):
        return Interval(float("nan"), float("nan")), float("nan")
    if error == 0:
        return Interval(estimate, estimate), float(estimate == 0)
    half = error * float(student.ppf(_UPPER, degrees))
    p = 2 * float(student.sf(abs(estimate) / error, degrees))
    return Interval(estimate - half, estimate + half), p
