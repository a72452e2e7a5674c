"""Cohorts of a study from hand-made rows: what ended them, how they are summed up and compared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from plasticity_bench.harness.metrics.summary import INTEGRATION_QUANTITIES
from plasticity_bench.leaderboard.board.grouping import grouped
from plasticity_bench.leaderboard.curves.integration_study import (
    Cohort,
    EntrantStudy,
    Study,
    cohorts_in,
    groups,
    pace,
    study_of,
)
from plasticity_bench.leaderboard.report.integration_tables import (
    comparison_tables,
    integration_tables,
    parity_table,
    ratio_at_birth,
    ratio_over_cycle,
)
from plasticity_bench.leaderboard.report.newborn_figures import survival_figure
from plasticity_bench.leaderboard.report.pace_tests import pace_tests
from plasticity_bench.leaderboard.statistics.inference import compare
from plasticity_bench.leaderboard.store.result import Result
from tests.leaderboard.conftest import MakeResult

Rows = list[dict[str, Any]]
HALF = ("gradient", 0.5)


def curve(birth: int, ratios: Sequence[float], layer: str = "fc1", newborns: int = 8) -> Rows:
    """A cohort measured after every update; sound for the first 16 only, then ages spread out."""
    return [
        {"kind": "cohort", "layer": layer, "birth": birth, "age": age, "newborns": newborns}
        | {**dict.fromkeys(INTEGRATION_QUANTITIES, ratio), "incoming_gradient": ratio}
        for age, ratio in enumerate(ratios)
    ]


def edit(step: int, kind: str, units: Sequence[int], layer: str = "fc1") -> dict[str, Any]:
    return {"kind": "edit", "step": step, "edit": kind, "layer": layer, "units": list(units)}


def end(step: int) -> dict[str, Any]:
    return {"kind": "task", "task": 0, "step": step, "online_accuracy": 0.5, "alive": [8]}


def ended(run: Result) -> list[str]:
    return [cohort.ended for cohort in cohorts_in([run])]


def test_what_ends_a_cohort_is_read_from_the_edits_of_its_layer(make_result: MakeResult) -> None:
    born, seen = edit(5, "grow", range(8)), curve(5, [0.1] * 10)
    for following, expected in (
        ([end(15)], "end of run"),
        ([edit(15, "grow", [9]), end(30)], "edit"),
        ([edit(15, "prune", [0, 1]), end(30)], "edit"),
        ([edit(15, "prune", range(9)), end(30)], "death"),
        ([edit(15, "reset", range(8)), end(30)], "death"),
        ([edit(12, "grow", [9], layer="fc2"), end(15)], "end of run"),
        ([end(30)], "death"),  # measured no more though nothing was edited: a whole restart
    ):
        assert ended(make_result(rows=[born, *seen, *following])) == [expected]


def test_each_seed_has_its_own_ending_and_pooled_ones_that_of_the_first_to_end(
    make_result: MakeResult,
) -> None:
    def run(seed: int, newborns: int, length: int, following: Rows) -> Result:
        born = edit(5, "grow", range(newborns))
        rows = [born, *curve(5, [0.1] * length, newborns=newborns), *following, end(15)]
        return make_result(entrant="grow", seed=seed, rows=rows)

    cut = [edit(12, "grow", [50])]
    apart = cohorts_in([run(0, 8, 10, []), run(1, 8, 7, cut)])
    assert [(len(c.rows), c.ended) for c in apart] == [(10, "end of run"), (7, "edit")]
    (pooled,) = cohorts_in([run(0, 2, 10, []), run(1, 2, 7, cut)])
    assert (len(pooled.rows), pooled.ended) == (7, "edit")


def test_births_are_counted_by_layer_and_those_before_training_left_out(
    make_result: MakeResult,
) -> None:
    rows = curve(0, [1.0]) + curve(5, [1.0]) + curve(9, [1.0]) + curve(9, [1.0], layer="fc2")
    found = cohorts_in([make_result(rows=rows)])
    assert [(c.layer, c.birth, c.order) for c in found] == [
        ("fc1", 5, 1),
        ("fc1", 9, 2),
        ("fc2", 9, 1),
    ]


def cohort(ratios: Sequence[float], order: int = 1, layer: str = "fc1") -> Cohort:
    return Cohort(layer, 5 * order, order, curve(5 * order, ratios, layer), "edit")


def test_a_group_is_summed_up_by_hand_computed_numbers() -> None:
    """Four cohorts followed to age 10: one integrates at 0, one at 2, one at 6, one never."""
    cohorts = [cohort([0.1] * age + [0.6] * (15 - age)) for age in (0, 2, 6)] + [cohort([0.1] * 15)]
    found = pace(cohorts, HALF, horizon=8)
    assert (found.cohorts, found.median, found.censored, found.bounded) == (4, 2, 0.25, False)
    assert found.mean == pytest.approx((0 + 2 + 6 + 8) / 4)
    assert pace(cohorts, HALF, horizon=20).bounded  # followed to 10 only
    assert not pace(cohorts[:3], HALF, horizon=20).bounded  # all integrated: nothing is missing
    assert pace(cohorts, HALF, horizon=0).mean is None


def test_overshooting_cohorts_are_counted_apart_for_each_share_of_parity() -> None:
    cohorts = [cohort([1.0] * 6), cohort([1.0, 1.5, *[1.0] * 4]), cohort([1.0, 3.0, *[1.0] * 4])]
    assert pace(cohorts, HALF, 1).overshooting == pytest.approx(1 / 3)
    assert pace(cohorts, ("gradient", 0.8), 1).overshooting == pytest.approx(2 / 3)


def made_study(make_result: MakeResult) -> Study:
    """Three entrants of three seeds; each seed's two cohorts integrate at the ages given."""
    ages = {
        "grow": ((1, 3), (2, 4), (3, 6)),
        "grow-fast": ((0, 1), (0, 2), (1, 2)),
        "grow-slow": ((6, 7), (7, 9), (8, 9)),
    }
    runs = [
        make_result(
            entrant=name,
            seed=seed,
            rows=[
                row
                for layer, age in zip(("fc1", "fc2"), pair, strict=True)
                for row in curve(5, [0.1] * age + [0.6] * (15 - age), layer)
            ],
        )
        for name, pairs in ages.items()
        for seed, pair in enumerate(pairs)
    ]
    (stream,) = grouped([*runs, make_result(entrant="dense", rows=[end(20)])])
    return study_of(stream)


def test_the_horizon_is_what_every_run_could_follow(make_result: MakeResult) -> None:
    study = made_study(make_result)
    assert [one.label for one in study.entrants] == ["grow", "grow-fast", "grow-slow"]
    assert study.horizon == 10  # 15 measurements, of which 5 confirm
    short = make_result(entrant="brief", rows=curve(5, [0.1] * 8) + curve(20, [0.1] * 6))
    (stream,) = grouped([short, make_result(entrant="grow", rows=curve(5, [0.1] * 15))])
    assert study_of(stream).horizon == 3
    (unknown,) = grouped([make_result(entrant="brief", rows=curve(5, [0.1] * 3))])
    assert study_of(unknown).horizon == 0


def test_runs_are_compared_by_their_means_paired_by_seed(make_result: MakeResult) -> None:
    tests = pace_tests(made_study(make_result), HALF)
    assert [(t.first, t.second) for t in tests] == [
        ("grow", "grow-fast"),
        ("grow", "grow-slow"),
        ("grow-fast", "grow-slow"),
    ]
    by_hand = compare({0: 2, 1: 3, 2: 4.5}, {0: 0.5, 1: 1, 2: 1.5})
    assert tests[0].difference is not None
    assert tests[0].difference.mean == pytest.approx(by_hand.mean)
    assert tests[0].difference.p == pytest.approx(by_hand.p)
    assert tests[0].difference.paired
    ranks = [test.log_rank for test in tests]
    assert [rank is not None and rank.statistic > 0 for rank in ranks] == [False, True, True]


def test_p_values_are_corrected_for_the_number_of_pairs(make_result: MakeResult) -> None:
    tests = pace_tests(made_study(make_result), HALF)
    raw = [test.log_rank.p for test in tests if test.log_rank]
    smallest = min(range(3), key=lambda number: raw[number])
    assert tests[smallest].p_log_rank == pytest.approx(3 * raw[smallest])
    assert all(test.p_log_rank >= p for test, p in zip(tests, raw, strict=True))


def test_cohorts_are_grouped_by_layer_and_birth_in_order() -> None:
    cohorts = [cohort([1.0], order, layer) for layer in ("fc1", "fc2") for order in (1, 2)]
    found = groups(cohorts)
    assert list(found) == ["all", "layer fc1", "layer fc2", "birth 1", "birth 2"]
    assert [len(group) for group in found.values()] == [4, 2, 2, 2, 2]
    many = groups([cohort([1.0], order) for order in range(1, 24)])
    assert list(many)[:2] == ["all", "births 1-3"]
    assert list(many)[-1] == "births 22-23"
    assert sum(len(group) for name, group in many.items() if name != "all") == 23


def test_over_the_cycle_an_update_counts_the_same_at_every_age() -> None:
    """Ratio 0 at age 0, 1 at age 1, then 1 until age 11: 10.5 of 11 updates."""
    rows = [{"age": age, "gradient": ratio} for age, ratio in ((0, 0.0), (1, 1.0), (11, 1.0))]
    one = Cohort("fc1", 5, 1, rows, "edit")
    assert ratio_at_birth(one, "gradient") == 0
    assert ratio_over_cycle(one, "gradient") == pytest.approx(10.5 / 11)
    assert ratio_over_cycle(one, "alignment") is None
    assert ratio_at_birth(Cohort("fc1", 5, 1, rows[1:], "edit"), "gradient") is None


def test_figures_reach_the_oldest_age_of_all_panels() -> None:
    """By activation all integrate at birth, by utility one is cut off at age 10."""
    rows = [{**row, "utility": 0.1} for row in curve(5, [0.9] * 15)]
    own = [Cohort("fc1", 5, 1, rows, "edit")]
    study = Study([EntrantStudy("grow", own, {(0, None): own})], horizon=10)
    figure = survival_figure("made", study, {"grow": {"color": "black", "linestyle": "-"}})
    assert len(figure.axes) == 6
    for axes in figure.axes:
        left, right = axes.get_xlim()
        assert left < 0
        assert right >= 10
    ticks = {axes.get_title(): axes.lines[1].get_xdata() for axes in figure.axes}
    assert list(np.asarray(ticks["utility, rho = 0.5"])) == [10]
    assert len(np.asarray(ticks["gradient, rho = 0.5"])) == 0


def test_tables_show_these_numbers(make_result: MakeResult) -> None:
    cohorts = [cohort([0.1] * age + [0.6] * (15 - age)) for age in (0, 2, 6)] + [cohort([0.1] * 15)]
    lines = list(integration_tables("entrant", {"grow": cohorts}, 8))
    assert "| grow | 4 | 2 | 4 | 25% | 0% | not reached | 8 | 100% | 0% |" in lines
    bounded = list(integration_tables("entrant", {"grow": cohorts}, 20))
    assert any("≤ 7" in line for line in bounded)
    parity = list(parity_table("entrant", {"grow": cohorts}))
    assert any(line.startswith("| grow | at birth | 0.10 [0.10, 0.23]") for line in parity)
    assert list(integration_tables("entrant", {}, 8)) == []
    tests = "\n".join(comparison_tables(made_study(make_result)))
    assert tests.count("| grow and grow-fast |") == 6
    assert "+2 [" in tests
