import pytest
import torch

from plasticity_bench.harness.engine.activations import LeakyRelu, SmoothLeaky, Tanh
from plasticity_bench.harness.engine.probe import probe, replica_loss
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.splitting import (
    Splitting,
    second_derivative,
    splitting_eigenpairs,
)
from tests.helpers import make_batch
from tests.strategies.growth.growing import Make, answers, seeded

SMOOTH = NetworkSpec(hidden=(50, 40), activation="tanh")


def test_eigenpairs_are_those_of_the_finite_difference_hessian_of_the_unit(make: Make) -> None:
    """E[signal * (second difference of the unit's output in its weights)], entry by entry."""
    net, _ = seeded(make, Splitting(), SMOOTH)
    layer = net.hidden[0]
    x, y = make_batch(2, 24, seed=9)
    seen = probe(net, x, y).layers["fc1"]
    values, directions = splitting_eigenpairs(seen)
    step = 1e-3
    for r in (0, 1):
        unit = int(layer.alive[r].nonzero()[0])
        inputs = x[r].flatten(1).double()
        weight = layer.weight.detach()[r, unit].double()
        bias, signal = float(layer.bias[r, unit].detach()), seen.signal[r, :, unit].double()
        around = step * torch.eye(16).double()
        slow = torch.zeros(16, 16).double()
        for i in range(16):
            for j in range(16):
                for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                    z = inputs @ (weight + a * around[i] + b * around[j]) + bias
                    slow[i, j] += a * b * (signal * torch.tanh(z)).mean() / (4 * step**2)
        expected, vectors = torch.linalg.eigh(slow)
        assert float(values[r, unit]) == pytest.approx(float(expected[0]), rel=1e-3)
        along = (directions[r, unit].double() @ vectors[:, 0]).abs()
        assert float(along) == pytest.approx(1, abs=1e-3)
    assert not values[~layer.alive].any()


def test_the_gain_is_half_epsilon_squared_times_the_eigenvalue(make: Make) -> None:
    gains, smallest = [], 0.0
    for epsilon in (0.1, 0.2):
        strategy = Splitting(compactness=0.12, events=1, epsilon=epsilon, samples=32)
        net, ctx = seeded(make, strategy, SMOOTH)
        x, y = make_batch(2, 32, seed=9)
        net.hidden[1].set_alive(torch.ones_like(net.hidden[1].alive))  # grows in fc1 alone
        values, _ = splitting_eigenpairs(probe(net, x, y).layers["fc1"])
        smallest = float(values[0].min())
        before = replica_loss(net.forward(x).double(), y).mean(1)
        net.hidden[1].editable = False
        strategy.edit(net, ctx)
        gains.append(float((before - replica_loss(net.forward(x).double(), y).mean(1))[0].detach()))
    assert smallest < 0
    assert gains[0] == pytest.approx(0.1**2 / 2 * -smallest, rel=0.1)
    assert gains[1] / gains[0] == pytest.approx(4, rel=0.15)


def test_the_most_negative_units_are_split_and_a_tiny_step_keeps_the_function(make: Make) -> None:
    strategy = Splitting(compactness=0.14, events=1, epsilon=1e-4)
    net, ctx = seeded(make, strategy, SMOOTH)
    layer = net.hidden[0]
    values, _ = splitting_eigenpairs(ctx.probing(net, strategy.samples).layers["fc1"])
    elders, before, logits = layer.alive.clone(), layer.weight.detach().clone(), answers(net)
    strategy.edit(net, ctx)
    moved = (layer.weight.detach() != before).any(2) & elders
    for r in (0, 1):
        assert int(moved[r].sum()) == 2
        assert float(values[r][moved[r]].max()) <= float(values[r][elders[r] & ~moved[r]].min())
        for unit in (layer.alive & ~elders)[r].nonzero().flatten().tolist():
            middle = (layer.weight.detach()[r, unit] + layer.weight.detach()[r]) / 2
            assert float((middle - before[r])[moved[r]].abs().amax(1).min()) < 1e-6
    torch.testing.assert_close(answers(net), logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("activation", [Tanh(), SmoothLeaky()])
def test_second_derivatives_are_finite_differences_of_the_first(activation: Tanh) -> None:
    z = torch.linspace(-2, 2, 9).double()
    slow = (activation.gate(z + 1e-4) - activation.gate(z - 1e-4)) / 2e-4
    torch.testing.assert_close(second_derivative(activation, z), slow, atol=1e-6, rtol=1e-5)


def test_what_is_piecewise_linear_bends_by_as_much_as_its_slope_changes() -> None:
    z = torch.linspace(-20, 20, 40001).double()
    total = torch.trapezoid(second_derivative(LeakyRelu(slope=0.2), z), z)
    assert float(total) == pytest.approx(0.8, rel=1e-6)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="epsilon=-1"):
        Splitting(epsilon=-1)
