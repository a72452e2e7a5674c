"""Numbers of a run from its rows: retention, collapse, cohorts whose incumbents fall silent."""

from typing import Any

import pytest

from plasticity_bench.harness.metrics.pooling import pooled_curves
from plasticity_bench.harness.metrics.summary import (
    Row,
    collapsed,
    cut_short,
    integration_times,
    summarise,
)
from tests.harness.loop.rows_of import rows_of


def checkpoint(task: int, *per_task: float) -> Row:
    return {"kind": "checkpoint", "task": task, "step": task, "per_task": list(per_task)}


def test_retention_takes_the_last_checkpoint_of_each_task() -> None:
    rows: list[Row] = [
        {"kind": "initial", "task": 0, "step": 0, "per_task": [0.1, 0.2, 0.0]},
        checkpoint(0, 0.4),
        checkpoint(0, 0.9),
        {"kind": "arrival", "task": 1, "step": 1, "accuracy": 0.5},
        checkpoint(1, 0.1, 0.1),
        checkpoint(1, 0.6, 0.8),
    ]
    found = summarise(rows)
    assert found["forgetting"] == pytest.approx(0.3)
    assert found["backward_transfer"] == pytest.approx(-0.3)
    assert found["forward_transfer"] == pytest.approx(0.3)


def test_retention_is_undefined_where_only_the_current_task_is_tested() -> None:
    found = summarise([checkpoint(0, 0.9), checkpoint(1, 0.8)])
    names = ("forgetting", "backward_transfer", "forward_transfer")
    assert [found[name] for name in names] == [None, None, None]
    assert [summarise([])[name] for name in names] == [None, None, None]


def test_a_run_tests_tasks_before_it_learns_them() -> None:
    rows = rows_of("class-incremental-digits(batch_size=100)", "dense")
    (initial,) = [row for row in rows if row["kind"] == "initial"]
    arrivals = [row for row in rows if row["kind"] == "arrival"]
    assert len(initial["per_task"]) == 5
    assert [row["task"] for row in arrivals] == [1, 2, 3, 4]
    assert all(row["accuracy"] < 0.05 for row in arrivals)  # classes that it has never seen
    assert rows.index(initial) == 0
    assert not [
        row
        for stream in ("growing-head-digits(batch_size=100)", "permuted-digits(tasks=2)")
        for row in rows_of(stream, "dense")
        if row["kind"] in ("initial", "arrival")
    ]


def health(step: int, layer: str, dormant: float | None) -> Row:
    return {"kind": "health", "step": step, "layer": layer, "dormant_0": dormant}


def test_a_network_is_dead_where_a_whole_layer_is_silent() -> None:
    rows = [
        *(health(10, "fc1", 0.9), health(10, "fc2", 0.2)),
        *(health(20, "fc1", 0.5), health(20, "fc2", 1.0)),
        *(health(30, "fc1", 1.0), health(30, "fc2", 1.0)),
        *(health(40, "fc1", None), health(40, "fc2", 0.0)),  # not finite
    ]
    assert collapsed(rows) == 0.5
    assert collapsed(rows[:2]) == 0.0
    assert collapsed([]) is None


def test_a_dead_network_does_not_pass_for_one_that_lost_nothing() -> None:
    """A rate that kills all units in the first task, and one that does not."""
    stream = "permuted-digits(tasks=4,batch_size=100)"
    found = {}
    for rate in (0.01, 1000.0):
        rows = rows_of(stream, "dense", optimizer={"name": "adam", "lr": rate})
        found[rate] = next(row["metrics"] for row in rows if row["kind"] == "end")
    assert found[0.01]["collapsed"] == 0
    assert found[1000.0]["collapsed"] == 1
    assert abs(found[1000.0]["plasticity_loss"]) < 0.05  # by itself it would look like no loss


def cohort(age: int, ratio: float | None, *silent: str, **more: Any) -> Row:
    place = {"kind": "cohort", "layer": "fc1", "birth": 7, "age": age, "newborns": 3}
    return {**place, "gradient": ratio, "silent": list(silent), **more}


def test_a_cohort_is_censored_where_its_incumbents_fall_silent() -> None:
    curve = [*(cohort(age, 0.1) for age in range(8)), cohort(8, None, "gradient")]
    curve += [cohort(age, 0.9) for age in range(9, 20)]
    assert cut_short(curve, "gradient") == curve[:8]
    assert cut_short(curve, "utility") is curve
    (time,) = integration_times([curve], "gradient", 0.5)
    assert (time.observed, time.age, time.ended) == (False, 3.0, "incumbents silent")
    sooner = [cohort(age, 0.9) for age in range(8)] + curve[8:]
    (time,) = integration_times([sooner], "gradient", 0.5)
    assert (time.observed, time.age) == (True, 0.0)
    before = [{key: value for key, value in row.items() if key != "silent"} for row in curve]
    (time,) = integration_times([before], "gradient", 0.5)  # rows from before do not tell
    assert (time.observed, time.age, time.ended) == (True, 9.0, "end of run")


def test_pooled_incumbents_are_silent_where_all_are() -> None:
    first = [cohort(0, None, "gradient", "utility"), cohort(1, 1.0)]
    second = [cohort(0, None, "gradient"), cohort(1, None, "gradient")]
    (curve,) = pooled_curves([first, second])
    assert [row["silent"] for row in curve] == [["gradient"], []]
    assert [row["gradient"] for row in curve] == [None, pytest.approx(1.0)]
