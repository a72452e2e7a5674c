from fractions import Fraction

import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.growth.morphnet import MorphNet, marginal_cost, weights_of, widened
from plasticity_bench.strategies.growth.proximal import group_norms, shrink_groups
from plasticity_bench.strategies.newborns.slices import best_of_each
from tests.helpers import CONVNET, SGD, train, units
from tests.strategies.growth.growing import SMALL_CONVNET, WIDE, Make, answers


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_a_unit_costs_what_the_network_is_cheaper_by_without_it(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = make(network)
    MorphNet(compactness=0.5).begin_run(net, ctx)
    widths = [int(layer.alive[0].sum()) for layer in net.hidden]
    assert weights_of(net, widths) == int(net.live_weight_counts()[0])
    for number, layer in enumerate(net.hidden):
        fewer = [width - (place == number) for place, width in enumerate(widths)]
        difference = weights_of(net, widths) - weights_of(net, fewer)
        assert marginal_cost(layer).tolist() == [difference] * 2


@pytest.mark.parametrize("widths", [[3, 17], [10, 1], [1, 1], [10, 8]])
def test_the_widths_are_those_of_the_largest_factor_within_the_budget(
    make: Make, widths: list[int]
) -> None:
    """Against every factor of a fine grid, in exact arithmetic."""
    net, _ = make(WIDE)
    budget = weights_of(net, [10, 8])

    def at(omega: Fraction) -> list[int]:
        return [
            min(layer.units, int(omega * width + Fraction(1, 2)))
            for layer, width in zip(net.hidden, widths, strict=True)
        ]

    found = widened(net, widths, budget)
    factors = [Fraction(step, 400) for step in range(400, 400 * 60)]
    fitting = [omega for omega in factors if weights_of(net, at(omega)) <= budget]
    if not fitting:
        assert found == widths
        return
    assert found == at(fitting[-1])
    assert weights_of(net, found) <= budget < weights_of(net, at(fitting[-1] + Fraction(1, 400)))


def test_layers_that_rise_at_the_same_factor_do_so_together(make: Make) -> None:
    net, _ = make(WIDE)
    assert widened(net, [1, 1], weights_of(net, [10, 9])) == [9, 9]


def test_units_shrink_until_the_last_edit_and_no_longer(make: Make) -> None:
    strategy = MorphNet(compactness=0.5, events=3)
    net, ctx = make(WIDE)
    strategy.begin_run(net, ctx)
    for update, shrinks in ((32, True), (33, False), (34, False)):
        ctx.progress.update = update
        before = net.layers[0].weight.detach().clone()
        strategy.after_step(net, ctx)
        assert torch.equal(net.layers[0].weight, before) != shrinks


def test_the_proximal_step_makes_exact_zeros_and_shortens_the_rest(make: Make) -> None:
    net, _ = make(WIDE)
    layer = net.hidden[0]
    net.start_with(layer, units(layer, range(10), range(5, 15)))
    before, weight = group_norms(layer), layer.weight.detach().clone()
    amount = torch.full_like(before, float(before[layer.alive].median()))
    shrink_groups(layer, amount)
    after = group_norms(layer)
    short = layer.alive & (before <= amount)
    assert short.any()
    assert not layer.weight[short].any()
    assert not layer.bias[short].any()
    long = layer.alive & ~short
    torch.testing.assert_close(after[long], before[long] - amount[long])
    assert torch.equal(layer.weight[~layer.alive], weight[~layer.alive])


def test_the_proximal_step_is_the_minimum_of_its_objective(make: Make) -> None:
    """argmin_w |w - w0|^2 / 2 + amount |w|: no small step away is better."""
    net, ctx = make(WIDE)
    layer = net.hidden[0]
    start = torch.cat([layer.weight.detach(), layer.bias.detach().unsqueeze(2)], 2).clone()
    amount = torch.full_like(layer.bias, 0.7).detach()
    shrink_groups(layer, amount)
    found = torch.cat([layer.weight.detach(), layer.bias.detach().unsqueeze(2)], 2)

    def objective(w: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = (w - start).square().sum(2) / 2 + amount * w.norm(dim=2)
        return value

    for _ in range(20):
        near = found + 0.01 * (ctx.random.uniform(*found.shape[1:]) - 0.5)
        assert bool((objective(near) >= objective(found) - 1e-6).all())


@pytest.mark.parametrize("network", [WIDE, CONVNET])
def test_what_came_to_nothing_goes_and_the_cost_stays_within_the_budget(
    make: Make, network: NetworkSpec
) -> None:
    strategy = MorphNet(compactness=0.5, events=3, strength=5)
    net, ctx = make(network, SGD)
    strategy.begin_run(net, ctx)
    for update in range(40):
        ctx.progress.update = update
        if update in strategy.edit_updates(ctx.plan):
            silent = {layer.name: layer.alive & (group_norms(layer) == 0) for layer in net.hidden}
            before = answers(net)
            ledger = len(net.ledger)
            strategy.edit(net, ctx)
            assert not any(
                bool((layer.alive & (group_norms(layer) == 0)).sum(1).gt(1).any())
                for layer in net.hidden
            )
            for event in net.ledger[ledger:]:
                if event.edit == "prune":
                    assert bool(silent[event.layer][event.replica, list(event.units)].all())
            for replica in (0, 1):
                widths = [int(layer.alive[replica].sum()) for layer in net.hidden]
                assert min(widths) >= 1
                assert weights_of(net, widths) <= strategy.budget(net)
                assert widened(net, widths, weights_of(net, widths)) == widths
            assert before.shape == answers(net).shape
        train(net, 1, seed=update)
        strategy.after_step(net, ctx)
    assert {"prune", "grow"} == {event.edit for event in net.ledger}
    assert strategy.acts_until(net, ctx) == 33


def test_removing_the_silent_leaves_the_function(make: Make) -> None:
    strategy = MorphNet(compactness=0.5, insertion="zero-outgoing")
    net, ctx = make(WIDE)
    strategy.begin_run(net, ctx)
    for layer in net.hidden:
        shrink_groups(
            layer, group_norms(layer).median(1, keepdim=True).values.expand_as(layer.bias)
        )
        shrink_groups(
            layer, group_norms(layer).quantile(0.8, dim=1, keepdim=True).expand_as(layer.bias)
        )
    before = answers(net)
    strategy.edit(net, ctx)
    assert net.ledger
    torch.testing.assert_close(answers(net), before, atol=1e-6, rtol=0)


def test_replicas_may_choose_different_numbers(make: Make) -> None:
    net, _ = make(WIDE)
    layer = net.hidden[0]
    scores = torch.arange(50.0).repeat(2, 1)
    chosen = best_of_each(scores, scores < 40, torch.tensor([3, 60]))
    assert chosen[0].nonzero().flatten().tolist() == [37, 38, 39]
    assert int(chosen[1].sum()) == 40
    assert chosen.shape == layer.alive.shape


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BenchError, match="strength=-1"):
        MorphNet(strength=-1)
