"""The report's table of controls: from `run --controls` to words; verdicts on known numbers."""

import json
from pathlib import Path

import pytest

from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.loop.controls import QUESTIONS
from plasticity_bench.leaderboard.board.grouping import EntrantRuns, StreamRuns, grouped
from plasticity_bench.leaderboard.report.controls_table import (
    Compared,
    compared,
    controls_run,
    controls_table,
)
from plasticity_bench.leaderboard.report.controls_words import SHOWS, shown
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


@pytest.mark.usefixtures("undrawn_figures")
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
        lines = [line for line in page.splitlines() if line.startswith(f"| {kind} | {entrant}")]
        assert len(lines) == 1
        assert lines[0].endswith(f"| {QUESTIONS[kind]} |")
    assert "Holm over 9 controls" in page
    assert page.count("### Controls of ") == 1  # and none of a control, as of turnover


@pytest.mark.usefixtures("undrawn_figures")
def test_controls_of_other_code_are_said_to_be_of_it(folder: Path, tmp_path: Path) -> None:
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
    assert "left out: 3 results of other code of reset (--all-versions" in done.stderr
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "left out: 3 results of other code of reset" in page
    assert "Holm over 9 controls" in page
    call(*words, "--results", str(mixed.folder), "--all-versions")
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| reset |" in page
    assert "| reset \\[code.reset=bbbbbbbb\\] |" in page
    assert "Holm over 10 controls" in page


def with_taoa(entrant: EntrantRuns[Result], values: list[float]) -> EntrantRuns[Result]:
    runs = [
        run.model_copy(update={"metrics": {**run.metrics, "taoa": value}})
        for run, value in zip(entrant.runs, values, strict=True)
    ]
    return EntrantRuns(entrant.label, entrant.name, tuple(runs))


def beside(
    entrant: EntrantRuns[Result], entrants: list[EntrantRuns[Result]]
) -> dict[str, Compared]:
    """Compare an entrant with its controls among others by TAOA; by their kind."""
    others = [one for one in entrants if one is not entrant]
    found = compared(entrant, entrants, controls_run(entrant, others), "taoa")
    return {one.control.kind: one for one in found}


def test_verdicts_follow_the_paired_differences(stream: StreamRuns[Result]) -> None:
    numbers = {
        "prune": [0.50, 0.60, 0.70],
        "reset": [0.80, 0.901, 1.0],  # far above, seed by seed
        "dense 4-3": [0.20, 0.301, 0.40],
        "prune(rewind=none)": [0.40, 0.72, 0.69],
    }
    entrants = [with_taoa(e, numbers[e.name]) for e in stream.entrants if e.name in numbers]
    prune = next(one for one in entrants if one.name == "prune")
    found = beside(prune, entrants)
    said = {kind: shown(kind, one.difference, one.p) for kind, one in found.items()}
    assert said["fresh per task"] == "the control is better: the entrant has lost plasticity"
    assert said["small dense"].startswith("the control is worse: it does not reach this")
    assert said["no rewind"] == "not decided: 3 seeds do not tell the two apart"
    assert found["fresh per task"].difference.mean == pytest.approx(0.9003333 - 0.6)
    assert found["small dense"].p >= 2 * found["small dense"].difference.p


def test_without_controls_there_is_no_table(stream: StreamRuns[Result]) -> None:
    alone = [one for one in stream.entrants if one.name in ("prune", "turnover")]
    assert list(controls_table(StreamRuns(stream.label, tuple(alone)))) == []
    dense = [one for one in stream.entrants if one.name.startswith(("dense", "reset"))]
    assert list(controls_table(StreamRuns(stream.label, tuple(dense)))) == []


def lost(entrant: EntrantRuns[Result], seeds: set[int]) -> EntrantRuns[Result]:
    runs = [
        run.model_copy(update={"status": "diverged", "metrics": {}})
        if run.spec.seed in seeds
        else run
        for run in entrant.runs
    ]
    return EntrantRuns(entrant.label, entrant.name, tuple(runs))


def test_a_control_that_lost_its_runs_is_not_better_by_the_rest(
    stream: StreamRuns[Result],
) -> None:
    entrants = [one for one in stream.entrants if one.name in ("prune", "reset", "dense 4-3")]
    made = [
        with_taoa(one, [0.9, 0.901, 0.9] if one.name == "reset" else [0.4, 0.5, 0.6])
        for one in entrants
    ]
    prune = next(one for one in made if one.name == "prune")
    assert beside(prune, made)["fresh per task"].difference.mean > 0
    diverged = [lost(one, {0, 1}) if one.name == "reset" else one for one in made]
    found = beside(prune, diverged)["fresh per task"]
    assert shown("fresh per task", found.difference, found.p).startswith("not decided")
    gone = [lost(one, {0, 1, 2}) if one.name == "reset" else one for one in made]
    assert beside(prune, gone)["fresh per task"].difference.mean == pytest.approx(-0.5)


def test_what_two_seeds_show_is_not_tested(stream: StreamRuns[Result]) -> None:
    few = tuple(EntrantRuns(one.label, one.name, one.runs[:2]) for one in stream.entrants)
    table = "\n".join(controls_table(StreamRuns(stream.label, few)))
    assert "(nothing tested)" in table
    assert "| - | not tested: it takes 3 seeds of both |" in table
    assert "nan" not in table


def test_every_kind_of_control_has_words_for_both_outcomes() -> None:
    assert SHOWS.keys() == QUESTIONS.keys()
    assert all(worse != better for worse, better in SHOWS.values())


def test_who_is_no_control_of_anybody_there_has_a_table(stream: StreamRuns[Result]) -> None:
    turned = [one for one in stream.entrants if one.name.startswith("turnover")]
    reset = [one for one in stream.entrants if one.name == "reset"]
    alone = StreamRuns(stream.label, (*turned, *reset))
    assert f"Controls of {turned[0].label}\n" in "".join(controls_table(alone))
