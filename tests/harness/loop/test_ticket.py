"""Winning tickets: the structure stays, the weights are new, and the run itself is untouched."""

import pytest
import torch

from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.ticket import FrozenStructure, ticket_rows, ticket_strategies
from plasticity_bench.harness.row import Row
from tests.helpers import make_network, units

from .test_run import DATA, make_specs, rows_of, without_seconds

WT = ("wt_acc", "wt_taa", "wt_taoa", "delta_wt_cycle")


def test_the_ticket_has_the_final_structure_and_other_weights() -> None:
    run = StackedRun(make_specs("prune(events=3)+tiny-er+winning-ticket", "0:2"), DATA)
    for _ in run.rows():
        pass
    strategies = ticket_strategies(run.strategies, run.learner.net)
    assert [one.name for one in strategies] == ["frozen structure", "tiny-er"]
    ticket = StackedRun(run.specs, DATA, ticket=strategies)
    assert not torch.equal(
        ticket.learner.net.initial["fc1.weight"], run.learner.net.initial["fc1.weight"]
    )
    rows = [row for _, row in ticket.rows()]
    for layer, found in zip(ticket.learner.net.hidden, run.learner.net.hidden, strict=True):
        assert torch.equal(layer.alive, found.alive)
        assert not layer.alive.all()
    assert all(row["kind"] not in ("edit", "cohort") for row in rows)
    assert ticket.digests == run.digests


def test_a_run_is_the_same_with_and_without_its_ticket() -> None:
    plain = rows_of(make_specs("grow(events=3)", "0:2"))
    both = rows_of(make_specs("grow(events=3)+winning-ticket", "0:2"))
    for one, other in zip(plain, both, strict=True):
        own = [row for row in other if not row["kind"].startswith("ticket-")]
        for name in WT:
            assert one[-1]["metrics"].pop(name) is None
            assert own[-1]["metrics"].pop(name) is not None
        assert without_seconds(one) == without_seconds(own)


def test_the_metrics_are_those_of_the_tickets_own_rows() -> None:
    specs = make_specs("grow(events=3)+winning-ticket", "0:2", "stream.evaluate=seen")
    run = StackedRun(specs, DATA)
    ends = {replica: row for replica, row in run.rows() if row["kind"] == "end"}
    structure = ticket_strategies(run.strategies, run.learner.net)
    ticket = StackedRun(specs, DATA, ticket=structure)
    for replica, row in ticket.rows():
        if row["kind"] == "end":
            found = ends[replica]["metrics"]
            assert [found[f"wt_{name}"] for name in ("acc", "taa", "taoa")] == [
                row["metrics"][name] for name in ("acc", "taa", "taoa")
            ]
            assert found["delta_wt_cycle"] == pytest.approx(found["wt_acc"] - found["acc"])


def test_dense_without_edits_is_retrained_whole() -> None:
    specs = make_specs("winning-ticket", "0:2", "stream.passes=20")
    for metrics in [rows[-1]["metrics"] for rows in rows_of(specs)]:
        assert metrics["acc"] > 0.6
        assert metrics["wt_taoa"] != metrics["taoa"]
        assert metrics["wt_acc"] == pytest.approx(metrics["acc"], abs=0.15)


def test_connections_are_frozen_too() -> None:
    net, other = make_network(), make_network(seeds=(5, 6))
    layer = net.hidden[0]
    connected = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    net.start_connected(layer, connected)
    net.prune(net.hidden[1], units(net.hidden[1], [1], [2, 3]))
    FrozenStructure.of(net).begin_run(other, None)  # type: ignore[arg-type]
    assert torch.equal(other.layers[1].alive, net.layers[1].alive)
    assert other.layers[0].connected is not None
    assert torch.equal(other.layers[0].connected, connected)
    assert not other.layers[0].weight[~connected].any()


def test_a_ticket_that_diverges_has_no_numbers() -> None:
    rows: list[tuple[int, Row]] = [
        (0, {"kind": "task", "online_accuracy": 0.1}),
        (1, {"kind": "task", "online_accuracy": 0.2}),
        (0, {"kind": "end", "status": "diverged", "reason": "the loss was not finite at update 3"}),
        (1, {"kind": "end", "status": "done", "reason": None}),
    ]
    assert list(ticket_rows(rows, 2)) == [
        (0, {"kind": "ticket-diverged", "reason": "the loss was not finite at update 3"}),
        (1, {"kind": "ticket-task", "online_accuracy": 0.2}),
    ]


def test_progress_counts_both_trainings() -> None:
    seen: list[tuple[int, int]] = []
    run = StackedRun(make_specs("grow+winning-ticket", "0"), DATA)
    for _ in run.rows(lambda done, total: seen.append((done, total))):
        pass
    assert {total for _, total in seen} == {2 * run.plan.total_updates}
    done = [done for done, _ in seen]
    assert done == sorted(done)
    assert done[-1] == 2 * run.plan.total_updates
