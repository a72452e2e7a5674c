"""The laws that hold for every strategy: what is dead is inert, and no edit can break a run."""

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import ADAM, CONVNET, MLP, SGD, backward, make_batch, make_network, train, units

CASES = [
    pytest.param(network, optimizer, id=f"{network.kind}-{network.norm}-{optimizer.name}")
    for network in (MLP, NetworkSpec(hidden=(7, 6), norm="layer"), CONVNET)
    for optimizer in (SGD, ADAM, OptimizerSpec(name="adamw", lr=0.01, weight_decay=0.1))
]


def kill_some(net: Network) -> None:
    for number, layer in enumerate(net.hidden):
        net.prune(layer, units(layer, [0, 2 + number % 3], [1, 3 + number % 3]))


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_p0a_what_is_dead_does_not_act(network: NetworkSpec, optimizer: OptimizerSpec) -> None:
    net = make_network(network, optimizer)
    train(net, 5)
    kill_some(net)
    x, y = make_batch()
    before = net.forward(x)
    backward(net, x, y)
    gradients = {name: p.grad for name, p in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = None
    for slot in net.optimizer.slots:
        live = slot.layer.live_weights() if slot.name == "weight" else slot.layer.alive
        slot.parameter.data[~live] += 1e3
    assert torch.equal(net.forward(x), before)
    backward(net, x, y)
    for slot in net.optimizer.slots:
        live = slot.layer.live_weights() if slot.name == "weight" else slot.layer.alive
        old, new = gradients[f"{slot.layer.name}.{slot.name}"], slot.parameter.grad
        assert old is not None
        assert new is not None
        assert torch.equal(old[live], new[live])
        assert not new[~live].any()


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_p0b_what_is_dead_does_not_move(network: NetworkSpec, optimizer: OptimizerSpec) -> None:
    net = make_network(network, optimizer)
    train(net, 5)
    kill_some(net)
    before = net.copy_parameters()
    train(net, 50, seed=100)
    for slot in net.optimizer.slots:
        live = slot.layer.live_weights() if slot.name == "weight" else slot.layer.alive
        held = before[f"{slot.layer.name}.{slot.name}"]
        assert torch.equal(slot.parameter[~live], held[~live])
        assert not torch.equal(slot.parameter[live], held[live])
        for state in slot.state.values():
            assert not state[~live].any()


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_p0f_edits_of_no_unit_and_of_every_unit_are_fine(
    network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    net = make_network(network, optimizer)
    train(net, 3)
    none, everything = torch.zeros(()).bool(), torch.ones(()).bool()
    before = net.copy_parameters()
    for layer in net.hidden:
        for edit in (net.grow, net.prune, net.reset):
            edit(layer, none.expand_as(layer.alive))
    assert net.ledger == []
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    for layer in net.hidden:
        net.prune(layer, everything.expand_as(layer.alive))
    train(net, 3)
    for layer in net.hidden:
        assert not layer.alive.any()
        net.grow(layer, everything.expand_as(layer.alive), insertion="fresh", state="mean")
        net.reset(layer, everything.expand_as(layer.alive), state="second_moment_only")
    train(net, 3)
    assert all(bool(parameter.isfinite().all()) for parameter in net.parameters())
    assert len(net.ledger) == 3 * net.replicas * len(net.hidden)
