import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.growth.net2wider import Net2Wider
from plasticity_bench.strategies.newborns.rules import paired
from plasticity_bench.strategies.newborns.slices import (
    fresh_slices,
    net2wider_slices,
    random_donors,
    share_columns,
)
from tests.helpers import ADAM, SGD, train, units
from tests.strategies.growth.growing import SMALL_CONVNET, WIDE, Make, answers, seeded


def test_donors_are_alive_and_drawn_with_equal_chance(make: Make) -> None:
    net, ctx = make(WIDE)
    layer = net.hidden[0]
    net.start_with(layer, units(layer, [3, 7, 20], [0, 49]))
    drawn = torch.cat([random_donors(layer, ctx) for _ in range(20)], 1)
    for row, alive in zip(drawn, ([3, 7, 20], [0, 49]), strict=True):
        found, counts = row.unique(return_counts=True)
        assert found.tolist() == alive
        assert counts.float().div(1000 / len(alive)).sub(1).abs().max() < 0.15


def test_a_donor_of_two_gives_each_a_third(make: Make) -> None:
    net, _ = make(WIDE)
    layer = net.hidden[0]
    net.start_with(layer, units(layer, [3, 7], [3, 7]))
    newborn = units(layer, [10, 11, 12], [10])
    donor = torch.full_like(newborn, 3, dtype=torch.int64)
    donor[0, 12] = 7
    before = net.copy_parameters()
    slices = net2wider_slices(layer, newborn, donor)
    share_columns(layer, newborn, donor)
    net.grow(layer, newborn, insertion=slices)
    old, new = before["fc2.weight"], net.hidden[1].weight
    for unit in (3, 10, 11):
        torch.testing.assert_close(new[0, :, unit], old[0, :, 3] / 3)
        assert torch.equal(layer.weight[0, unit], before["fc1.weight"][0, 3])
    torch.testing.assert_close(new[0, :, 12], old[0, :, 7] / 2)
    torch.testing.assert_close(new[1, :, 3], old[1, :, 3] / 2)
    assert torch.equal(new[1, :, 7], old[1, :, 7])


@pytest.mark.parametrize("optimizer", [SGD, ADAM])
def test_rows_of_a_feature_share_their_moments_and_columns_keep_them(
    make: Make, optimizer: OptimizerSpec
) -> None:
    strategy = Net2Wider(compactness=0.5, events=1, noise=0)
    net, ctx = make(WIDE, optimizer)
    strategy.begin_run(net, ctx)
    train(net, 4)
    layer, consumer = net.hidden
    elders = layer.alive.clone()
    old = [{key: t.clone() for key, t in slot.state.items()} for slot in net.optimizer.slots]
    strategy.edit(net, ctx)
    weight = layer.weight.detach()
    for replica in (0, 1):
        for unit in (layer.alive & ~elders)[replica].nonzero().flatten().tolist():
            twins = (weight[replica] == weight[replica, unit]).all(1) & layer.alive[replica]
            (donor,) = (twins & elders[replica]).nonzero().flatten().tolist()
            for slot, before in zip(net.optimizer.slots, old, strict=True):
                for key, tensor in slot.state.items():
                    shared = int(twins.sum()) ** (2 if key == "second_moment" else 1)
                    now, then = tensor[replica], before[key][replica]
                    if slot.layer is layer:
                        torch.testing.assert_close(
                            now[unit], then[donor] / shared, atol=0, rtol=1e-5
                        )
                        torch.testing.assert_close(
                            now[donor], then[donor] / shared, atol=0, rtol=1e-5
                        )
                    elif slot.layer is consumer and slot.name == "weight":
                        assert torch.equal(now[:, unit], now[:, donor])


def test_copied_moments_are_those_of_the_wider_networks_own_gradient(make: Make) -> None:
    """After widening each of r rows receives 1 / r of the gradient, and every column the same."""
    net, ctx = seeded(make, Net2Wider(), WIDE)
    layer = net.hidden[0]
    strategy = Net2Wider(compactness=0.6, events=1, noise=0)
    elders = layer.alive.clone()
    before = ctx.score_batch(net).layers["fc1"].delta
    strategy.edit(net, ctx)
    after = ctx.score_batch(net).layers["fc1"].delta
    weight = layer.weight.detach()
    for replica in (0, 1):
        for unit in elders[replica].nonzero().flatten().tolist():
            twins = (weight[replica] == weight[replica, unit]).all(1) & layer.alive[replica]
            expected = before[replica, :, unit] / int(twins.sum())
            torch.testing.assert_close(after[replica, :, unit], expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_twins_stay_twins_without_noise_and_part_with_it(make: Make, noise: float) -> None:
    strategy = Net2Wider(compactness=0.2, events=1, noise=noise, state="zero")
    net, ctx = make(WIDE, SGD)
    strategy.begin_run(net, ctx)
    elders = net.hidden[0].alive.clone()
    strategy.edit(net, ctx)
    weight = net.hidden[0].weight
    newborn = (net.hidden[0].alive & ~elders)[0].nonzero().flatten()
    start = weight.detach()[0].clone()
    distance = torch.cdist(start[newborn], start[elders[0]])
    twin = elders[0].nonzero().flatten()[distance.argmin(1)]
    train(net, 100)
    apart = (weight.detach()[0][newborn] - weight.detach()[0][twin]).abs().amax(1)
    assert bool((apart < 1e-6).all()) == (noise == 0)
    assert bool((apart > 1e-4).all()) == (noise > 0)


def test_noise_is_measured_on_the_live_weights_of_each_donor(make: Make) -> None:
    strategy = Net2Wider(compactness=0.9, events=1, noise=0.1)
    net, ctx = make(NetworkSpec(hidden=(200, 100)))
    strategy.begin_run(net, ctx)
    layer = net.hidden[1]
    with torch.no_grad():  # what is dead is large, and the donors differ
        layer.weight.mul_(torch.where(layer.live_weights(), 1.0, 100.0))
        layer.weight.mul_(torch.linspace(0.5, 4, 100).view(1, -1, 1))
    live, old = layer.live_weights(), layer.weight.detach().clone()
    donor = random_donors(layer, ctx)
    noisy = strategy._noisy(net2wider_slices(layer, layer.alive, donor), layer, donor, ctx).rows[
        "weight"
    ]
    for r in (0, 1):
        for unit in range(100):
            source = old[r, int(donor[r, unit])]
            inputs = live[r, int(donor[r, unit])]
            moved = noisy[r, unit] - source
            expected = 0.1 * float(source[inputs].std(correction=0))
            assert float(moved.std()) == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
@pytest.mark.parametrize("count", [1, 4, 5])
def test_pairs_cancel_and_both_sides_receive_a_gradient(
    make: Make, network: NetworkSpec, count: int
) -> None:
    net, ctx = make(network)
    for layer in net.hidden:
        half = layer.units // 2
        net.start_with(layer, units(layer, range(half), range(1, half + 1)))
    before = answers(net)
    for layer in net.hidden:
        dead = (~layer.alive).cumsum(1)
        newborn = ~layer.alive & (dead <= min(count, layer.units // 2))
        net.grow(
            layer,
            newborn,
            insertion=paired(fresh_slices(net, layer, newborn), layer, newborn),
        )
        delta = ctx.score_batch(net).layers[layer.name].delta.abs().sum(1)
        numbers = newborn[0].nonzero().flatten().tolist()
        for one, two in zip(numbers[::2], numbers[1::2], strict=False):
            assert torch.equal(layer.weight[0, one], layer.weight[0, two])
            assert delta[0, one] == pytest.approx(float(delta[0, two]), rel=1e-4)
    torch.testing.assert_close(answers(net), before, atol=1e-5, rtol=0)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="noise=-1"):
        Net2Wider(noise=-1)
