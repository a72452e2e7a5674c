from collections.abc import Callable

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.rewiring.momentum import (
    FULLEST,
    SparseMomentum,
    layer_shares,
    share_out,
)
from tests.helpers import ADAM, CONVNET
from tests.strategies.rewiring.helpers import (
    connections,
    counts,
    make_update,
    plan_of,
    state_of,
    top,
)

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))
MOMENTUM = OptimizerSpec(name="sgd", lr=0.05, momentum=0.9)
PLAIN_ADAM = OptimizerSpec(name="adam", lr=0.01)


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM], ids=["sgd", "adam"])
def test_the_network_keeps_its_number_of_connections(
    make: Make, network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    net, ctx = make(network, optimizer, plan=plan_of(60))
    strategy = SparseMomentum(density=0.3, every=3)
    strategy.begin_run(net, ctx)
    first = torch.tensor(counts(net))
    for _ in range(60):
        make_update(strategy, net, ctx)
    now = torch.tensor(counts(net))
    assert (now.sum(0) - first.sum(0)).abs().max() <= len(first)
    assert not torch.equal(now, first)


@pytest.mark.parametrize("optimizer", [MOMENTUM, PLAIN_ADAM], ids=["sgd", "adam"])
def test_the_momentum_is_the_optimisers_where_nothing_is_masked(
    make: Make, optimizer: OptimizerSpec
) -> None:
    net, ctx = make(WIDE, optimizer, plan=plan_of(10))
    net.optimizer.spec = optimizer = optimizer.__class__(**{**vars(optimizer), "weight_decay": 0.0})
    strategy = SparseMomentum(density=1.0, every=100)
    strategy.begin_run(net, ctx)
    for _ in range(8):
        make_update(strategy, net, ctx)
    for key, state in state_of(net, net.layers[0]).items():
        torch.testing.assert_close(ctx.state[f"fc1 {key}"], state, atol=1e-7, rtol=1e-5)


def test_with_one_layer_it_prunes_the_smallest_and_grows_the_largest_momentum(make: Make) -> None:
    net, ctx = make(WIDE, MOMENTUM, plan=plan_of(1000))
    strategy = SparseMomentum(density=0.3, every=100, dense=("fc2", "head"), anneal="constant")
    strategy.begin_run(net, ctx)
    for _ in range(7):
        make_update(strategy, net, ctx)
    layer = net.layers[0]
    was, weight = connections(layer).clone(), layer.weight.detach().clone()
    momentum = ctx.state["fc1 momentum"].clone()
    assert momentum[~was].any()  # dense: also where nothing is connected
    state = state_of(net, layer)["momentum"].clone()
    strategy.edit(net, ctx)
    for replica in range(2):
        number = -(-int(was[replica].sum()) // 2)
        pruned = top(-weight[replica].abs(), was[replica], number)
        kept = was[replica] & ~pruned
        grown = top(momentum[replica].abs(), ~kept, number)
        assert torch.equal(connections(layer)[replica], kept | grown)
        stays = was[replica] & connections(layer)[replica]
        assert torch.equal(layer.weight[replica].detach(), weight[replica] * stays)
        # New weights move as if their momentum had never been masked.
        new = grown & ~was[replica]
        after = state_of(net, layer)["momentum"][replica]
        assert torch.equal(after[new], momentum[replica][new])
        assert torch.equal(after[stays], state[replica][stays])
        assert not after[~connections(layer)[replica]].any()


def test_layers_share_by_the_mean_momentum_of_their_weights(make: Make) -> None:
    net, ctx = make(WIDE, MOMENTUM, plan=plan_of(1000))
    strategy = SparseMomentum(density=0.3, every=100, distribution="uniform", prune=0.3)
    strategy.begin_run(net, ctx)
    for _ in range(7):
        make_update(strategy, net, ctx)
    layers = net.layers[:2]
    old = [connections(layer).clone() for layer in layers]
    expected = []
    for layer, was in zip(layers, old, strict=True):
        number = -(-3 * int(was[0].sum()) // 10)
        momentum = ctx.state[f"{layer.name} momentum"][0].abs()
        expected.append((number, int(was[0].sum()) - number, float(momentum[was[0]].mean())))
    strategy.edit(net, ctx)
    total, mean = sum(e[0] for e in expected), sum(e[2] for e in expected)
    for layer, (_, kept_count, own) in zip(layers, expected, strict=True):
        grown = int(connections(layer)[0].sum()) - kept_count
        assert abs(grown - total * own / mean) <= 1


def test_shares_sum_to_one() -> None:
    means = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    shares = layer_shares(means, torch.tensor([[5, 5], [2, 6]]))
    assert shares.tolist() == [[0.25, 0.75], [0.25, 0.75]]


def test_what_a_layer_cannot_take_goes_to_the_others() -> None:
    shares = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]).double()
    most = torch.tensor([[10, 50, 50], [100, 100, 100], [100, 100, 100]])
    given = share_out(torch.tensor([50, 9, 7]), shares, most)
    assert given.tolist() == [[10, 20, 20], [5, 2, 2], [7, 0, 0]]
    assert share_out(torch.tensor([99]), shares[:1], torch.tensor([[3, 4, 5]])).tolist() == [
        [3, 4, 5]
    ]


def test_a_layer_is_never_filled_to_the_last_place(make: Make) -> None:
    net, ctx = make(WIDE, MOMENTUM, plan=plan_of(100))
    strategy = SparseMomentum(density=0.6, every=2, anneal="constant")
    strategy.begin_run(net, ctx)
    for _ in range(40):
        make_update(strategy, net, ctx)
    for layer in net.layers[:2]:
        share = connections(layer).float().mean((1, 2))
        assert float(share.max()) <= 0.5 + 0.5 * FULLEST


def test_bad_shares_are_refused() -> None:
    with pytest.raises(BenchError, match=r"last_prune=0\.6, prune=0\.5"):
        SparseMomentum(last_prune=0.6)
