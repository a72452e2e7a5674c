import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app

SMALL = ["--stream", "permuted-digits(tasks=2,batch_size=200)", "--seeds", "0:2"]


def call(*words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small suite that has been run once, on two entrants."""
    folder = str(tmp_path_factory.mktemp("results"))
    words = ["--entrant", "dense", "--entrant", "reset", "--workers", "1", "--results", folder]
    done = call("run", *SMALL, *words)
    assert "4 runs done, 0 were done before." in done.stdout
    assert f"Results are in {folder}. Next: plasticity-bench leaderboard quick" in done.stdout
    return folder


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from plasticity_bench.harness.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'avalanche', 'wandb', 'matplotlib', 'pydantic'} & set(sys.modules))"
    )
    seconds = []
    for _ in range(3):
        before = _seconds_of_children()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(_seconds_of_children() - before)
        assert done.stdout.endswith("set()\n"), done.stdout
        assert "leaderboard" in done.stdout
    assert min(seconds) < 0.5


def _seconds_of_children() -> float:
    """Processor time, which a busy machine hardly stretches."""
    times = os.times()
    return times.children_user + times.children_system


def test_list_shows_all_kinds_without_torch() -> None:
    code = (
        "import sys\n"
        "from plasticity_bench.harness.cli import app\n"
        "try: app(['list'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'avalanche'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr
    for word in (
        "grow",
        "avalanche:Replay",
        "permuted-mnist",
        "taoa",
        "quick",
        "optimizer",
        "leaky-relu",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["strategies"], ["shrink-perturb", "before every task but the first", "avalanche:EWC"]),
        (["learners", "avalanche:EWC"], ["ewc_lambda", "Needs to be told: task boundary"]),
        (["avalanche:PNN"], ["mlp | linear", "Needs to be told: task boundary, task id at test"]),
        (["strategies", "grow"], ["compactness", "0.2", "Needs to be told: nothing"]),
        (["reset"], ["fresh | same", "Needs to be told: task boundary"]),
        (["streams", "iid-digits"], ["Tells: task boundary", "lr=0.01", "checkpoints_per_task"]),
        (
            ["streams", "avalanche:SplitMNIST?n_experiences=5"],
            ["A benchmark of Avalanche", "n_experiences=5", "Tells: task boundary"],
        ),
        (["avalanche:CLEAR"], ["maker", "CLEAR", "kind=convnet"]),
        (["network"], ["hidden", "list of int", "[256,256]"]),
        (["activations", "tanh"], ["Hyperbolic tangent", "It has no settings."]),
        (["taoa"], ["better: higher"]),
        (["suites", "quick"], ["entrants: dense, grow, prune", "seeds: 0, 1, 2, 3, 4"]),
    ],
)
def test_list_tells_about_a_kind_or_a_name(words: list[str], shown: list[str]) -> None:
    output = call("list", *words).stdout
    for text in shown:
        assert text in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "grwo"], "error: nothing is called 'grwo'; did you mean 'grow'?"),
        (
            ["list", "avalanche:CLEER"],
            "error: no Avalanche benchmark 'CLEER'; did you mean 'CLEAR'",
        ),
        (["list", "streams", "grow"], "error: no name in streams 'grow'"),
        (["run", "qick"], "error: no suite 'qick'; did you mean 'quick'?"),
        (["run", "--entrant", "grwo"], "error: no strategy 'grwo'; did you mean 'grow'?"),
        (["run", "--seeds", "a"], "error: 'a' in the seeds 'a' is not a seed"),
        (["run", "--set", "stream.task=3"], "did you mean 'tasks'?"),
        (["run", "--set", "grow.x=1", "--entrant", "dense"], "no target of --set named 'grow'"),
        (["run", *SMALL, "--device", "warp"], "error: the device 'warp' cannot be used"),
        (["leaderboard", "--results", "nowhere"], "error: no results of quick in nowhere."),
        (["report", "--results", "nowhere"], "plasticity-bench run quick"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(words: list[str], message: str) -> None:
    done = call(*words, status=2)
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_an_unknown_option_is_wrong_usage() -> None:
    assert "No such option" in call("run", "--sedes", "0", status=2).stderr


def test_what_is_done_is_not_run_again(results: str) -> None:
    words = ["--entrant", "dense", "--seeds", "0:3", "--results", results, "--workers", "1"]
    done = call("run", *SMALL[:2], *words)
    assert done.stdout.startswith("1 run done, 2 were done before.")


def test_run_prints_json(results: str) -> None:
    done = call("run", *SMALL, "--entrant", "reset", "--results", results, "--json")
    runs = json.loads(done.stdout)
    assert [(run["entrant"], run["seed"], run["status"]) for run in runs] == [
        ("reset", 0, "done"),
        ("reset", 1, "done"),
    ]
    assert (Path(results) / f"{runs[0]['fingerprint']}.json").exists()


def test_the_leaderboard_ranks_what_was_asked_for(results: str) -> None:
    entrants = ["--entrant", "dense", "--entrant", "reset"]
    done = call("leaderboard", *SMALL, *entrants, "--results", results, "--json")
    board = json.loads(done.stdout)
    assert board["missing_runs"] == 0
    (stream,) = board["streams"]
    assert {standing["entrant"] for standing in stream["standings"]} == {"dense", "reset"}
    table = call("leaderboard", *SMALL, *entrants, "--results", results).stdout
    assert "permuted-digits" in table
    assert "reset" in table


def test_the_board_is_printed_in_the_form_asked_for(results: str, tmp_path: Path) -> None:
    words = ["leaderboard", *SMALL, "--entrant", "dense", "--results", results]
    assert call(*words, "--csv").stdout.startswith("suite,stream,metric,entrant,place")
    assert "| entrant " in call(*words, "--markdown").stdout
    assert r"\begin{tabular}" in call(*words, "--latex").stdout
    path = tmp_path / "board.parquet"
    call(*words, "--parquet", str(path))
    assert path.read_bytes()[:4] == b"PAR1"
    refused = call(*words, "--csv", "--latex", status=2)
    assert "--csv and --latex cannot be printed at once" in refused.stderr


def test_show_is_what_leaderboard_does_without_a_command(results: str) -> None:
    words = [*SMALL, "--entrant", "dense", "--results", results, "--json"]
    assert call("leaderboard", "show", *words).stdout == call("leaderboard", *words).stdout


def test_entrants_that_the_suite_does_not_name_are_guests(results: str, tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(
        f"name='mine'\ndescription='d'\nseeds='0:2'\nentrants=['dense']\nstreams=['{SMALL[1]}']"
    )
    call("run", *SMALL, "--entrant", "reset", "--results", results)
    board = json.loads(call("leaderboard", str(suite), "--results", results, "--json").stdout)
    shown = [standing["entrant"] for standing in board["streams"][0]["standings"]]
    assert "reset" in shown
    words = [str(suite), "--entrant", "dense", "--results", results, "--json"]
    alone = json.loads(call("leaderboard", *words).stdout)
    assert [one["entrant"] for one in alone["streams"][0]["standings"]] == ["dense"]


def test_two_entrants_are_compared_in_words(results: str, tmp_path: Path) -> None:
    call("run", *SMALL, "--entrant", "dense", "--entrant", "reset", "--results", results)
    words = ["dense", "reset", *SMALL, "--results", results]
    said = call("compare", *words).stdout
    assert "* permuted-digits: " in said
    assert "not tested: it takes 3 seeds of both." in said
    assert "without an interval below 5 seeds" in said
    assert json.loads(call("compare", *words, "--json").stdout)["first"] == "dense"
    wrong = call("compare", "dense", "rest", *SMALL, "--results", results, status=2)
    assert "no entrant on the board 'rest'; did you mean 'reset'?" in wrong.stderr


def test_a_reference_that_is_not_there_is_named(results: str) -> None:
    words = [*SMALL, "--entrant", "dense", "--results", results, "--against", "dnse"]
    assert "did you mean 'dense'" in call("leaderboard", *words, status=2).stderr


def test_runs_without_a_result_are_told(results: str) -> None:
    words = ["--stream", SMALL[1], "--entrant", "dense", "--seeds", "0:2,50:53"]
    done = call("leaderboard", *words, "--results", results)
    assert "3 runs have no result yet: plasticity-bench run quick --stream" in done.stderr


def test_the_leaderboard_shows_no_runs_with_other_settings(results: str) -> None:
    words = [*SMALL, "--entrant", "dense", "--set", "optimizer.lr=0.5", "--results", results]
    assert "no results of quick" in call("leaderboard", *words, status=2).stderr


def test_an_unknown_metric_to_rank_by_is_named(results: str) -> None:
    words = [*SMALL, "--entrant", "dense", "--results", results, "--by", "taoaa"]
    assert "no metric 'taoaa'; did you mean 'taoa'" in call("leaderboard", *words, status=2).stderr


def test_report_says_where_the_figures_are(results: str, tmp_path: Path) -> None:
    words = [*SMALL, "--entrant", "dense", "--results", results, "--out", str(tmp_path / "out")]
    done = call("report", *words)
    assert done.stdout == f"The report is {tmp_path / 'out' / 'report.md'}.\n"
    assert (tmp_path / "out" / "report.md").exists()


PLUGIN = """
from dataclasses import dataclass
from plasticity_bench.harness.engine.strategy import Strategy

@dataclass(frozen=True, kw_only=True)
class Broken(Strategy):
    '''Raises at the end of the first task.'''
    name = "broken"

    def end_task(self, net, ctx):
        raise ZeroDivisionError("by hand")
"""


def test_a_plugin_that_raises_fails_its_runs_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "site" / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "broken_idea.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = "[plasticity_bench.strategies]\nbroken = broken_idea:Broken\n"
    (metadata / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    words = ["--entrant", "broken", "--entrant", "dense", "--results", str(tmp_path), "--workers"]
    done = call("run", *SMALL, *words, "1", status=1)
    assert done.stdout.startswith("2 runs done, 0 were done before.\n")
    assert "failed: broken on permuted-digits, seeds 0, 1: " in done.stdout
    assert "by hand" in done.stdout
