import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.strategy import Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.newborns.fading import FadeIn
from plasticity_bench.strategies.newborns.windows import (
    FreezeIncumbents,
    FreezeNewborns,
    MatchNorms,
    SlowIncumbents,
    TwoSpeed,
)
from tests.helpers import make_batch
from tests.strategies.newborns.helpers import (
    ADAM,
    MOMENTUM,
    NETWORKS,
    PLAIN_SGD,
    Make,
    aged,
    bear,
    columns,
    consumer_of,
    live_entries,
    slice_entries,
    update,
)

# -- two-speed and slow-incumbents ---------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_os6_under_sgd_is_a_larger_learning_rate_on_the_slices_also_when_births_overlap(
    make: Make, network: NetworkSpec
) -> None:
    """Born after 0, 3 and, once more in one replica, 4 updates; each for exactly 5 updates."""
    net, ctx = aged(make, network, PLAIN_SGD)
    strategy = TwoSpeed(factor=4, updates=5)
    births = {0: ([0], [1]), 3: ([1], []), 4: ([0], [])}
    windows: list[tuple[int, dict[str, Tensor]]] = []
    for number in range(12):
        if number == 4:  # a unit dies within its window and is born again
            for layer in net.hidden:
                net.prune(layer, slice_units(layer.alive, 0, [0]))
        if number in births:
            windows.append((number, bear(net, ctx, strategy, *births[number])))
            assert strategy.acts_until(net, ctx) == number + 5
        before, live = net.copy_parameters(), live_entries(net)
        inside = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in before.items()}
        for start, born in windows:
            if number - start < 5:
                for name, marked in slice_entries(net, born).items():
                    inside[name] |= marked
        gradients = update(net, ctx, strategy)
        for name, parameter in net.named_parameters():
            rate = torch.where(inside[name], 4 * 0.05, 0.05)
            expected = before[name] - rate * gradients[name]
            torch.testing.assert_close(
                parameter[live[name]], expected[live[name]], atol=1e-7, rtol=1e-6
            )
        assert any(mask.any() for mask in inside.values()) is (number < 9)


def slice_units(like: Tensor, replica: int, numbers: list[int]) -> Tensor:
    mask = torch.zeros_like(like)
    mask[replica, numbers] = True
    return mask


@pytest.mark.parametrize(
    "strategy",
    [TwoSpeed(updates=3), SlowIncumbents(updates=3), MatchNorms(updates=3),
     FreezeIncumbents(updates=3), FadeIn(updates=3)],
)  # fmt: skip
@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM])
def test_a_window_acts_in_its_updates_and_leaves_no_trace_after_them(
    make: Make, strategy: Strategy, optimizer: OptimizerSpec
) -> None:
    """In the third update it still acts; the fourth is to the last bit one without it."""
    for updates, acts in ((2, True), (3, False)):
        results = []
        for last in (strategy, Strategy()):
            net, ctx = aged(make, optimizer=optimizer)
            bear(net, ctx, strategy, [0], [1])
            for _ in range(updates):
                update(net, ctx, strategy)
            update(net, ctx, last)
            factors = {f"{layer.name} as seen": layer.alive_factor for layer in net.hidden}
            results.append(net.copy_parameters() | factors)
        same = all(torch.equal(results[0][name], results[1][name]) for name in results[0])
        assert same is not acts
        assert (strategy.acts_until(net, ctx) > updates) is acts


@pytest.mark.parametrize(
    "strategy",
    [TwoSpeed(updates=3), SlowIncumbents(updates=3), MatchNorms(updates=3),
     FreezeIncumbents(updates=3), FadeIn(updates=3), FreezeNewborns()],
)  # fmt: skip
def test_a_replica_without_births_trains_as_ever(make: Make, strategy: Strategy) -> None:
    results = []
    for acting in (strategy, Strategy()):
        net, ctx = aged(make)
        bear(net, ctx, acting, [0, 1], [])
        for _ in range(3):
            update(net, ctx, acting)
        results.append(net.copy_parameters())
    for name, parameter in results[0].items():
        torch.testing.assert_close(parameter[1], results[1][name][1], atol=1e-6, rtol=1e-5)
    assert not all(torch.equal(results[0][n][0], results[1][n][0]) for n in results[0])


@pytest.mark.parametrize("network", NETWORKS)
def test_slow_incumbents_learn_at_a_share_of_the_rate_and_newborns_at_all_of_it(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = aged(make, network, PLAIN_SGD)
    strategy = SlowIncumbents(factor=0.1, updates=5)
    inside = slice_entries(net, bear(net, ctx, strategy, [0, 2], [1]))
    before, live = net.copy_parameters(), live_entries(net)
    gradients = update(net, ctx, strategy)
    for name, parameter in net.named_parameters():
        rate = torch.where(inside[name], 0.05, 0.005)
        expected = before[name] - rate * gradients[name]
        torch.testing.assert_close(
            parameter[live[name]], expected[live[name]], atol=1e-7, rtol=1e-6
        )


# -- norms and fading ----------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_tr6_outgoing_norms_are_the_incumbents_mean_after_every_step(
    make: Make, network: NetworkSpec
) -> None:
    net, ctx = aged(make, network)
    strategy = MatchNorms(updates=3)
    born = bear(net, ctx, strategy, [0, 2], [1], layers=[1])
    layer = net.hidden[1]
    following = consumer_of(layer)
    for _ in range(3):
        update(net, ctx, strategy)
        for replica in range(2):
            weight = following.weight.detach()[replica, following.alive[replica]]
            norm = torch.stack(
                [columns(layer, weight[None], unit).norm() for unit in range(layer.units)]
            )
            newborn = born[layer.name][replica]
            mean = norm[layer.alive[replica] & ~newborn].mean()
            torch.testing.assert_close(norm[newborn], mean.expand_as(norm[newborn]))
    direction = following.weight.detach().clone()
    update(net, ctx, strategy)
    assert not torch.equal(following.weight, direction)


@pytest.mark.parametrize("network", NETWORKS)
def test_fading_newborns_say_nothing_at_first(make: Make, network: NetworkSpec) -> None:
    """Behind a norm layer too: they take no part in its statistics yet."""
    net, ctx = aged(make, network)
    x, _ = make_batch(size=64, seed=7)
    with torch.no_grad():
        before = net.forward(x)
        bear(net, ctx, FadeIn(updates=10), [0, 1, 3], [2])
        torch.testing.assert_close(net.forward(x), before, atol=1e-6, rtol=1e-6)
        for layer in net.hidden:
            net.set_fading(layer, None)
        assert float((net.forward(x) - before).abs().amax((1, 2)).min()) > 1e-4


def test_fading_is_a_straight_line_for_each_birth(make: Make) -> None:
    net, ctx = aged(make)
    layer, strategy = net.hidden[0], FadeIn(updates=4)
    bear(net, ctx, strategy, [0], [1], layers=[0])
    trace = []
    for number in range(6):
        if number == 2:
            bear(net, ctx, strategy, [1], [], layers=[0])
        fading = layer.fading
        assert (fading is None) is (number == 6)
        assert fading is not None
        trace.append([float(fading[0, 0]), float(fading[0, 1]), float(fading[1, 1])])
        assert (fading[:, 2:] == 1).all()
        update(net, ctx, strategy)
    assert trace == [
        [0, 1, 0],
        [0.25, 1, 0.25],
        [0.5, 0, 0.5],
        [0.75, 0.25, 0.75],
        [1, 0.5, 1],
        [1, 0.75, 1],
    ]
    assert layer.fading is None
    assert strategy.acts_until(net, ctx) == ctx.update


def test_fading_ends_with_the_next_update_where_the_last_ones_were_let_go_by(make: Make) -> None:
    net, ctx = aged(make)
    strategy = FadeIn(updates=4)
    bear(net, ctx, strategy, [0], [1], layers=[0])
    update(net, ctx, strategy)
    ctx.progress.update = 9
    assert strategy.acts_until(net, ctx) == 10
    update(net, ctx, strategy)
    assert net.hidden[0].fading is None


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (TwoSpeed, {"updates": 0}, "updates=0: give at least 1"),
        (TwoSpeed, {"factor": -1.0}, "factor=-1.0: give 0 or more"),
        (SlowIncumbents, {"factor": float("nan")}, "factor=nan"),
        (FadeIn, {"updates": -3}, "updates=-3"),
    ],
)
def test_settings_out_of_range_are_refused(
    cls: type[Strategy], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        cls(**settings)
