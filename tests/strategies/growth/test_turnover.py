import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.engine.probe import replica_loss
from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.turnover import Turnover
from tests.helpers import CONVNET, make_batch, train
from tests.strategies.growth.growing import LEAKY, WIDE, Make, go_through

PLAN = Plan(task_updates=(10,) * 5, passes=1, batch_size=16)


@pytest.mark.parametrize("strategy", [Turnover(), Turnover(dies="random", born="random", share=1)])
def test_every_edit_keeps_the_number_of_units(make: Make, strategy: Turnover) -> None:
    net, ctx = make(WIDE)
    assert go_through(strategy, net, ctx) == [[[10, 10], [8, 8]]] * 5
    moved = {"grow": 0, "prune": 0}
    for event in net.ledger:
        moved[event.edit] += len(event.units)
    per_edit = max(1, round(strategy.share * 10)) + max(1, round(strategy.share * 8))
    assert moved == {"grow": 10 * per_edit, "prune": 10 * per_edit}


def test_a_full_layer_has_nobody_to_switch_on(make: Make) -> None:
    net, ctx = make(WIDE)
    assert go_through(Turnover(compactness=1), net, ctx) == [[[50, 50], [40, 40]]] * 5
    assert net.ledger == []


def told_alive_consumers(layer: Layer) -> Tensor:
    """Sum |w| from each unit to the consumers that are alive, slowly: (R, U)."""
    consumer = layer.consumer
    assert consumer is not None
    sums = torch.zeros(layer.alive.shape)
    for r in range(len(sums)):
        told = consumer.weight.detach()[r][consumer.alive[r]].abs()
        for unit, block in enumerate(told.split(layer.columns_per_unit, 1)):
            sums[r, unit] = block.sum()
    return sums


@pytest.mark.parametrize("network", [LEAKY, CONVNET])
def test_the_least_useful_die_and_the_most_promising_are_born(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = make(network)
    strategy = Turnover(compactness=0.5, share=0.5)
    strategy.begin_run(net, ctx)
    train(net, 3)
    seen = ctx.score_batch(net).layers
    useful = {
        layer.name: seen[layer.name].raw.abs().mean(1) * told_alive_consumers(layer)
        for layer in net.hidden
    }
    promise = {n: -(one.raw * one.signal).sum(1) for n, one in seen.items()}
    before = {layer.name: layer.alive.clone() for layer in net.hidden}
    strategy.edit(net, ctx)
    for layer in net.hidden:
        for r in (0, 1):
            old, now = before[layer.name][r], layer.alive[r]
            died, born = old & ~now, now & ~old
            assert int(died.sum()) == int(born.sum()) > 0
            use, hope = useful[layer.name][r], promise[layer.name][r]
            assert float(use[died].max()) <= float(use[old & now].min())
            if bool((~old & ~born).any()):
                assert float(hope[born].min()) >= float(hope[~old & ~born].max())


def test_the_promise_of_a_dead_unit_is_its_first_order_change_of_the_loss(make: Make) -> None:
    """Against the loss itself, with the unit let in a little."""
    net, ctx = make(LEAKY)
    Turnover().begin_run(net, ctx)
    layer = net.hidden[0]
    seen = ctx.score_batch(net).layers["fc1"]
    promise = -(seen.raw * seen.signal).mean(1)
    x, y = make_batch(2, 16, seed=9)
    alive, step = layer.alive.clone(), 1e-2
    for unit in (~alive.any(0)).nonzero().flatten()[:5].tolist():
        losses = []
        for sign in (1, -1):
            factor = alive.float()
            factor[:, unit] = sign * step
            layer.set_fading(factor)
            layer.set_alive(alive | (factor != 0))
            losses.append(replica_loss(net.forward(x), y).mean(1).detach())
        change = (losses[0] - losses[1]) / (2 * step)
        torch.testing.assert_close(-promise[:, unit], change, atol=2e-4, rtol=1e-2)


def test_kept_weights_are_those_that_were_judged(make: Make) -> None:
    net, ctx = make(WIDE)
    strategy = Turnover(compactness=0.5)
    strategy.begin_run(net, ctx)
    train(net, 3)
    before = net.copy_parameters()
    layer = net.hidden[0]
    strategy.edit(net, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    Turnover(compactness=0.5, insertion="zero-outgoing").edit(net, ctx)
    assert not torch.equal(layer.weight, before["fc1.weight"])


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        ({}, [0, 10, 20, 30, 40]),
        ({"every_updates": 15}, [15, 30, 45]),
        ({"every_tasks": 2}, [0, 20, 40]),
    ],
)
def test_edits_are_placed_where_asked(settings: dict[str, int], updates: list[int]) -> None:
    assert list(Turnover(**settings).schedule(PLAN)) == updates  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0}, r"share=0: give a share in \(0, 1\]"),
        ({"every_updates": 0}, "every_updates=0"),
        ({"every_updates": 3, "every_tasks": 2}, "only one of every_updates"),
        ({"state": "donor"}, "turnover has none"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        Turnover(**settings)  # type: ignore[arg-type]
