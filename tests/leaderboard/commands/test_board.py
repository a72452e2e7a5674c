"""Who differs from the usual learner of a stream says so in every view, and can be left out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from tests.harness.test_cli import call

STREAM = ["--stream", "permuted-digits(tasks=2,batch_size=200)", "--seeds", "0:3"]
SUITE = """
name = "mine"
description = "Dense beside a reset with another learner"
metric = "taoa"
seeds = "0:3"
streams = ["permuted-digits(tasks=2,batch_size=200)"]
entrants = ["dense", { strategies = "reset", network = { hidden = [30] }, optimizer = RATE }]
""".replace("RATE", "{ lr = 0.05 }")
LABEL = "reset [network.hidden=[30], optimizer.lr=0.05]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("unusual")
    (made / "mine.toml").write_text(SUITE)
    call("run", str(made / "mine.toml"), "--workers", "1", "--results", str(made / "results"))
    return made


def words(folder: Path, *more: str) -> list[str]:
    return [str(folder / "mine.toml"), "--results", str(folder / "results"), *more]


@pytest.mark.parametrize("how", ["--csv", "--json", "--markdown", "--latex"])
def test_an_unusual_learner_is_named_in_every_form(folder: Path, how: str) -> None:
    shown = call("leaderboard", *words(folder, how)).stdout
    plain = shown.replace("\\\\[", "[").replace("\\", "")
    assert "reset [network.hidden=[30], optimizer.lr=0.05]" in plain
    assert "dense [" not in plain


@pytest.mark.usefixtures("undrawn_figures")
def test_reports_pages_and_comparisons_say_it_too(folder: Path) -> None:
    assert LABEL in call("compare", "dense", LABEL, "--suite", *words(folder)).stdout
    call("report", *words(folder, "--out", str(folder / "report")))
    assert "network.hidden=" in (folder / "report" / "report.md").read_text(encoding="utf-8")
    call("leaderboard", "build", *words(folder, "--out", str(folder / "page")))
    data = json.loads((folder / "page" / "board.json").read_text(encoding="utf-8"))
    assert sorted(data["entrants"]) == ["dense", LABEL]


@pytest.mark.parametrize("option", ["--by", "--against"])
def test_an_option_without_a_word_is_no_default(folder: Path, option: str) -> None:
    done = CliRunner().invoke(app, ["leaderboard", *words(folder, option, "")])
    assert done.exit_code == 2
    assert "''" in done.output


@pytest.mark.usefixtures("undrawn_figures")
def test_it_is_left_out_on_request(folder: Path) -> None:
    for command in (["leaderboard"], ["leaderboard", "build"], ["report"]):
        out = ["--out", str(folder / "out")] if command != ["leaderboard"] else []
        call(*command, *words(folder, *out, "--usual-only"))
    shown = json.loads(call("leaderboard", *words(folder, "--usual-only", "--json")).stdout)
    (stream,) = shown["streams"]
    ended = [one["entrant"] for one in stream["standings"] if one["coverage"]["done"]]
    assert ended == ["dense"]


def test_what_all_have_is_usual(folder: Path) -> None:
    results = str(folder / "wide")
    wide = [*STREAM, "--entrant", "dense", "--set", "network.hidden=[30]", "--results", results]
    call("run", *wide, "--workers", "1")
    assert "dense [" not in call("leaderboard", *wide).stdout


def test_a_comparison_says_what_is_missing_and_how_to_run_it(folder: Path) -> None:
    here = words(folder, "--seeds", "0:4")
    done = call("compare", "dense", LABEL, "--suite", *here)
    suite = folder / "mine.toml"
    assert "Not run: dense on permuted-digits (seed 3)" in done.stderr
    assert (
        f"{LABEL} on permuted-digits (seed 3). Run it: plasticity-bench run {suite}" in done.stderr
    )
    done = call("compare", "dense", "grow", "--suite", *here, status=2)
    assert "'grow' has no run on the board. Run it: plasticity-bench run " in done.stderr
    assert done.stderr.strip().endswith("--entrant grow --seeds 0:4")
    done = call("compare", "prune", "grow", "--suite", *here, status=2)
    assert "'prune' and 'grow' have no run on the board." in done.stderr
    done = call("compare", "dense", "grwo", "--suite", *here, status=2)
    assert "no entrant on the board 'grwo'" in done.stderr


def test_nothing_is_said_to_be_missing_where_nothing_is(folder: Path) -> None:
    done = call("compare", "dense", LABEL, "--suite", *words(folder))
    assert done.stderr == ""
    done = call("compare", "dense", LABEL, "--suite", *words(folder, "--json"))
    assert json.loads(done.stdout)["run"] is None
