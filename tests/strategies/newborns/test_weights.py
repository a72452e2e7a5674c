from typing import get_args

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Insertion, Network
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.newborns.weights import NewbornWeights, Rule
from tests.helpers import make_batch, train, units
from tests.strategies.newborns.helpers import (
    ADAM,
    MLP,
    PLAIN_SGD,
    TRUNK,
    Make,
    aged,
    bear,
    columns,
    consumer_of,
    slice_entries,
    update,
)

NETWORKS = [pytest.param(MLP, id="mlp"), pytest.param(TRUNK, id="trunk")]
BORN = [0, 1, 3], [0, 2]
"""Three in one replica, so that a donor is taken twice and one is odd, two in the other."""


def shock(net: Network, ctx: Context, strategy: NewbornWeights, *born: list[int]) -> Tensor:
    """Return by how much the logits change when units are born in every layer: (R,)."""
    x, _ = make_batch(net.replicas, size=64, seed=7)
    with torch.no_grad():
        before = net.forward(x)
        bear(net, ctx, strategy, *(born or BORN))
        return (net.forward(x) - before).abs().amax((1, 2))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("rule", "most"),
    [
        ("zero-outgoing", 1e-6),
        ("zero-incoming", 1e-6),
        ("net2wider", 1e-5),
        ("pair", 1e-5),
        ("pair-matched", 1e-5),
    ],
)
def test_these_rules_keep_the_function(
    make: Make, network: NetworkSpec, rule: Rule, most: float
) -> None:
    net, ctx = aged(make, network)
    assert float(shock(net, ctx, NewbornWeights(rule=rule)).max()) <= most
    assert all(int(layer.alive[0].sum()) == layer.units - 1 for layer in net.hidden)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", ["stored", "fresh", "matched", "scaled"])
def test_these_rules_change_the_function(make: Make, network: NetworkSpec, rule: Rule) -> None:
    net, ctx = aged(make, network)
    assert float(shock(net, ctx, NewbornWeights(rule=rule)).min()) > 1e-4


def test_noise_changes_the_function_in_proportion(make: Make) -> None:
    shocks = []
    for noise in (0.001, 0.01):
        net, ctx = aged(make)
        shocks.append(float(shock(net, ctx, NewbornWeights(noise=noise)).max()))
    assert 3 < shocks[1] / shocks[0] < 30


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", sorted(set(get_args(Rule)) - {"net2wider"}))
def test_nothing_but_the_newborns_slices_is_written(
    make: Make, network: NetworkSpec, rule: Rule
) -> None:
    net, ctx = aged(make, network)
    before = net.copy_parameters()
    born = bear(net, ctx, NewbornWeights(rule=rule), *BORN)
    inside = slice_entries(net, born)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter[~inside[name]], before[name][~inside[name]])


@pytest.mark.parametrize("rule", get_args(Insertion))
def test_a_rule_of_the_engine_is_a_birth_with_it(make: Make, rule: Insertion) -> None:
    weights = []
    for strategy in (NewbornWeights(rule=rule), None):
        net, ctx = aged(make)
        layer = net.hidden[0]
        newborn = units(layer, *BORN)
        net.grow(layer, newborn, insertion="stored" if strategy else rule)
        if strategy is not None:
            strategy.after_births({layer.name: newborn}, net, ctx)
        weights.append(net.copy_parameters())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


# -- net2wider -----------------------------------------------------------------------------------


def copies(layer: Layer, before: Tensor, newborn: Tensor) -> list[dict[int, list[int]]]:
    """Find, by equal rows, whose copies the newborns are: for each replica donor -> newborns."""
    found: list[dict[int, list[int]]] = [{} for _ in newborn]
    elders = layer.alive & ~newborn
    for replica, unit in newborn.nonzero().tolist():
        same = (before[replica] == layer.weight[replica, unit]).flatten(1).all(1) & elders[replica]
        (donor,) = same.nonzero().flatten().tolist()
        found[replica].setdefault(donor, []).append(unit)
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_all_copies_and_the_original_share_its_outgoing_weights_equally(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = aged(make, network, dead=5)
    layer = net.hidden[1]
    before = net.copy_parameters()
    born = bear(net, ctx, NewbornWeights(), [0, 1, 2, 3, 4], [0], layers=[1])[layer.name]
    following = consumer_of(layer)
    old = before[f"{following.name}.weight"]
    shared = copies(layer, before[f"{layer.name}.weight"], born)
    assert max(len(newborns) for newborns in shared[0].values()) >= 2  # 5 of at most 3 donors
    untouched = torch.ones_like(old, dtype=torch.bool)
    for replica, groups in enumerate(shared):
        for donor, newborns in groups.items():
            for unit in (donor, *newborns):
                part = columns(layer, following.weight, unit)[replica]
                whole = columns(layer, old, donor)[replica]
                torch.testing.assert_close(part, whole / (1 + len(newborns)))
                assert torch.equal(layer.bias[replica, unit], layer.bias[replica, donor])
                columns(layer, untouched, unit)[replica] = False
    assert torch.equal(following.weight[untouched], old[untouched])


@pytest.mark.parametrize("optimizer", [ADAM, OptimizerSpec(name="sgd", lr=0.05, momentum=0.9)])
@pytest.mark.parametrize("split", [True, False])
def test_moments_are_shared_out_as_the_gradients_will_be(
    make: Make, optimizer: OptimizerSpec, split: bool
) -> None:
    """Rows m / r and v / r^2 for original and copies, columns the original's (appendix A.3)."""
    net, ctx = aged(make, optimizer=optimizer, dead=5)
    layer = net.hidden[0]
    before = net.copy_parameters()
    states = [{key: t.clone() for key, t in slot.state.items()} for slot in net.optimizer.slots]
    strategy = NewbornWeights(split_moments=split)
    born = bear(net, ctx, strategy, [0, 1, 2, 3, 4], [0], layers=[0])[layer.name]
    shared = copies(layer, before["fc1.weight"], born)
    for slot, state in zip(net.optimizer.slots, states, strict=True):
        for key, old in state.items():
            expected = old.clone()
            for replica, groups in enumerate(shared if split else ()):
                for donor, newborns in groups.items():
                    count = (1 + len(newborns)) ** (2 if key == "second_moment" else 1)
                    for unit in (donor, *newborns):
                        if slot.layer is layer:
                            expected[replica, unit] = old[replica, donor] / count
                        elif slot.layer is layer.consumer and slot.name == "weight":
                            expected[replica, :, unit] = old[replica, :, donor]
            torch.testing.assert_close(slot.state[key], expected, atol=1e-15, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_twins_stay_equal_for_ever_without_noise_and_diverge_with_it(
    make: Make, noise: float
) -> None:
    net, ctx = aged(make, optimizer=PLAIN_SGD)
    layer, before = net.hidden[0], net.copy_parameters()["fc1.weight"]
    strategy = NewbornWeights(noise=noise, donor="utility")
    born = bear(net, ctx, strategy, [0, 1], [2], layers=[0])[layer.name]
    train(net, 100, seed=50)
    elders = (layer.alive & ~born)[0].nonzero().flatten().tolist()
    assert all(not torch.equal(layer.weight[0, u], before[0, u]) for u in elders[:1])
    apart = min(float((layer.weight[0, 0] - layer.weight[0, u]).detach().norm()) for u in elders)
    between = float((layer.weight[0, 0] - layer.weight[0, 1]).detach().norm())
    if noise == 0:
        assert apart == pytest.approx(0, abs=1e-5)
        assert between == 0
    else:
        assert apart > 1e-3
        assert between > 1e-3


def test_noise_has_the_size_that_it_says(make: Make) -> None:
    """In units of the standard deviation of the donor's incoming weights."""
    net, ctx = make(NetworkSpec(hidden=(200, 8)), ADAM)
    layer = net.hidden[0]
    net.prune(layer, units(layer, range(199), range(199)))
    strategy = NewbornWeights(noise=0.1)
    bear(net, ctx, strategy, range(199), range(199), layers=[0])
    for replica in range(2):
        rows = layer.weight[replica].detach()
        added = rows[:199] - rows[199]
        assert float(added.std()) == pytest.approx(0.1 * float(rows[199].std()), rel=0.05)
        assert float(added.mean()) == pytest.approx(0, abs=0.01 * float(rows[199].std()))


# -- pair, matched, scaled -----------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", ["pair", "pair-matched"])
def test_pairs_are_antisymmetric_and_an_odd_one_out_says_nothing(
    make: Make, network: NetworkSpec, rule: Rule
) -> None:
    net, ctx = aged(make, network)
    layer = net.hidden[-2]
    number = len(net.hidden) - 2
    bear(net, ctx, NewbornWeights(rule=rule), [0, 1, 3], [0, 2], layers=[number])
    weight = consumer_of(layer).weight
    for replica, one, other in ((0, 0, 1), (1, 0, 2)):
        for parameter in layer.parameters().values():
            assert torch.equal(parameter[replica, one], parameter[replica, other])
        outgoing = columns(layer, weight, one)[replica]
        assert torch.equal(outgoing, -columns(layer, weight, other)[replica])
        assert bool(outgoing.any())
    assert not columns(layer, weight, 3)[0].any()
    assert bool(layer.weight[0, 3].any())


def test_pairs_learn_apart(make: Make) -> None:
    net, ctx = aged(make, optimizer=PLAIN_SGD)
    strategy = NewbornWeights(rule="pair")
    bear(net, ctx, strategy, [0, 1], [0, 2], layers=[0])
    gradients = update(net, ctx, strategy)["fc1.weight"]
    torch.testing.assert_close(gradients[0, 0], -gradients[0, 1])
    assert bool(gradients[0, 0].any())


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", ["matched", "pair-matched"])
def test_matched_newborns_have_the_incumbents_variance_and_norm(
    make: Make, network: NetworkSpec, rule: Rule
) -> None:
    """Births in all layers at once; norms towards the consumer's incumbents."""
    net, ctx = aged(make, network)
    born = bear(net, ctx, NewbornWeights(rule=rule), [0, 2], [0, 1, 2, 3])
    probed = ctx.score_batch(net)
    for layer in net.hidden:
        newborn, following = born[layer.name], consumer_of(layer)
        variance = probed.layers[layer.name].linear.var(1)
        old = following.alive & ~born.get(following.name, torch.zeros_like(following.alive))
        for replica in range(2):
            elders = (layer.alive & ~newborn)[replica]
            mean = variance[replica][elders].mean()
            theirs = variance[replica][newborn[replica]]
            torch.testing.assert_close(theirs, mean.expand_as(theirs), rtol=1e-4, atol=1e-6)
            outgoing = following.weight.detach()[replica, old[replica]].unflatten(
                1, (layer.units, layer.columns_per_unit)
            )
            norm = outgoing.transpose(0, 1).flatten(1).norm(dim=1)
            theirs = norm[newborn[replica]]
            mean = norm[elders].mean()
            torch.testing.assert_close(theirs, mean.expand_as(theirs), rtol=1e-4, atol=1e-6)


def test_scaled_newborns_are_fresh_ones_times_the_gain(make: Make) -> None:
    weights = []
    for strategy in (NewbornWeights(rule="fresh"), NewbornWeights(rule="scaled", gain=0.3)):
        net, ctx = aged(make)
        born = bear(net, ctx, strategy, *BORN, layers=[1])
        inside = slice_entries(net, born)
        weights.append({n: p.detach()[inside[n]] for n, p in net.named_parameters()})
    for name, fresh in weights[0].items():
        torch.testing.assert_close(weights[1][name], 0.3 * fresh)
    assert bool(weights[0]["head.weight"].any())


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", get_args(Rule))
def test_every_rule_takes_layers_in_which_nobody_was_alive(make: Make, rule: Rule) -> None:
    net, ctx = aged(make, dead=8)
    net.prune(net.hidden[0], torch.ones_like(net.hidden[0].alive))
    bear(net, ctx, NewbornWeights(rule=rule), [0, 1], [])
    train(net, 2)
    assert all(bool(parameter.isfinite().all()) for parameter in net.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "scaled", "gain": 0.0}, "gain=0.0: give a factor above 0"),
        ({"noise": -1.0}, "noise=-1.0: give 0 or more"),
        ({"rule": "pair", "noise": 0.1}, "noise is of no use to rule=pair. Set rule=net2wider"),
        ({"gain": 2.0}, "gain is of no use to rule=net2wider. Set rule=scaled"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        NewbornWeights(**settings)  # type: ignore[arg-type]
