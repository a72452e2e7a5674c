from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plasticity_bench.leaderboard.statistics.resampling import (
    improvement,
    improvement_interval,
    interquartile_mean,
    iqm_interval,
    profile,
)

# Four streams of five seeds. The golden numbers below are rliable 1.2.0's on the same values,
# with 20,000 resamples or more.
FIRST = [
    [0.61, 0.63, 0.58, 0.66, 0.60],
    [0.72, 0.70, 0.75, 0.71, 0.74],
    [0.55, 0.52, 0.57, 0.50, 0.58],
    [0.81, 0.85, 0.80, 0.83, 0.79],
]
SECOND = [
    [0.59, 0.64, 0.57, 0.62, 0.61],
    [0.73, 0.69, 0.72, 0.70, 0.73],
    [0.50, 0.49, 0.53, 0.51, 0.52],
    [0.80, 0.84, 0.81, 0.78, 0.80],
]


def test_iqm_is_rliables() -> None:
    assert interquartile_mean(np.ravel(FIRST)) == pytest.approx(0.67)
    assert interquartile_mean(np.ravel(SECOND)) == pytest.approx(0.66)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_iqm_is_scipys_trimmed_mean(values: list[float]) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_iqm_interval_is_rliables_widened_for_few_seeds() -> None:
    interval = iqm_interval(FIRST, seed=0)
    widening = sqrt(5 / 4)
    assert interval.low == pytest.approx(0.67 - widening * (0.67 - 0.656), abs=0.0015)
    assert interval.high == pytest.approx(0.67 + widening * (0.685 - 0.67), abs=0.0015)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert iqm_interval(FIRST, seed=3) == iqm_interval(FIRST, seed=3)
    assert iqm_interval(FIRST, seed=3) != iqm_interval(FIRST, seed=4)


def test_a_stream_with_one_seed_has_no_bootstrap_interval() -> None:
    assert isnan(iqm_interval([[0.5, 0.6], [0.4]], seed=0).low)


def test_improvement_is_rliables() -> None:
    assert improvement(FIRST, SECOND) == pytest.approx(0.66)
    interval = improvement_interval(FIRST, SECOND, seed=0)
    assert (interval.low, interval.high) == pytest.approx((0.48, 0.825), abs=0.02)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=3))
def test_improvement_and_its_opposite_add_up_to_one(values: list[list[int]]) -> None:
    other = [[value + 1 for value in part] for part in reversed(values)]
    assert improvement(values, other) + improvement(other, values) == pytest.approx(1)


def test_improvement_counts_pairs_and_ties_as_halves() -> None:
    # 1 > 0, 1 = 1, 3 > 0, 3 > 1: three and a half of four
    assert improvement([[1, 3]], [[0, 1]]) == pytest.approx(3.5 / 4)


def test_a_profile_and_its_band_are_rliables() -> None:
    share, low, high = profile(FIRST, np.array([0.5, 0.55, 0.6, 0.7, 0.8]), seed=0)
    assert share == pytest.approx([0.95, 0.85, 0.65, 0.45, 0.15])
    # Shares of 20 runs move in steps of 0.05: the limits may be one step apart.
    assert low == pytest.approx([0.85, 0.75, 0.55, 0.35, 0.05], abs=0.051)
    assert high == pytest.approx([1.0, 0.95, 0.75, 0.5, 0.25], abs=0.051)


def test_a_profile_weighs_streams_and_not_seeds() -> None:
    share, low, high = profile([[1.0] * 9, [0.0]], np.array([0.5]), seed=0)
    assert share == pytest.approx([0.5])
    assert (low[0], high[0]) == pytest.approx((0.5, 0.5))
