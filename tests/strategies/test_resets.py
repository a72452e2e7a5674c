from collections.abc import Callable

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.strategies.resets import FullReset, OptimizerReset, ShrinkPerturb
from tests.helpers import train, units

Make = Callable[..., tuple[Network, Context]]


@pytest.mark.parametrize("strategy", [ShrinkPerturb(), OptimizerReset(), FullReset()])
def test_nothing_happens_before_the_first_task(make: Make, strategy: Strategy) -> None:
    net, ctx = make()
    train(net, 3)
    before = net.copy_parameters()
    strategy.begin_task(net, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert net.optimizer.common_clock == 3
    assert strategy.needs == {"task boundary"}


def at_a_boundary(make: Make, strategy: Strategy) -> tuple[Network, dict[str, torch.Tensor]]:
    net, ctx = make()
    train(net, 5)
    net.prune(net.hidden[0], units(net.hidden[0], [1], [2]))
    before = net.copy_parameters()
    ctx.progress.task = 1
    strategy.begin_task(net, ctx)
    assert net.optimizer.common_clock == 0
    assert not any(state.any() for slot in net.optimizer.slots for state in slot.state.values())
    return net, before


def test_the_optimiser_reset_leaves_every_weight(make: Make) -> None:
    net, before = at_a_boundary(make, OptimizerReset())
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_shrink_and_perturb_moves_live_weights_by_its_rule(make: Make) -> None:
    net, before = at_a_boundary(make, ShrinkPerturb(keep=0.4, perturb=0.1))
    layer = net.layers[0]
    live = layer.live_weights()
    added = (layer.weight - 0.4 * before["fc1.weight"])[live]
    bound = 0.1 * (6 / 16) ** 0.5
    assert float(added.detach().abs().max()) <= bound + 1e-6
    assert float(added.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.15)
    assert torch.equal(layer.weight[~live], before["fc1.weight"][~live])


def test_keeping_all_and_adding_nothing_is_the_identity(make: Make) -> None:
    net, before = at_a_boundary(make, ShrinkPerturb(keep=1, perturb=0))
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_keeping_nothing_equals_the_full_reset(make: Make) -> None:
    blended, _ = at_a_boundary(make, ShrinkPerturb(keep=0, perturb=1))
    reset, _ = at_a_boundary(make, FullReset())
    for one, other in zip(blended.parameters(), reset.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_full_reset_draws_anew_or_returns_to_the_same_start(make: Make) -> None:
    fresh, before = at_a_boundary(make, FullReset(to="fresh"))
    live = fresh.layers[0].live_weights()
    initial = fresh.initial["fc1.weight"][live]
    assert not (fresh.layers[0].weight[live] == initial).any()
    assert not (fresh.layers[0].weight[live] == before["fc1.weight"][live]).any()
    same, _ = at_a_boundary(make, FullReset(to="same"))
    assert torch.equal(same.layers[0].weight[live], initial)


def test_shares_out_of_range_are_refused() -> None:
    with pytest.raises(BenchError, match=r"keep=1\.4"):
        ShrinkPerturb(keep=1.4)
