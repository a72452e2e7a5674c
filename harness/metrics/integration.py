"""Integration time: how many updates a cohort of newborn units needs to learn as incumbents do.

A cohort's ratio curve R(age) comes from `cohorts.parity`, one curve each for gradient, activation
and utility. A cohort that has not integrated when its observation ends is right-censored, not
dropped and not counted as its last age; so many cohorts are summarised by survival analysis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf, logrank

from ..errors import BenchError

Ending = Literal["edit", "death", "end of run", "incumbents silent"]
"""What ended the observation of a cohort: the next edit in its layer, its death, the run's end, or
that its incumbents fell silent (see `cohorts.incumbents_are_silent`), so that no ratio is defined.

Kaplan-Meier and log-rank take the ending as unrelated to the time that integration would take.
That holds for scheduled edits and the end of the run, and not where units die *because* they lag,
nor where incumbents fall silent because newborns took over: such cohorts are counted apart.
"""

FINEST_SHARE = 8
"""Cohorts are measured at ages spaced by an eighth of the age: 0, 1, ..., 16, 18, 20, ..."""

WIDEST_SPACING = 500
"""... but never more than that many updates apart."""


def next_measured_age(age: int) -> int:
    """Return the age, in updates, at which a cohort is measured after one at `age`."""
    return age + min(max(1, age // FINEST_SHARE), WIDEST_SPACING)


@dataclass(frozen=True)
class IntegrationTime:
    """When one cohort integrated, or how long one could have seen that it had not."""

    age: float
    """Updates since birth: of the event, or of the censoring; see `integration_time`."""
    observed: bool
    """True where the cohort integrated, False where it is right-censored at `age`."""
    candidates: int
    """Measurements at which the event could have been seen; with 0 nothing is known."""
    overshoots: int
    """Measurements above 1 / rho: newborns that learn far *more* than incumbents."""
    ended: Ending
    """What ended the observation."""


def integration_time(
    ages: Sequence[float],
    ratios: Sequence[float],
    ended: Ending,
    *,
    rho: float = 0.5,
    w: int = 5,
) -> IntegrationTime:
    """Find T(rho, w), the smallest measured age from which w measurements in a row are all >= rho.

    The rule is one-sided: a cohort that explodes integrates too, and its overshoots are counted
    apart. A ratio that is NaN (an empty cohort or no incumbent) breaks a run.

    Without such an age the cohort is right-censored at the *last age at which the event could have
    been seen*, that of the w-th measurement from the end: a run that starts later has too few
    measurements to be confirmed. Censoring at the last measurement instead would keep cohorts at
    risk at ages where their event cannot be seen, and so make every median too long. A cohort with
    fewer than w measurements says nothing: it has 0 candidates, age 0, and no weight in a curve.

    Args:
        ages: updates since birth of each measurement, ascending, from 0 or later.
        ratios: the newborns' mean over the incumbents' at each age; 1 is parity.
        ended: what ended the observation.
        rho: share of parity that counts as integrated, in (0, 1].
        w: consecutive measurements that must reach it, at least 1.

    Raises:
        BenchError: ages and ratios of different length or out of order; rho or w out of range.
    """
    _check(ages, ratios, rho, w)
    values = np.asarray(ratios, dtype=np.float64)
    overshoots = int((values > 1 / rho).sum())
    candidates = max(0, len(values) - w + 1)
    for start in range(candidates):
        if (values[start : start + w] >= rho).all():
            return IntegrationTime(float(ages[start]), True, candidates, overshoots, ended)
    censored_at = float(ages[candidates - 1]) if candidates else 0.0
    return IntegrationTime(censored_at, False, candidates, overshoots, ended)


@dataclass(frozen=True)
class IntegrationCurve:
    """The share of cohorts not yet integrated by age: a falling step function from 1 at birth."""

    ages: NDArray[np.float64]
    """(n,), ascending: ages at which a cohort integrated or was censored."""
    not_integrated: NDArray[np.float64]
    """(n,), between 0 and 1: the share from that age on."""


def kaplan_meier(times: Sequence[IntegrationTime]) -> IntegrationCurve:
    """Estimate the share of cohorts not yet integrated at each age, taking censoring into account.

    Returns:
        The curve; empty where no cohort had a candidate.

    Source: Kaplan and Meier 1958, "Nonparametric Estimation from Incomplete Observations".
    """
    survival = ecdf(_censored_data(times)).sf
    return IntegrationCurve(survival.quantiles, survival.probabilities)


def median_time(times: Sequence[IntegrationTime]) -> float | None:
    """Return the age in updates by which half of the cohorts have integrated.

    Returns:
        The first age at which the Kaplan-Meier curve is at or below 0.5; None for "not reached".
    """
    curve = kaplan_meier(times)
    reached = curve.ages[curve.not_integrated <= 0.5 + 1e-12]  # 1e-12: products such as 3/4 * 2/3
    return float(reached[0]) if len(reached) else None


def restricted_mean(times: Sequence[IntegrationTime], horizon: float) -> float | None:
    """Return the mean integration time in updates, each cohort counting at most the horizon.

    It is the area under the Kaplan-Meier curve up to the horizon. Beyond the last age that any
    cohort was followed to the curve stays where it is, which makes the mean an upper bound there.

    Args:
        times: of the cohorts to be averaged.
        horizon: updates, above 0; the same for all that are compared.

    Returns:
        Between 0 and the horizon; None where no cohort had a candidate.

    Raises:
        BenchError: the horizon is not above 0.

    Source: Royston and Parmar 2013, "Restricted mean survival time".
    """
    if not horizon > 0:
        raise BenchError(
            f"mean integration time up to {horizon:g} updates: give a horizon above 0."
        )
    curve = kaplan_meier(times)
    if not len(curve.ages):
        return None
    edges = np.minimum([0.0, *curve.ages, np.inf], horizon)
    return float(np.diff(edges) @ np.array([1.0, *curve.not_integrated]))


def censored_share(times: Sequence[IntegrationTime]) -> float | None:
    """Return the share of cohorts not seen to integrate, those without candidates included.

    Returns:
        Between 0 and 1; None without cohorts.
    """
    if not times:
        return None
    return sum(not time.observed for time in times) / len(times)


@dataclass(frozen=True)
class LogRank:
    """A log-rank test between two groups of cohorts."""

    statistic: float
    """Standard normal if both integrate alike; above 0 where the first group integrates sooner."""
    p: float
    """Two-sided p-value. Cohorts of one run are not independent, so it is too small where a group
    holds many cohorts of few seeds: then test the seeds' medians or restricted means instead."""


def log_rank(first: Sequence[IntegrationTime], second: Sequence[IntegrationTime]) -> LogRank | None:
    """Test whether two groups of cohorts integrate at the same pace, at all ages.

    Returns:
        None where the test is undefined: a group without candidates, or no event to compare.

    Source: Mantel 1966, "Evaluation of survival data and two new rank order statistics".
    """
    x, y = _censored_data(first), _censored_data(second)
    if not len(x) or not len(y):
        return None
    with np.errstate(invalid="ignore"):  # 0 / 0 without events, answered below
        result = logrank(x, y)
    if np.isnan(result.pvalue):
        return None
    return LogRank(float(result.statistic), float(result.pvalue))


def _censored_data(times: Sequence[IntegrationTime]) -> CensoredData:
    known = [time for time in times if time.candidates > 0]
    ages = np.array([time.age for time in known], dtype=np.float64)
    return CensoredData.right_censored(ages, [not time.observed for time in known])


def _check(ages: Sequence[float], ratios: Sequence[float], rho: float, w: int) -> None:
    if len(ages) != len(ratios):
        raise BenchError(
            f"integration time of {len(ratios)} ratios at {len(ages)} ages: give one age for each."
        )
    if any(age < 0 for age in ages) or any(np.diff(ages) <= 0):
        raise BenchError(
            f"integration time at ages {list(ages)}: they must ascend, from 0 or later."
        )
    if not 0 < rho <= 1 or w < 1:
        raise BenchError(
            f"integration time with rho={rho:g} and w={w}: rho must be in (0, 1] and w at least 1."
        )
