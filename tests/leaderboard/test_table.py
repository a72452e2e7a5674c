import json
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from plasticity_bench.leaderboard.ranking import rank
from plasticity_bench.leaderboard.result import Result, canonical
from plasticity_bench.leaderboard.table import as_json, tables

MakeResult = Callable[..., Result]


def shown(results: list[Result], width: int = 80) -> str:
    stream = StringIO()
    Console(file=stream, width=width, no_color=True).print(tables(rank(results)))
    return stream.getvalue()


def row(text: str, entrant: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if entrant in line.split()[1:2]]
    return line.split()


@pytest.fixture
def results(make_result: MakeResult) -> list[Result]:
    """Dense around 0.7; grow surely better; prune and reset together below; reset lost a seed."""
    noise = (0.0, 0.004, -0.003, 0.002, -0.001)
    means = {"dense": 0.7, "grow": 0.9, "prune": 0.7, "shrink-perturb": 0.9}
    made = [
        make_result(
            entrant=name,
            seed=seed,
            metrics={"taoa": mean + noise[(seed + turn) % 5], "updates": 12345, "seconds": 150},
            needs=["task boundary"] if name == "shrink-perturb" else [],
        )
        for turn, (name, mean) in enumerate(means.items())
        for seed in range(5)
    ]
    lost = make_result(entrant="reset", seed=1, status="diverged", metrics={})
    return [*made, make_result(entrant="reset", seed=0, metrics={"taoa": 0.95}), lost]


def test_a_row_says_place_mean_interval_difference_and_seeds(results: list[Result]) -> None:
    text = shown(results)
    # sd of the noise is 0.00288, times t(0.975, 4) = 2.776 over sqrt(5)
    assert row(text, "dense") == ["3=", "dense", "0.7004", "±0.0034", "-", "5", "12.3k", "2", "min"]
    assert row(text, "grow")[:5] == ["1=", "grow", "0.9004", "±0.0034", "+0.2000"]
    assert row(text, "grow")[5].endswith("*")
    assert not row(text, "prune")[5].endswith("*")


def test_a_lost_seed_is_said(results: list[Result]) -> None:
    text = shown(results)
    assert row(text, "reset") == ["5", "reset", "0.9500", "+0.2496u", "1/2?", "-", "-"]
    assert "! reset: seed 1 diverged" in text


def test_every_mark_is_explained_under_the_table(results: list[Result]) -> None:
    text = " ".join(shown(results).split())
    assert "* differs from dense at 5% (t-test paired by seed, Holm over 3 comparisons)" in text
    assert "= shares its place: not told apart from the best of its group at 5%" in text
    assert "? provisional: fewer than 5 seeds" in text
    assert "u unpaired (Welch's test)" in text
    assert "needs task boundary: shrink-perturb" in text


def test_marks_that_are_not_there_are_not_explained(make_result: MakeResult) -> None:
    alone = [make_result(seed=s, metrics={"taoa": 0.5 + s / 100}) for s in range(5)]
    assert [line.split()[0] for line in shown(alone).splitlines() if line.strip()][-1] == "1"


def test_without_the_reference_the_table_says_so(make_result: MakeResult) -> None:
    text = shown([make_result(entrant="grow", seed=s) for s in range(2)])
    assert "No differences: the reference has no result on this stream." in text


def test_eighty_columns_are_enough(results: list[Result]) -> None:
    text = shown(results)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert row(text, "shrink-perturb")[1] == "shrink-perturb"


def test_brackets_in_labels_are_text_and_not_markup(make_result: MakeResult) -> None:
    text = shown([make_result(lr=lr, seed=s) for lr in (0.1, 0.2) for s in (0, 1)], width=200)
    assert "dense [optimizer.lr=0.1]" in text


def test_json_holds_the_same_board(results: list[Result]) -> None:
    board = rank(results)
    content = json.loads(canonical(as_json(board)))
    (stream,) = content["streams"]
    assert (content["metric"], content["better"], stream["reference"]) == (
        "taoa",
        "higher",
        "dense",
    )
    by_name = {standing["entrant"]: standing for standing in stream["standings"]}
    assert by_name["grow"]["significant"]
    assert by_name["dense"]["difference"] is None
    assert by_name["dense"]["p_holm"] is None
    assert by_name["reset"]["values"] == {"0": 0.95}
    assert by_name["reset"]["lost"] == {"1": "diverged"}
    assert by_name["reset"]["provisional"]
    assert by_name["reset"]["summary"]["interval"] == {"low": None, "high": None}
    assert by_name["grow"]["summary"]["mean"] == pytest.approx(0.9004)
