from typing import Any

import pytest

from plasticity_bench.harness.metrics.pooling import pooled_curves
from plasticity_bench.harness.metrics.summary import PARITIES


def cohort(birth: int, newborns: int, ratios: list[float | None]) -> list[dict[str, Any]]:
    return [
        {"layer": "fc1", "birth": birth, "age": age, "newborns": newborns}
        | dict.fromkeys(PARITIES, ratio)
        for age, ratio in enumerate(ratios)
    ]


def test_small_cohorts_become_one_curve_weighted_by_newborns() -> None:
    (curve,) = pooled_curves([cohort(5, 2, [1.0, 2.0]), cohort(5, 6, [0.2, 0.4])])
    assert [row["gradient"] for row in curve] == pytest.approx([1 / 3, 8 / 13])
    assert [row["age"] for row in curve] == [0, 1]
    assert {row["newborns"] for row in curve} == {8}


def test_large_cohorts_stand_alone() -> None:
    seeds = [cohort(5, 8, [1.0]), cohort(5, 9, [0.2])]
    assert pooled_curves(seeds) == seeds


def test_one_small_cohort_pools_its_own_birth_only() -> None:
    first = cohort(5, 3, [1.0]) + cohort(9, 8, [1.0])
    second = cohort(5, 20, [0.0]) + cohort(9, 8, [0.5])
    curves = pooled_curves([first, second])
    assert [(curve[0]["birth"], curve[0]["newborns"]) for curve in curves] == [
        (5, 23),
        (9, 8),
        (9, 8),
    ]


def test_a_seed_that_was_not_measured_at_an_age_or_has_no_value_stays_out() -> None:
    (curve,) = pooled_curves([cohort(5, 1, [None, 1.0, 3.0]), cohort(5, 3, [0.5, 2.0])])
    assert [row["gradient"] for row in curve] == pytest.approx([0.5, 5 / 3])


def test_no_cohorts_give_no_curves() -> None:
    assert pooled_curves([[], []]) == []
