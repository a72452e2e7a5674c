import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.spec import RunSpec
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_seeds, parse_stream

DATA = Path("data")  # the digits need no folder
SHORT = (
    "stream.tasks=3",
    "stream.passes=1",
    "stream.samples_per_task=320",
    "network.hidden=[20,16]",
)


def make_specs(
    entrant: str, seeds: str, *sets: str, stream: str = "permuted-digits"
) -> list[RunSpec]:
    suite = Suite(
        "test", "", (parse_stream(stream),), (parse_entrant(entrant),), parse_seeds(seeds)
    )
    return resolve(suite, parse_overrides([*SHORT, *sets]))


def rows_of(specs: list[RunSpec]) -> list[list[dict[str, Any]]]:
    rows: list[list[dict[str, Any]]] = [[] for _ in specs]
    for replica, row in run_stack(specs, DATA, "cpu"):
        rows[replica].append(row)
    return rows


def without_seconds(rows: list[dict[str, Any]]) -> str:
    for row in rows:
        if row["kind"] == "end":
            row["metrics"].pop("seconds", None)
    return json.dumps(rows)


ENTRANTS = ["dense", "grow(compactness=0.5,events=3)", "prune(events=3)", "shrink-perturb"]


@pytest.mark.parametrize("entrant", ENTRANTS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_replica_of_a_stack_equals_the_run_alone(entrant: str, optimizer: str) -> None:
    """After 60 updates and the edits between them, to float tolerance."""
    settings = (f"optimizer.name={optimizer}", "optimizer.lr=0.005")
    stack = StackedRun(make_specs(entrant, "0:10", *settings), DATA)
    alone = StackedRun(make_specs(entrant, "7", *settings), DATA)
    together = [row for replica, row in stack.rows() if replica == 7]
    single = [row for _, row in alone.rows()]
    for name, parameter in alone.learner.net.named_parameters():
        stacked = dict(stack.learner.net.named_parameters())[name][7:8]
        torch.testing.assert_close(stacked, parameter, atol=2e-4, rtol=1e-3)
    for layer, other in zip(stack.learner.net.hidden, alone.learner.net.hidden, strict=True):
        assert torch.equal(layer.alive[7:8], other.alive)
    assert [row["kind"] for row in together] == [row["kind"] for row in single]
    assert together[-1]["metrics"]["taoa"] == pytest.approx(single[-1]["metrics"]["taoa"], abs=0.01)


def test_replicas_may_have_different_learning_rates() -> None:
    slow = make_specs("dense", "0", "optimizer.lr=0.0001")
    fast = make_specs("dense", "0", "optimizer.lr=0.005")
    together = rows_of([*slow, *fast])
    for rows, specs in zip(together, (slow, fast), strict=True):
        (alone,) = rows_of(specs)
        assert rows[-1]["metrics"]["taoa"] == pytest.approx(alone[-1]["metrics"]["taoa"], abs=0.01)
    assert together[1][-1]["metrics"]["taoa"] > together[0][-1]["metrics"]["taoa"] + 0.05


def test_the_same_run_twice_gives_the_same_rows() -> None:
    first, second = (rows_of(make_specs("grow(events=3)", "0:2")) for _ in range(2))
    assert [without_seconds(r) for r in first] == [without_seconds(r) for r in second]


CONTINUE = """
import json, os, sys, torch
from tests.harness.loop.test_run import DATA, make_specs, without_seconds
from plasticity_bench.harness.loop.run import StackedRun

def go_on(state, entrant, *sets):
    run = StackedRun(make_specs(entrant, "0:2", *sets), DATA)
    run.load_state_dict(torch.load(state, weights_only=True))
    print(without_seconds([row for _, row in run.rows()]), flush=True)

make_specs("grow+prune+shrink-perturb", "0")  # which loads what runs are made of
for line in sys.stdin:
    if not os.fork():
        go_on(*json.loads(line))
        os._exit(0)
    if os.wait()[1]:
        print("null", flush=True)
"""


@pytest.fixture(scope="module")
def go_on() -> Iterator[Callable[..., Any]]:
    """Go on from a saved state in a process that has computed nothing; return the rows.

    Each is forked from one that has loaded the libraries alone, which takes most of the time.
    """
    words = [sys.executable, "-c", CONTINUE]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as loaded:
        assert loaded.stdin is not None
        assert loaded.stdout is not None
        asked, answers = loaded.stdin, loaded.stdout

        def go_on(state: Path, entrant: str, *sets: str) -> Any:
            print(json.dumps([str(state), entrant, *sets]), file=asked, flush=True)
            return json.loads(answers.readline())

        yield go_on


@pytest.mark.parametrize(
    ("entrant", "sets"),
    [
        ("grow(compactness=0.5,events=6,state=zero_step)", ["optimizer.name=adam"]),
        ("prune(events=3,rewind=snapshot,snapshot_update=5)", ["optimizer.momentum=0.9",
                                                               "optimizer.name=sgd"]),
        ("shrink-perturb", ["network.activation=rand-smooth-leaky", "stream.evaluate=seen"]),
    ],
)  # fmt: skip
def test_a_run_stopped_at_a_boundary_goes_on_bit_identically_in_a_new_process(
    tmp_path: Path, go_on: Callable[..., Any], entrant: str, sets: list[str]
) -> None:
    run = StackedRun(make_specs(entrant, "0:2", *sets), DATA)
    states: list[dict[str, Any]] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    at_boundary: list[int] = []

    def save() -> None:
        states.append(run.state_dict())
        torch.save(states[-1], tmp_path / f"{len(states)}.pt")
        at_boundary.append(len(rows))

    for item in run.rows(at_boundary=save):
        rows.append(item)
    assert len(states) == 3
    for task in (1, 2):
        expected = without_seconds([row for _, row in rows[at_boundary[task - 1] :]])
        assert go_on(tmp_path / f"{task}.pt", entrant, *sets) == json.loads(expected)


def test_a_state_that_is_kept_in_memory_is_not_written_to_by_training_on() -> None:
    """Two runs go on from one state, after the run that it came from went on as well."""
    specs = make_specs("grow(compactness=0.5,events=3)", "0:2", "optimizer.name=adam")
    run = StackedRun(specs, DATA)
    states: list[dict[str, Any]] = []
    rows = [row for _, row in run.rows(at_boundary=lambda: states.append(run.state_dict()))]
    for _ in range(2):
        again = StackedRun(specs, DATA)
        again.load_state_dict(states[0])
        rest = [row for _, row in again.rows()]
        assert without_seconds(rest) == without_seconds(rows[-len(rest) :])


def test_measuring_changes_nothing() -> None:
    """The weights at the end are bit-identical with every measurement switched off."""
    weights = []
    for measured in (True, False):
        specs = make_specs("grow(compactness=0.5,events=4)", "0:2")
        run = StackedRun(specs, DATA, measured=measured)
        kinds = {row["kind"] for _, row in run.rows()}
        assert ({"cohort", "health", "checkpoint"} & kinds != set()) is measured
        weights.append(run.learner.net.copy_parameters())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_p0d_a_strategy_that_scores_but_edits_nothing_is_the_dense_run() -> None:
    """Grow that starts whole and is at its target scores at every event and adds nothing."""
    scoring = 'grow(compactness=1.0,seed_share=1.0,events=5)+prune(compactness=1.0,rewind="none")'
    runs = [StackedRun(make_specs(name, "0:2"), DATA) for name in ("dense", scoring)]
    for run in runs:
        list(run.rows())
    dense, other = (run.learner.net.copy_parameters() for run in runs)
    assert all(torch.equal(dense[name], other[name]) for name in dense)
    assert runs[1].learner.net.ledger == []


def test_a_replica_that_diverges_is_recorded_and_the_others_go_on() -> None:
    mad = make_specs("dense", "0", "optimizer.name=sgd", "optimizer.lr=1e30")
    sane = make_specs("dense", "1", "optimizer.name=sgd", "optimizer.lr=0.01")
    bad, good = rows_of([*mad, *sane])
    assert bad[-1]["status"] == "diverged"
    assert "not finite at update" in bad[-1]["reason"]
    assert good[-1]["status"] == "done"
    assert sum(row["kind"] == "task" for row in good) == 3
    assert sum(row["kind"] == "task" for row in bad) < 3
    (alone,) = rows_of(sane)
    assert good[-1]["metrics"]["taoa"] == pytest.approx(alone[-1]["metrics"]["taoa"], abs=0.01)


def test_taoa_is_the_mean_over_all_batches_before_their_update() -> None:
    """Recomputed slowly: one replica, predict before every update."""
    specs = make_specs("dense", "3")
    run = StackedRun(specs, DATA)
    seen = []
    observe = run.learner.observe

    def watch(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(float((run.learner.predict(x).argmax(2) == y).float().mean()))
        return observe(x, y)

    run.learner.observe = watch  # type: ignore[method-assign]
    *_, (_, end) = run.rows()
    assert len(seen) == run.plan.total_updates == 60
    assert end["metrics"]["taoa"] == pytest.approx(sum(seen) / 60)


def test_checkpoints_cut_a_task_into_equal_parts() -> None:
    (rows,) = rows_of(make_specs("dense", "0", "stream.tasks=1", "stream.checkpoints_per_task=4"))
    assert [row["step"] for row in rows if row["kind"] == "checkpoint"] == [5, 10, 15, 20]


def test_events_are_recorded_with_their_shock_and_cost() -> None:
    (rows,) = rows_of(make_specs("grow(compactness=0.5,events=3)", "0"))
    edits = [row for row in rows if row["kind"] == "edit"]
    assert {row["step"] for row in edits} == {0, 20, 40}
    assert [len(row["units"]) for row in edits] == [3, 2, 3, 2, 2, 2]
    assert any(row["insertion_shock"] != 0 for row in edits)
    cost = rows[-1]["metrics"]
    alive = [2 + 3 + 2 + 2, 2 + 6 + 2 + 4, 2 + 8 + 2 + 6]
    assert cost["alive_unit_steps"] == 20 * sum(alive)
    assert cost["updates"] == 60
    assert cost["samples"] == 60 * 16


def test_cohorts_are_followed_from_birth_to_the_next_edit_of_their_layer() -> None:
    (rows,) = rows_of(make_specs("grow(compactness=0.5,events=3)", "0"))
    cohorts = [row for row in rows if row["kind"] == "cohort"]
    assert {row["birth"] for row in cohorts} == {20, 40}
    first = [row["age"] for row in cohorts if (row["birth"], row["layer"]) == (20, "fc1")]
    assert first == [*range(17), 18]
    assert all(row["newborns"] + row["incumbents"] <= 10 for row in cohorts)


def test_edits_within_updates_are_summed_up_by_task_and_layer() -> None:
    run = StackedRun(make_specs("rigl(every=4,density=0.3)", "0:2"), DATA)
    rows: list[list[dict[str, Any]]] = [[], []]
    for replica, row in run.rows():
        rows[replica].append(row)
    for own in rows:
        found = [row for row in own if row["kind"] == "step-edits"]
        costs = own[-1]["metrics"]
        assert {row["edit"] for row in found} == {"rewire"}
        assert len({(row["task"], row["layer"]) for row in found}) == len(found) > 3
        assert sum(row["edits"] for row in found) == costs["edits"]
        assert sum(row["reinitialised_weights"] for row in found) == costs["reinitialised_weights"]
        assert max(row["edits"] for row in found) == 20 // 4
    assert run.learner.net.ledger == []  # they may be as many as there are updates
