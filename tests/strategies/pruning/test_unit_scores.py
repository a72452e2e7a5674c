"""Scores of units for pruning, against autograd and slow definitions."""

from collections.abc import Callable, Sequence
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import NORM_EPSILON, Layer
from plasticity_bench.harness.engine.probe import probe, replica_loss
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.pruning.prune import Prune
from plasticity_bench.strategies.pruning.unit_scores import (
    UnitScore,
    adaptable_contribution,
    contribution,
    mean_inputs,
    taylor,
    taylor_by_sample,
    unit_scores,
    weight_taylor_scores,
)
from tests.helpers import (
    CONVNET,
    CPU,
    IMAGE,
    MLP,
    backward,
    make_batch,
    make_network,
    train,
    units,
)

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))
NETWORKS = [MLP, NetworkSpec(hidden=(7, 6), norm="layer", activation="tanh"), CONVNET]
IDS = ["mlp", "mlp with norm", "convnet"]


class Fixed:
    """A task of one batch, the one on which the test's probe is too."""

    def __init__(self, size: int) -> None:
        self.x, y = make_batch(2, size, seed=9)
        self.y = y
        self.train_y = list(y)

    def take(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        assert all(int(one.max()) < len(y) for one, y in zip(chosen, self.train_y, strict=True))
        return self.x, self.y


@pytest.fixture
def make_told(make: Make) -> Make:
    def told(network: NetworkSpec = WIDE) -> tuple[Network, Context]:
        net, ctx = make(network)
        ctx.task_samples = lambda: Fixed(16)
        return net, ctx

    return told


def loss_with_factors(net: Network, layer: Layer, factors: Tensor) -> Tensor:
    """Return the mean losses (R,) with the layer's units multiplied by factors (R, U)."""
    layer.set_fading(factors)
    loss = replica_loss(net.forward(make_batch(2, 16, seed=9)[0]), make_batch(2, 16, seed=9)[1])
    layer.set_fading(None)
    return loss.mean(1)


@pytest.mark.parametrize(
    "network",
    [MLP, NetworkSpec(hidden=(7, 6), activation="tanh"), CONVNET],
    ids=["relu", "tanh", "convnet"],
)
def test_taylor_is_the_gradient_to_the_units_mask(network: NetworkSpec) -> None:
    """dL/dm_j = sum over samples and positions of h_raw,j (w_out . delta), by autograd."""
    net = make_network(network)
    train(net, 5)
    probed = probe(net, *make_batch(2, 16, seed=9))
    for layer in net.hidden:
        factors = torch.ones_like(layer.bias).requires_grad_()
        (gradient,) = torch.autograd.grad(loss_with_factors(net, layer, factors).sum(), factors)
        score = taylor(probed.layers[layer.name])
        positions = probed.layers[layer.name].raw.shape[1] // 16
        torch.testing.assert_close(score * positions, gradient.abs(), atol=1e-6, rtol=1e-4)


def test_taylor_is_the_first_order_change_of_the_loss_when_a_unit_goes() -> None:
    """Squared error of a linear readout: L is quadratic in m_j, so L'(1) = (L(2) - L(0)) / 2."""
    net = Network(MLP, IMAGE, 1, ReplicaRandom((0, 1), "initialisation", CPU))
    x = make_batch(2, 16, seed=9)[0]
    y = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    layer = net.hidden[-1]
    score = taylor(probe(net, x, y).layers[layer.name])
    for unit in range(layer.units):
        losses = []
        for factor in (0.0, 2.0):
            factors = torch.ones_like(layer.bias)
            factors[:, unit] = factor
            layer.set_fading(factors)
            losses.append(replica_loss(net.forward(x), y).mean(1).detach())
        slope = (losses[1] - losses[0]) / 2
        torch.testing.assert_close(score[:, unit], slope.abs(), atol=1e-6, rtol=1e-4)
        layer.set_fading(None)


def test_signs_cancel_inside_the_mean_of_taylor() -> None:
    net = make_network(MLP)
    probed = probe(net, *make_batch(2, 16, seed=9)).layers["fc2"]
    each = probed.output * probed.signal
    assert (taylor(probed) < each.abs().mean(1) - 1e-4).any()
    torch.testing.assert_close(taylor(probed), each.sum(1).abs() / 16)
    torch.testing.assert_close(taylor_by_sample(probed), each.abs().mean(1))


def test_the_published_taylor_averages_over_positions_before_the_absolute_value() -> None:
    net = make_network(CONVNET)
    for name in ("conv1", "conv2"):
        together = probe(net, *make_batch(2, 16, seed=9)).layers[name]
        score = torch.zeros_like(together.layer.bias)
        for sample in range(16):
            x, y = (part[:, sample : sample + 1] for part in make_batch(2, 16, seed=9))
            score += taylor(probe(net, x, y).layers[name]) / 16
        torch.testing.assert_close(taylor_by_sample(together), score, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS[:2], ids=IDS[:2])
def test_contributions_by_their_formulas(network: NetworkSpec) -> None:
    """Unit by unit, with a dead consumer and a dead input that do not count."""
    net = make_network(network)
    train(net, 5)
    first, second = net.hidden
    net.prune(second, units(second, [1], [2]))
    net.prune(first, units(first, [3], [0]))
    probed = probe(net, *make_batch(2, 16, seed=9))
    for layer in net.hidden:
        consumer, h = layer.consumer, probed.layers[layer.name].output
        assert consumer is not None
        plain, adapted = (
            contribution(probed.layers[layer.name]),
            adaptable_contribution(probed.layers[layer.name]),
        )
        for replica, unit in layer.alive.nonzero().tolist():
            told = sum(
                abs(consumer.weight[replica, out, unit].item())
                for out in range(consumer.units)
                if consumer.alive[replica, out]
            )
            heard = sum(
                abs(layer.weight[replica, unit, i].item())
                for i in range(layer.weight.shape[2])
                if layer.alive_inputs()[replica, i]
            )
            own = h[replica, :, unit]
            assert float(plain[replica, unit]) == pytest.approx(float(own.abs().mean()) * told)
            spread = float((own - own.mean()).abs().mean())
            assert float(adapted[replica, unit]) == pytest.approx(
                spread * told / heard, rel=1e-4, abs=1e-7
            )


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_taylor_2019_is_the_square_of_what_scaling_the_incoming_weights_does(
    network: NetworkSpec,
) -> None:
    """d/ds L(s w) at s = 1 by differences: sum w dL/dw."""
    net = make_network(network)
    train(net, 5)
    for parameter in net.parameters():
        parameter.data = parameter.data.double()
    for layer in net.layers:
        layer.set_alive(layer.alive)
    x, y = make_batch(2, 16, seed=9)
    scores = weight_taylor_scores(net, x.double(), y)
    step = 1e-6
    for layer in net.hidden:
        for unit in (0, layer.units - 1):
            losses = []
            original = layer.weight.data.clone()
            for sign in (-1, 1):
                layer.weight.data[:, unit] = original[:, unit] * (1 + sign * step)
                losses.append(replica_loss(net.forward(x.double()), y).mean(1).detach())
                layer.weight.data.copy_(original)
            slope = (losses[1] - losses[0]) / (2 * step)
            torch.testing.assert_close(
                scores[layer.name][:, unit], slope.square(), atol=1e-8, rtol=1e-3
            )


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("kind", get_args(UnitScore))
def test_prune_keeps_the_top(make_told: Make, kind: UnitScore, network: NetworkSpec) -> None:
    net, ctx = make_told(network)
    train(net, 5)
    scores = unit_scores(kind, net, ctx)
    Prune(compactness=0.5, events=1, selection=kind, rewind="none").edit(net, ctx)
    for layer in net.hidden:
        kept = layer.alive
        assert kept.sum(1).tolist() == [round(0.5 * layer.units)] * 2
        for replica in range(2):
            own = scores[layer.name][replica]
            assert float(own[kept[replica]].min()) >= float(own[~kept[replica]].max())


def test_killing_the_unit_that_contributes_least_changes_the_logits_less(make_told: Make) -> None:
    net, _ = make_told(WIDE)
    train(net, 20)
    x, y = make_batch(2, 200, seed=9)
    layer = net.hidden[-1]
    order = contribution(probe(net, x, y).layers[layer.name]).argsort(1)
    whole, changes = net.forward(x).detach(), []
    for place in (0, layer.units // 2):
        alive = torch.ones_like(layer.alive).scatter_(1, order[:, place : place + 1], False)
        layer.set_alive(alive)
        changes.append((net.forward(x).detach() - whole).abs().mean((1, 2)))
    assert (changes[0] < changes[1]).all()


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_the_pruned_network_computes_what_one_without_the_units_does(network: NetworkSpec) -> None:
    """To 1e-6: the same weights in a network that never had the others."""
    net = make_network(network, seeds=(0,))
    train_one(net)
    for layer in net.hidden:
        net.prune(layer, units(layer, [0, 3, layer.units - 1]))
    x, _ = make_batch(1, 16, seed=9)
    h = x[0].flatten(1) if network.kind == "mlp" else x[0]
    for layer in net.layers:
        rows = layer.alive[0]
        weight = layer.weight[0][rows][:, layer.alive_inputs()[0]]
        if layer.is_convolution:
            z = functional.conv2d(h, weight, layer.bias[0][rows], padding=layer.padding)
        else:
            z = functional.linear(h.flatten(1), weight, layer.bias[0][rows])
        if layer.gain is not None and layer.shift is not None:
            z = functional.layer_norm(
                z, z.shape[1:], layer.gain[0][rows], layer.shift[0][rows], NORM_EPSILON
            )
        h = z if layer.activation is None else layer.activation(z)
        h = functional.max_pool2d(h, layer.pool) if layer.pool > 1 else h
    torch.testing.assert_close(net.forward(x)[0], h, atol=1e-6, rtol=1e-5)


def train_one(net: Network) -> None:
    for update in range(5):
        backward(net, *make_batch(1, 16, seed=update))
        net.optimizer.step(1.0)
        for parameter in net.parameters():
            parameter.grad = None


# -- compensation ------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
def test_compensation_keeps_the_mean_of_what_consumers_compute(
    make_told: Make, network: NetworkSpec
) -> None:
    """On the batch where the means are from, of the layer behind the first that is pruned."""
    net, ctx = make_told(network)
    train(net, 5)
    x = make_batch(2, 16, seed=9)[0]
    layer = net.layers[-2]
    other = [one for one in net.hidden if one is not layer]
    before = net.forward(x).detach().mean(1)
    plain, _ = make_told(network)
    train(plain, 5)
    for one, compensate in ((net, True), (plain, False)):
        strategy = OnlyTheLast(
            compactness=0.5, events=1, rewind="none", selection="activation", compensate=compensate
        )
        strategy.edit(one, ctx)
    assert all(bool(one.alive.all()) for one in other)
    assert not layer.alive.all()
    torch.testing.assert_close(net.forward(x).detach().mean(1), before, atol=1e-5, rtol=1e-4)
    assert (plain.forward(x).detach().mean(1) - before).abs().max() > 1e-3


class OnlyTheLast(Prune):
    """Prunes the last hidden layer alone, whose consumer is linear in it."""

    def targets(self, net: Network) -> list[int]:
        return [*(layer.units for layer in net.hidden[:-1]), net.hidden[-1].units // 2]


def test_the_mean_input_of_every_layer_by_hand(make_told: Make) -> None:
    net, _ = make_told(CONVNET)
    x = make_batch(2, 16, seed=9)[0]
    means = mean_inputs(net, x)
    torch.testing.assert_close(means["conv1"], x.mean((1, 3, 4)))
    h = torch.relu(
        functional.conv2d(x[1], net.layers[0].weight[1], net.layers[0].bias[1], padding=1)
    )
    pooled = functional.max_pool2d(h, 2)
    torch.testing.assert_close(means["conv2"][1], pooled.mean((0, 2, 3)).detach())


def test_compensation_before_a_rewind_is_refused() -> None:
    with pytest.raises(BenchError, match=r"compensate=true with rewind=init: .* Set rewind=none"):
        Prune(compensate=True)
