from collections.abc import Callable

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.rewiring.base import SparseNetwork
from plasticity_bench.strategies.rewiring.deep import DeepRewiring
from tests.helpers import ADAM, CONVNET, SGD
from tests.strategies.rewiring.helpers import connections, counts, make_update, plan_of

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))
PLAIN = OptimizerSpec(name="sgd", lr=0.1)


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
def test_as_many_are_active_after_every_update_and_no_weight_changes_its_sign(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = make(network, PLAIN, plan=plan_of(100))
    strategy = DeepRewiring(density=0.4, distribution="uniform", l1=0.05, temperature=1e-4)
    strategy.begin_run(net, ctx)
    first = counts(net)
    layers = [layer for layer in net.layers if layer.connected is not None]
    wiring = [connections(layer).clone() for layer in layers]
    for _ in range(100):
        make_update(strategy, net, ctx)
        assert counts(net) == first
        for layer in layers:
            active = connections(layer)
            sign = net.initial[f"{layer.name}.weight"].sign()
            assert torch.equal(layer.weight[active].sign(), sign[active])
            assert not layer.weight[~active].any()
    for layer, was in zip(layers, wiring, strict=True):
        assert (connections(layer) & ~was).any()


def test_without_pull_and_noise_it_is_sgd(make: Make) -> None:
    """Until the first weight crosses zero, to the last bit."""
    slow = OptimizerSpec(name="sgd", lr=1e-3)
    nets = []
    settings = {"density": 0.4}
    for strategy in (
        DeepRewiring(l1=0, temperature=0, **settings),  # type: ignore[arg-type]
        SparseNetwork(distribution="erk", **settings),  # type: ignore[arg-type]
    ):
        net, ctx = make(WIDE, slow, plan=plan_of(100))
        strategy.begin_run(net, ctx)
        for _ in range(3):
            make_update(strategy, net, ctx)
        nets.append(net)
    walked, plain = nets
    assert walked.ledger == []
    before = dict(plain.named_parameters())
    assert all(torch.equal(p, before[name]) for name, p in walked.named_parameters())
    assert not torch.equal(walked.layers[0].weight, walked.initial["fc1.weight"])


def test_the_pull_and_the_noise_have_the_published_size(make: Make) -> None:
    """|w| falls by rate * l1 and walks with variance 2 * rate * temperature; weights stay large."""
    net, ctx = make(NetworkSpec(hidden=(300, 15)), PLAIN, plan=plan_of(10))
    strategy = DeepRewiring(density=0.9, l1=0.02, temperature=5e-6, distribution="uniform")
    strategy.begin_run(net, ctx)
    layer = net.layers[0]
    before = layer.weight.detach().clone()
    strategy.learning_rate(0.5, net, ctx)
    strategy.after_step(net, ctx)
    far = before.abs() > 0.02
    moved = ((layer.weight.detach() - before) * before.sign())[far]
    rate = 0.1 * 0.5
    deviation = (2 * rate * 5e-6) ** 0.5
    error = deviation / moved.numel() ** 0.5
    assert float(moved.mean()) == pytest.approx(-rate * 0.02, abs=5 * error)
    assert float(moved.std()) == pytest.approx(deviation, rel=0.05)


def test_a_replica_draws_the_same_whoever_else_rewires(make: Make) -> None:
    """Some updates cut connections of one replica only; the gradient is left out."""
    strategy = DeepRewiring(density=0.05, l1=0, temperature=1e-3, distribution="uniform")
    wirings = []
    for seeds in ((0, 1), (1,)):
        net, ctx = make(WIDE, PLAIN, seeds=seeds, plan=plan_of(20))
        strategy.begin_run(net, ctx)
        strategy.learning_rate(1.0, net, ctx)
        for _ in range(20):
            strategy.after_step(net, ctx)
        rewired = [event.replica for event in net.ledger]
        wirings.append((connections(net.layers[0])[-1], rewired.count(len(seeds) - 1)))
    (together, moves), (alone, moves_alone) = wirings
    assert torch.equal(together, alone)
    assert moves == moves_alone > 0


@pytest.mark.parametrize("optimizer", [ADAM, SGD], ids=["adam", "momentum"])
def test_another_optimiser_is_refused(make: Make, optimizer: OptimizerSpec) -> None:
    net, ctx = make(WIDE, optimizer)
    with pytest.raises(BenchError, match=r"plain SGD, .* Set optimizer.name=sgd"):
        DeepRewiring().begin_run(net, ctx)


def test_negative_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="l1=-1"):
        DeepRewiring(l1=-1)
