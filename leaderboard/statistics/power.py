"""What a test could have found: a difference that is not told apart may be there all the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, sqrt

from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student

from .inference import CONFIDENCE, Difference

POWER = 0.8
"""How often a difference is found that is called the smallest that could be."""
MOST_SEEDS = 1000
"""More than that many are not counted any more."""


@dataclass(frozen=True)
class _Test:
    """A two-sided t-test of a difference."""

    degrees: float
    level: float

    def power(self, shift: float) -> float:
        """Return how often it finds a true difference of so many standard errors."""
        limit = float(student.ppf(1 - self.level / 2, self.degrees))
        above = nct.sf(limit, self.degrees, shift)
        below = nct.cdf(-limit, self.degrees, shift)
        return float(above) + (0.0 if isnan(below) else float(below))


def detectable(difference: Difference, level: float) -> float | None:
    """Return the smallest true difference that such data would have told apart in 80 % of cases.

    Args:
        difference: as measured; its interval says the standard error.
        level: of the test, in (0, 1); with Holm's correction over n tests, the first needs 5 % / n.

    Returns:
        Above 0, in units of the metric; None where the spread is zero or unknown.
    """
    degrees = difference.count - 1
    error = _error(difference)
    if error is None or degrees < 1:
        return None
    test = _Test(degrees, level)
    highest = 10.0
    while test.power(highest) < POWER:
        highest *= 2
    return error * float(brentq(lambda shift: test.power(shift) - POWER, 0.0, highest))


def seeds_needed(difference: Difference, level: float) -> int | None:
    """Return how many seeds would tell the measured difference apart in 80 % of cases.

    Args:
        difference: as measured, taken as true, and its spread as well.
        level: of the test, in (0, 1).

    Returns:
        At least 2; None where the spread is zero or unknown, the difference is zero, or more than
        `MOST_SEEDS` would be needed.
    """
    error = _error(difference)
    if error is None or not difference.mean:
        return None
    effect = abs(difference.mean) / (error * sqrt(difference.count))  # of one seed
    return next(_enough(effect, level), None)


def _enough(effect: float, level: float) -> Iterator[int]:
    """Yield numbers of seeds that are enough."""
    for seeds in range(2, MOST_SEEDS + 1):
        if _Test(seeds - 1, level).power(effect * sqrt(seeds)) >= POWER:
            yield seeds


def _error(difference: Difference) -> float | None:
    """Return the standard error of a difference, from its interval."""
    half = difference.interval.half_width
    if isnan(half) or half <= 0 or difference.count < 2:
        return None
    return half / float(student.ppf((1 + CONFIDENCE) / 2, difference.count - 1))
