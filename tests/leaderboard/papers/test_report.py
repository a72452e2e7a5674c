"""A report in words: what stands beside a printed number, at the paper's scale and at others."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from plasticity_bench.harness.visible import in_markdown
from plasticity_bench.leaderboard.papers.measured import Measured
from plasticity_bench.leaderboard.papers.paper import Scale
from plasticity_bench.leaderboard.papers.report import Report, as_json, report_of, terminal, write
from plasticity_bench.leaderboard.papers.runs import cases, choose

from .made import values

PAPER = """
paper = "Made up 2026"
seeds = "0:10"
[margins]
acc = { points = 1.0, why = "smaller gaps are read as none" }
taa = { points = 2.0, why = "half of the smallest gap that is read as one" }
[tables.one]
title = "A small one"
origin = "made up"
[tables.one.rows.first]
stream = "lillo2026/iid-mnist"
scales = { half = { about = "half of the passes", set = { stream = { passes = 50 } } } }
variants = { small-batch = {}, large-batch = { set = { stream = { batch_size = 256 } } } }
[[tables.one.rows.first.entrants]]
method = "Dense"
entrant = "dense"
printed = { acc = "90 ± 0.5", taa = "80 .. 84", early_task_accuracy = 50 }
[tables.one.rows.second]
stream = "iid-digits"
scales = {}
[[tables.one.rows.second.entrants]]
method = "Dense"
entrant = "dense"
half_width_at_most = 3.0
printed = { acc = "90 ± 0.5", taa = 70 }
"""


def report(tmp_path: Path, scale: Scale = "paper", variant: str | None = None) -> Report:
    """Report on runs that all have ACC 91.1 ± 0.8 and TAA 83 ± 0.1 over five seeds."""
    file = tmp_path / "made.toml"
    file.write_text(PAPER, encoding="utf-8")
    acc, taa = values(91.1, 0.8, 5), values(83.0, 0.1, 5)
    metrics = {s: {"acc": acc[s], "taa": taa[s], "early_task_accuracy": 0.5} for s in acc}
    return report_of(
        "made",
        "reproduce",
        scale,
        [
            (case, Measured(case.chosen.row.name, case.entry.method, None, metrics))
            for case in cases(choose(str(file), (), variant), scale, range(5))
        ],
    )


def page(report: Report, folder: Path) -> str:
    return write(report, folder / "out").read_text(encoding="utf-8")


def test_what_is_printed_is_tested_and_the_rest_is_placed(tmp_path: Path) -> None:
    text = page(report(tmp_path), tmp_path)
    first = (
        "| Dense | cycle ACC, % | 90.00 ±0.50 | 91.10 ±0.80 | 5 vs 10 | +1.10 ±0.83 | different |"
    )
    assert first in text
    assert "| Dense | cycle TAA, % | 80.00 .. 84.00 | 83.00 ±0.10 | 5 | +0.00 | near | - |" in text
    assert "| 70.00 (at most ±3.00) | 83.00 ±0.10 | 5 | +13.00 | far |" in text
    assert "| Dense | early in a task, % | 50.00 | 50.00 ±0.00 | 5 | - | - |" in text
    assert "* Margin of cycle ACC: ±1 points, smaller gaps are read as none.\n" in text


def test_all_numbers_of_a_table_count_as_tests(tmp_path: Path) -> None:
    def p(found: Report) -> float:
        comparison = found.rows[0].cells["Dense", "acc"].comparison
        assert comparison is not None
        return comparison.p_different

    # Two rows, and then the first of them in two variants as well.
    assert p(report(tmp_path, variant="all")) == pytest.approx(1.5 * p(report(tmp_path)))


def test_what_the_paper_leaves_open_is_said_with_what_is_taken(tmp_path: Path) -> None:
    found = report(tmp_path, variant="large-batch")
    open_, unpublished = (row.protocol for row in found.rows)
    assert open_.startswith("The paper does not state, and is taken here: batch_size = 256, pixels")
    assert unpublished == "No protocol is printed for its stream."
    assert in_markdown(open_) in page(found, tmp_path)
    assert as_json(found)["rows"][0]["protocol"] == open_


def test_variants_are_ranked_by_their_distance_from_what_is_printed(tmp_path: Path) -> None:
    found = report(tmp_path, variant="all")
    assert list(found.fits) == ["one/first"]
    assert "None is nearer than small-batch" in page(found, tmp_path)


@pytest.mark.parametrize("width", [80, 120])
def test_at_another_scale_nothing_is_held_against_the_paper(tmp_path: Path, width: int) -> None:
    found = report(tmp_path, "half", variant="all")
    text = page(found, tmp_path)
    assert "| 90.00 ±0.50 (full protocol) | 91.10 ±0.80 | 5 | - | half scale: no verdict |" in text
    assert "(at most ±3.00, full protocol)" in text
    assert "At half scale this is not the printed protocol: half of the passes." in text
    assert "different" not in text.replace("different:", "")
    assert (found.fits, found.margins) == ({}, {})
    console = Console(width=width, record=True, file=StringIO())
    console.print(terminal(found))
    shown = console.export_text()
    assert "90.00 ±0.50 " in shown
    assert "(full protocol)" in shown
