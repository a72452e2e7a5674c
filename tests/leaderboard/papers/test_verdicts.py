from typing import Literal

import pytest

from plasticity_bench.leaderboard.papers.controls import NO_REWIND, REWIND_ONLY, why
from plasticity_bench.leaderboard.papers.figures import prune_or_rewind
from plasticity_bench.leaderboard.papers.paper import Printed
from plasticity_bench.leaderboard.papers.verdicts import Cell, cell, fit_sentence, fits, judge

from .made import entry


@pytest.mark.parametrize(
    ("count", "mean", "half", "verdict"),
    [
        (5, 95.2, 0.15, "met"),
        (5, 95.2, 0.05, "missed"),
        (5, 94.8, 0.15, "met"),
        (5, 94.8, 0.05, "missed"),
        (2, 95.0, 0.1, "not decided"),
        (1, 95.0, None, "not decided"),
        (5, 95.0, 2.1, "not decided"),
        (5, 90.0, 2.1, "missed"),
    ],
)
def test_the_rule_on_95_with_a_half_width_of_a_tenth(
    count: int, mean: float, half: float | None, verdict: str
) -> None:
    assert judge(Printed(95.0, 0.1, "printed"), count, mean, half) == verdict


def test_a_wide_printed_interval_may_be_met_by_a_wide_one() -> None:
    assert judge(Printed(50.0, 5.0, "printed"), 5, 52.0, 10.0) == "met"


@pytest.mark.parametrize(
    ("source", "half", "verdict"),
    [
        ("printed", 10.1, "not decided"),
        ("bound", 4.9, "met"),
        ("bound", 5.1, "not decided"),
        ("substitute", 5.1, "not decided"),
    ],
)
def test_how_wide_a_measured_interval_may_be(
    source: Literal["printed", "bound", "substitute"], half: float, verdict: str
) -> None:
    assert judge(Printed(50.0, 5.0, source), 5, 52.0, half) == verdict


def test_survivors_of_lost_runs_decide_nothing() -> None:
    values = {0: 0.90, 1: 0.91, 2: 0.92}
    made = cell("acc", Printed(91.0, 0.5, "printed"), values, lost=1)
    assert (made.verdict, made.count) == ("not decided", 3)
    assert cell("acc", None, values, lost=1).verdict == "-"
    assert cell("acc", Printed(99.0, 0.5, "printed"), values).verdict == "missed"


def test_a_cell_is_in_per_cent_with_the_t_interval() -> None:
    made = cell("acc", Printed(91.0, 0.5, "printed"), {0: 0.90, 1: 0.91, 2: 0.92})
    assert made.mean == pytest.approx(91.0)
    assert made.half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-5)  # t(2) * sd 1 / sqrt(3)
    assert made.difference == pytest.approx(0.0)
    assert cell("acc", None, {}).verdict == "-"
    assert cell("acc", Printed(91.0, 0.5, "printed"), {}).verdict == "not run"


def one(mean: float, half: float = 0.1) -> Cell:
    return Cell("acc", Printed(90.0, 0.1, "printed"), 5, mean, half, "met")


def test_variants_are_compared_with_the_first_over_the_numbers_of_both() -> None:
    a, b = ("Grow", "acc"), ("Prune", "acc")
    first = {a: one(93), b: one(94)}
    found = fits({"first": first, "worse": {b: one(99)}, "near": {a: one(90.3), b: one(89.6)}})
    assert [fit.variant for fit in found] == ["near", "worse"]
    assert [fit.cells for fit in found] == [2, 1]
    assert found[0].first == pytest.approx(12.5**0.5)
    assert found[0].distance == pytest.approx(0.125**0.5)
    assert [fit.judgement for fit in found] == ["nearer", "farther"]
    assert fit_sentence("first", found).endswith("Best fits near.")


def test_a_nearer_variant_fits_though_one_with_wide_intervals_stands_before_it() -> None:
    a, b = ("Grow", "acc"), ("Prune", "acc")
    first = {a: one(94), b: one(94)}
    found = fits({"first": first, "wide": {a: one(91, 9.0)}, "near": {b: one(91.5)}})
    assert [fit.judgement for fit in found] == ["as near", "nearer"]
    assert fit_sentence("first", found).endswith("Best fits near.")


def test_within_the_intervals_no_variant_is_nearer() -> None:
    a = ("Grow", "acc")
    found = fits({"x": {a: one(90.3)}, "y": {a: one(90.2)}, "unmeasured": {}})
    assert fit_sentence("x", found).endswith("None is nearer than x; as near: y.")
    assert "not decided" in fit_sentence("x", fits({"x": {a: one(90.3)}, "unmeasured": {}}))
    early = ("Grow", "early_task_accuracy")
    assert fits({"x": {early: one(90.3)}, "y": {early: one(90.2)}}) == []


@pytest.mark.parametrize(
    ("no_rewind", "rewind_only", "answer"),
    [
        (0.7, 0.9, "it rewinds"),
        (0.9, 0.7, "it prunes"),
        (0.7, 0.7, "both"),
        (0.9, 0.9, "neither"),
    ],
)
def test_why_prune_wins(no_rewind: float, rewind_only: float, answer: str) -> None:
    results = [
        entry("Prune", 0.2, row="permuted-mnist", taoa=0.9),
        entry(NO_REWIND, 0.2, row="permuted-mnist", taoa=no_rewind),
        entry(REWIND_ONLY, row="permuted-mnist", taoa=rewind_only),
        entry("Dense", row="permuted-mnist", taoa=0.8),
    ]
    (found,) = why(results)
    assert found.answer == answer
    assert ("Prune", "Dense") in found.differences
    figure = prune_or_rewind(results)
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["Prune", NO_REWIND, REWIND_ONLY, "Dense"]


def test_why_prune_wins_is_open_without_its_controls() -> None:
    (found,) = why([entry("Prune", 0.2, taoa=0.9), entry(NO_REWIND, 0.2, taoa=0.7)])
    assert found.answer == "not decided"
    assert "Rewind only" in found.sentence
    assert why([entry("Prune", 0.2, taoa=0.9)]) == []
