"""What a test could have found, against simulations of the test itself."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from plasticity_bench.leaderboard.statistics.inference import Difference, Interval, compare
from plasticity_bench.leaderboard.statistics.power import detectable, seeds_needed


def paired(count: int, mean: float, sd: float) -> Difference:
    """Return a paired difference with this mean and spread exactly."""
    raw = np.random.default_rng(0).standard_normal(count)
    raw = (raw - raw.mean()) / raw.std(ddof=1) * sd + mean
    return compare(dict(enumerate(raw.tolist())), dict.fromkeys(range(count), 0.0))


@pytest.mark.parametrize(("count", "level"), [(5, 0.05), (5, 0.005), (10, 0.05)])
def test_a_difference_of_that_size_is_found_in_80_percent_of_cases(
    count: int, level: float
) -> None:
    size = detectable(paired(count, 0.0, 1.0), level)
    assert size is not None
    data = np.random.default_rng(1).standard_normal((20_000, count)) + size
    found = float(np.mean(stats.ttest_1samp(data, 0, axis=1).pvalue < level))
    assert found == pytest.approx(0.8, abs=0.01)


def test_five_seeds_find_one_sd_seldom() -> None:
    data = np.random.default_rng(2).standard_normal((20_000, 5)) + 1
    assert np.mean(stats.ttest_1samp(data, 0, axis=1).pvalue < 0.05 / 15) < 0.08
    size = detectable(paired(5, 0.0, 1.0), 0.05 / 15)
    assert size is not None
    assert size > 2.5


def test_so_many_seeds_decide() -> None:
    needed = seeds_needed(paired(5, 0.8, 1.0), 0.05)
    assert needed == 15
    data = np.random.default_rng(3).standard_normal((20_000, needed)) + 0.8
    assert np.mean(stats.ttest_1samp(data, 0, axis=1).pvalue < 0.05) >= 0.79
    fewer = np.random.default_rng(3).standard_normal((20_000, needed - 1)) + 0.8
    assert np.mean(stats.ttest_1samp(fewer, 0, axis=1).pvalue < 0.05) < 0.81


def test_what_nobody_can_say_is_not_said() -> None:
    certain = Difference(5, 0.1, Interval(0.1, 0.1), 0.0, float("nan"), paired=True)
    assert detectable(certain, 0.05) is None
    assert seeds_needed(certain, 0.05) is None
    unknown = Difference(
        1, 0.1, Interval(float("nan"), float("nan")), float("nan"), 0.0, paired=True
    )
    assert detectable(unknown, 0.05) is None
    assert seeds_needed(paired(5, 0.0001 / sqrt(5), 1.0), 0.05) is None  # beyond all counting
