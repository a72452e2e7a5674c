"""Results of other libraries and machines share a board, with a mark."""

from collections.abc import Callable
from typing import Any

from rich.console import Console

from plasticity_bench.leaderboard.board.environments import made_otherwise, unusual_environments
from plasticity_bench.leaderboard.board.ranking import rank
from plasticity_bench.leaderboard.board.table import tables
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]


def made(make_result: MakeResult, entrant: str, seed: int, **environment: Any) -> Result:
    one = make_result(entrant=entrant, seed=seed)
    return one.model_copy(update={"environment": environment})


def test_who_was_made_otherwise_than_most_is_told(make_result: MakeResult) -> None:
    runs = {
        "dense": [made(make_result, "dense", s, torch="2.14", device="cpu") for s in range(3)],
        "grow": [made(make_result, "grow", s, torch="2.14", device="cpu") for s in range(2)]
        + [made(make_result, "grow", 2, torch="2.13", device="cuda")],
        "prune": [made(make_result, "prune", 0, torch="2.14")],
    }
    assert unusual_environments(runs) == {"grow": "torch 2.13; device cuda"}
    assert unusual_environments({"grow": runs["grow"][:2]}) == {}


def test_the_table_marks_and_explains_them(make_result: MakeResult) -> None:
    results = [made(make_result, "dense", s, numpy="2.1") for s in range(3)]
    results += [made(make_result, "grow", s, numpy="1.26") for s in range(2)]
    console = Console(width=140, record=True, file=None)
    with console.capture() as shown:
        console.print(tables(rank(results), 140))
    text = shown.get()
    assert "grow ~" in text
    assert "dense ~" not in text
    assert "~ made otherwise than most, last bits may differ: grow (numpy 1.26)" in text


def test_what_runs_were_made_with_that_is_not_here(make_result: MakeResult) -> None:
    runs = [made(make_result, "dense", s, torch=f"2.{13 + s}", device="cpu") for s in range(2)]
    here = {"torch": "2.14", "device": "cpu", "processor": "AVX2"}
    assert made_otherwise(runs, here) == "torch 2.13 (here 2.14)"
    assert made_otherwise(runs[1:], here) == ""
