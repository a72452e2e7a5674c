from collections.abc import Callable
from itertools import pairwise
from typing import Literal, get_args

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.pruning.weight_pruning import (
    HanPruning,
    LotteryTicket,
    WeightPruning,
)
from tests.helpers import CONVNET, SGD
from tests.strategies.rewiring.helpers import connections, make_update, plan_of

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(20, 15))


def masks_by_level(strategy: WeightPruning, net: Network, ctx: Context) -> list[dict[str, Tensor]]:
    """Go through the run; return the masks after each cut, checking that zeros stay zero."""
    levels, masks = set(strategy.levels(ctx.plan)), []
    for update in range(ctx.plan.total_updates):
        make_update(strategy, net, ctx)
        pruned = [layer for layer in net.layers if layer.connected is not None]
        assert not any(layer.weight[~connections(layer)].any() for layer in pruned)
        if update in levels:
            masks.append({layer.name: connections(layer).clone() for layer in pruned})
    for before, after in pairwise(masks):
        assert not any((mask & ~before[name]).any() for name, mask in after.items())
    assert sum(mask.sum() for mask in masks[-1].values()) < sum(m.sum() for m in masks[0].values())
    return masks


def test_the_levels_are_the_moments_of_prune_but_the_first() -> None:
    plan = Plan(task_updates=(40,) * 10, passes=2, batch_size=4)
    assert list(LotteryTicket().schedule(plan)) == [80, 160, 240, 320]
    assert list(HanPruning(every_tasks=2, events=3).schedule(plan)) == [80, 160]
    assert list(HanPruning(at=(7, 9)).schedule(plan)) == [7, 9]
    assert list(LotteryTicket(rewind_update=3).schedule(plan)) == [3, 80, 160, 240, 320]


@pytest.mark.parametrize("network", [WIDE, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("rewind_update", [0, 2])
def test_at_every_level_the_weights_are_the_early_ones_times_the_mask(
    make: Make, network: NetworkSpec, scope: Literal["global", "layer"], rewind_update: int
) -> None:
    net, ctx = make(network, SGD, plan=plan_of(24))
    strategy = LotteryTicket(events=6, scope=scope, rewind_update=rewind_update)
    early, level, last = net.initial, 0, [layer.live_weights() for layer in net.layers]
    for update in range(24):
        if update == rewind_update:
            early = net.copy_parameters()
        if update in strategy.levels(ctx.plan):
            level += 1
            trained = net.copy_parameters()
            strategy.edit(net, ctx)
            sizes = [layer.weight[0].numel() for layer in net.layers[:-1]]
            left = [connections(layer).flatten(1).sum(1).tolist() for layer in net.layers[:-1]]
            if scope == "layer":
                assert left == [[round(0.8**level * size)] * 2 for size in sizes]
            assert [sum(one) for one in zip(*left, strict=True)] == pytest.approx(
                [0.8**level * sum(sizes)] * 2, abs=len(sizes) if scope == "layer" else 1
            )
            for name, parameter in net.named_parameters():
                layer = next(one for one in net.layers if name.startswith(f"{one.name}."))
                mask = layer.live_weights() if "weight" in name else torch.tensor(True)
                assert torch.equal(parameter.detach(), early[name] * mask)
            assert net.optimizer.common_clock == 0
            _assert_smallest_are_cut(net, trained, last, scope)
            last = [layer.live_weights() for layer in net.layers]
            ctx.progress.update += 1
        else:
            make_update(strategy, net, ctx)
    assert level == 5
    assert net.head.connected is None


def _assert_smallest_are_cut(
    net: Network, trained: dict[str, Tensor], last: list[Tensor], scope: str
) -> None:
    """No weight that is kept is smaller than one that was cut, in the layer or everywhere."""
    cut, kept = [], []
    for layer, was in zip(net.layers[:-1], last, strict=False):
        magnitude, now = trained[f"{layer.name}.weight"].abs(), connections(layer)
        cut.append(magnitude[0][was[0] & ~now[0]])
        kept.append(magnitude[0][now[0]])
        if scope == "layer":
            assert float(cut[-1].max()) <= float(kept[-1].min())
    if scope == "global":
        assert float(torch.cat(cut).max()) <= float(torch.cat(kept).min())


@pytest.mark.parametrize("selection", ["magnitude", "random"])
@pytest.mark.parametrize("cls", [LotteryTicket, HanPruning])
def test_masks_are_nested_and_what_is_cut_stays_zero(
    make: Make,
    cls: type[LotteryTicket] | type[HanPruning],
    selection: Literal["magnitude", "random"],
) -> None:
    net, ctx = make(WIDE, SGD, plan=plan_of(25))
    masks = masks_by_level(cls(selection=selection), net, ctx)
    assert len(masks) == 4
    assert set(masks[0]) == {"fc1", "fc2"}


def test_a_random_ticket_is_another_one_of_the_same_size(make: Make) -> None:
    kept, both = {}, get_args(Literal["magnitude", "random"])
    for selection in both:
        net, ctx = make(WIDE, SGD, plan=plan_of(25))
        masks = masks_by_level(LotteryTicket(selection=selection), net, ctx)
        kept[selection] = torch.cat([mask.flatten(1) for mask in masks[-1].values()], 1)
    smallest, chance = kept["magnitude"], kept["random"]
    assert torch.equal(smallest.sum(1), chance.sum(1))
    share = float(chance.float().mean())
    assert float((smallest & chance).float().mean()) == pytest.approx(share**2, abs=0.08)


def test_the_threshold_is_in_standard_deviations_of_what_is_left(make: Make) -> None:
    net, ctx = make(WIDE, SGD, plan=plan_of(25))
    layer = net.layers[0]
    for edit, quality in enumerate((0.6, 0.8, 1.0)):
        strategy = HanPruning(quality=quality)
        weight = layer.weight.detach().clone()
        live = layer.live_weights().clone()
        before = net.copy_parameters()
        strategy.edit(net, ctx)
        for replica in range(2):
            values = weight[replica][live[replica]]
            threshold = quality * float(values.std(correction=0))
            expected = live[replica] & (weight[replica].abs() >= threshold)
            assert torch.equal(connections(layer)[replica], expected)
            assert not torch.equal(expected, live[replica])
        for name, parameter in net.named_parameters():  # survivors keep their values: no rewind
            kept = parameter != 0
            assert torch.equal(parameter[kept], before[name][kept])
        ctx.progress.update = 5 * (edit + 1)
        make_update(strategy, net, ctx)


def test_a_higher_quality_cuts_more(make: Make) -> None:
    left = []
    for quality in (0.0, 0.3, 0.6, 1.2):
        net, ctx = make(WIDE)
        HanPruning(quality=quality).edit(net, ctx)
        left.append(int(connections(net.layers[0])[0].sum()))
    assert left[0] == 20 * 16
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 4


def test_survivors_are_retrained_at_a_lower_rate_with_a_new_optimiser(make: Make) -> None:
    net, ctx = make(WIDE, SGD, plan=plan_of(25))
    strategy = HanPruning(retrain_rate=0.01)
    assert strategy.learning_rate(0.5, net, ctx) == 0.5
    make_update(strategy, net, ctx)
    strategy.edit(net, ctx)
    strategy.edit(net, ctx)
    assert strategy.learning_rate(0.5, net, ctx) == 0.005
    assert not any(state.any() for slot in net.optimizer.slots for state in slot.state.values())


@pytest.mark.parametrize("side", ["in", "out"])
def test_units_that_nothing_enters_or_leaves_are_switched_off(make: Make, side: str) -> None:
    net, ctx = make(WIDE)
    fc1, fc2, _ = net.layers
    with torch.no_grad():
        if side == "in":
            fc1.weight[0, 4] *= 1e-6
            fc2.weight[:, :, :4] *= 2
        else:
            fc2.weight[0, :, 4] *= 1e-6
    HanPruning(quality=0.1).edit(net, ctx)
    dead = (~fc1.alive).nonzero().tolist()
    assert dead == [[0, 4]]
    assert [event.units for event in net.ledger if event.edit == "prune"] == [(4,)]


@pytest.mark.parametrize(
    ("make_strategy", "message"),
    [
        (lambda: HanPruning(quality=-1), "quality=-1"),
        (lambda: HanPruning(retrain_rate=0), "retrain_rate=0"),
        (lambda: LotteryTicket(share=1), r"share=1: give a share in \(0, 1\)"),
        (lambda: LotteryTicket(rewind_update=-1), "rewind_update=-1"),
        (
            lambda: LotteryTicket(events=5, rewind_update=5).schedule(plan_of(25)),
            "rewind_update=5 is not before the first cut, after update 5. Give a smaller one",
        ),
    ],
)
def test_bad_settings_are_refused(make_strategy: Callable[[], object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        make_strategy()
