"""What W&B is to be told, without W&B: known answers."""

from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.leaderboard.board.ranking import Question, rank
from plasticity_bench.leaderboard.page import page_data, render
from plasticity_bench.leaderboard.publish.board_plan import COLUMNS, OVERALL, entry_id, plan_board
from plasticity_bench.leaderboard.publish.history import Steps, history, left_out
from plasticity_bench.leaderboard.publish.job import Job, Target
from plasticity_bench.leaderboard.publish.privacy import scrubbed, scrubbed_text
from plasticity_bench.leaderboard.publish.publication import plan
from plasticity_bench.leaderboard.publish.receipts import Receipts
from plasticity_bench.leaderboard.publish.run_plan import (
    NAME_LENGTH,
    finished_run,
    may_leave,
    shown,
    with_clean_reason,
)
from plasticity_bench.leaderboard.store.result_store import ResultStore

from ..conftest import MakeResult, draft
from .publishing import made_rows

ROWS = [
    {"kind": "task", "task": 0, "step": 10, "loss": 0.5, "test_accuracy": None, "alive": [3, 4]},
    {"kind": "checkpoint", "task": 0, "step": 10, "accuracy": 0.25, "per_task": [0.25]},
    {"kind": "health", "task": 0, "step": 10, "layer": "fc1", "dormant": 0.0, "srank": 4},
    {"kind": "health", "task": 0, "step": 10, "layer": "fc2", "dormant": 0.5, "srank": None},
    {"kind": "parity", "task": 0, "step": 10, "age": 3},
    {"kind": "health", "task": 1, "step": 20, "layer": "fc1", "dormant": 1.0},
    {"kind": "task", "task": 1, "step": 20, "loss": nan, "scored": True, "alive": [3]},
]
STEPS = [
    {"at/task": 0, "at/update": 10, "task/loss": 0.5, "task/alive": 7},
    {"at/task": 0, "at/update": 10, "test/accuracy": 0.25},
    {"at/task": 0, "at/update": 10, "health/dormant": 0.25, "health/srank": 4},
    {"at/task": 1, "at/update": 20, "health/dormant": 1.0},
    {"at/task": 1, "at/update": 20, "task/alive": 3},
]


def test_rows_become_steps_and_layers_of_one_moment_their_mean() -> None:
    assert list(history(ROWS)) == STEPS
    assert left_out(ROWS) == {"parity": 1}


def test_steps_are_the_same_when_rows_come_one_by_one() -> None:
    steps = Steps()
    early = [list(steps.add(row)) for row in ROWS]
    assert [len(made) for made in early] == [0, 1, 1, 0, 0, 1, 1]
    assert [step for made in early for step in made] + list(steps.end()) == STEPS


def test_a_run_has_scores_and_settings_and_leaves_out_what_is_undefined(
    make_result: MakeResult,
) -> None:
    result = make_result(rows=ROWS, metrics={"taoa": 0.9, "acc": None, "seconds": inf})
    made = finished_run(result)
    assert made.id == f"r-{result.fingerprint[:16]}"
    assert made.summary == {
        "score/taoa": 0.9,
        "rows/parity": 1,
        "status": "done",
        "undefined_scores": 2,
    }
    assert made.config["fingerprint"] == result.fingerprint
    assert made.config["stream_settings"] == {"tasks": 10}
    assert made.config["strategies"] == {"dense": {}}


def test_a_name_is_shown_printable_and_short() -> None:
    assert shown("a\x1b[31m\u202eb") == "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b"
    assert len(shown("n" * 10_000)) == NAME_LENGTH


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no file '/data/x.npz' here", "no file '<path>' here"),
        (r"C:\Users\alice\x is not there", "<path> is not there"),
        ("dohare2024/regression@1 at 3/5, and/or https://x.org/a/b", None),
        ("the loss was not finite at update 7", None),
    ],
)
def test_paths_are_taken_out_and_nothing_else(text: str, clean: str | None) -> None:
    assert scrubbed({"a": [text, 1, None]}) == {"a": [clean or text, 1, None]}


def test_home_key_host_and_user_are_taken_out_of_reasons(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node7.lab.org")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    text = f"{Path.home()}/a b on node7.lab.org or node7 by alicesmith with {'k' * 40}; alicesmiths"
    assert scrubbed_text(text) == "<path> b on <host> or <host> by <user> with <key>; alicesmiths"


def test_a_file_that_names_a_folder_does_not_leave(make_result: MakeResult) -> None:
    assert may_leave(make_result())
    assert not may_leave(make_result(stream_settings={"folder": "/data/pictures"}))


def test_a_board_becomes_entries_and_one_table(make_result: MakeResult) -> None:
    results = [
        make_result(stream=stream, entrant=entrant, seed=seed, metrics={"taoa": score + seed / 100})
        for stream in ("one", "two")
        for entrant, score in (("dense", 0.5), ("<img src=x onerror=alert(1)>", 0.9))
        for seed in range(3)
    ]
    board = rank(results, Question(suite="my suite/1"))
    assert board.overall is not None
    made = plan_board(board, {"one": "k1", "two": "k2"})
    first, second = made.entries
    assert first.name == "<img src=x onerror=alert(1)>"
    assert first.id == entry_id("my suite/1", "taoa", first.name)
    assert "img" not in first.id + made.artifact + made.run.id
    assert made.artifact == f"leaderboard-my-suite-1-{made.key}"
    winner = board.overall.standings[0]
    expected = {
        "rank": 1,
        "rank_lo": winner.rank.low,
        "rank_hi": winner.rank.high,
        "score": pytest.approx(0.91),
        "ci_lo": pytest.approx(winner.score.interval.low),
        "ci_hi": pytest.approx(winner.score.interval.high),
        "iqm": pytest.approx(winner.iqm.value),
        "n_seeds": 3,
        "coverage": 1.0,
        "trust": "self-reported",
        "provisional": True,
        "needs": "",
        "on_board": 1,
    }
    assert first.summary.items() >= expected.items()
    assert second.summary["rank"] == board.overall.standings[1].rank.place
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in made.table]
    assert [row["stream"] for row in rows] == [OVERALL] * 2 + ["one"] * 2 + ["two"] * 2
    assert rows[2]["score"] == pytest.approx(0.91)
    assert made.streams == [("one", "k1"), ("two", "k2")]


def test_the_digest_of_a_board_follows_its_numbers_and_not_the_journal(
    make_result: MakeResult,
) -> None:
    def digest(score: float, head: str) -> str:
        results = [make_result(seed=seed, metrics={"taoa": score}) for seed in range(2)]
        return plan_board(rank(results, Question(head=head)), {}).digest

    assert digest(0.5, "a") == digest(0.5, "b")
    assert digest(0.5, "a") != digest(0.6, "a")


def test_a_damaged_receipt_is_none(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts")
    assert receipts.read("run-1") is None
    receipts.write("run-1", {"id": "r-1"})
    assert receipts.read("run-1") == {"id": "r-1"}
    assert receipts.names() == ["run-1"]
    (tmp_path / "receipts" / "run-1.json").write_text('{"id": ')
    assert receipts.read("run-1") is None


def page_job(folder: Path, *drafts: dict[str, Any]) -> Job:
    """Plan the publication of a page of some results."""
    store = ResultStore(folder / "store")
    for each in drafts:
        store.write(each)
    results = list(store.results())
    board = rank(results)
    page = render(page_data(board, map(with_clean_reason, results), datetime.now(UTC)))
    target = Target(base_url="http://127.0.0.1:9", entity="lab", project="p")
    return plan(board, store, [], page, target)


def test_a_page_whose_settings_name_a_folder_is_not_published(
    account: None, tmp_path: Path
) -> None:
    for folder in (f"{Path.home()}/pictures", "/mnt/disk7/pictures"):
        settings = {"tasks": 10, "folder": folder}
        made = draft(stream_settings=settings, rows=made_rows(1, 0.5))
        assert page_job(tmp_path / made["fingerprint"], made).page is None


def test_a_page_is_published_without_what_reasons_say_of_the_machine(
    account: None, tmp_path: Path
) -> None:
    failed = {
        **draft(entrant="mine", status="failed"),
        "reason": "OSError: no /mnt/disk7/x for alicesmith",
    }
    page = page_job(tmp_path, draft(rows=made_rows(1, 0.5)), failed).page
    assert page is not None
    content = page.read_bytes()
    assert b"disk7" not in content
    assert b"alicesmith" not in content
    assert rb"OSError: no \u003cpath\u003e for \u003cuser\u003e" in content
