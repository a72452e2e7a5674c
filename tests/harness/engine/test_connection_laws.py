"""The laws of single connections: one that does not exist is inert, however weights are trained."""

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.compact import CompactTraining
from plasticity_bench.harness.engine.edits import Network, StatePolicy
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.loop.monitor import CohortMonitor, layer_costs
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import ADAM, CONVNET, MLP, SGD, backward, make_batch, make_network, units

MOMENTUM = OptimizerSpec(name="sgd", lr=0.05, momentum=0.9)
ADAMW = OptimizerSpec(name="adamw", lr=0.01, weight_decay=0.1)
CASES = [
    pytest.param(network, optimizer, id=f"{network.kind}-{network.norm}-{optimizer.name}-{number}")
    for network in (MLP, NetworkSpec(hidden=(7, 6), norm="layer"), CONVNET)
    for number, optimizer in enumerate((MOMENTUM, SGD, ADAM, ADAMW))
]


def drawn(layer: Layer, share: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(layer.weight.shape, generator=generator) < share


def cut_some(net: Network) -> None:
    for number, layer in enumerate(net.layers):
        net.rewire(layer, drawn(layer, 0.4, number), torch.zeros_like(layer.weight).bool())


def train_sparse(net: Network, updates: int, seed: int = 0) -> None:
    """Make updates as the learner does between edits."""
    for update in range(updates):
        backward(net, *make_batch(net.replicas, seed=seed + update))
        net.mask_gradients()
        net.optimizer.step(1.0)
        for parameter in net.parameters():
            parameter.grad = None
        if net.optimizer.moves_idle_weights:
            net.hold_dead()


def state(net: Network, layer: Layer) -> dict[str, Tensor]:
    (slot,) = (s for s in net.optimizer.slots if s.layer is layer and s.name == "weight")
    return slot.state


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_p0a_what_does_not_exist_does_not_act(
    network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    net = make_network(network, optimizer)
    train_sparse(net, 5)
    cut_some(net)
    before, gradients = passed(net)
    for layer in net.layers:
        assert layer.connected is not None
        layer.weight.data[~layer.connected] += 1e3
    after, again = passed(net)
    assert torch.equal(before, after)
    for layer, old, new in zip(net.layers, gradients, again, strict=True):
        assert layer.connected is not None
        assert torch.equal(old[layer.connected], new[layer.connected])
        assert not new[~layer.connected].any()


def passed(net: Network) -> tuple[Tensor, list[Tensor]]:
    """Return the logits and the masked gradients of the weights of one batch."""
    x, y = make_batch()
    logits = net.forward(x).detach()
    backward(net, x, y)
    net.mask_gradients()
    gradients = []
    for layer in net.layers:
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad)
    for parameter in net.parameters():
        parameter.grad = None
    return logits, gradients


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_p0b_what_was_cut_stays_zero_with_zero_state(
    network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    net = make_network(network, optimizer)
    train_sparse(net, 5)
    cut_some(net)
    before = net.copy_parameters()
    train_sparse(net, 50, seed=100)
    for layer in net.layers:
        assert layer.connected is not None
        gone = ~layer.connected
        assert gone.any()
        assert not layer.weight[gone].any()
        assert not torch.equal(layer.weight[~gone], before[f"{layer.name}.weight"][~gone])
        assert not any(tensor[gone].any() for tensor in state(net, layer).values())


@pytest.mark.parametrize("policy", ["mean", "donor", "second_moment_only"])
def test_newborn_units_take_no_state_for_connections_that_do_not_exist(policy: StatePolicy) -> None:
    net = make_network(MLP, ADAM)
    train_sparse(net, 5)
    cut_some(net)
    train_sparse(net, 5)
    layer = net.hidden[0]
    net.prune(layer, units(layer, [2], [3]))
    donor = torch.zeros_like(layer.alive, dtype=torch.int64)
    net.grow(layer, units(layer, [2], [3]), state=policy, donor=donor)
    for one in net.layers[:2]:
        assert one.connected is not None
        assert state(net, one)["second_moment"][one.connected].any()
        assert not any(tensor[~one.connected].any() for tensor in state(net, one).values())


def test_a_connection_that_is_made_starts_at_zero_whatever_stood_there() -> None:
    net = make_network(MLP)
    layer = net.layers[0]
    nothing = torch.zeros_like(layer.weight).bool()
    cut_some(net)
    assert layer.connected is not None
    gone = ~layer.connected
    layer.weight.data[gone] = 7
    net.rewire(layer, nothing, gone)
    assert not layer.weight[gone].any()


def test_a_rewiring_is_recorded_where_it_changes_something() -> None:
    net = make_network(MLP)
    layer = net.layers[0]
    nothing = torch.zeros_like(layer.weight).bool()
    cut, made = nothing.clone(), nothing.clone()
    cut[0, 1, 2], cut[0, 1, 3], made[0, 1, 3] = True, True, True
    net.rewire(layer, cut, made, rule="a rule")
    net.rewire(layer, nothing, nothing)
    ((edit, replica, written),) = [
        (event.edit, event.replica, event.reinitialised_weights) for event in net.ledger
    ]
    assert (edit, replica, written) == ("rewire", 0, 0)


def test_a_rewiring_neither_begins_nor_ends_a_cohort_of_units() -> None:
    net, cohorts = make_network(MLP), CohortMonitor()
    layer = net.hidden[0]
    net.prune(layer, units(layer, [2], [3]))
    first = len(net.ledger)
    net.grow(layer, units(layer, [2], [3]))
    cohorts.begin(net, net.ledger[first:], 10)
    due, first = cohorts.next_due, len(net.ledger)
    cut_some(net)
    cohorts.begin(net, net.ledger[first:], 11)
    assert cohorts.next_due == due == 10
    rows = [row for _, row in cohorts.measure(net, *make_batch(size=8), 12, 1)]
    assert [(row["layer"], row["birth"], row["age"]) for row in rows] == [("fc1", 10, 2)] * 2


# -- training the alive part -------------------------------------------------------------------


def half_alive(network: NetworkSpec, optimizer: OptimizerSpec) -> Network:
    net = make_network(network, optimizer)
    train_sparse(net, 5)
    cut_some(net)
    for layer in net.hidden:
        net.prune(layer, ~units(layer, [0, 2, 4], [1, 2, 5]))
    return net


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_training_the_alive_part_is_training_the_whole(
    network: NetworkSpec, optimizer: OptimizerSpec
) -> None:
    whole, part_of = half_alive(network, optimizer), half_alive(network, optimizer)
    assert CompactTraining.is_worthwhile(part_of)
    compact = CompactTraining(part_of)
    train_sparse(whole, 30, seed=50)
    for update in range(30):
        backward(compact.stack, *make_batch(seed=50 + update))
        compact.stack.mask_gradients()
        compact.optimizer.step(1.0)
        for parameter in compact.stack.parameters():
            parameter.grad = None
        compact.updates += 1
    compact.write_back()
    for one, other in zip(whole.optimizer.slots, part_of.optimizer.slots, strict=True):
        torch.testing.assert_close(one.parameter, other.parameter, atol=1e-4, rtol=1e-3)
        for key, tensor in one.state.items():
            torch.testing.assert_close(tensor, other.state[key], atol=1e-4, rtol=1e-2)
    for layer in part_of.layers:
        assert layer.connected is not None
        assert not layer.weight[~layer.connected].any()


def test_few_connections_between_living_units_do_not_make_gathering_worthwhile() -> None:
    net = make_network(MLP)
    for layer in net.layers:
        net.start_connected(layer, drawn(layer, 0.1, 1))
    assert not CompactTraining.is_worthwhile(net)


# -- cost --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [MLP, CONVNET], ids=["mlp", "convnet"])
def test_a_layer_costs_two_operations_for_each_connection_and_place(network: NetworkSpec) -> None:
    net = make_network(network)
    cut_some(net)
    net.prune(net.hidden[0], units(net.hidden[0], [0, 1], [2, 3]))
    for replica in range(2):
        costs = layer_costs(net, replica)
        for layer, cost in zip(net.layers, costs, strict=True):
            existing = int(layer.live_weights()[replica].sum())
            assert cost.flops == 2 * existing * layer.positions
    whole = layer_costs(net, 0, whole=True)
    assert [cost.flops for cost in whole] == [
        2 * layer.weight[0].numel() * layer.positions for layer in net.layers
    ]
