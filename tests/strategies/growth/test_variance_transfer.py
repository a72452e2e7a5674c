import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import LayerTrace
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.growth.variance_transfer import VarianceTransfer, stage_rates
from plasticity_bench.strategies.newborns.rules import paired
from plasticity_bench.strategies.newborns.slices import fresh_slices
from tests.helpers import backward, make_batch
from tests.strategies.growth.growing import LEAKY, SMALL_CONVNET, WIDE, Make, answers, seeded

PLAIN_SGD = OptimizerSpec(name="sgd", lr=0.05, weight_decay=0.01)
BROAD = NetworkSpec(hidden=(400, 400), activation="leaky-relu(slope=0.5)")


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_pairs_without_noise_and_rescaling_preserve_the_function(
    make: Make, network: NetworkSpec
) -> None:
    strategy = VarianceTransfer(compactness=0.6, events=2, noise=0, transfer=False)
    net, ctx = seeded(make, strategy, network)
    before = answers(net)
    strategy.edit(net, ctx)
    assert {event.rule for event in net.ledger} == {"pair, zero_step"}
    torch.testing.assert_close(answers(net), before, atol=1e-6, rtol=0)


def test_noise_parts_the_pairs(make: Make) -> None:
    for noise in (0.0, 0.01):
        strategy = VarianceTransfer(compactness=0.9, events=1, noise=noise, transfer=False)
        net, ctx = make(NetworkSpec(hidden=(20, 20), activation="leaky-relu(slope=0.5)"))
        strategy.begin_run(net, ctx)
        elders = net.hidden[1].alive.clone()
        strategy.edit(net, ctx)
        newborn = (net.hidden[1].alive & ~elders)[0].nonzero().flatten()[:16]
        columns = net.head.weight.detach()[0][:, newborn]
        sums, spread = columns[:, ::2] + columns[:, 1::2], columns.std()
        assert float(sums.std()) == pytest.approx(noise * 2**0.5 * float(spread), rel=0.5, abs=1e-9)


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_an_odd_one_out_says_nothing_at_first(make: Make, network: NetworkSpec) -> None:
    strategy = VarianceTransfer(seed_share=0.1, compactness=0.42, events=1, noise=0.1)
    net, ctx = seeded(make, strategy, network)
    elders = [layer.alive.clone() for layer in net.hidden]
    strategy.edit(net, ctx)
    odd = 0
    for layer, old in zip(net.hidden, elders, strict=True):
        consumer, newborn = layer.consumer, (layer.alive & ~old)[0].nonzero().flatten().tolist()
        assert consumer is not None
        grown = (
            consumer.alive & ~elders[net.hidden.index(layer) + 1]
            if consumer in net.hidden
            else torch.zeros_like(consumer.alive)
        )[0]
        odd += len(newborn) % 2
        for place, unit in enumerate(newborn):
            block = slice(unit * layer.columns_per_unit, (unit + 1) * layer.columns_per_unit)
            says = consumer.weight.detach()[0][consumer.alive[0] & ~grown][:, block].any()
            assert bool(says) != (place == len(newborn) - 1 and len(newborn) % 2 == 1)
    assert odd > 0


def spreads(net: Network, units: Tensor) -> tuple[float, float]:
    """Return the variance of the second layer's pre-activations (some units) and of the logits."""
    trace: list[LayerTrace] = []
    with torch.no_grad():
        net.forward(make_batch(net.replicas, 64, seed=3)[0], trace=trace)
    z = trace[1].preactivation.transpose(1, 2)[units]
    return float(z.square().mean()), float(trace[2].output.square().mean())


@pytest.mark.parametrize(("output_exponent", "ratio"), [(0.5, 1.0), (1.0, 40 / 320)])
def test_preactivations_keep_their_variance_at_init(
    make: Make, output_exponent: float, ratio: float
) -> None:
    """With newborns that do not cancel; under muP's law the logits shrink as 1 / width."""
    net, ctx = make(BROAD, seeds=range(30))
    strategy = VarianceTransfer(
        compactness=0.8, events=1, pairs=False, output_exponent=output_exponent
    )
    strategy.begin_run(net, ctx)
    elders = net.hidden[1].alive.clone()
    before = spreads(net, elders)
    strategy.edit(net, ctx)
    assert net.hidden[0].alive.sum(1).tolist() == [320] * 30
    after = spreads(net, elders)
    assert after[0] == pytest.approx(before[0], rel=0.05)
    assert after[1] == pytest.approx(ratio * before[1], rel=0.15)  # three outputs only


def test_old_weights_are_scaled_by_the_power_of_the_fan_ins(make: Make) -> None:
    strategy = VarianceTransfer(compactness=0.2, events=1)
    net, ctx = seeded(make, strategy, WIDE)
    before = net.copy_parameters()
    elders = [layer.alive.clone() for layer in net.hidden]
    strategy.edit(net, ctx)
    for r in (0, 1):
        old = before["fc2.weight"][r][elders[1][r]][:, elders[0][r]]
        now = net.hidden[1].weight[r][elders[1][r]][:, elders[0][r]]
        torch.testing.assert_close(now, old * (5 / 10) ** 0.5)
        old, now = before["head.weight"][r][:, elders[1][r]], net.head.weight[r][:, elders[1][r]]
        torch.testing.assert_close(now, old * (4 / 8))
    torch.testing.assert_close(net.head.bias.detach(), before["head.bias"] * 0.5)


def test_without_rescaling_and_rates_the_event_is_that_of_a_pair(make: Make) -> None:
    strategy = VarianceTransfer(events=1, noise=0, transfer=False, adapt_rates=False)
    net, ctx = seeded(make, strategy, WIDE)
    twin, twin_ctx = seeded(make, strategy, WIDE)
    strategy.edit(net, ctx)
    for layer, newborn in strategy.births(twin, twin_ctx):
        pair = paired(fresh_slices(twin, layer, newborn), layer, newborn)
        twin.grow(layer, newborn, insertion=pair, state="zero_step")
    for name, parameter in twin.named_parameters():
        assert torch.equal(dict(net.named_parameters())[name], parameter)
    assert strategy.acts_until(net, ctx) == 0


def test_a_stage_moves_at_the_ratio_of_its_frobenius_norm(make: Make) -> None:
    """Against SGD worked out by hand, stage by stage."""
    strategy = VarianceTransfer(compactness=0.6, events=3, seed_share=0.2)
    net, ctx = make(LEAKY, PLAIN_SGD)
    strategy.begin_run(net, ctx)
    for update in strategy.schedule(ctx.plan)[1:]:
        ctx.progress.update = update
        strategy.edit(net, ctx)
    before = net.copy_parameters()
    backward(net, *make_batch())
    gradients = {layer.name: layer.weight.grad for layer in net.layers}
    strategy.after_backward(net, ctx)
    net.optimizer.step(1.0)
    strategy.after_step(net, ctx)
    assert ctx.state["stages"] == 3
    stage, layer = ctx.state["stage"], net.hidden[1]
    old, gradient = before["fc2.weight"], gradients["fc2"]
    assert gradient is not None
    step = -0.05 * (gradient + 0.01 * old)
    for r in (0, 1):
        alive = layer.live_weights()[r]
        age = torch.maximum(stage["fc2"][r].unsqueeze(1), stage["fc1"][r].unsqueeze(0))
        for number in (0, 1, 2):
            mask = alive & (age == number)
            assert mask.any()
            ratio = float(old[r][mask].norm() / old[r][alive & (age == 0)].norm())
            assert 0.1 < ratio < 10
            moved = layer.weight.detach()[r][mask] - old[r][mask]
            torch.testing.assert_close(moved, ratio * step[r][mask], atol=1e-6, rtol=1e-4)


def test_rates_are_kept_within_bounds(make: Make) -> None:
    strategy = VarianceTransfer(events=1)
    net, ctx = seeded(make, strategy, SMALL_CONVNET)
    strategy.edit(net, ctx)
    for layer in net.layers:
        tiny = layer.weight.detach().clone()
        for factor, bound in ((1e-6, 0.1), (1e6, 10.0)):
            youngest = ctx.state["stage"][layer.name] == 1
            scaled = torch.where(
                youngest.view(*youngest.shape, *(1,) * (tiny.dim() - 2)), tiny * factor, tiny
            )
            rates = stage_rates(layer, scaled, ctx.state["stage"], 2)
            assert rates.shape == layer.weight.shape
            if youngest.any() and factor > 1:
                assert bool((rates[youngest] == bound).all())
            assert bool(((rates >= 0.1) & (rates <= 10)).all())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="exponent=-1"):
        VarianceTransfer(exponent=-1)
