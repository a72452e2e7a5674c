"""Accuracy metrics: known answers first, then laws."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.metrics.accuracy import (
    Array,
    acc,
    acc_cum,
    backward_transfer,
    chance_normalised,
    early_task_accuracy,
    forgetting,
    forward_transfer,
    fresh_gap,
    plasticity_loss,
    plasticity_slope,
    recovery_time,
    recovery_times,
    taa,
    taoa,
    task_end_accuracy,
    window_length,
)

SHARES = st.floats(0, 1)


def accuracies(low: int, high: int) -> st.SearchStrategy[Array]:
    return arrays(np.float64, st.integers(low, high), elements=SHARES)


def test_taoa_is_the_mean_over_all_batches_of_all_tasks() -> None:
    assert taoa([[0.0, 0.5], [1.0, 0.9]]) == pytest.approx(0.6)


def test_taoa_takes_a_tensor() -> None:
    assert taoa(torch.tensor([[0.25, 0.75]])) == pytest.approx(0.5)


def test_task_end_accuracy_is_the_mean_of_each_tasks_last_value() -> None:
    assert task_end_accuracy([[0.1, 0.8], [0.9, 0.4]]) == pytest.approx(0.6)


@pytest.mark.parametrize("values", [[], [[]], [0.5, 0.5], np.zeros((2, 2, 2))])
def test_accuracies_that_are_not_tasks_by_updates_are_refused(values: object) -> None:
    with pytest.raises(BenchError, match="one row for each task"):
        taoa(np.asarray(values))


def test_acc_cum_averages_the_tasks_seen_at_each_checkpoint() -> None:
    seen = [[0.9], [0.5, 0.7], [0.3, 0.6, 0.9]]
    assert acc_cum(seen) == pytest.approx([0.9, 0.6, 0.6])
    assert acc(seen) == pytest.approx(0.6)
    assert taa(seen) == pytest.approx(0.7)


def test_taa_counts_checkpoints_and_not_tasks() -> None:
    assert taa([[1.0], [0.0, 0.0, 0.0]]) == pytest.approx(0.5)


@pytest.mark.parametrize("seen", [[], [[0.5], []]])
def test_acc_of_nothing_is_refused(seen: list[list[float]]) -> None:
    with pytest.raises(BenchError, match="at least one checkpoint"):
        acc_cum(seen)


def test_early_task_accuracy_sees_only_the_first_tenth_of_each_task() -> None:
    online = np.ones((2, 20))
    online[0, :2], online[1, :2] = 0.2, [0.4, 0.6]
    assert early_task_accuracy(online) == pytest.approx(0.35)


def test_early_task_accuracy_over_the_whole_task_is_taoa() -> None:
    online = np.random.default_rng(0).random((3, 7))
    assert early_task_accuracy(online, window=1.0) == pytest.approx(taoa(online))


@pytest.mark.parametrize(("updates", "share", "length"), [(30, 0.1, 3), (3, 0.1, 1), (26, 0.1, 3)])
def test_window_length_is_rounded_and_at_least_one(updates: int, share: float, length: int) -> None:
    assert window_length(updates, share) == length


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_window_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(BenchError, match=r"must be in \(0, 1\]"):
        window_length(10, share)


def test_recovery_counts_updates_until_the_running_mean_is_back() -> None:
    end = [0.0, 0.0, 0.8, 0.8]
    back = [0.0, 0.4, 0.8, 0.8]  # running means of two: 0.2, 0.6, 0.8
    assert recovery_times([end, back], window=0.5) == [4]
    assert recovery_times([end, back], window=0.25) == [3]


def test_recovery_at_once_takes_one_window() -> None:
    assert recovery_times(np.full((3, 40), 0.7), window=0.05) == [2, 2]


def test_recovery_of_exactly_the_share_counts() -> None:
    assert recovery_times([[1.0], [0.95]]) == [1]
    assert recovery_times(np.array([[1.0], [0.95]], dtype=np.float32)) == [1]
    assert recovery_times([[1.0], [0.949]]) == [None]


def test_a_shift_without_recovery_within_the_task_is_none() -> None:
    online = [[0.9] * 4, [0.1] * 4, [0.9] * 4]
    assert recovery_times(online, window=0.25) == [None, 1]


def test_recovery_never_looks_back_over_the_shift() -> None:
    online = [[0.5, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]]
    assert recovery_times(online, window=0.5) == [None]


def test_a_stream_of_one_task_has_no_shift_to_recover_from() -> None:
    assert recovery_times([[0.5, 0.6]]) == []
    assert recovery_time([]) is None


def test_recovery_time_is_a_median_in_which_never_is_the_longest() -> None:
    assert recovery_time([10, None, 20]) == 20
    assert recovery_time([10, 20]) == 15
    assert recovery_time([10, None, None]) is None
    assert recovery_time([10, None]) is None


def test_recovery_of_no_share_is_refused() -> None:
    with pytest.raises(BenchError, match="give a share"):
        recovery_times([[0.5], [0.5]], share=0.0)


def test_fresh_gap_is_positive_where_the_fresh_copy_is_better() -> None:
    assert fresh_gap([0.9, 0.9], [0.9, 0.6]) == pytest.approx([0.0, 0.3])


def test_fresh_gap_of_different_tasks_is_refused() -> None:
    with pytest.raises(BenchError, match="2 tasks of the fresh copy and 3 of the learner"):
        fresh_gap([0.9, 0.9], [0.9, 0.6, 0.5])


def test_plasticity_loss_is_best_early_window_minus_last_tenth() -> None:
    per_task = [0.1, 0.2, 0.8, 1.0, 0.6, 0.6] + [0.6] * 12 + [0.3, 0.1]  # 20 tasks: windows of 2
    assert plasticity_loss(per_task) == pytest.approx(0.9 - 0.2)


def test_plasticity_loss_does_not_look_for_its_best_in_the_second_half() -> None:
    assert plasticity_loss([0.2, 0.3, 0.9, 0.4]) == pytest.approx(0.3 - 0.4)


def test_plasticity_loss_of_two_tasks_is_their_difference_and_of_one_is_unknown() -> None:
    assert plasticity_loss([0.7, 0.4]) == pytest.approx(0.3)
    assert plasticity_loss([0.7]) is None


@given(accuracies(2, 45))
def test_plasticity_loss_is_bounded_and_agrees_with_a_plain_search(per_task: Array) -> None:
    tasks = len(per_task)
    length = max(1, int(np.ceil(tasks / 10)))
    starts = range(tasks // 2 - length + 1)
    best = max(float(np.mean(per_task[start : start + length])) for start in starts)
    loss = plasticity_loss(per_task)
    assert loss is not None
    assert loss == pytest.approx(best - np.mean(per_task[tasks - length :]))
    assert -1 <= loss <= 1


def test_plasticity_slope_of_a_line_is_exact_and_in_accuracy_per_100_tasks() -> None:
    slope = plasticity_slope(0.9 - 0.001 * np.arange(50))
    assert slope is not None
    assert (slope.per_100_tasks, slope.low, slope.high) == pytest.approx((-0.1, -0.1, -0.1))


def test_plasticity_slope_is_not_moved_by_an_odd_task() -> None:
    per_task = 0.9 - 0.001 * np.arange(50)
    per_task[25] = 0.0
    slope = plasticity_slope(per_task)
    assert slope is not None
    assert slope.per_100_tasks == pytest.approx(-0.1)


def test_plasticity_slope_of_fewer_than_three_tasks_is_unknown() -> None:
    assert plasticity_slope([0.5, 0.6]) is None


@given(accuracies(3, 30))
def test_plasticity_slope_turns_its_sign_with_the_order_of_tasks(per_task: Array) -> None:
    there, back = plasticity_slope(per_task), plasticity_slope(per_task[::-1])
    assert there is not None
    assert back is not None
    assert there.low <= there.per_100_tasks <= there.high
    assert back.per_100_tasks == pytest.approx(-there.per_100_tasks, abs=1e-9)


def test_chance_normalised_maps_chance_to_0_and_perfect_to_1() -> None:
    assert chance_normalised([0.1, 0.55, 1.0, 0.0], 0.1) == pytest.approx([0, 0.5, 1, -1 / 9])


@pytest.mark.parametrize("chance", [1.0, -0.1])
def test_a_chance_out_of_range_is_refused(chance: float) -> None:
    with pytest.raises(BenchError, match="chance must be in"):
        chance_normalised(0.5, chance)


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=SHARES))
def test_means_of_accuracies_stay_within_their_extremes(online: Array) -> None:
    low, high = online.min() - 1e-12, online.max() + 1e-12
    for value in (taoa(online), task_end_accuracy(online), early_task_accuracy(online)):
        assert low <= value <= high
    for updates in recovery_times(online):
        assert updates is None or window_length(online.shape[1], 0.05) <= updates <= online.shape[1]


LEARNT = [[0.9], [0.5, 0.8], [0.7, 0.6, 0.9]]
"""Test accuracies on the tasks seen, at the end of each of three tasks."""


def test_backward_transfer_and_forgetting_are_those_of_their_papers() -> None:
    assert backward_transfer(LEARNT) == pytest.approx(((0.7 - 0.9) + (0.6 - 0.8)) / 2)
    assert forgetting(LEARNT) == pytest.approx(((0.9 - 0.7) + (0.8 - 0.6)) / 2)
    gained = [[0.5], [0.7, 0.8], [0.6, 0.9, 0.9]]
    assert backward_transfer(gained) == pytest.approx((0.1 + 0.1) / 2)
    assert forgetting(gained) == pytest.approx((0.1 - 0.1) / 2)  # the best was after the second
    assert backward_transfer([[0.9]]) is None
    assert forgetting([[0.9]]) is None


def test_forward_transfer_is_taken_to_the_initial_weights() -> None:
    assert forward_transfer([0.3, 0.2], [0.1, 0.1]) == pytest.approx(0.15)
    assert forward_transfer([], []) is None
