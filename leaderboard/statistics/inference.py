"""Statistics over seeds and streams: t intervals, differences, Holm's correction.

Few seeds are the rule here. At five seeds Student's interval keeps its 95 % (under normal noise),
while percentile bootstraps cover about 87 %, and signed-rank tests cannot go below p = 0.06.
`tests/leaderboard/statistics/test_coverage.py` simulates how often each interval holds the truth.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
"""Coverage of every interval."""
ALPHA = 0.05
"""Level of every test, after Holm's correction."""
FEWEST_SEEDS = 3
"""With fewer there is neither test nor interval: two seeds that agree by chance would look certain,
and two that do not have an interval that says nothing."""

Curve = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
"""What pairs values: a seed, where it means the same tasks for both."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; its limits are NaN where there is too little data for one."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the distance between the limits."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Summary:
    """What n seeds say about one entrant."""

    count: int
    mean: float
    sd: float
    """Sample standard deviation (n - 1); NaN for a single seed."""
    error: float
    """Standard error of the mean, sd / sqrt(n)."""
    interval: Interval
    """Student's; NaN below `FEWEST_SEEDS`."""


@dataclass(frozen=True)
class Difference:
    """How far an entrant's mean is from a reference's, over shared seeds where there are any."""

    count: int
    """Shared seeds of a paired difference, else the smaller number of seeds of the two."""
    mean: float
    """Entrant minus reference."""
    interval: Interval
    """NaN below `FEWEST_SEEDS`."""
    p: float
    """Two-sided p-value of no difference; NaN where there is too little data to test."""
    effect_size: float
    """Mean over the sd of the paired differences (Cohen's d_z); unpaired, over the root of the
    mean of the two variances (d_av). NaN where the spread is zero or unknown."""
    paired: bool
    ended: bool = False
    """Whether mean and interval are over the runs that ended, and so leave lost ones out; see
    `losses`."""


@dataclass(frozen=True)
class Moments:
    """An estimate, its standard error and the degrees of freedom of that error."""

    mean: float
    error: float
    """NaN where there is too little data to know it."""
    degrees: float

    def interval(self) -> Interval:
        """Return Student's confidence interval."""
        if isnan(self.error):
            return Interval(nan, nan)
        half = self.error * float(stdtrit(self.degrees, _UPPER)) if self.error else 0.0
        return Interval(self.mean - half, self.mean + half)

    def p_value(self) -> float:
        """Return the two-sided p-value of a true value of zero.

        An estimate without any spread counts as certain: p is 1 at zero and 0 elsewhere.
        """
        if isnan(self.error):
            return nan
        if self.error == 0:
            return float(self.mean == 0)
        return 2 * float(stdtr(self.degrees, -abs(self.mean) / self.error))

    def equivalence_p(self, margin: float) -> float:
        """Return the p-value of two one-sided t-tests against a margin (TOST).

        Below 5 % the true value is within the margin on both sides of zero. An estimate without any
        spread counts as certain.

        Source: Schuirmann 1987, "A comparison of the two one-sided tests procedure".
        """
        if isnan(self.error):
            return nan
        if self.error == 0:
            return 0.0 if abs(self.mean) < margin else 1.0
        return float(stdtr(self.degrees, (abs(self.mean) - margin) / self.error))

    def minus(self, other: "Moments") -> "Moments":
        """Return the moments of the difference from an independent estimate (Welch)."""
        return _combined(self.mean - other.mean, [self, other])

    @classmethod
    def of_interval(cls, mean: float, half_width: float, count: int) -> "Moments":
        """Recover the moments of a mean from its t interval, as papers print it.

        Args:
            mean: the estimate.
            half_width: of its 95 % interval, at least 0.
            count: how many values it is over, at least 2.

        Raises:
            ValueError: there are fewer than two values.
        """
        if count < 2:
            raise ValueError("an interval is over two values at least")
        return cls(mean, half_width / float(stdtrit(count - 1, _UPPER)), count - 1)


def moments(values: Sequence[float]) -> Moments:
    """Return mean and standard error of at least one value.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else nan
    return Moments(mean, error, len(values) - 1)


def summarise(values: Sequence[float]) -> Summary:
    """Return count, mean, sample standard deviation and the t interval of at least one value.

    Raises:
        ValueError: there is no value.
    """
    found = moments(values)
    sd = found.error * sqrt(len(values))
    return Summary(len(values), found.mean, sd, found.error, known_from(len(values), found))


def known_from(count: int, found: Moments) -> Interval:
    """Return the interval of an estimate over so many seeds: NaN below `FEWEST_SEEDS`."""
    return found.interval() if count >= FEWEST_SEEDS else Interval(nan, nan)


def difference_moments(
    values: Mapping[Key, float], reference: Mapping[Key, float]
) -> tuple[Moments, bool]:
    """Return the moments of a difference of means, and whether it is paired; see `compare`.

    Raises:
        ValueError: either has no value.
    """
    if not values or not reference:
        raise ValueError("a difference needs at least one value on both sides")
    shared = [value - reference[key] for key, value in values.items() if key in reference]
    if len(shared) >= 2:
        return moments(shared), True
    apart = [moments(list(values.values())), moments(list(reference.values()))]
    return _combined(apart[0].mean - apart[1].mean, apart), False


def compare(values: Mapping[Key, float], reference: Mapping[Key, float]) -> Difference:
    """Compare an entrant with a reference, both given as one value for each seed.

    A seed fixes the data order, the tasks and the initial weights, so seeds that both have are
    compared pairwise (paired t-test). Seeds that mean different tasks must have different keys.
    With fewer than two shared seeds it is Welch's test on all values (Welch 1947: unequal
    variances, approximate degrees of freedom). Differences without any spread count as certain:
    p is 1 at zero and 0 elsewhere. With fewer than `FEWEST_SEEDS` seeds interval and p are NaN.

    Raises:
        ValueError: either has no value.
    """
    found, paired = difference_moments(values, reference)
    shared = len(values.keys() & reference.keys())
    count = shared if paired else min(len(values), len(reference))
    return Difference(
        count=count,
        mean=found.mean,
        interval=known_from(count, found),
        p=found.p_value() if count >= FEWEST_SEEDS else nan,
        effect_size=_over(
            found.mean,
            found.error * sqrt(shared)
            if paired
            else _mean_sd(list(values.values()), list(reference.values())),
        ),
        paired=paired,
    )


def stratified(strata: Iterable[Moments]) -> Moments:
    """Return the moments of the mean over strata (streams), each with equal weight.

    The error is the root of the summed squared errors over their number, its degrees of freedom
    are those of Welch and Satterthwaite, so strata may differ in spread and in seeds.

    Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components".
    """
    parts = list(strata)
    summed = _combined(sum(part.mean for part in parts), parts)
    return Moments(summed.mean / len(parts), summed.error / len(parts), summed.degrees)


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
        Three arrays of (points,); the limits are NaN below `FEWEST_SEEDS`.
    """
    values = np.asarray(curves, dtype=np.float64)
    count = len(values)
    mean = values.mean(axis=0)
    if count < FEWEST_SEEDS:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = values.std(axis=0, ddof=1) / sqrt(count) * float(stdtrit(count - 1, _UPPER))
    return mean, mean - half, mean + half


_UPPER = (1 + CONFIDENCE) / 2


def _combined(mean: float, parts: Sequence[Moments]) -> Moments:
    """Return the moments of a sum of independent estimates (Welch and Satterthwaite)."""
    squares = sum(part.error**2 for part in parts)
    weights = sum(part.error**4 / max(part.degrees, 1) for part in parts if part.error)
    return Moments(mean, sqrt(squares), squares**2 / weights if weights else 1.0)


def _mean_sd(values: Sequence[float], reference: Sequence[float]) -> float:
    if min(len(values), len(reference)) < 2:
        return nan
    return sqrt((np.var(values, ddof=1) + np.var(reference, ddof=1)) / 2)


def _over(mean: float, sd: float) -> float:
    return mean / sd if sd else nan
