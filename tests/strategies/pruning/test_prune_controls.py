"""Prune taken apart: the rewind without the pruning, the pruning without the rewind."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.strategies.pruning.prune import Prune
from plasticity_bench.strategies.resets import ScheduledReset
from tests.harness.loop.test_run import DATA, make_specs
from tests.helpers import train

Make = Callable[..., tuple[Network, Context]]


def test_at_compactness_1_every_edit_rewinds_and_no_unit_is_pruned(make: Make) -> None:
    net, ctx = make()
    strategy = Prune(compactness=1)
    rewound = 0
    for update in strategy.schedule(ctx.plan):
        train(net, 3, seed=update)
        assert not torch.equal(net.layers[0].weight, net.initial["fc1.weight"])
        ctx.progress.update = update
        strategy.edit(net, ctx)
        rewound += 1
        assert all(torch.equal(p, net.initial[name]) for name, p in net.named_parameters())
        assert not any(state.any() for slot in net.optimizer.slots for state in slot.state.values())
        assert net.optimizer.common_clock == 0
        assert all(bool(layer.alive.all()) for layer in net.layers)
    assert rewound == 5
    assert net.ledger == []
    assert net.restarted_weights.tolist() == [5 * sum(w.weight[0].numel() for w in net.layers)] * 2


def test_a_run_at_compactness_1_is_a_run_that_is_reset_to_the_same_weights() -> None:
    """To the last bit: both go back to the first weights at the same moments."""
    runs = {}
    for entrant in ("prune(compactness=1)", "scheduled-reset(to=same)"):
        run = StackedRun(make_specs(entrant, "0:2"), DATA)
        rows = [row for _, row in run.rows()]
        runs[entrant] = [row["online_accuracy"] for row in rows if row["kind"] == "task"]
        assert not [row for row in rows if row["kind"] == "edit"]
    first, second = runs.values()
    assert len(first) == 6
    assert first == second


def test_the_optimiser_may_start_anew_without_a_rewind(make: Make) -> None:
    for reset_state in (False, True):
        net, ctx = make()
        train(net, 5)
        before = net.copy_parameters()
        strategy = Prune(compactness=0.5, events=1, rewind="none", reset_state=reset_state)
        strategy.edit(net, ctx)
        assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
        assert net.optimizer.common_clock == (0 if reset_state else 5)


def test_resets_are_at_the_moments_of_prune_but_the_first(make: Make) -> None:
    _, ctx = make()
    placed: list[dict[str, Any]] = [{}, {"events": 3}, {"every_tasks": 2}, {"at": (3, 30)}]
    for settings in placed:
        prune, reset = Prune(**settings), ScheduledReset(**settings)
        assert list(reset.schedule(ctx.plan)) == [u for u in prune.schedule(ctx.plan) if u > 0]
    assert not ScheduledReset().needs
    assert not ScheduledReset().edits_structure
    assert Prune().edits_structure


@pytest.mark.parametrize("to", ["fresh", "same"])
def test_a_scheduled_reset_draws_anew_or_returns_to_the_same_start(
    make: Make, to: Literal["fresh", "same"]
) -> None:
    net, ctx = make()
    train(net, 5)
    trained = net.copy_parameters()
    ScheduledReset(to=to).edit(net, ctx)
    weight, initial = net.layers[0].weight, net.initial["fc1.weight"]
    assert not (weight == trained["fc1.weight"]).any()
    assert bool((weight == initial).all()) == (to == "same")
    assert bool((weight == initial).any()) == (to == "same")
    assert net.optimizer.common_clock == 0
    counted = sum(layer.weight[0].numel() for layer in net.layers)
    assert net.restarted_weights.tolist() == [counted] * 2
