import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.gradmax import GradMax
from plasticity_bench.strategies.newborns.slices import column_norms, growth_matrix, normal
from tests.helpers import backward, make_batch
from tests.strategies.growth.growing import LEAKY, WIDE, Make, seeded

RSL = NetworkSpec(hidden=(50, 40), activation="rand-smooth-leaky(c=0.8,p=1,lower=0.3,upper=0.6)")
SAMPLES = 32


def grown(make: Make, network: NetworkSpec) -> tuple[Network, Context, dict[str, Tensor]]:
    """Grow once; return each layer's newborns too."""
    strategy = GradMax(compactness=0.25, events=1, samples=SAMPLES)
    net, ctx = seeded(make, strategy, network)
    before = {layer.name: layer.alive.clone() for layer in net.hidden}
    strategy.edit(net, ctx)
    return net, ctx, {layer.name: layer.alive & ~before[layer.name] for layer in net.hidden}


def gradients(net: Network) -> None:
    """Backward on the sum over the samples of the measurement."""
    for parameter in net.parameters():
        parameter.grad = None
    backward(net, *make_batch(2, SAMPLES, seed=9))


@pytest.mark.parametrize(("network", "gate"), [(LEAKY, 0.2), (RSL, 0.45 + 0.55 / 2)])
def test_newborn_gradient_norms_are_gate_times_scale_times_singular_value(
    make: Make, network: NetworkSpec, gate: float
) -> None:
    strategy = GradMax(compactness=0.25, events=1, samples=SAMPLES)
    net, ctx = seeded(make, strategy, network)
    before = {layer.name: layer.alive.clone() for layer in net.hidden}
    scale = {
        (layer.name, r): 0.5 * column_norms(layer)[r][layer.alive[r]].mean()
        for layer in net.hidden
        for r in (0, 1)
    }
    probe = ctx.probing(net, SAMPLES)
    sizes = {}
    for layer in net.hidden:
        matrix = growth_matrix(probe, layer)
        assert matrix is not None
        sizes[layer.name] = torch.linalg.svdvals(matrix.double())
    strategy.edit(net, ctx)
    gradients(net)
    for layer in net.hidden:
        newborn = layer.alive & ~before[layer.name]
        consumer = layer.consumer
        assert consumer is not None
        assert layer.weight.grad is not None
        assert consumer.weight.grad is not None
        for replica in (0, 1):
            # one more class delta than there are directions: the deltas of a softmax sum to 0
            rank = 2 if consumer is net.head else int(before[consumer.name][replica].sum())
            chosen = newborn[replica].nonzero().flatten()
            got = SAMPLES * layer.weight.grad[replica][chosen[:rank]].norm(dim=1).double()
            expected = gate * scale[layer.name, replica] * sizes[layer.name][replica]
            count = min(len(chosen), rank)
            assert count > 0
            torch.testing.assert_close(got, expected[:count], rtol=1e-4, atol=0)
            assert not consumer.weight.grad[replica][:, chosen].any()


def test_no_other_orthonormal_outgoing_weights_have_more_gradient(make: Make) -> None:
    net, ctx, newborn = grown(make, LEAKY)
    layer, consumer = net.hidden
    chosen = [newborn["fc1"][replica].nonzero().flatten()[:4] for replica in (0, 1)]

    def total() -> list[float]:
        gradients(net)
        assert layer.weight.grad is not None
        return [float(layer.weight.grad[r][chosen[r]].square().sum()) for r in (0, 1)]

    best = total()
    norms = [consumer.weight[r][:, chosen[r]].norm(dim=0) for r in (0, 1)]
    for _ in range(20):
        drawn = normal(ctx, torch.Size((2, consumer.units, 4)))
        drawn = drawn * (consumer.alive & ~newborn["fc2"]).unsqueeze(2)
        directions = torch.linalg.qr(drawn).Q
        with torch.no_grad():
            for r in (0, 1):
                consumer.weight[r][:, chosen[r]] = directions[r] * norms[r]
        assert all(other <= top * (1 + 1e-5) for other, top in zip(total(), best, strict=True))


def test_under_relu_newborns_take_a_first_step_and_learn(make: Make) -> None:
    net, ctx, newborn = grown(make, WIDE)
    gradients(net)
    seen = ctx.probing(net, SAMPLES).layers
    for layer in net.hidden:
        assert layer.weight.grad is not None
        for replica in (0, 1):
            chosen = newborn[layer.name][replica]
            fires = (seen[layer.name].raw[replica][:, chosen] > 0).float().mean(0)
            assert float(fires.min()) >= 0.4  # the larger share, of samples where there is any
            assert bool(layer.weight.grad[replica][chosen].any(1).all())
            slope = layer.weight.grad[replica] * layer.weight.detach()[replica]
            assert float(slope[chosen].sum()) < 0  # the step was down the loss
            elders = layer.alive[replica] & ~chosen
            lengths = layer.weight.detach()[replica].norm(dim=1)
            assert 0 < float(lengths[chosen].max()) < 0.002 * float(lengths[elders].max())


def test_beyond_the_rank_outgoing_weights_are_random_and_still_of_the_norm(make: Make) -> None:
    """The head has three classes: at most two directions, and more newborns than that."""
    net, _, newborn = grown(make, LEAKY)
    layer = net.hidden[1]
    for replica in (0, 1):
        chosen = newborn["fc2"][replica]
        columns = net.head.weight.detach()[replica][:, chosen]
        assert columns.shape[1] > 3
        norms = columns.norm(dim=0)
        torch.testing.assert_close(norms, norms[:1].expand_as(norms))
        assert float((columns[:, 2] / norms[2]).sum().abs()) > 0.01  # not orthogonal to the ones
        assert int(torch.linalg.matrix_rank(columns)) == 3
    gradients(net)
    assert layer.weight.grad is not None
    sizes = layer.weight.grad[newborn["fc2"]].norm(dim=1)
    assert float(sizes.min()) > 1e-4 * float(sizes.max())  # no more than rounding if orthogonal


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="samples=0"):
        GradMax(samples=0)
    with pytest.raises(BenchError, match="gradmax has none"):
        GradMax(state="donor")
