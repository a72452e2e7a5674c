import numpy as np
import pytest
from scipy import stats

from plasticity_bench.leaderboard.papers.controls import NO_REWIND, REWIND_ONLY, why
from plasticity_bench.leaderboard.papers.figures import printed_and_measured, prune_or_rewind
from plasticity_bench.leaderboard.papers.paper import Printed
from plasticity_bench.leaderboard.papers.verdicts import Cell, cell, fit_sentence, fits, judged
from plasticity_bench.leaderboard.papers.words import shown
from plasticity_bench.leaderboard.statistics.inference import Interval, summarise

from .made import entry, paper, values


def verdict(one: Cell) -> str:
    """Give the verdict of a number that is the only one of its table."""
    return judged({0: one})[0].verdict


def test_means_whose_intervals_overlap_are_different_where_welch_says_so() -> None:
    # A Dense of random-label MNIST at ten tasks once stood here, called met.
    found = cell("taoa", Printed(39.2, 9.8, "printed"), values(56.5, 10.1, 5), paper())
    assert found.half_width == pytest.approx(10.1)
    assert found.comparison is not None
    assert found.comparison.p_different == pytest.approx(0.00964, abs=5e-5)
    assert found.comparison.printed_count == 10
    assert found.difference == pytest.approx(17.3)
    assert verdict(found) == "different"


def test_the_test_is_welchs_on_the_values_behind_the_printed_interval() -> None:
    theirs, ours = values(90.0, 0.4, 10), values(91.0, 1.2, 4)
    found = cell("acc", Printed(90.0, 0.4, "printed"), ours, paper())
    welch = stats.ttest_ind([*ours.values()], [*theirs.values()], equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert found.comparison is not None
    assert found.comparison.p_different == pytest.approx(welch.pvalue)
    half = 100 * (interval.high - interval.low) / 2
    assert found.comparison.half_width == pytest.approx(half)


def test_what_is_surely_within_the_margin_is_equivalent() -> None:
    printed = Printed(95.0, 0.1, "printed")
    assert verdict(cell("acc", printed, values(95.1, 0.2, 5), paper())) == "equivalent"
    # A small difference may be sure as well: it is shown, and the margin decides.
    small = judged({0: cell("acc", printed, values(95.4, 0.1, 5), paper())})[0]
    assert small.verdict == "equivalent"
    assert small.comparison is not None
    assert small.comparison.p_different < 0.05
    assert verdict(cell("acc", printed, values(95.4, 0.1, 5), paper(margin=0.3))) == "different"


@pytest.mark.parametrize("mean", [93.0, 94.9, 95.0, 95.5, 99.0])
def test_a_wide_measurement_is_never_praised(mean: float) -> None:
    found = cell("acc", Printed(95.0, 0.1, "printed"), values(mean, 8.0, 5), paper())
    assert verdict(found) == "not decided"


def test_p_values_are_corrected_for_the_numbers_of_a_table() -> None:
    printed = Printed(95.0, 0.5, "printed")
    once = cell("acc", printed, values(96.0, 0.95, 5), paper(margin=0.1))
    assert verdict(once) == "different"
    table: dict[int | str, Cell] = {
        **dict.fromkeys(range(3), once),
        "bound": cell("acc", Printed(95.0, 0.5, "bound"), values(95.0, 0.1, 5), paper()),
        "few": cell("acc", printed, values(95.0, 0.1, 2), paper()),
    }
    found = judged(table)
    assert once.comparison is not None
    for number in range(3):  # three tests, though there are five numbers
        corrected = found[number].comparison
        assert corrected is not None
        assert corrected.p_different == pytest.approx(3 * once.comparison.p_different)
        assert found[number].verdict == "not decided"
    assert [found[key].verdict for key in ("bound", "few")] == ["near", "not decided"]


def test_equal_means_are_called_different_in_one_of_twenty() -> None:
    generator = np.random.default_rng(0)
    for spread in (1.0, 3.0):
        found = []
        for _ in range(1000):
            theirs = summarise((80 + generator.normal(size=10)).tolist())
            printed = Printed(theirs.mean, theirs.interval.half_width, "printed")
            ours = 0.8 + 0.01 * spread * generator.normal(size=5)
            found.append(verdict(cell("acc", printed, dict(enumerate(ours.tolist())), paper(0.01))))
        # Two standard errors of a share of 5 % of 1000 are 1.4 %.
        assert found.count("different") / 1000 <= 0.064


@pytest.mark.parametrize(
    ("printed", "mean", "wanted"),
    [
        (Printed(50.0, None, "alone"), 50.9, "near"),
        (Printed(50.0, None, "alone"), 48.9, "far"),
        (Printed(50.0, 4.4, "bound"), 52.0, "far"),
        (Printed(50.0, 2.0, "range"), 52.9, "near"),
        (Printed(50.0, 2.0, "range"), 49.0, "near"),
        (Printed(50.0, 2.0, "range"), 46.9, "far"),
    ],
)
def test_without_an_interval_of_its_own_a_number_is_only_near_or_far(
    printed: Printed, mean: float, wanted: str
) -> None:
    found = cell("acc", printed, values(mean, 5.0, 5), paper())
    assert (verdict(found), found.comparison) == (wanted, None)


def test_a_difference_from_a_range_is_from_its_nearer_end() -> None:
    printed = Printed(50.0, 2.0, "range")
    assert [printed.off(value) for value in (53.0, 51.0, 47.5)] == [1.0, 0.0, -0.5]


@pytest.mark.parametrize("source", ["printed", "alone"])
def test_survivors_of_lost_runs_and_few_seeds_decide_nothing(source: str) -> None:
    printed = Printed(91.0, 0.5, "printed") if source == "printed" else Printed(91, None, "alone")
    made = cell("acc", printed, values(91.0, 0.1, 3), paper(), lost=1)
    assert (verdict(made), made.count, made.comparison) == ("not decided", 3, None)
    assert verdict(cell("acc", printed, values(91.0, 0.1, 2), paper())) == "not decided"
    assert verdict(cell("acc", printed, {}, paper())) == "not run"
    assert cell("acc", None, values(91.0, 0.1, 3), paper(), lost=1).verdict == "-"


def test_a_metric_over_a_window_that_is_not_stated_has_no_verdict() -> None:
    printed = Printed(91.0, 0.5, "printed")
    made = cell("early_task_accuracy", printed, values(91.0, 0.1, 5), paper())
    assert (made.verdict, made.difference, made.printed) == ("-", None, printed)
    assert cell("early_task_accuracy", printed, {}, paper()).verdict == "-"


def test_runs_at_another_scale_are_not_held_against_the_paper() -> None:
    printed = Printed(91.0, 0.5, "printed")
    made = cell("acc", printed, values(91.0, 0.1, 5), paper(), "half")
    assert (made.verdict, made.difference) == ("half scale: no verdict", None)
    assert cell("acc", printed, {}, paper(), "smoke").verdict == "not run"
    assert fits({"x": {("Grow", "acc"): made}, "y": {("Grow", "acc"): made}}) == []


def test_a_cell_is_in_per_cent_with_the_t_interval() -> None:
    printed = Printed(91.0, 0.5, "printed")
    made = cell("acc", printed, {0: 0.90, 1: 0.91, 2: 0.92}, paper())
    assert made.mean == pytest.approx(91.0)
    assert made.half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-5)  # t(2) * sd 1 / sqrt(3)
    assert made.difference == pytest.approx(0.0)
    assert cell("acc", None, {}, paper()).verdict == "-"


def test_a_parity_is_averaged_as_shares() -> None:
    made = cell("parity_gradient_early", None, {0: 0.25, 1: 4.0, 2: 1.0}, paper())
    assert made.mean == pytest.approx(1.0)  # as far behind as ahead
    assert made.interval is not None
    # shares 0.2, 0.8 and 0.5, whose interval goes from below 0 to above 1
    assert (made.interval.low, made.interval.high) == (0.0, float("inf"))
    figure = printed_and_measured("made", {("Grow", made.metric): made})
    assert figure is not None
    assert shown(made, "paper")[1] == "1.000 [0.000, inf]"


def one(mean: float, half: float = 0.1) -> Cell:
    interval = Interval(mean - half, mean + half)
    return Cell("acc", Printed(90.0, 0.1, "printed"), 5, mean, interval, "different", mean - 90)


def test_variants_are_compared_with_the_first_over_the_numbers_of_both() -> None:
    a, b = ("Grow", "acc"), ("Prune", "acc")
    first = {a: one(93), b: one(94)}
    found = fits({"first": first, "worse": {b: one(99)}, "near": {a: one(90.3), b: one(89.6)}})
    assert [fit.variant for fit in found] == ["near", "worse"]
    assert [fit.cells for fit in found] == [2, 1]
    assert found[0].first == pytest.approx(12.5**0.5)
    assert found[0].distance == pytest.approx(0.125**0.5)
    assert [fit.judgement for fit in found] == ["nearer", "farther"]
    assert fit_sentence("first", found).endswith("Nearest is near.")


def test_a_nearer_variant_fits_though_one_with_wide_intervals_stands_before_it() -> None:
    a, b = ("Grow", "acc"), ("Prune", "acc")
    first = {a: one(94), b: one(94)}
    found = fits({"first": first, "wide": {a: one(91, 9.0)}, "near": {b: one(91.5)}})
    assert [fit.judgement for fit in found] == ["as near", "nearer"]
    assert fit_sentence("first", found).endswith("Nearest is near.")


def test_within_the_intervals_no_variant_is_nearer() -> None:
    a = ("Grow", "acc")
    found = fits({"x": {a: one(90.3)}, "y": {a: one(90.2)}, "unmeasured": {}})
    assert fit_sentence("x", found).endswith("None is nearer than x; as near: y.")
    assert "not decided" in fit_sentence("x", fits({"x": {a: one(90.3)}, "unmeasured": {}}))


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
