import pytest
import torch

from plasticity_bench.harness.engine.probe import probe, replica_loss
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.nest import Nest, largest_pairs
from plasticity_bench.strategies.newborns.slices import growth_matrix
from tests.helpers import make_batch
from tests.strategies.growth.growing import SMALL_CONVNET, WIDE, Make, seeded

IDENTITY = NetworkSpec(hidden=(50, 40), activation="leaky-relu(slope=1)")


@pytest.mark.parametrize("number", [0, 1])
def test_one_pair_lowers_the_loss_by_the_product_of_its_weights_and_the_bridging_gradient(
    make: Make, number: int
) -> None:
    """To first order, where phi is the identity; against the measured change of the loss."""
    strategy = Nest(compactness=0.12, events=1, pairs=1e-9, strength=0.1, samples=16)
    net, ctx = seeded(make, strategy, IDENTITY)
    layer = net.hidden[number]
    x, y = make_batch(2, 16, seed=9)
    matrix = growth_matrix(probe(net, x, y), layer)
    assert matrix is not None
    before = replica_loss(net.forward(x), y).mean(1).detach()
    elders, alive = layer.alive.clone(), [one.alive.clone() for one in net.hidden]
    strategy.edit(net, ctx)
    for one, old in zip(net.hidden, alive, strict=True):
        if one is not layer:  # the other layer's newborn is not looked at here
            one.set_alive(old)
    change = replica_loss(net.forward(x), y).mean(1).detach() - before
    consumer = layer.consumer
    assert consumer is not None
    for r in (0, 1):
        (unit,) = (layer.alive & ~elders)[r].nonzero().flatten().tolist()
        (i,) = layer.weight[r, unit].nonzero().flatten().tolist()
        (o,) = consumer.weight[r, :, unit].nonzero().flatten().tolist()
        largest = matrix[r].abs().max() / 16
        assert float(matrix[r, o, i].abs() / 16) == pytest.approx(float(largest))
        product = (layer.weight[r, unit, i] * consumer.weight[r, o, unit]).detach().abs()
        assert float(change[r]) == pytest.approx(-float(product * largest), rel=0.03)


def test_as_many_pairs_are_kept_as_asked_and_the_largest(make: Make) -> None:
    net, ctx = seeded(make, Nest(), WIDE)
    layer = net.hidden[1]
    drawn = ctx.random.uniform(3, 50) - 0.5
    bridging = drawn * layer.alive_inputs().unsqueeze(1)
    kept = largest_pairs(bridging, layer, 0.2)
    assert (kept != 0).flatten(1).sum(1).tolist() == [3, 3]  # 0.2 of 5 inputs and 3 outputs
    for r in (0, 1):
        smallest = kept[r].abs()[kept[r] != 0].min()
        assert float(smallest) >= float(bridging[r].abs()[kept[r] == 0].max())
        assert torch.equal(kept[r][kept[r] != 0], bridging[r][kept[r] != 0])


def test_newborns_have_the_strength_asked_for(make: Make) -> None:
    strategy = Nest(compactness=0.3, events=1, strength=0.5)
    net, ctx = seeded(make, strategy, WIDE)
    layer = net.hidden[0]
    elders = layer.alive.clone()
    size = [layer.weight.detach()[r][elders[r]].abs().mean() for r in (0, 1)]
    strategy.edit(net, ctx)
    for r in (0, 1):
        for unit in (layer.alive & ~elders)[r].nonzero().flatten().tolist():
            own = layer.weight.detach()[r, unit]
            assert float(own[own != 0].abs().mean()) == pytest.approx(
                0.5 * float(size[r]), rel=1e-4
            )
            assert float(layer.bias.detach()[r, unit]) == 0


def test_a_new_channel_is_drawn_for_the_inputs_that_it_has_once_all_have_grown(make: Make) -> None:
    net, ctx = seeded(make, Nest(), SMALL_CONVNET)
    layer = net.hidden[1]
    elders, fan_in = layer.alive.clone(), layer.alive_fan_in()
    readers = net.hidden[2].alive.clone()
    Nest(compactness=0.8, events=1).edit(net, ctx)
    assert layer.alive_fan_in().tolist() == [8 * 9] * 2
    assert fan_in.tolist() == [9] * 2
    drawn = layer.weight.detach()[layer.alive & ~elders].abs()
    assert float(drawn.max()) == pytest.approx((6 / (8 * 9)) ** 0.5, rel=0.02)
    for r in (0, 1):
        newborn = (layer.alive & ~elders)[r]
        columns = net.hidden[2].weight.detach()[r][readers[r]][:, newborn].abs()
        bound = (6 / int(layer.alive[r].sum())) ** 0.5
        assert 0.5 * bound < float(columns.max()) <= bound


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="pairs=0"):
        Nest(pairs=0)
