"""Integration time on made-up ratio curves, and survival curves against answers by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.metrics.integration import (
    IntegrationTime,
    censored_share,
    integration_time,
    kaplan_meier,
    log_rank,
    median_time,
    restricted_mean,
)

AGES = [0, 1, 2, 4, 8, 16, 32, 64]
NAN = float("nan")


def time_of(ratios: Sequence[float], rho: float = 0.5, w: int = 3) -> IntegrationTime:
    return integration_time(AGES[: len(ratios)], ratios, "end of run", rho=rho, w=w)


def integrated(age: float) -> IntegrationTime:
    return IntegrationTime(age, True, 1, 0, "end of run")


def cut_off(age: float) -> IntegrationTime:
    return IntegrationTime(age, False, 1, 0, "edit")


def unknown() -> IntegrationTime:
    return IntegrationTime(0.0, False, 0, 0, "edit")


# -- one cohort ------------------------------------------------------------------------------------


def test_a_cohort_at_parity_from_birth_integrates_at_age_0() -> None:
    assert time_of([1.0] * 8) == IntegrationTime(0.0, True, 6, 0, "end of run")


def test_a_cohort_integrates_at_the_first_age_from_which_it_stays() -> None:
    time = time_of([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert (time.age, time.observed) == (8.0, True)


def test_reaching_exactly_rho_counts() -> None:
    assert time_of([0.1, 0.5, 0.5, 0.5]).age == 1.0


def test_a_cohort_that_never_integrates_is_censored_where_it_could_last_be_seen_to() -> None:
    time = time_of([0.1] * 8)
    assert (time.age, time.observed) == (16.0, False)  # a run from age 32 on has 2 measurements


def test_a_run_cut_off_by_the_next_edit_is_censored() -> None:
    time = integration_time(AGES[:5], [0.1, 0.1, 0.1, 0.9, 0.9], "edit", rho=0.5, w=3)
    assert time == IntegrationTime(2.0, False, 3, 0, "edit")


def test_a_dip_breaks_the_run() -> None:
    time = time_of([0.6, 0.6, 0.4, 0.6, 0.6, 0.4, 0.6, 0.6])
    assert (time.age, time.observed) == (16.0, False)
    assert time_of([0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.1, 0.1]).age == 4.0


def test_a_lapse_after_the_run_does_not_undo_it() -> None:
    assert time_of([0.9, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0]).observed


def test_a_missing_ratio_breaks_the_run() -> None:
    assert time_of([0.9, 0.9, NAN, 0.9, 0.9, 0.9]).age == 4.0


def test_overshoots_are_integrated_and_counted_apart() -> None:
    time = time_of([5.0, 3.0, 1.0, 2.0, 2.1, NAN])
    assert (time.age, time.observed, time.overshoots) == (0.0, True, 3)


def test_a_cohort_with_too_few_measurements_says_nothing() -> None:
    assert time_of([0.9, 0.9]) == IntegrationTime(0.0, False, 0, 0, "end of run")
    assert time_of([]).candidates == 0


def test_defaults_are_half_of_parity_and_five_measurements() -> None:
    time = integration_time(AGES, [0.4, 0.5, 0.5, 0.5, 0.5, 0.4, 0.5, 0.5], "death")
    assert (time.age, time.observed) == (4.0, False)
    assert integration_time(AGES, [0.4] + [0.5] * 7, "death").age == 1.0


@pytest.mark.parametrize(
    ("ages", "ratios", "rho", "w", "message"),
    [
        ([0, 1], [1.0], 0.5, 1, "one age for each"),
        ([1, 0], [1.0, 1.0], 0.5, 1, "must ascend"),
        ([1, 1], [1.0, 1.0], 0.5, 1, "must ascend"),
        ([-1, 1], [1.0, 1.0], 0.5, 1, "from 0"),
        ([0], [1.0], 0.0, 1, r"rho must be in \(0, 1\]"),
        ([0], [1.0], 1.5, 1, r"rho must be in \(0, 1\]"),
        ([0], [1.0], 0.5, 0, "w at least 1"),
    ],
)
def test_wrong_arguments_are_refused(
    ages: list[float], ratios: list[float], rho: float, w: int, message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        integration_time(ages, ratios, "death", rho=rho, w=w)


ratio_curves = st.lists(st.floats(0, 3), max_size=8)


@given(ratio_curves, st.floats(0.1, 1), st.integers(1, 4))
def test_integration_time_meets_its_definition(ratios: list[float], rho: float, w: int) -> None:
    time = time_of(ratios, rho, w)
    starts = [i for i in range(len(ratios) - w + 1) if min(ratios[i : i + w]) >= rho]
    assert time.observed == bool(starts)
    assert time.overshoots == sum(ratio > 1 / rho for ratio in ratios)
    if starts:
        assert time.age == AGES[starts[0]]
    else:
        assert time.age == (AGES[len(ratios) - w] if len(ratios) >= w else 0)


@given(ratio_curves, st.floats(0.1, 0.9))
def test_asking_for_more_never_makes_a_cohort_integrate_sooner(
    ratios: list[float], rho: float
) -> None:
    easy, hard = time_of(ratios, rho), time_of(ratios, rho + 0.1)
    assert easy.age <= hard.age
    assert easy.observed or not hard.observed


# -- many cohorts ----------------------------------------------------------------------------------


def test_kaplan_meier_is_as_computed_by_hand() -> None:
    # 6 at risk at 1: 5/6; one lost at 2; 4 at risk at 3: 5/6 * 3/4 = 5/8; one lost at 3;
    # 2 at risk at 5: 5/16; the last is lost at 8
    times = [integrated(1), cut_off(2), integrated(3), cut_off(3), integrated(5), cut_off(8)]
    curve = kaplan_meier(times)
    assert curve.ages == pytest.approx([1, 2, 3, 5, 8])
    assert curve.not_integrated == pytest.approx([5 / 6, 5 / 6, 5 / 8, 5 / 16, 5 / 16])
    assert median_time(times) == 5
    assert censored_share(times) == pytest.approx(0.5)


def test_kaplan_meier_of_the_leukemia_trial() -> None:
    # 6-mercaptopurine arm of Freireich et al. 1963, the textbook example (Kleinbaum and Klein)
    events = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    lost = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    treated = [integrated(age) for age in events] + [cut_off(age) for age in lost]
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    curve = kaplan_meier(treated)
    at_events = curve.not_integrated[np.isin(curve.ages, events)]
    assert at_events == pytest.approx(
        [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=1e-4
    )
    assert median_time(treated) == 23
    assert median_time([integrated(age) for age in placebo]) == 8
    test = log_rank(treated, [integrated(age) for age in placebo])
    assert test is not None
    assert test.statistic**2 == pytest.approx(16.79, abs=0.01)
    assert test.statistic < 0


def test_the_median_is_where_the_curve_first_is_at_one_half() -> None:
    assert median_time([integrated(age) for age in (1, 2, 3, 4)]) == 2
    assert median_time([integrated(4)]) == 4


def test_a_median_can_be_not_reached() -> None:
    assert median_time([integrated(1), cut_off(2), cut_off(3)]) is None
    assert median_time([cut_off(9)]) is None
    assert median_time([]) is None


def test_restricted_mean_is_the_area_under_the_curve() -> None:
    times = [integrated(2), integrated(4), cut_off(10), cut_off(10)]  # 1 to 2, 3/4 to 4, 1/2 on
    assert restricted_mean(times, 10) == pytest.approx(2 + 1.5 + 3)
    assert restricted_mean(times, 3) == pytest.approx(2 + 0.75)
    assert restricted_mean(times, 1) == pytest.approx(1)
    assert restricted_mean(times, 20) == pytest.approx(2 + 1.5 + 8)


def test_restricted_mean_without_censoring_is_the_mean() -> None:
    assert restricted_mean([integrated(age) for age in (0, 3, 6)], 100) == pytest.approx(3)


def test_restricted_mean_of_nothing_known_is_none() -> None:
    assert restricted_mean([unknown()], 10) is None


def test_a_horizon_of_0_is_refused() -> None:
    with pytest.raises(BenchError, match="horizon above 0"):
        restricted_mean([integrated(1)], 0)


def test_a_cohort_without_candidates_has_no_weight_in_the_curve_but_is_censored() -> None:
    times = [integrated(0), integrated(2)]
    assert kaplan_meier([*times, unknown()]).not_integrated == pytest.approx([0.5, 0])
    assert censored_share([*times, unknown()]) == pytest.approx(1 / 3)


def test_censored_share_of_no_cohorts_is_none() -> None:
    assert censored_share([]) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [([], [integrated(1)]), ([unknown()], [integrated(1)]), ([cut_off(1)], [cut_off(2)])],
)
def test_log_rank_is_none_where_there_is_nothing_to_compare(
    first: list[IntegrationTime], second: list[IntegrationTime]
) -> None:
    assert log_rank(first, second) is None


def test_log_rank_sees_the_sooner_group_and_turns_its_sign_with_the_groups() -> None:
    soon, late = [integrated(age) for age in (1, 2, 3, 4)], [cut_off(9) for _ in range(4)]
    there, back = log_rank(soon, late), log_rank(late, soon)
    assert there is not None
    assert back is not None
    assert there.statistic > 0
    assert there.p < 0.05
    assert (back.statistic, back.p) == pytest.approx((-there.statistic, there.p))


def _weighted_times() -> list[IntegrationTime]:
    """Every true time, uniform on ages 0 to 9, with every length of observation from 3 to 12."""
    times = []
    for true_age in range(10):
        for measurements in range(3, 13):
            ratios = [float(age >= true_age) for age in range(measurements)]
            times.append(integration_time(range(measurements), ratios, "edit", w=3))
    return times


def test_censoring_leaves_the_curve_where_it_would_be_without() -> None:
    curve = kaplan_meier(_weighted_times())
    assert curve.ages == pytest.approx(range(10))
    assert curve.not_integrated == pytest.approx(1 - np.arange(1, 11) / 10)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=15))
def test_survival_curves_fall_from_1_and_agree_with_the_product_formula(
    cohorts: list[tuple[int, bool]],
) -> None:
    times = [integrated(age) if seen else cut_off(age) for age, seen in cohorts]
    curve = kaplan_meier(times)
    share, expected = 1.0, []
    for age in sorted({age for age, _ in cohorts}):
        at_risk = sum(other >= age for other, _ in cohorts)
        share *= 1 - cohorts.count((age, True)) / at_risk
        expected.append(share)
    assert curve.not_integrated == pytest.approx(expected)
    mean = restricted_mean(times, 20)
    assert mean is not None
    assert 0 <= mean <= 20 + 1e-9


# -- a trial whose answers are in the textbooks ----------------------------------------------------

TREATED = [integrated(age) for age in (6, 6, 6, 7, 10, 13, 16, 22, 23)] + [
    cut_off(age) for age in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
]
PLACEBO = [
    integrated(age)
    for age in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
]


def test_log_rank_of_the_leukaemia_trial_is_the_textbooks() -> None:
    """Freireich et al. 1963: remission in weeks under 6-MP and placebo; chi-square 16.79."""
    found = log_rank(PLACEBO, TREATED)
    assert found is not None
    assert found.statistic > 0  # without treatment they relapse sooner
    assert found.statistic**2 == pytest.approx(16.79, abs=0.005)
    assert found.p == pytest.approx(4.17e-5, rel=0.01)


def test_kaplan_meier_of_the_leukaemia_trial_is_the_textbooks() -> None:
    curve = kaplan_meier(TREATED)
    at = dict(zip(curve.ages.tolist(), curve.not_integrated.tolist(), strict=True))
    assert [at[week] for week in (6, 7, 10, 13, 16, 22, 23)] == pytest.approx(
        [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=6e-4
    )
    assert (median_time(TREATED), median_time(PLACEBO)) == (23, 8)
