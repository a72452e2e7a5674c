"""Numbers on the page say what is behind them: no p-value on the wrong side, no -0."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plasticity_bench.leaderboard.page import page_data, render, write
from tests.leaderboard.board.made_boards import made_board, made_results

from .readers import STREAM, STREAM_ROWS, Visit, names


def page_of(folder: Path, change: dict[str, dict[str, Any]], **options: Any) -> str:
    """Write a page with some of the standings on its first stream changed; return its address."""
    results = made_results(["dense", "grow", "prune", "reset"], unchecked=True, **options)
    data = page_data(made_board(results), results, datetime(2026, 11, 24, tzinfo=UTC))
    for standing in data["board"]["streams"][0]["standings"]:
        standing |= change.get(standing["entrant"], {})
    return write(render(data), folder).as_uri()


def rows(page: Any) -> dict[str, str]:
    texts = [text.replace("\n", " ") for text in page.locator(STREAM_ROWS).all_inner_texts()]
    return dict(zip(names(page), texts, strict=True))


def test_p_values_stay_on_the_side_of_the_level_that_they_are_on(
    visit: Visit, tmp_path: Path
) -> None:
    p_values = {"grow": 0.0497, "prune": 0.0503, "reset": 0.05}
    change = {name: {"p_holm": p} for name, p in p_values.items()}
    shown = rows(visit(page_of(tmp_path, change, seeds=5) + STREAM))
    for name, p in p_values.items():
        assert f"\t{p}\t" in shown[name]


def test_what_rounds_to_zero_has_no_minus(visit: Visit, tmp_path: Path) -> None:
    nearly = {"mean": -0.00001, "interval": {"low": -0.2, "high": -0.00002}, "paired": True}
    change = {"grow": {"difference": {**nearly, "ended": False}}}
    shown = rows(visit(page_of(tmp_path, change, seeds=5) + STREAM))["grow"]
    assert "+0.0000" in shown
    assert "[\N{MINUS SIGN}0.2000, +0.0000]" in shown
    assert "\N{MINUS SIGN}0.0000" not in shown


def test_a_difference_says_where_it_leaves_lost_runs_out(visit: Visit, tmp_path: Path) -> None:
    address = page_of(tmp_path, {}, seeds=5, lost={("reset", 1): "diverged"})
    page = visit(address + STREAM)
    shown = rows(page)
    assert "of runs that ended" in shown["reset"]
    assert "of runs that ended" not in shown["grow"]
    assert "a difference says where it leaves lost runs out" in page.locator("main").inner_text()


def test_two_seeds_have_no_interval(visit: Visit, tmp_path: Path) -> None:
    shown = rows(visit(page_of(tmp_path, {}, seeds=2) + STREAM))
    assert not any("[" in text for text in shown.values())
