"""Results of other code, as users meet them: said in one line, and shown on request."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.store.result_store import ResultStore

STREAMS = ("permuted-digits", "shifting-labels-digits")
SMALL = [
    *(word for name in STREAMS for word in ("--stream", f"{name}(tasks=2,batch_size=200)")),
    *("--seeds", "0:2"),
]
ENTRANTS = ["--entrant", "dense", "--entrant", "reset"]
QUOTED = [word if word.startswith("--") else f"'{word}'" for word in SMALL[:4]]
OLD = "b" * 64
LEFT_OUT = "left out: 4 results of other code of reset (--all-versions shows it)\n"

Change = Callable[[dict[str, Any]], bool]
"""Changes a draft of a result, and says whether it is wanted."""


def call(*words: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "140"})
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    call("run", *SMALL, *ENTRANTS, "--workers", "1", "--results", str(folder))
    return folder


def other_code(**settings: Any) -> Change:
    """Return what makes results of reset those of other code, with other settings if any."""

    def change(draft: dict[str, Any]) -> bool:
        if "reset" not in draft["sources"]["strategies"]:
            return False
        draft["sources"]["strategies"] = {"reset": OLD}
        draft["spec"]["entrant"]["strategies"][0]["settings"] |= settings
        return True

    return change


def _other(draft: dict[str, Any]) -> bool:
    draft["sources"]["strategies"] = {"reset": "c" * 64}
    return True


def as_it_is(draft: dict[str, Any]) -> bool:
    return bool(draft)


def dense(draft: dict[str, Any]) -> bool:
    return bool(draft["spec"]["entrant"]["name"] == "dense")


def store(folder: Path, results: Path, *changes: Change) -> Path:
    """Write results to a store, once for every change of them."""
    made = ResultStore(folder)
    for change in changes:
        for result in ResultStore(results).results():
            draft = json.loads(result.model_dump_json(exclude_unset=True))
            if change(draft):
                parts = (draft["spec"], draft["sources"], draft["results_version"])
                made.write({**draft, "fingerprint": fingerprint(*parts)})
    return folder


@pytest.fixture
def both(tmp_path: Path, results: Path) -> Path:
    """A store with results of other code and of the code that is here."""
    return store(tmp_path / "both", results, as_it_is, other_code())


def labels(done: Result) -> list[str]:
    board = json.loads(done.stdout)
    return [one["entrant"] for one in board["streams"][0]["standings"]]


def test_an_entrant_whose_code_has_changed_is_on_the_board_once(both: Path) -> None:
    words = (*SMALL, *ENTRANTS, "--results", str(both))
    done = call("leaderboard", *words)
    assert done.stderr == LEFT_OUT
    assert "reset [" not in done.stdout
    done = call("leaderboard", *words, "--json")
    assert sorted(labels(done)) == ["dense", "reset"]
    board = json.loads(done.stdout)
    assert board["other_code"] == {
        "left_out": {"reset": 4},
        "shown": {},
        "runs": [],
        "elsewhere": {},
    }
    assert [len(stream["pairs"]) for stream in board["streams"]] == [1, 1]
    for how in ("--csv", "--markdown", "--latex"):
        done = call("leaderboard", *words, how)
        assert done.stderr == LEFT_OUT
        assert "code.reset" not in done.stdout


def test_on_request_every_version_is_shown_by_itself(both: Path) -> None:
    words = (*SMALL, *ENTRANTS, "--results", str(both), "--all-versions")
    done = call("leaderboard", *words)
    assert done.stderr == ""
    assert "reset [code.reset=bbbbbbbb]" in done.stdout
    shown = labels(call("leaderboard", *words, "--json"))
    assert len(shown) == 3
    assert sorted(shown) == ["dense", "reset", "reset [code.reset=bbbbbbbb]"]
    words = ("reset", "reset [code.reset=bbbbbbbb]", *SMALL, "--results", str(both))
    compared = call("compare", *words, "--all-versions")
    assert "reset against reset [code.reset=bbbbbbbb]" in compared.stdout
    assert compared.stderr == ""


def test_two_entrants_are_compared_by_their_current_code(both: Path) -> None:
    words = ("dense", "reset", *SMALL, "--results", str(both))
    done = call("compare", *words)
    assert "dense against reset by taoa" in done.stdout
    assert done.stderr == LEFT_OUT
    done = call("compare", *words, "--json")
    assert json.loads(done.stdout)["other_code"]["left_out"] == {"reset": 4}


def test_where_there_is_nothing_newer_results_stay_on_their_boards(
    results: Path, tmp_path: Path
) -> None:
    old = store(tmp_path / "old", results, dense, other_code())
    words = (*SMALL, *ENTRANTS, "--results", str(old))
    done = call("leaderboard", *words)
    assert done.stderr.splitlines() == [
        "4 runs have no result by the code installed here: plasticity-bench run quick "
        f"{' '.join(QUOTED)} --entrant dense --entrant reset --seeds 0:2",
        "shown for want of others: 4 results not known to be of the code installed here, of reset "
        "on permuted-digits, shifting-labels-digits",
    ]
    assert "reset [" not in done.stdout  # there is one version only
    board = json.loads(call("leaderboard", *words, "--json").stdout)
    assert board["missing_runs"] == 4
    assert board["other_code"]["shown"] == {"reset": dict.fromkeys(STREAMS, 2)}


def test_streams_are_told_apart_and_versions_are_not_mixed(results: Path, tmp_path: Path) -> None:
    def current(draft: dict[str, Any]) -> bool:
        spec = draft["spec"]
        return dense(draft) or (spec["stream"]["name"], spec["seed"]) == (STREAMS[0], 0)

    folder = store(tmp_path / "mixed", results, other_code(), current)
    words = (*SMALL, *ENTRANTS, "--results", str(folder))
    done = call("leaderboard", *words)
    assert "3 runs have no result by the code installed here" in done.stderr
    assert done.stderr.splitlines()[1:] == [
        "left out: 2 results of other code of reset; shown for want of others: 2 results not known "
        "to be of the code installed here, of reset on shifting-labels-digits (--all-versions "
        "shows it)"
    ]
    board = json.loads(call("leaderboard", *words, "--json").stdout)
    there = {
        (stream["stream"], one["entrant"]): (len(one["runs"]), one["missing"])
        for stream in board["streams"]
        for one in stream["standings"]
    }
    assert there == {
        **{(stream, "dense"): (2, []) for stream in STREAMS},
        (STREAMS[0], "reset"): (1, [1]),
        (STREAMS[1], "reset [code.reset=bbbbbbbb]"): (2, []),
    }
    over_all = [one["entrant"] for one in board["overall"]["standings"]]
    assert over_all == ["dense"]  # the others have no place without their runs
    assert (
        "dense against reset by taoa"
        in call("compare", "dense", "reset", *words[:6], "--results", str(folder)).stdout
    )


def test_a_default_that_was_another_one_is_other_code_as_well(
    results: Path, tmp_path: Path
) -> None:
    folder = store(tmp_path / "defaults", results, as_it_is, other_code(to="same"))
    words = (*SMALL, *ENTRANTS, "--results", str(folder))
    assert call("leaderboard", *words).stderr == LEFT_OUT
    shown = labels(call("leaderboard", *words, "--all-versions", "--json"))
    assert "reset [code.reset=bbbbbbbb, reset.to=same]" in shown
    alone = store(tmp_path / "alone", results, other_code(to="same"))
    words = (*SMALL, "--entrant", "reset", "--results", str(alone))
    done = call("leaderboard", *words, status=2)
    assert "but 4 of other code, which --all-versions shows. Run it first" in done.stderr
    done = call("leaderboard", *words, "--all-versions", "--json")
    assert labels(done) == ["reset", "reset [not run]"]
    assert call("leaderboard", *words, "--all-versions").stderr.startswith("4 runs have no result")


def test_versions_have_the_same_labels_on_every_stream(results: Path, tmp_path: Path) -> None:
    def on_one(draft: dict[str, Any]) -> bool:
        return other_code()(draft) and draft["spec"]["stream"]["name"] == STREAMS[0]

    folder = store(tmp_path / "one", results, as_it_is, on_one)
    words = (*SMALL, *ENTRANTS, "--results", str(folder), "--all-versions", "--json")
    board = json.loads(call("leaderboard", *words).stdout)
    assert [sorted(one["entrant"] for one in s["standings"]) for s in board["streams"]] == [
        ["dense", "reset", "reset [code.reset=bbbbbbbb]"],
        ["dense", "reset"],
    ]
    alone = other_code()
    folder = store(tmp_path / "two", results, alone, lambda d: alone(d) and _other(d))
    words = (*SMALL, "--results", str(folder), "--all-versions", "--json")
    shown = {label for label in labels(call("leaderboard", *words)) if label.startswith("reset")}
    done = call("compare", "reset", "dense", *words[:-1], status=2)
    assert (
        "'reset' is on the board as reset [code.reset=bbbbbbbb] and as reset [code." in done.stderr
    )
    assert shown >= {"reset [code.reset=bbbbbbbb]", "reset [code.reset=cccccccc]"}


def test_the_same_code_with_other_settings_is_no_other_code(results: Path, tmp_path: Path) -> None:
    def of_a_suite(draft: dict[str, Any]) -> bool:
        draft["spec"]["entrant"]["strategies"][0]["settings"] |= {"to": "same"}
        return not dense(draft)

    folder = store(tmp_path / "other", results, as_it_is, of_a_suite)
    done = call("leaderboard", *SMALL, *ENTRANTS, "--results", str(folder))
    assert done.stderr == ""


@pytest.mark.usefixtures("undrawn_figures")
def test_pages_and_reports_say_it_and_show_it_once(both: Path, tmp_path: Path) -> None:
    words = (*SMALL, *ENTRANTS, "--results", str(both))
    done = call("leaderboard", "build", *words, "--out", tmp_path / "page")
    assert done.stderr == LEFT_OUT
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "<li>Left out: 4 results of other code of reset.</li>" in page
    assert OLD[:8] not in page
    done = call("leaderboard", "build", *words, "--out", tmp_path / "page", "--all-versions")
    assert done.stderr == ""
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert f"reset [code.reset={OLD[:8]}]" in page
    done = call("report", *words, "--out", tmp_path / "report")
    assert done.stderr == LEFT_OUT
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "left out: 4 results of other code of reset." in report
    assert OLD[:8] not in report


def test_submit_takes_the_code_that_is_here_and_says_what_it_needs_for_the_rest(
    both: Path, results: Path, tmp_path: Path
) -> None:
    words = (*SMALL, "--entrant", "reset", "--out", str(tmp_path / "mine.zip"), "--results")
    done = call("submit", *words, both)
    assert "has 4 results of reset" in done.stdout
    assert done.stderr == (
        "left out: 4 results that were made with other code than is installed here. They need "
        "their own source in the archive: submit them from where that is, or run them again. "
        "The command leaderboard shows them with --all-versions.\n"
    )
    defaults = store(tmp_path / "defaults", results, as_it_is, other_code(to="same"))
    assert "left out: 4 results that were made with" in call("submit", *words, defaults).stderr


def test_run_counts_the_runs_of_the_code_that_is_here(
    both: Path, results: Path, tmp_path: Path
) -> None:
    words = (*SMALL, *ENTRANTS, "--workers", "1", "--results")
    assert call("run", *words, both).stdout.startswith("0 runs done, 8 were done before.")
    old = store(tmp_path / "old", results, other_code())
    done = call("run", *words, old)
    assert done.stdout.startswith("8 runs done, 0 were done before.")
    assert call("leaderboard", *SMALL, *ENTRANTS, "--results", str(old)).stderr == LEFT_OUT
