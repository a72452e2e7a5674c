import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.leaderboard.board import exports
from plasticity_bench.leaderboard.board.ranking import rank
from plasticity_bench.leaderboard.board.standings import Board
from plasticity_bench.leaderboard.board.table import as_json
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]


@pytest.fixture
def board(make_result: MakeResult) -> Board:
    """Two streams and two entrants, one with a name that is markup and lost a seed."""
    results = [
        make_result(
            stream=stream,
            entrant=entrant,
            seed=seed,
            status="diverged" if entrant != "dense" and seed == 4 else "done",
            metrics={"taoa": 0.5 + seed / 100, "updates": 100},
        )
        for stream in ("one", "two")
        for entrant in ("dense", "<b>a|b</b> & 50%_$x$")
        for seed in range(5)
    ]
    return rank(results)


def test_csv_and_parquet_hold_the_numbers_of_the_board(board: Board, tmp_path: Path) -> None:
    exports.parquet(board, tmp_path / "board.parquet")
    stored = pd.read_parquet(tmp_path / "board.parquet")
    read = pd.read_csv(StringIO(exports.csv(board)), keep_default_na=True)
    assert list(read.columns) == list(stored.columns)
    assert len(read) == len(stored) == 6
    content = json.loads(canonical(as_json(board)))
    for stream in content["streams"]:
        for standing in stream["standings"]:
            for table in (read, stored):
                row = table[
                    (table["stream"] == stream["stream"])
                    & (table["entrant"] == standing["entrant"])
                ].iloc[0]
                assert row["mean"] == pytest.approx(standing["summary"]["mean"])
                assert row["ci_low"] == pytest.approx(standing["summary"]["interval"]["low"])
                assert row["place"] == standing["rank"]["place"]
                assert row["runs_diverged"] == standing["coverage"]["diverged"]
    over_all = {
        row["entrant"]: row["mean"]
        for row in stored.to_dict("records")
        if row["stream"] == exports.ALL_STREAMS
    }
    for placed in content["overall"]["standings"]:
        assert over_all[placed["entrant"]] == pytest.approx(placed["score"]["value"])


def test_latex_escapes_names(board: Board) -> None:
    text = exports.latex(board)
    assert r"\& 50\%\_\$x\$" in text
    assert r"\toprule" in text
    assert text.count(r"\\") == 3  # a header and two entrants
    assert "0.5200 ±0.0196" in text


@pytest.fixture
def hostile(make_result: MakeResult) -> Board:
    """Names that are formulas, numbers, options of a row's end, and more than one line."""
    return rank(
        [
            make_result(stream=stream, entrant=entrant, seed=seed, metrics={"taoa": 0.5})
            for stream in ("50%_|x|", "two")
            for entrant in ("=1+1", "+1", "@A1", "1e3", "[bold]", "two\nlines", "esc\x1b[31m")
            for seed in range(2)
        ]
    )


def test_csv_has_no_formulas(hostile: Board) -> None:
    read = pd.read_csv(StringIO(exports.csv(hostile)), dtype=str)
    assert {"'=1+1", "'+1", "'@A1", "1e3", "[bold]"} < set(read["entrant"])
    assert not any(name.startswith(("=", "+", "@")) for name in read["entrant"])


def test_latex_escapes_streams_and_starts_no_row_with_an_option(hostile: Board) -> None:
    text = exports.latex(hostile)
    assert r"entrant & rank & score & 50\%\_|x| & two \\" in text
    assert "\n{}[bold] & 1" in text
    assert "two\ufffdlines &" in text
    assert "\x1b" not in text


def test_markdown_has_a_line_for_each_entrant_and_leaves_names_as_they_are(hostile: Board) -> None:
    text = exports.markdown(hostile)
    assert len(text.splitlines()) == 2 + 7
    assert r"| 50%\_\|x\| |" in " ".join(text.splitlines()[0].split())
    assert "| 1e3 " in text
    assert "\x1b" not in text


def test_markdown_keeps_its_columns_whatever_the_names(board: Board) -> None:
    lines = exports.markdown(board).splitlines()
    assert len(lines) == 4
    assert r"\<b\>a\|b\</b\>" in lines[3]
    columns = {len(line.replace(r"\|", "").split("|")) for line in lines}
    assert columns == {len(["", "entrant", "rank", "score", "one", "two", ""])}
    assert "(4/5? seeds)" in lines[3]


def test_exports_say_what_a_difference_is_over_and_one_seed_is_one(
    make_result: MakeResult,
) -> None:
    lost = [
        make_result(
            entrant=name,
            seed=seed,
            status="diverged" if name == "grow" and seed == 4 else "done",
            metrics={"taoa": value + seed / 1000},
        )
        for name, value in (("dense", 0.9), ("grow", 0.5))
        for seed in range(5)
    ]
    table = exports.frame(rank(lost)).set_index("entrant")
    assert table.loc["grow", "mean"] == pytest.approx(0.8 * 0.5015)
    assert table.loc["grow", "difference"] == pytest.approx(-0.4)
    assert table.loc["grow", "difference_of_ended"]
    one = exports.markdown(rank([make_result(metrics={"taoa": 0.5})]))
    assert "0.5000 (1? seed)" in one


def test_no_difference_is_no_negative_zero_in_any_form(make_result: MakeResult) -> None:
    same = [
        make_result(entrant=name, seed=seed, metrics={"taoa": 0.5})
        for name in ("dense", "grow")
        for seed in range(3)
    ]
    board = rank(same)
    assert "-0.0" not in exports.csv(board)
    assert "-0.0" not in json.dumps(as_json(board))
