"""A lost run never helps: tests that take losses first, and how often they are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest
from scipy import stats

from plasticity_bench.leaderboard.statistics.inference import compare, holm
from plasticity_bench.leaderboard.statistics.losses import Outcomes, difference, tail

WORST = 0.0


def outcomes(values: Sequence[float | None], worst: float = WORST) -> Outcomes:
    """Return outcomes by seed; None is a lost run."""
    ended = {(seed, ""): value for seed, value in enumerate(values) if value is not None}
    counted = {(seed, ""): worst if v is None else v for seed, v in enumerate(values)}
    return Outcomes(ended, counted)


GOOD = [0.90, 0.91, 0.89, 0.92, 0.90]


def test_without_losses_it_is_the_usual_test() -> None:
    bad = [0.5, 0.52, 0.49, 0.51, 0.5]
    pair = outcomes(bad), outcomes(GOOD)
    assert difference([pair], 1) == compare(pair[0].counted, pair[1].counted)


def test_who_is_far_behind_stays_behind_when_a_run_is_lost() -> None:
    bad: list[float | None] = [0.5, 0.52, 0.49, 0.51, 0.5]
    whole = difference([(outcomes(bad), outcomes(GOOD))], 1)
    bad[1] = None
    lost = difference([(outcomes(bad), outcomes(GOOD))], 1)
    rest = stats.ttest_rel([0.5, 0.49, 0.51, 0.5], [0.90, 0.89, 0.92, 0.90])
    assert lost.p == pytest.approx(rest.pvalue / 2)  # that it was this one of two that lost
    assert lost.p < 1e-3
    assert (whole.mean < -0.3, lost.mean < -0.3) == (True, True)
    turned = difference([(outcomes(GOOD), outcomes(bad))], 1)
    assert turned.p == pytest.approx(lost.p)
    assert turned.mean == pytest.approx(-lost.mean)
    assert (whole.ended, lost.ended, turned.ended) == (False, True, True)


def test_it_is_the_same_where_lower_is_better() -> None:
    low = [1.0, 1.1, 0.9, 1.05, 1.0]
    high: list[float | None] = [5.0, 5.1, None, 5.05, 5.0]
    assert difference([(outcomes(high, 9.0), outcomes(low))], -1).p < 1e-3


def test_losing_every_run_is_worse_than_losing_none() -> None:
    found = difference([(outcomes([None] * 5), outcomes(GOOD))], 1)
    assert found.p == pytest.approx(2 / comb(10, 5))
    assert found.mean == pytest.approx(-np.mean(GOOD))
    both = difference([(outcomes([None] * 5), outcomes([None] * 5))], 1)
    assert both.p == 1
    assert not both.ended  # it is over the worst case of all


def test_losses_and_values_that_contradict_each_other_count_as_the_worst_case() -> None:
    better: list[float | None] = [0.95, 0.96, 0.94, 0.97, None]
    pair = outcomes(better), outcomes(GOOD)
    assert difference([pair], 1) == compare(pair[0].counted, pair[1].counted)
    assert difference([pair], 1).p > 0.05
    assert not difference([pair], 1).ended


def test_two_runs_that_ended_have_no_interval_and_still_a_part_in_the_test() -> None:
    two: list[float | None] = [0.5, 0.52, None, None, None]
    found = difference([(outcomes(two), outcomes(GOOD))], 1)
    rest = stats.ttest_rel([0.5, 0.52], [0.90, 0.91])
    assert found.p == pytest.approx(2 * rest.pvalue / 2 * comb(5, 3) / comb(10, 3))
    assert isnan(found.interval.low)
    assert found.mean == pytest.approx(-0.395)


def test_over_streams_two_seeds_have_no_interval_either() -> None:
    pair = outcomes([0.5, 0.6]), outcomes([0.7, 0.9])
    found = difference([pair] * 8, 1)
    assert found.mean == pytest.approx(-0.25)
    assert (isnan(found.interval.low), isnan(found.p)) == (True, True)


def test_as_many_losses_on_both_sides_leave_the_values() -> None:
    first, second = outcomes([0.5, 0.51, 0.5, 0.5, None]), outcomes([None, 0.9, 0.91, 0.9, 0.9])
    expected = replace(compare(first.values, second.values), ended=True)
    assert difference([(first, second)], 1) == expected


@pytest.mark.parametrize("lost", range(6))
def test_the_tail_is_that_of_draws_without_replacement(lost: int) -> None:
    pair = outcomes([None] * lost + [0.5] * (5 - lost)), outcomes(GOOD)
    more, as_many = tail([pair])
    assert more == pytest.approx(0)
    assert as_many == pytest.approx(comb(5, lost) / comb(10, lost))
    two_streams = tail([pair, (outcomes(GOOD), outcomes(GOOD))])
    assert two_streams == pytest.approx((more, as_many))


def board(random: np.random.Generator, means: Mapping[str, float], chance: float) -> list[Outcomes]:
    """Return five seeds of each entrant with unit spread, each run lost with some chance."""
    made = []
    for mean in means.values():
        values = mean + random.standard_normal(5)
        made.append(outcomes([None if random.random() < chance else float(v) for v in values], -60))
    return made


def told_apart(made: Sequence[Outcomes]) -> set[tuple[int, int]]:
    """Return the pairs that are told apart at 5 %, Holm-corrected over all pairs."""
    all_pairs = list(combinations(range(len(made)), 2))
    p_values = [difference([(made[a], made[b])], 1).p for a, b in all_pairs]
    return {pair for pair, p in zip(all_pairs, holm(p_values), strict=True) if p < 0.05}


EQUAL = {f"equal {number}": 0.0 for number in range(5)}


@pytest.mark.slow
@pytest.mark.parametrize("behind", [6.0, 4.0])
def test_a_lost_run_hides_nobody_who_is_behind(behind: float) -> None:
    random = np.random.default_rng(0)
    shares = []
    for lost in (0, 1):
        found = 0
        for _ in range(500):
            made = board(random, EQUAL, 0.0)
            values: list[float | None] = [*(-behind + random.standard_normal(5))]
            values[:lost] = [None] * lost
            apart = told_apart([*made, outcomes(values, -60)])
            found += sum((number, 5) in apart for number in range(5))
        shares.append(found / 2500)
    print(f"{behind:g} sd behind, told apart: {shares[0]:.3f}; with a lost run {shares[1]:.3f}")
    assert shares[1] >= shares[0] - 0.15


@pytest.mark.slow
@pytest.mark.parametrize("chance", [0.0, 0.05, 0.2, 0.5])
def test_equal_entrants_are_told_apart_on_few_boards_whatever_is_lost(chance: float) -> None:
    random = np.random.default_rng(1)
    means = {**EQUAL, "equal 5": 0.0}
    wrong = sum(bool(told_apart(board(random, means, chance))) for _ in range(1000)) / 1000
    print(f"chance of a loss {chance:g}: false alarms on {wrong:.3f} of the boards")
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
