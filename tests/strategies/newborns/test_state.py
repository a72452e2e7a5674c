from typing import get_args

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network, StatePolicy
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.grow import Grow
from plasticity_bench.strategies.newborns.donors import Donor, choose_donors
from plasticity_bench.strategies.newborns.state import NewbornState
from tests.helpers import units
from tests.strategies.newborns.helpers import (
    ADAM,
    MLP,
    TRUNK,
    Make,
    aged,
    bear,
    columns,
    consumer_of,
    update,
)

NETWORKS = [pytest.param(MLP, id="mlp"), pytest.param(TRUNK, id="trunk")]


def state_of(net: Network) -> dict[tuple[str, str, str], Tensor]:
    return {
        (slot.layer.name, slot.name, key): tensor
        for slot in net.optimizer.slots
        for key, tensor in slot.state.items()
    }


def incumbents(layer: Layer, newborn: Tensor, replica: int) -> list[int]:
    return (layer.alive & ~newborn)[replica].nonzero().flatten().tolist()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_cosine_donor_has_the_most_similar_live_incoming_weights(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = aged(make, network)
    layer = net.hidden[1]
    newborn = units(layer, [0, 2], [1])
    net.grow(layer, newborn)
    donor, taught = choose_donors("cosine", layer, newborn, net, ctx)
    assert torch.equal(taught, newborn)
    for replica, unit in newborn.nonzero().tolist():
        inputs = layer.alive_inputs()[replica]
        rows = layer.weight[replica][:, inputs].detach().flatten(1)
        similar = {
            other: float(torch.cosine_similarity(rows[unit], rows[other], dim=0))
            for other in incumbents(layer, newborn, replica)
        }
        assert int(donor[replica, unit]) == max(similar, key=lambda other: similar[other])


def test_the_utility_donor_matters_most_to_the_consumer(make: Make) -> None:
    net, ctx = aged(make)
    layer = net.hidden[0]
    newborn = units(layer, [0, 2], [1])
    net.grow(layer, newborn)
    donor, _ = choose_donors("utility", layer, newborn, net, ctx)
    output = ctx.score_batch(net).layers[layer.name].output
    following = consumer_of(layer)
    weight = following.weight.detach()
    for replica, unit in newborn.nonzero().tolist():
        use = {
            other: float(
                output[replica, :, other].abs().mean()
                * weight[replica, following.alive[replica], other].abs().sum()
            )
            for other in incumbents(layer, newborn, replica)
        }
        assert int(donor[replica, unit]) == max(use, key=lambda other: use[other])


def test_random_donors_are_incumbents_of_all_kinds_and_each_replicas_own(make: Make) -> None:
    drawn = {}
    for seeds in ((0, 1), (1,)):
        net, ctx = make(NetworkSpec(hidden=(60, 8)), ADAM, seeds=seeds)
        layer = net.hidden[0]
        newborn = torch.zeros_like(layer.alive)
        newborn[:, :50] = True
        net.prune(layer, units(layer, *[[51]] * len(seeds)))
        drawn[seeds], _ = choose_donors("random", layer, newborn, net, ctx)
        assert set(drawn[seeds][-1, :50].tolist()) == {50, *range(52, 60)}
    assert torch.equal(drawn[0, 1][1, :50], drawn[1,][0, :50])
    assert not torch.equal(drawn[0, 1][0, :50], drawn[0, 1][1, :50])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", get_args(Donor))
def test_os3_donors_are_copied_bit_for_bit_and_nothing_else_changes(
    make: Make, network: NetworkSpec, rule: Donor
) -> None:
    """The second layer of the trunk feeds a whole block of columns with each unit."""
    net, ctx = aged(make, network)
    layer = net.hidden[1]
    before = {key: tensor.clone() for key, tensor in state_of(net).items()}
    random = ctx.random.state()
    born = bear(net, ctx, NewbornState(donor=rule), [0, 2], [1], layers=[1])[layer.name]
    ctx.random.load_state(random)
    donor, _ = choose_donors(rule, layer, born, net, ctx)
    expected = {key: tensor.clone() for key, tensor in before.items()}
    for (name, parameter, key), tensor in expected.items():
        for replica, unit in born.nonzero().tolist():
            other = int(donor[replica, unit])
            old = before[name, parameter, key]
            if name == layer.name:
                tensor[replica, unit] = old[replica, other]
                assert bool(old[replica, other].any())
            if name == consumer_of(layer).name and parameter == "weight":
                columns(layer, tensor, unit)[replica] = columns(layer, old, other)[replica]
                assert bool(columns(layer, old, other)[replica].any())
    for place, now in state_of(net).items():
        assert torch.equal(now, expected[place]), place
    for name, clock in net.optimizer.clocks.items():
        assert (clock == 6).all(), name


def test_a_replica_without_incumbents_keeps_the_state_it_has(make: Make) -> None:
    net, ctx = aged(make)
    layer = net.hidden[0]
    net.prune(layer, units(layer, range(9), []))
    before = {key: tensor.clone() for key, tensor in state_of(net).items()}
    bear(net, ctx, NewbornState(), [0, 1], [0], layers=[0])
    after = state_of(net)
    for (name, parameter, key), tensor in after.items():
        assert torch.equal(tensor[0], before[name, parameter, key][0])
    assert bool(after["fc1", "weight", "second_moment"][1, 0].any())


@pytest.mark.parametrize("policy", sorted(set(get_args(StatePolicy)) - {"donor"}))
def test_every_other_policy_is_that_of_a_birth_with_it(make: Make, policy: StatePolicy) -> None:
    states = []
    for strategy, insertion in ((NewbornState(policy=policy), "stock"), (None, policy)):
        net, ctx = aged(make)
        layer = net.hidden[0]
        newborn = units(layer, [0, 2], [1])
        net.grow(layer, newborn, state=insertion)  # type: ignore[arg-type]
        if strategy is not None:
            strategy.after_births({layer.name: newborn}, net, ctx)
        clocks = {(name, "", "clock"): clock for name, clock in net.optimizer.clocks.items()}
        states.append({**state_of(net), **clocks})
    for key, tensor in states[0].items():
        assert torch.equal(tensor, states[1][key])


@pytest.mark.parametrize(("policy", "rates"), [("zero_step", 1.0), ("stock", 3.1623)])
def test_os0_and_os2_first_update_of_a_slot_that_was_dead_for_long(
    make: Make, policy: StatePolicy, rates: float
) -> None:
    """Adam: lr * sign(g) on a new clock, (1 - .9) / sqrt(1 - .999) times that on an old one."""
    net, ctx = aged(make)
    for clock in net.optimizer.clocks.values():
        clock.fill_(30_000)
    net.optimizer.common_clock = 30_000
    strategy = NewbornState(policy=policy)
    born = bear(net, ctx, strategy, [0, 2], [1], layers=[0])
    before = net.copy_parameters()
    gradients = update(net, ctx, strategy)
    for name, mask in (("fc1.weight", born["fc1"].unsqueeze(2)), ("fc1.bias", born["fc1"])):
        moved = dict(net.named_parameters())[name].detach() - before[name]
        gradient = gradients[name]
        counts = mask & (gradient.abs() > 1e-4)
        assert counts.any()
        expected = -0.01 * rates * gradient.sign()
        torch.testing.assert_close(moved[counts], expected[counts], atol=2e-5, rtol=1e-3)


def test_the_ledger_says_what_became_of_the_state(make: Make) -> None:
    net, ctx = aged(make)
    bear(net, ctx, NewbornState(), [0], [1], layers=[0])
    assert {event.rule for event in net.ledger[-2:]} == {"stored, stock; donor"}


def test_grow_points_at_the_strategy_that_chooses_donors() -> None:
    with pytest.raises(BenchError, match=r"grow\+newborn-state\(policy=donor\)"):
        Grow(state="donor")
