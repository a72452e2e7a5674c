"""The report's table of controls: from `run --controls` to words; verdicts on known numbers."""

import json
from pathlib import Path

import pytest

from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.loop.controls import QUESTIONS
from plasticity_bench.leaderboard.board.grouping import EntrantRuns, StreamRuns, grouped
from plasticity_bench.leaderboard.report.controls_table import compared, controls_table
from plasticity_bench.leaderboard.store.result import Result
from plasticity_bench.leaderboard.store.result_store import ResultStore
from tests.harness.test_cli import call

SHORT = ["--stream", "permuted-digits(tasks=3,batch_size=100,passes=2)", "--seeds", "0:3"]
NARROW = ["--set", "network.hidden=[20,16]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of Prune with all its controls."""
    made = tmp_path_factory.mktemp("controls")
    words = [*SHORT, *NARROW, "--entrant", "prune", "--controls", "--workers", "1"]
    done = call("run", *words, "--results", str(made))
    assert "30 runs done, 0 were done before." in done.stdout
    return made


@pytest.fixture
def stream(folder: Path) -> StreamRuns[Result]:
    (found,) = grouped(ResultStore(folder).results())
    return found


def test_controls_are_named_compared_and_explained_in_the_report(
    folder: Path, tmp_path: Path
) -> None:
    words = [*SHORT, *NARROW, "--entrant", "prune", "--results", str(folder)]
    call("report", "quick", *words, "--out", str(tmp_path))
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "### Controls of prune" in page
    for kind, entrant in {
        "fresh per task": "reset",
        "full reset": "scheduled-reset",
        "small dense": "dense 4-3",
        "equal capacity": "dense 10-8",
        "no rewind": "prune(rewind=none)",
        "rewind only": "prune(compactness=1.0)",
        "random turnover": "turnover(born=random,dies=random,insertion=fresh,share=0.",
        "random-matched": "prune(selection=random)",
        "inverse-matched": "prune(reverse=true)",
    }.items():
        lines = [line for line in page.splitlines() if line.startswith(f"| {kind} | `{entrant}")]
        assert lines[0].endswith(f"| {QUESTIONS[kind]} |")
    assert "Holm over 9 controls" in page


def test_controls_of_older_code_are_said_to_be_of_it(folder: Path, tmp_path: Path) -> None:
    mixed = ResultStore(tmp_path / "mixed")
    for result in ResultStore(folder).results():
        draft = json.loads(result.model_dump_json(exclude_unset=True))
        mixed.write(draft)
        if draft["spec"]["entrant"]["name"] == "reset":
            draft["sources"]["strategies"] = {"reset": "b" * 64}
            parts = (draft["spec"], draft["sources"], draft["results_version"])
            mixed.write({**draft, "fingerprint": fingerprint(*parts)})
    words = ["report", "quick", *SHORT, *NARROW, "--entrant", "prune", "--out", str(tmp_path)]
    done = call(*words, "--results", str(mixed.folder))
    assert "left out: 3 results of older code of reset (--all-versions" in done.stderr
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "left out: 3 results of older code of reset" in page
    assert "Holm over 9 controls" in page
    call(*words, "--results", str(mixed.folder), "--all-versions")
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| `reset` |" in page
    assert "| `reset [code.reset=bbbbbbbb]` |" in page
    assert "Holm over 10 controls" in page


def with_taoa(entrant: EntrantRuns[Result], values: list[float]) -> EntrantRuns[Result]:
    runs = [
        run.model_copy(update={"metrics": {**run.metrics, "taoa": value}})
        for run, value in zip(entrant.runs, values, strict=True)
    ]
    return EntrantRuns(entrant.label, entrant.name, tuple(runs))


def test_verdicts_follow_the_paired_differences(stream: StreamRuns[Result]) -> None:
    numbers = {
        "prune": [0.50, 0.60, 0.70],
        "reset": [0.80, 0.901, 1.0],  # far above, seed by seed
        "dense 4-3": [0.20, 0.301, 0.40],
        "prune(rewind=none)": [0.40, 0.72, 0.69],
    }
    entrants = [with_taoa(e, numbers[e.name]) for e in stream.entrants if e.name in numbers]
    prune = next(one for one in entrants if one.name == "prune")
    found = {one.control.kind: one for one in compared(prune, entrants, "taoa")}
    assert {kind: one.verdict for kind, one in found.items()} == {
        "fresh per task": "better",
        "small dense": "worse",
        "no rewind": "not told apart",
    }
    assert found["fresh per task"].difference.mean == pytest.approx(0.9003333 - 0.6)
    assert found["small dense"].p >= 2 * found["small dense"].difference.p


def test_without_controls_there_is_no_table(stream: StreamRuns[Result]) -> None:
    alone = [one for one in stream.entrants if one.name in ("prune", "turnover")]
    assert list(controls_table(StreamRuns(stream.label, tuple(alone)))) == []
    dense = [one for one in stream.entrants if one.name.startswith(("dense", "reset"))]
    assert list(controls_table(StreamRuns(stream.label, tuple(dense)))) == []
