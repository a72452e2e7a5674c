from collections.abc import Callable

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.rewiring.rigl import RigL
from tests.helpers import ADAM, CONVNET, SGD, backward, make_batch, units
from tests.strategies.rewiring.helpers import (
    connections,
    counts,
    make_update,
    plan_of,
    state_of,
    top,
)

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))


def test_the_number_of_connections_stays_through_1000_edits(make: Make) -> None:
    net, ctx = make(optimizer=ADAM, plan=plan_of(2000))
    strategy = RigL(density=0.4, every=2, anneal="constant")
    strategy.begin_run(net, ctx)
    first, wiring = counts(net), [connections(layer).clone() for layer in net.layers[:2]]
    edits = 0
    for _ in range(2000):
        edits += make_update(strategy, net, ctx)
        assert counts(net) == first
    assert edits == 1000
    assert not torch.equal(wiring[0], connections(net.layers[0]))


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
def test_an_edit_drops_the_smallest_and_grows_where_the_dense_gradient_is_largest(
    make: Make, network: NetworkSpec
) -> None:
    """Recomputed slowly; and it is all that changes in that update."""
    net, ctx = make(network, SGD, plan=plan_of(1000))
    strategy = RigL(density=0.4, every=10, drop=0.5)
    strategy.begin_run(net, ctx)
    for _ in range(10):
        make_update(strategy, net, ctx)
    before, old = net.copy_parameters(), [layer.connected for layer in net.layers]
    states = [{k: s.clone() for k, s in state_of(net, layer).items()} for layer in net.layers]
    backward(net, *make_batch(2, 16, seed=99))
    gradients = [layer.weight.grad for layer in net.layers]
    share = strategy.drop_share(ctx.plan, ctx.update)
    assert strategy.after_backward(net, ctx)
    regrown = 0
    for layer, was, gradient, state in zip(net.layers, old, gradients, states, strict=True):
        weight = before[f"{layer.name}.weight"]
        if was is None:
            assert torch.equal(layer.weight, weight)
            continue
        assert gradient is not None
        now = connections(layer)
        for replica in range(2):
            number = int(share * int(was[replica].sum()))
            dropped = top(-weight[replica].abs(), was[replica], number)
            kept = was[replica] & ~dropped
            grown = top(gradient[replica].abs(), ~kept, number)
            assert number > 0
            assert torch.equal(now[replica], kept | grown)
            regrown += int((grown & dropped).sum())
        # Only what was dropped changes, to 0; what was dropped and grown again keeps its state.
        stays = was & now
        assert torch.equal(layer.weight.detach(), weight * stays)
        momentum = state_of(net, layer)["momentum"]
        assert torch.equal(momentum, state["momentum"] * stays)
        assert momentum[stays].any()
    assert regrown > 0
    for name, parameter in net.named_parameters():
        if "weight" not in name:
            assert torch.equal(parameter, before[name])


def test_the_share_falls_from_alpha_to_zero_and_the_structure_is_frozen_then(make: Make) -> None:
    plan = plan_of(400)
    strategy = RigL(density=0.4, every=4, drop=0.3, end_share=0.75)
    assert strategy.drop_share(plan, 0) == 0.3
    assert strategy.drop_share(plan, 150) == pytest.approx(0.15)
    assert strategy.drop_share(plan, 299) == pytest.approx(0, abs=1e-4)
    assert strategy.drop_share(plan, 300) == 0
    assert max(strategy.schedule(plan)) == 296
    net, ctx = make(plan=plan)
    strategy.begin_run(net, ctx)
    for _ in range(300):
        make_update(strategy, net, ctx)
    wiring = [connections(layer).clone() for layer in net.layers[:2]]
    assert not any(make_update(strategy, net, ctx) for _ in range(100))
    assert all(torch.equal(a, connections(b)) for a, b in zip(wiring, net.layers[:2], strict=True))


def test_the_adaptations_to_streams_never_stop_or_start_anew() -> None:
    plan = plan_of(400)
    constant = RigL(every=100, anneal="constant")
    assert [constant.drop_share(plan, u) for u in constant.schedule(plan)] == [0.3] * 4
    again = RigL(every=50, cycles=2, end_share=0.5)
    assert list(again.schedule(plan)) == [0, 50, 200, 250]
    assert again.drop_share(plan, 200) == 0.3


def test_it_asks_to_be_called_in_its_edits_alone(make: Make) -> None:
    net, ctx = make(plan=plan_of(400))
    strategy = RigL(every=10)
    asked = {}
    for update in range(400):
        ctx.progress.update = update
        asked[update] = strategy.acts_until(net, ctx)
    edits = [update for update, until in asked.items() if until > update]
    assert edits == list(strategy.schedule(ctx.plan)) == list(range(0, 300, 10))
    assert all(asked[update] == update + 1 for update in edits)


def test_units_that_are_not_alive_get_no_connections(make: Make) -> None:
    net, ctx = make(WIDE, SGD, plan=plan_of(400))
    strategy = RigL(density=0.5, every=1, anneal="constant")
    strategy.begin_run(net, ctx)
    net.prune(net.hidden[0], units(net.hidden[0], [0, 3, 5], [1, 2, 9]))
    dead = [~layer.live_weights() & connections(layer) for layer in net.layers[:2]]
    first = counts(net)
    for _ in range(30):
        make_update(strategy, net, ctx)
    assert counts(net) == first
    for layer, was in zip(net.layers[:2], dead, strict=True):
        assert torch.equal(~layer.live_weights() & connections(layer), was)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "every=0"),
        ({"cycles": 0}, "cycles=0"),
        ({"drop": 1.5}, r"drop=1\.5: give a share in \[0, 1\]"),
        ({"end_share": 0}, "end_share=0"),
        ({"density": 2}, "density=2"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        RigL(**settings)  # type: ignore[arg-type]
