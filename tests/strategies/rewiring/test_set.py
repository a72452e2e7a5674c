from collections.abc import Callable
from typing import Literal

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.rewiring.set import SparseEvolutionaryTraining
from tests.helpers import CONVNET, SGD, train
from tests.strategies.rewiring.helpers import connections, counts, state_of, top

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))


def test_the_number_of_connections_stays_through_1000_edits(make: Make) -> None:
    net, ctx = make(optimizer=SGD)
    strategy = SparseEvolutionaryTraining(density=0.4)
    strategy.begin_run(net, ctx)
    first, wiring = counts(net), connections(net.layers[0]).clone()
    for update in range(1000):
        train(net, 1, seed=update)
        strategy.edit(net, ctx)
        assert counts(net) == first
    assert not torch.equal(wiring, connections(net.layers[0]))


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("new_weights", ["zero", "random"])
def test_the_closest_to_zero_of_either_sign_move_to_empty_places(
    make: Make, network: NetworkSpec, new_weights: Literal["zero", "random"]
) -> None:
    net, ctx = make(network, SGD)
    strategy = SparseEvolutionaryTraining(
        density=0.4, distribution="uniform", drop=0.3, new_weights=new_weights
    )
    strategy.begin_run(net, ctx)
    train(net, 5)
    before = net.copy_parameters()
    old = [connections(layer).clone() for layer in net.layers[:-1]]
    momentum = [state_of(net, layer)["momentum"].clone() for layer in net.layers[:-1]]
    strategy.edit(net, ctx)
    for layer, was, moment in zip(net.layers[:-1], old, momentum, strict=True):
        now, weight = connections(layer), before[f"{layer.name}.weight"]
        for replica in range(2):
            positive, negative = (
                was[replica] & side for side in (weight[replica] > 0, weight[replica] < 0)
            )
            expected = torch.zeros_like(positive)
            for side in (positive, negative):
                expected |= top(-weight[replica].abs(), side, int(0.3 * int(side.sum())))
            assert torch.equal(was[replica] & ~now[replica], expected)
        new = now & ~was  # so grown positions were empty
        assert int(new.sum()) == int((was & ~now).sum()) > 0
        stays = was & now
        assert torch.equal(layer.weight[stays], weight[stays])
        assert not layer.weight[~now].any()
        assert bool(layer.weight[new].all()) == (new_weights == "random")
        assert bool(layer.weight[new].any()) == (new_weights == "random")
        assert torch.equal(state_of(net, layer)["momentum"], moment * stays)


def test_moving_nothing_is_the_identity(make: Make) -> None:
    net, ctx = make(WIDE)
    strategy = SparseEvolutionaryTraining(density=0.4, drop=0)
    strategy.begin_run(net, ctx)
    train(net, 5)
    before, wiring = net.copy_parameters(), connections(net.layers[0]).clone()
    strategy.edit(net, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert torch.equal(wiring, connections(net.layers[0]))
    assert net.ledger == []


@pytest.mark.parametrize("density", [0.95, 1.0])
def test_where_few_places_are_empty_fewer_move(make: Make, density: float) -> None:
    net, ctx = make(WIDE)
    strategy = SparseEvolutionaryTraining(density=density, drop=0.9, distribution="uniform")
    strategy.begin_run(net, ctx)
    train(net, 2)
    first, old = counts(net), connections(net.layers[0]).clone()
    strategy.edit(net, ctx)
    assert counts(net) == first
    moved = int((connections(net.layers[0]) & ~old)[0].sum())
    assert moved <= int((~old)[0].sum())
    assert (moved > 0) == (density < 1)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(BenchError, match=r"drop=-0\.1"):
        SparseEvolutionaryTraining(drop=-0.1)
