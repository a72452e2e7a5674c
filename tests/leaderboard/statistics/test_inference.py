from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plasticity_bench.leaderboard.statistics.inference import (
    Moments,
    band,
    compare,
    difference_moments,
    holm,
    moments,
    stratified,
    summarise,
)

ACCURACY = st.floats(0, 1).map(lambda value: round(value, 3))


def test_summary_of_one_to_five_has_the_textbook_interval() -> None:
    summary = summarise([1, 2, 3, 4, 5])
    assert (summary.count, summary.mean) == (5, 3)
    assert summary.sd == pytest.approx(2.5**0.5)
    # t(0.975, 4) = 2.776, from any table; the standard error is sqrt(2.5 / 5)
    assert summary.interval.half_width == pytest.approx(2.776 * 0.5**0.5, rel=1e-3)
    assert summary.interval.low + summary.interval.high == pytest.approx(6)


def test_a_single_seed_has_a_mean_and_no_interval() -> None:
    summary = summarise([0.7])
    assert summary.mean == 0.7
    assert isnan(summary.sd)
    assert isnan(summary.interval.low)
    assert isnan(summary.interval.high)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="undefined"):
        summarise([])
    with pytest.raises(ValueError, match="at least one value"):
        compare({0: 1.0}, {})


@given(st.lists(ACCURACY, min_size=3, max_size=10).filter(lambda v: len(set(v)) > 1))
def test_interval_is_scipys(values: list[float]) -> None:
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    interval = summarise(values).interval
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_shared_seeds_are_compared_pairwise_as_scipy_does() -> None:
    values = {0: 0.91, 1: 0.93, 2: 0.90, 3: 0.95, 9: 0.1}
    reference = {0: 0.90, 1: 0.90, 2: 0.89, 3: 0.91, 7: 0.9}
    difference = compare(values, reference)
    pairs = [values[s] for s in range(4)], [reference[s] for s in range(4)]
    expected = stats.ttest_rel(*pairs)
    interval = expected.confidence_interval()
    assert difference.paired
    assert difference.count == 4
    assert difference.mean == pytest.approx(0.0225)
    assert difference.p == pytest.approx(expected.pvalue)
    assert difference.interval.low == pytest.approx(interval.low)
    assert difference.interval.high == pytest.approx(interval.high)


@pytest.mark.parametrize("shared", [0, 1])
def test_fewer_than_two_shared_seeds_are_compared_by_welch(shared: int) -> None:
    values = {0: 0.91, 1: 0.93, 2: 0.90, 3: 0.95}
    reference = {4 - shared: 0.80, 5: 0.86, 6: 0.89}
    difference = compare(values, reference)
    expected = stats.ttest_ind(list(values.values()), list(reference.values()), equal_var=False)
    interval = expected.confidence_interval()
    assert not difference.paired
    assert difference.count == 3
    assert difference.p == pytest.approx(expected.pvalue)
    assert difference.interval.low == pytest.approx(interval.low)
    assert difference.interval.high == pytest.approx(interval.high)


_STEADY = [0.01, 0.012, 0.009, 0.01, 0.011]


def test_pairing_sees_a_small_steady_difference_that_welch_does_not() -> None:
    reference = dict(enumerate([0.1, 0.3, 0.5, 0.7, 0.9]))
    better = {s: v + d for (s, v), d in zip(reference.items(), _STEADY, strict=True)}
    assert compare(better, reference).p < 0.001
    elsewhere = {seed + 100: value for seed, value in better.items()}
    assert compare(elsewhere, reference).p > 0.9


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.25, 0.0)])
def test_differences_without_spread_are_certain(shift: float, p: float) -> None:
    reference = {0: 0.5, 1: 0.25, 2: 0.75}
    difference = compare({s: v + shift for s, v in reference.items()}, reference)
    assert difference.p == p
    assert (difference.interval.low, difference.interval.high) == (shift, shift)
    constant = compare(dict.fromkeys((10, 11, 12), 0.5 + shift), dict.fromkeys(range(3), 0.5))
    assert constant.p == p


def test_one_seed_against_one_cannot_be_tested() -> None:
    for values in ({0: 0.6}, {1: 0.6}):
        difference = compare(values, {0: 0.5})
        assert difference.mean == pytest.approx(0.1)
        assert isnan(difference.p)
        assert isnan(difference.interval.low)


def test_the_paired_effect_size_is_the_mean_over_the_sd_of_the_differences() -> None:
    difference = compare({0: 0.5, 1: 0.7, 2: 0.9}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert difference.effect_size == pytest.approx(0.2 / 0.1)


def test_the_unpaired_effect_size_is_over_the_root_mean_variance() -> None:
    # variances 0.01 and 0.04: the root of their mean is sqrt(0.025)
    difference = compare({0: 0.4, 1: 0.5, 2: 0.6}, {7: 0.1, 8: 0.3, 9: 0.5})
    assert difference.effect_size == pytest.approx(0.2 / 0.025**0.5)


def test_one_stratum_is_the_plain_t_interval() -> None:
    values = [0.5, 0.7, 0.6, 0.8]
    assert stratified([moments(values)]).interval() == summarise(values).interval


def test_two_strata_are_welchs_test_of_a_sum() -> None:
    # The mean of two strata is half of (a - (-b)): Welch's test knows its error and degrees.
    a, b = [0.5, 0.7, 0.6, 0.8], [0.1, 0.15, 0.12]
    expected = stats.ttest_ind(a, [-value for value in b], equal_var=False)
    found = stratified([moments(a), moments(b)])
    interval = expected.confidence_interval()
    assert found.mean == pytest.approx((np.mean(a) + np.mean(b)) / 2)
    assert found.degrees == pytest.approx(expected.df)
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert (found.interval().low, found.interval().high) == pytest.approx(
        (interval.low / 2, interval.high / 2)
    )


def test_equal_strata_have_as_many_degrees_as_all_their_seeds() -> None:
    found = stratified([Moments(0.5, 0.1, 4)] * 3)
    assert found.degrees == pytest.approx(12)
    assert found.error == pytest.approx(0.1 / 3**0.5)


def test_a_stratum_of_one_seed_leaves_no_interval() -> None:
    found = stratified([moments([0.5, 0.6]), moments([0.4])])
    assert found.mean == pytest.approx(0.475)
    assert isnan(found.interval().low)
    assert isnan(found.p_value())


def test_a_stratum_without_spread_adds_none() -> None:
    found = stratified([moments([0.5, 0.6, 0.7]), moments([0.0, 0.0])])
    assert found.degrees == pytest.approx(2)
    assert found.error == pytest.approx(moments([0.5, 0.6, 0.7]).error / 2)


def test_the_moments_of_a_difference_are_those_that_compare_shows() -> None:
    a, b = {0: 0.5, 1: 0.7, 2: 0.6, 4: 0.9}, {0: 0.4, 1: 0.5, 2: 0.45, 3: 0.9}
    found, paired = difference_moments(a, b)
    assert paired
    assert found.mean == pytest.approx(0.15)
    assert found.p_value() == compare(a, b).p


def test_the_moments_behind_a_printed_interval_are_those_of_its_values() -> None:
    values = [0.91, 0.93, 0.90, 0.95]
    known = summarise(values)
    found = Moments.of_interval(known.mean, known.interval.half_width, 4)
    assert found.error == pytest.approx(known.error)
    assert found.degrees == 3
    with pytest.raises(ValueError, match="two values"):
        Moments.of_interval(0.9, 0.1, 1)


def test_a_difference_of_independent_moments_is_welchs() -> None:
    one, other = [0.91, 0.93, 0.90, 0.95], [0.80, 0.99, 0.70]
    found = moments(one).minus(moments(other))
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value() == pytest.approx(welch.pvalue)
    low, high = welch.confidence_interval(0.95)
    assert found.interval().low == pytest.approx(low)
    assert found.interval().high == pytest.approx(high)


@pytest.mark.parametrize("margin", [0.1, 1.4, 2.5, 5.0])
def test_equivalence_is_two_one_sided_tests(margin: float) -> None:
    values = [1.0, 2.0, 0.5, 1.8]
    greater = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    less = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert moments(values).equivalence_p(margin) == pytest.approx(max(greater, less))


def test_equivalence_without_spread_is_certain_and_of_one_value_unknown() -> None:
    flat = Moments(0.2, 0.0, 3)
    assert (flat.equivalence_p(0.3), flat.equivalence_p(0.2)) == (0, 1)
    assert isnan(moments([0.2]).equivalence_p(0.3))


def test_holm_on_its_textbook_example() -> None:
    # ordered 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested() -> None:
    corrected = holm([0.02, nan, 0.04])
    assert corrected[::2] == pytest.approx([0.04, 0.04])
    assert isnan(corrected[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_order_and_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p, adjusted in zip(p_values, corrected, strict=True):
        assert p <= adjusted <= min(1.0, len(p_values) * p) + 1e-15
    assert [corrected[i] for i in np.argsort(p_values, kind="stable")] == sorted(corrected)


@given(st.lists(st.lists(ACCURACY, min_size=3, max_size=3), min_size=3, max_size=6))
def test_band_is_the_interval_at_every_point(curves: list[list[float]]) -> None:
    mean, low, high = band(curves)
    for point, values in enumerate(zip(*curves, strict=True)):
        summary = summarise(values)
        expected = (summary.mean, summary.interval.low, summary.interval.high)
        assert (mean[point], low[point], high[point]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("curves", [[[0.1, 0.2]], [[0.1, 0.2], [0.1, 0.2]]])
def test_band_of_one_or_two_seeds_is_undefined(curves: list[list[float]]) -> None:
    mean, low, high = band(curves)
    assert mean.tolist() == [0.1, 0.2]
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_two_seeds_have_no_interval_and_no_test(spread: float) -> None:
    summary = summarise([0.5, 0.5 + spread])
    assert summary.sd == pytest.approx(spread / 2**0.5)
    assert isnan(summary.interval.low)
    two, three = {0: 0.6, 1: 0.6 + spread}, {0: 0.5, 1: 0.5, 2: 0.5}
    for found in (compare(two, three), compare({8: 0.6, 9: 0.6 + spread}, three)):
        assert found.count == 2
        assert found.mean == pytest.approx(0.1 + spread / 2)
        assert np.isnan([found.p, found.interval.low, found.interval.high]).all()
