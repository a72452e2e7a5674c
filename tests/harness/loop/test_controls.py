"""Controls: which there are of an entrant, and that each differs from it in one respect."""

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

import pytest

from plasticity_bench.harness.engine.strategy import Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.controls import (
    QUESTIONS,
    Control,
    controls_among,
    controls_of,
    has_controls,
    with_controls,
)
from plasticity_bench.harness.loop.structure import Structure
from plasticity_bench.harness.plugins import registry
from plasticity_bench.harness.specs.spec import RunSpec

from .test_run import DATA, make_specs, rows_of

STRUCTURE = Structure((4, 3), (8.4, 6.6), (12, 6), 3)
SIZES = {"small dense", "equal capacity"}
MATCHED = {"random-matched", "inverse-matched"}


def controls(entrant: str, *sets: str, structure: Structure = STRUCTURE) -> dict[str, Control]:
    (run,) = make_specs(entrant, "0", *sets)
    return {control.kind: control for control in controls_of(run, structure)}


def test_prune_has_all_that_take_its_parts_away() -> None:
    found = controls("prune(compactness=0.3,events=3)")
    assert {kind: control.entrant.name for kind, control in found.items()} == {
        "fresh per task": "reset",
        "full reset": "scheduled-reset(events=3)",
        "small dense": "dense 4-3",
        "equal capacity": "dense 8-7",
        "no rewind": "prune(compactness=0.3,events=3,rewind=none)",
        "rewind only": "prune(compactness=1.0,events=3)",
        "random turnover": (
            "turnover(born=random,compactness=0.3,dies=random,events=3,insertion=fresh,share=0.833)"
        ),
        "random-matched": "prune(compactness=0.3,events=3,selection=random)",
        "inverse-matched": "prune(compactness=0.3,events=3,reverse=true)",
    }
    assert found["small dense"].entrant.network.hidden == (4, 3)
    assert all(control.question == QUESTIONS[kind] for kind, control in found.items())


def test_grow_has_newborns_that_never_learn_and_nothing_to_rewind() -> None:
    found = controls("grow(every_tasks=1,events=2)")
    assert found["newborns never learn"].entrant.name == (
        "grow(events=2,every_tasks=1)+freeze-newborns"
    )
    assert found["full reset"].entrant.name == "scheduled-reset(events=2,every_tasks=1)"
    assert not {"no rewind", "rewind only"} & set(found)


def test_everything_else_stays() -> None:
    for kind, control in controls("grow+tiny-er+winning-ticket").items():
        names = [strategy.name for strategy in control.entrant.strategies]
        assert {"tiny-er", "winning-ticket"} <= set(names), kind
        (base,) = make_specs("grow+tiny-er+winning-ticket", "0")
        assert control.entrant.optimizer == base.entrant.optimizer
        if kind not in SIZES:
            assert control.entrant.network == base.entrant.network
    assert controls("grow+tiny-er")["small dense"].entrant.name == "tiny-er 4-3"


def test_where_boundaries_are_not_told_a_schedule_stands_for_them() -> None:
    found = controls("prune", "stream.tell_boundary=false")
    assert found["fresh per task"].entrant.name == "scheduled-reset(events=3,every_tasks=1)"


def test_one_task_needs_no_fresh_network_and_one_size_no_second_control() -> None:
    assert "fresh per task" not in controls("prune", "stream.tasks=1")
    assert "equal capacity" not in controls(
        "grow", structure=replace(STRUCTURE, average=(4.0, 3.0))
    )


def test_a_trunk_that_is_edited_gets_its_size_too() -> None:
    settings = ("network.kind=convnet", "network.edit_trunk=true", "network.channels=[6,8]")
    sizes = Structure((3, 4, 5, 6), (3, 4, 5, 6), (1, 1, 1, 1), 1)
    small = controls("grow", *settings, structure=sizes)
    assert small["small dense"].entrant.network.channels == (3, 4)
    assert small["small dense"].entrant.network.hidden == (5, 6)


def test_runs_come_with_the_controls_of_every_structural_entrant_once() -> None:
    runs = [*make_specs("dense", "0:2"), *make_specs("prune", "0:2"), *make_specs("grow", "0:2")]
    found = with_controls(runs, DATA)
    assert found[: len(runs)] == runs
    assert len(set(found)) == len(found)
    names = [run.entrant.name for run in found]
    assert names.count("reset") == 2
    assert {"dense 4-3", "grow+freeze-newborns"} <= set(names)
    assert {"grow(selection=random)", "prune(reverse=true)"} <= set(names)
    assert all(not has_controls(run.entrant) for run in found if run.entrant.name == "dense 4-3")


def test_controls_need_something_to_control_for() -> None:
    with pytest.raises(BenchError, match="none of the entrants changes its structure or"):
        with_controls(make_specs("dense", "0"), DATA)


def test_controls_are_recognised_by_what_they_are_and_not_by_their_name() -> None:
    (run,) = make_specs("prune", "0")

    def named(spec: RunSpec, name: str) -> RunSpec:
        return replace(spec, entrant=replace(spec.entrant, name=name))

    others = [
        named(make_specs("prune(rewind=none)", "0")[0], "mine"),
        named(make_specs("dense", "0", "network.hidden=[4,3]")[0], "tiny"),
        make_specs("prune(rewind=none,tau=0.2)", "0")[0],
        make_specs("dense", "0")[0],
    ]
    found = controls_among(run, STRUCTURE, others)
    assert {control.kind: control.entrant.name for control in found} == {
        "no rewind": "mine",
        "small dense": "tiny",
    }


# -- other units: matched controls -----------------------------------------------------------------

CHOOSING = ("grow", "prune", "prune(rewind=none)", "turnover", "firefly(steps=1)", "splitting")
TWO_TASKS = ("stream.tasks=2", "stream.batch_size=100", "stream.samples_per_task=1000")


def edits(entrant: str) -> list[dict[str, Any]]:
    (rows,) = rows_of(make_specs(entrant, "0", *TWO_TASKS))
    return [row for row in rows if row["kind"] == "edit"]


@pytest.mark.parametrize("entrant", CHOOSING)
def test_matched_controls_edit_as_many_other_units_in_the_same_layers_at_the_same_updates(
    entrant: str,
) -> None:
    own = edits(entrant)
    found = controls(entrant, *TWO_TASKS)
    assert set(found) >= MATCHED
    for kind in MATCHED:
        theirs = edits(found[kind].entrant.name)
        told = [
            [(row["step"], row["layer"], row["edit"], len(row["units"])) for row in rows]
            for rows in (own, theirs)
        ]
        assert own
        assert told[0] == told[1], kind


@pytest.mark.parametrize("entrant", ["grow", "prune", "turnover"])
def test_matched_controls_choose_other_units(entrant: str) -> None:
    found = controls(entrant, *TWO_TASKS)
    names = [entrant, *(found[kind].entrant.name for kind in sorted(MATCHED))]
    chosen = [[row["units"] for row in edits(name)] for name in names]
    assert chosen[0] != chosen[1] != chosen[2] != chosen[0]


def test_turnover_swaps_by_chance_on_both_sides() -> None:
    found = controls("tiny-er+turnover(share=0.2)")
    assert {kind: found[kind].entrant.name for kind in sorted(MATCHED)} == {
        "inverse-matched": "tiny-er+turnover(reverse=true,share=0.2)",
        "random-matched": "tiny-er+turnover(born=random,dies=random,share=0.2)",
    }


@pytest.mark.parametrize(
    "entrant",
    [
        *("rigl", "set", "han-pruning", "lottery-ticket", "net2wider", "gradmax", "nest"),
        *("morphnet", "den", "variance-transfer"),  # chosen by nothing, or as many as a threshold
        *("grow(selection=random)", "turnover(dies=random,born=random)", "prune(reverse=true)"),
    ],
)
def test_who_has_no_criterion_for_units_has_no_matched_controls(entrant: str) -> None:
    assert not MATCHED & set(controls(entrant))


# -- what a plug-in declares -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reset(Strategy):
    """Reset the unit of the smallest bias, or any, or that of the largest, at every boundary."""

    name = "one-reset"
    matched = {  # noqa: RUF012
        "random-matched": {"rule": "random"},
        "inverse-matched": {"rule": "largest"},
    }
    rule: str = "smallest"
    """Which unit."""


@dataclass(frozen=True, kw_only=True)
class Misnamed(Strategy):
    """Declares what there is not."""

    name = "misnamed"
    matched = {"random": {}}  # noqa: RUF012


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "plasticity_bench.strategies"
    points = [
        EntryPoint(cls.name, f"{__name__}:{cls.__name__}", group) for cls in (Reset, Misnamed)
    ]

    def found(*, group: str) -> EntryPoints:
        added = points if group == "plasticity_bench.strategies" else []
        return EntryPoints([*entry_points(group=group), *added])

    monkeypatch.setattr(registry, "entry_points", found)


@pytest.mark.usefixtures("_installed")
def test_a_plug_in_that_leaves_the_structure_declares_its_matched_controls() -> None:
    runs = with_controls(make_specs("one-reset+tiny-er", "0"), DATA)
    assert [run.entrant.name for run in runs] == [
        "one-reset+tiny-er",
        "one-reset(rule=random)+tiny-er",
        "one-reset(rule=largest)+tiny-er",
    ]


@pytest.mark.usefixtures("_installed")
def test_a_plug_in_that_declares_another_control_is_told_which_there_are() -> None:
    with pytest.raises(BenchError, match="random-matched"):
        controls("misnamed")
