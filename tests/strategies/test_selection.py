"""What units are chosen by, against autograd and against slow counting."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.grow import Grow
from plasticity_bench.strategies.growth.turnover import Turnover
from plasticity_bench.strategies.pruning.prune import Prune
from plasticity_bench.strategies.selection import score
from tests.helpers import CONVNET, make_batch, units
from tests.strategies.newborns.helpers import ADAM, MLP, PLAIN_SGD, Make, aged

WIDE = NetworkSpec(hidden=(50, 40))


def loss_with_gates(net: Network, gate: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the mean loss (R,) if dead units of the first layer were let through by a gate (R, U).

    Its weights and biases are given, so that they can be derived by.
    """
    layer, following = net.hidden
    x, y = make_batch(2, 16, seed=9)  # the batch on which the contexts of these tests score
    z = torch.einsum("rbi,rui->rbu", x.flatten(2), weight) + bias.unsqueeze(1)
    h = torch.relu(z) * torch.where(layer.alive, 1.0, gate).unsqueeze(1)
    z2 = torch.einsum("rbi,rui->rbu", h, following.weight) + following.bias.unsqueeze(1)
    h2 = torch.relu(z2) * following.alive.unsqueeze(1)
    logits = torch.einsum("rbi,rui->rbu", h2, net.head.weight) + net.head.bias.unsqueeze(1)
    losses = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return losses.view_as(y).mean(1)


def test_se3_the_mask_gradient_is_that_of_a_gate_at_zero(make: Make) -> None:
    net, ctx = aged(make)
    layer = net.hidden[0]
    gate = torch.zeros(layer.alive.shape, requires_grad=True)
    loss = loss_with_gates(net, gate, layer.weight, layer.bias)
    (opened,) = torch.autograd.grad(loss.sum(), gate)
    scores = score("mask-gradient", net, ctx, tau=0.05)["fc1"]
    dead = ~layer.alive
    assert float(opened[dead].abs().max()) > 0.01
    torch.testing.assert_close(scores[dead], opened[dead].abs(), atol=1e-6, rtol=1e-5)


def test_gradmax_is_the_norm_of_what_an_open_units_incoming_weights_would_receive(
    make: Make,
) -> None:
    net, ctx = aged(make)
    layer = net.hidden[0]
    scores = score("gradmax", net, ctx, tau=0.05)["fc1"]
    # An open gate changes the loss; delta is taken where the unit is still shut: gate the gradient.
    x, _ = make_batch(2, 16, seed=9)
    weight = layer.weight.detach().requires_grad_()
    bias = layer.bias.detach().requires_grad_()
    signal = ctx.score_batch(net).layers["fc1"].signal
    z = torch.einsum("rbi,rui->rbu", x.flatten(2), weight) + bias.unsqueeze(1)
    surrogate = (torch.relu(z) * signal).mean(1).sum()
    by_weight, by_bias = torch.autograd.grad(surrogate, (weight, bias))
    expected = (by_weight.square().sum(2) + by_bias.square()).sqrt()
    assert float(expected[~layer.alive].max()) > 0.01
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=1e-4)


def test_gradmax_of_alive_units_is_the_gradient_that_training_sees(make: Make) -> None:
    net, ctx = aged(make, MLP, PLAIN_SGD)
    layer = net.hidden[0]
    loss = loss_with_gates(net, torch.zeros(layer.alive.shape), layer.weight, layer.bias)
    by_weight, by_bias = torch.autograd.grad(loss.sum(), (layer.weight, layer.bias))
    expected = (by_weight.square().sum(2) + by_bias.square()).sqrt()
    scores = score("gradmax", net, ctx, tau=0.05)["fc1"]
    alive = layer.alive
    torch.testing.assert_close(scores[alive], expected[alive], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("selection", ["mask-gradient", "gradmax"])
def test_grow_takes_the_best_by_these_scores(make: Make, selection: Any) -> None:
    net, ctx = make(WIDE, ADAM)
    strategy = Grow(compactness=0.4, events=2, selection=selection)
    strategy.begin_run(net, ctx)
    scores = score(selection, net, ctx, tau=0.05)
    before = [layer.alive.clone() for layer in net.hidden]
    strategy.edit(net, ctx)
    for layer, old in zip(net.hidden, before, strict=True):
        for replica in range(2):
            chosen = scores[layer.name][replica][(layer.alive & ~old)[replica]]
            rejected = scores[layer.name][replica][~layer.alive[replica]]
            assert len(chosen) > 0
            assert float(chosen.min()) >= float(rejected.max())


def test_se6_the_never_alive_come_first_and_then_those_dead_for_longest(make: Make) -> None:
    net, ctx = make(NetworkSpec(hidden=(10, 10)), ADAM, seeds=(0,))
    strategy = Grow(compactness=1.0, seed_share=0.5, at=(0, 10, 20, 30), selection="least-recent")
    strategy.begin_run(net, ctx)
    layer = net.hidden[0]
    seed = layer.alive.clone()
    never = (~seed[0]).nonzero().flatten().tolist()
    grown: list[list[int]] = []
    first = seed[0].nonzero().flatten().tolist()
    deaths = [first[:2], first[2:4]]
    for number, update in enumerate((0, 10, 20, 30)):
        ctx.progress.update = update
        before = layer.alive[0].clone()
        strategy.edit(net, ctx)
        grown.append((layer.alive[0] & ~before).nonzero().flatten().tolist())
        if number < 2:  # two of the seed die after every edit
            net.prune(layer, units(layer, deaths[number]))
    expected = [*never, *deaths[0], *deaths[1]]
    assert sorted(unit for event in grown for unit in event) == sorted(expected)
    for event in grown:
        assert event == sorted(expected[: len(event)])
        del expected[: len(event)]


def test_se6_a_seed_unit_that_died_before_the_first_edit_was_alive(make: Make) -> None:
    net, ctx = make(NetworkSpec(hidden=(10, 10)), ADAM, seeds=(0,))
    strategy = Grow(compactness=0.9, seed_share=0.5, at=(10,), selection="least-recent")
    strategy.begin_run(net, ctx)
    layer = net.hidden[0]
    died = int(layer.alive[0].nonzero()[0])
    net.prune(layer, units(layer, [died]))
    ctx.progress.update = 10
    strategy.edit(net, ctx)
    assert (~layer.alive[0]).nonzero().flatten().tolist() == [died]


@pytest.mark.parametrize("strategy", [Grow(), Grow(selection="gradient"), Prune()])
def test_only_who_chooses_by_age_remembers_ages(make: Make, strategy: Grow | Prune) -> None:
    net, ctx = make(WIDE, ADAM)
    strategy.begin_run(net, ctx)
    strategy.edit(net, ctx)
    assert ctx.state == {}


def test_gradmax_is_refused_for_convolutions_before_training(make: Make) -> None:
    net, ctx = make(CONVNET, ADAM)
    with pytest.raises(BenchError, match=r"conv1 is one\. Set network\.edit_trunk=false"):
        Grow(selection="gradmax").begin_run(net, ctx)


def test_the_inverse_control_takes_those_that_the_criterion_puts_last(make: Make) -> None:
    scores = torch.tensor([[3.0, 1, 4, 2, 6, 5, 7], [1, 2, 3, 4, 5, 6, 7]])
    alive = []
    for reverse in (False, True):
        net, ctx = make()
        layer = net.hidden[0]
        with torch.no_grad():  # magnitude is the mean absolute incoming weight
            layer.weight.copy_(scores.unsqueeze(2).expand_as(layer.weight))
        Prune(compactness=3 / 7, events=1, rewind="none", reverse=reverse).edit(net, ctx)
        alive.append(layer.alive.clone())
    assert torch.equal(alive[0], scores >= 5)
    assert torch.equal(alive[1], scores <= 3)


@pytest.mark.parametrize("strategy", [Grow, Turnover, Prune])
def test_the_order_is_turned_round_and_nothing_else(
    strategy: type[Grow | Turnover | Prune],
) -> None:
    scores = torch.tensor([[0.5, -1.0, 2.0]])
    assert torch.equal(strategy().in_order(scores), scores)
    assert torch.equal(strategy(reverse=True).in_order(scores), -scores)
