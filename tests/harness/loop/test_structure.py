"""The course of sizes, rehearsed before a run and read from its rows."""

import pytest

from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.structure import (
    Structure,
    editable_layers,
    rehearse,
    structure_of,
)
from plasticity_bench.harness.specs.spec import NetworkSpec

from .test_run import DATA, make_specs


def test_an_average_is_over_updates() -> None:
    edits = [(30, 0, 10), (60, 0, 18), (60, 1, 4)]
    found = Structure.of({0: (10, 4), 30: (20, 4), 60: (2, 8)}, 100, edits)
    average = (0.3 * 10 + 0.3 * 20 + 0.4 * 2, 0.6 * 4 + 0.4 * 8)
    assert found == Structure((2, 8), average, (28, 4), 2)
    assert found.edited_share() == pytest.approx((28 / 2 + 4 / 8) / 2 / 2)


@pytest.mark.parametrize(
    "entrant",
    [
        "dense",
        "grow(compactness=0.5,events=3)",
        "grow(compactness=0.5,every_tasks=1,events=3)",
        "prune(events=4)",
        "prune(at=[7,41])",
        "prune(rewind=snapshot,snapshot_update=15)+tiny-er",
    ],
)
def test_a_rehearsal_foretells_the_run(entrant: str) -> None:
    (spec,) = make_specs(entrant, "3")
    foretold = rehearse(spec, DATA)
    run = StackedRun([spec], DATA)
    rows = [row for _, row in run.rows()]
    assert structure_of(spec.entrant.network, rows) == foretold
    units = sum(foretold.average) * run.plan.total_updates
    assert rows[-1]["metrics"]["alive_unit_steps"] == pytest.approx(units)
    alive = [int(layer.alive.sum()) for layer in run.learner.net.hidden]
    assert list(foretold.final) == alive


def test_without_a_task_nothing_is_known() -> None:
    assert structure_of(NetworkSpec(), [{"kind": "checkpoint"}]) is None


def test_a_trunk_counts_where_it_may_be_edited() -> None:
    assert editable_layers(NetworkSpec(kind="convnet", hidden=(5,))) == ["fc1"]
    whole = NetworkSpec(kind="convnet", hidden=(5, 4), edit_trunk=True)
    assert editable_layers(whole) == ["conv1", "conv2", "fc1", "fc2"]
