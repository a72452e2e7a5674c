from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plasticity_bench.leaderboard.curves.lines import (
    accuracy_over_steps,
    accuracy_over_tasks,
    alive_over_steps,
    cohorts_of,
    parity_by_age,
    smoothing_window,
)
from plasticity_bench.leaderboard.statistics.inference import summarise
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]
Rows = list[dict[str, Any]]


def task_rows(accuracies: list[float | None]) -> Rows:
    return [
        {"kind": "task", "task": task, "step": 10 * (task + 1), "online_accuracy": accuracy}
        for task, accuracy in enumerate(accuracies)
    ]


def cohort(age: int, gradient: float | None, birth: int = 5, layer: str = "hidden0") -> Any:
    return {
        "kind": "cohort",
        "birth": birth,
        "age": age,
        "layer": layer,
        "newborns": 8,
        "gradient": gradient,
    }


def edit(step: int, kind: str, units: int) -> Any:
    return {"kind": "edit", "step": step, "edit": kind, "units": list(range(units))}


def alive(step: int, *units: int) -> Any:
    return {"kind": "task", "task": step // 10, "step": step, "alive": list(units)}


def test_accuracy_is_the_mean_over_seeds_with_its_interval(make_result: MakeResult) -> None:
    seeds = [[0.1, 0.5, 0.9], [0.3, 0.5, 0.7], [0.2, 0.5, 0.2]]
    runs = [make_result(seed=s, rows=task_rows([*values])) for s, values in enumerate(seeds)]
    line = accuracy_over_tasks(runs)
    assert line is not None
    assert line.x.tolist() == [0, 1, 2]
    for task, values in enumerate(zip(*seeds, strict=True)):
        summary = summarise(values)
        assert line.middle[task] == pytest.approx(summary.mean)
        assert line.low[task] == pytest.approx(summary.interval.low)
        assert line.high[task] == pytest.approx(summary.interval.high)


def test_smoothing_averages_full_windows_only(make_result: MakeResult) -> None:
    line = accuracy_over_tasks([make_result(rows=task_rows([0.0, 0.3, 0.6, 0.9]))], window=3)
    assert line is not None
    assert line.x.tolist() == [1, 2]
    assert line.middle == pytest.approx([0.3, 0.6])
    assert np.isnan(line.low).all()


@pytest.mark.parametrize(("tasks", "window"), [(1, 1), (100, 1), (101, 3), (500, 10), (800, 16)])
def test_only_long_streams_are_smoothed(tasks: int, window: int) -> None:
    assert smoothing_window(tasks) == window


def test_an_undefined_accuracy_is_a_gap(make_result: MakeResult) -> None:
    line = accuracy_over_tasks([make_result(rows=task_rows([0.5, None, 0.7]))])
    assert line is not None
    assert np.isnan(line.middle).tolist() == [False, True, False]


def test_runs_without_tasks_have_no_curve(make_result: MakeResult) -> None:
    assert accuracy_over_tasks([make_result()]) is None
    assert accuracy_over_tasks([]) is None
    assert alive_over_steps([make_result()]) is None
    assert alive_over_steps([]) is None
    assert parity_by_age([make_result()], "gradient") is None


def test_checkpoints_give_accuracy_by_step(make_result: MakeResult) -> None:
    rows = [{"kind": "checkpoint", "task": 0, "step": s, "accuracy": s / 100} for s in (25, 50)]
    line = accuracy_over_steps([make_result(rows=rows)])
    assert line is not None
    assert line.x.tolist() == [25, 50]
    assert line.middle.tolist() == [0.25, 0.5]


def test_parity_is_the_median_with_quartiles_over_cohorts_and_seeds(
    make_result: MakeResult,
) -> None:
    first = [cohort(1, 0.1), cohort(1, 0.2, layer="hidden1"), cohort(10, 0.8)]
    second = [cohort(1, 0.3), cohort(1, 0.4, birth=7), cohort(1, 0.9, birth=9), cohort(10, None)]
    runs = [make_result(seed=0, rows=first), make_result(seed=1, rows=second)]
    line = parity_by_age(runs, "gradient")
    assert line is not None
    assert line.x.tolist() == [1, 10]
    assert line.middle == pytest.approx([0.3, 0.8])
    assert line.low == pytest.approx([0.2, 0.8])
    assert line.high == pytest.approx([0.4, 0.8])
    assert len(cohorts_of(runs)) == 5


def test_cohorts_born_before_training_are_left_out(make_result: MakeResult) -> None:
    runs = [make_result(rows=[cohort(1, 9.0, birth=0), cohort(1, 0.5)])]
    line = parity_by_age(runs, "gradient")
    assert line is not None
    assert line.middle.tolist() == [0.5]
    assert len(cohorts_of(runs)) == 1


def test_alive_units_jump_at_edits_and_are_level_between(make_result: MakeResult) -> None:
    rows = [edit(4, "grow", 3), edit(4, "grow", 2), alive(10, 15, 10), edit(10, "reset", 4)]
    rows += [edit(10, "prune", 5), alive(20, 10, 10)]
    line = alive_over_steps([make_result(rows=rows)])
    assert line is not None
    assert dict(zip(line.x, line.middle, strict=True)) == {0: 20, 4: 25, 10: 20, 20: 20}


def test_alive_units_of_seeds_that_edit_at_other_steps_are_averaged_at_every_step(
    make_result: MakeResult,
) -> None:
    runs = [
        make_result(seed=0, rows=[edit(4, "prune", 10), alive(10, 10)]),
        make_result(seed=1, rows=[edit(6, "prune", 10), alive(10, 10)]),
    ]
    line = alive_over_steps(runs)
    assert line is not None
    assert line.x.tolist() == [0, 4, 6, 10]
    assert line.middle.tolist() == [20, 15, 10, 10]
    assert line.low.tolist() == [20, 10, 10, 10]
    assert line.high.tolist() == [20, 20, 10, 10]
