from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.budget import ScheduledEdits
from plasticity_bench.strategies.growth.grow import Grow
from plasticity_bench.strategies.pruning.prune import Prune
from tests.helpers import CONVNET, make_batch, train

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(50, 40))


def go_through(
    strategy: ScheduledEdits, net: Network, ctx: Context, updates: int = 0
) -> list[list[list[int]]]:
    """Make every scheduled edit with some training between; return alive counts after each."""
    counts = []
    strategy.begin_run(net, ctx)
    for update in strategy.schedule(ctx.plan):
        ctx.progress.update = update
        strategy.edit(net, ctx)
        train(net, updates)
        counts.append([layer.alive.sum(1).tolist() for layer in net.hidden])
    return counts


@pytest.mark.parametrize("network", [WIDE, NetworkSpec(kind="convnet", hidden=(60, 50, 40))])
@pytest.mark.parametrize("compactness", [0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("events", [1, 3, 5])
def test_p0c_counts_meet_the_schedule_exactly(
    make: Make, network: NetworkSpec, compactness: float, events: int
) -> None:
    grow, prune = (cls(compactness=compactness, events=events) for cls in (Grow, Prune))
    net, ctx = make(network)
    grown = go_through(grow, net, ctx)
    seeds = [round(0.1 * units) for units in network.hidden]
    targets = [round(compactness * units) for units in network.hidden]
    shrunk_net, shrunk_ctx = make(network)
    shrunk = go_through(prune, shrunk_net, shrunk_ctx)
    for series, starts in ((grown, seeds), (shrunk, network.hidden)):
        assert len(series) == events
        for number, (start, target) in enumerate(zip(starts, targets, strict=True)):
            expected, alive = [], start
            for left in range(events, 0, -1):
                step = -(-abs(target - alive) // left)
                alive += step if target > alive else -step
                expected.append([alive] * 2)
            assert [counts[number] for counts in series] == expected
            assert expected[-1] == [target] * 2


def test_the_seed_is_drawn_by_chance_and_differs_between_replicas(make: Make) -> None:
    net, ctx = make(WIDE)
    Grow(seed_share=0.2).begin_run(net, ctx)
    alive = net.hidden[0].alive
    assert alive.sum(1).tolist() == [10, 10]
    assert not torch.equal(alive[0], alive[1])
    assert net.ledger == []


@pytest.mark.parametrize("selection", ["activation", "gradient"])
def test_grow_takes_the_best_dead_units(
    make: Make, selection: Literal["activation", "gradient"]
) -> None:
    """Recomputed slowly: open the mask of one unit after another and look."""
    net, ctx = make(WIDE)
    strategy = Grow(compactness=0.4, events=2, selection=selection)
    strategy.begin_run(net, ctx)
    train(net, 5)
    layer = net.hidden[1]
    scores = ctx.score_batch(net).layers[layer.name]
    measured = (
        (scores.raw > 0.05).float().mean(1)
        if selection == "activation"
        else scores.delta.abs().mean(1)
    )
    before = layer.alive.clone()
    strategy.edit(net, ctx)
    newborn = layer.alive & ~before
    for replica in range(2):
        chosen = measured[replica][newborn[replica]]
        rejected = measured[replica][~layer.alive[replica]]
        assert float(chosen.min()) >= float(rejected.max())


def test_the_gradient_score_is_what_the_unit_would_receive_with_an_open_mask(make: Make) -> None:
    """|phi'(z) <w_out, delta>| by autograd through a gate that is shut."""
    net, ctx = make(WIDE)
    Grow().begin_run(net, ctx)
    layer, following = net.hidden
    x, y = make_batch(2, 16, seed=9)
    gate = torch.zeros(2, 16, 50, requires_grad=True)
    z = torch.baddbmm(layer.bias.unsqueeze(1), x.flatten(2), layer.weight.transpose(1, 2))
    factor = layer.alive.unsqueeze(1).float()
    h = torch.relu(z) * factor + (torch.relu(z + gate) - torch.relu(z)) * (1 - factor)
    z2 = torch.baddbmm(following.bias.unsqueeze(1), h, following.weight.transpose(1, 2))
    h2 = torch.relu(z2) * following.alive.unsqueeze(1)
    logits = torch.baddbmm(net.head.bias.unsqueeze(1), h2, net.head.weight.transpose(1, 2))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    (opened,) = torch.autograd.grad(loss, gate)
    score = ctx.score_batch(net).layers[layer.name].delta.abs().mean(1)
    dead = ~layer.alive
    assert dead.any()
    torch.testing.assert_close(score[dead], opened.abs().mean(1)[dead], atol=1e-6, rtol=1e-5)


def test_prune_takes_the_smallest_incoming_weights(make: Make) -> None:
    net, ctx = make(WIDE)
    train(net, 5)
    magnitude = {n: w.abs().mean(2) for n, w in net.copy_parameters().items() if "weight" in n}
    Prune(compactness=0.5, events=1, rewind="none").edit(net, ctx)
    for layer in net.hidden:
        for replica in range(2):
            alive, score = layer.alive[replica], magnitude[f"{layer.name}.weight"][replica]
            assert float(score[alive].min()) >= float(score[~alive].max())
            assert int(alive.sum()) == layer.units // 2


def test_activation_pruning_takes_the_units_that_fire_least(make: Make) -> None:
    net, ctx = make(WIDE)
    fires = {n: (p.raw > 0.05).float().mean(1) for n, p in ctx.score_batch(net).layers.items()}
    Prune(compactness=0.5, events=1, selection="activation").edit(net, ctx)
    for layer in net.hidden:
        alive = layer.alive[0]
        score = fires[layer.name][0]
        assert float(score[alive].min()) >= float(score[~alive].max())


@pytest.mark.parametrize("strategy", [Grow(selection="random"), Prune(selection="random")])
def test_random_selection_depends_on_the_seed_alone(make: Make, strategy: ScheduledEdits) -> None:
    alive = []
    for seeds in ((0, 1), (1,), (1,)):
        net, ctx = make(WIDE, seeds=seeds)
        go_through(strategy, net, ctx)
        alive.append(net.hidden[0].alive[-1])
    assert torch.equal(alive[0], alive[1])
    assert torch.equal(alive[1], alive[2])


@pytest.mark.parametrize("network", [WIDE, CONVNET])
def test_rewind_returns_survivors_to_initialisation_at_every_edit(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = make(network)
    go_through(Prune(compactness=0.5, events=2), net, ctx, updates=5)
    ctx.progress.update = 25
    Prune(compactness=0.5, events=2).edit(net, ctx)
    for slot in net.optimizer.slots:
        live = slot.layer.live_weights() if slot.name == "weight" else slot.layer.alive
        initial = net.initial[f"{slot.layer.name}.{slot.name}"]
        assert torch.equal(slot.parameter[live], initial[live])


def test_without_rewind_survivors_keep_their_weights_and_their_state(make: Make) -> None:
    net, ctx = make(WIDE)
    train(net, 5)
    before = net.copy_parameters()
    Prune(compactness=0.5, events=1, rewind="none").edit(net, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert net.optimizer.common_clock == 5


def test_the_snapshot_is_where_survivors_return_to(make: Make) -> None:
    net, ctx = make(WIDE)
    strategy = Prune(compactness=0.5, at=(20, 40), rewind="snapshot", snapshot_update=30)
    assert sorted(strategy.schedule(ctx.plan)) == [20, 30, 40]
    values: dict[int, Any] = {}
    for update in (20, 30, 40):
        train(net, 3, seed=update)
        ctx.progress.update = update
        values[update] = net.copy_parameters()
        strategy.edit(net, ctx)
    live = net.layers[0].live_weights()
    assert torch.equal(net.layers[0].weight[live], values[30]["fc1.weight"][live])
    assert net.hidden[0].alive.sum(1).tolist() == [25, 25]
