from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.growth.den import Den, connected_units, drift
from plasticity_bench.strategies.growth.proximal import group_norms, soft_threshold
from tests.helpers import ADAM, SGD, backward, make_batch
from tests.strategies.growth.growing import SMALL_CONVNET, WIDE, Make, answers

PLAIN = OptimizerSpec(name="sgd", lr=0.1)


@dataclass
class OnlyLabels:
    """A task with two of the three classes, and other ones in each replica."""

    train_y: list[Tensor] = field(
        default_factory=lambda: [torch.tensor([0, 1, 0]), torch.tensor([2, 2, 1])]
    )

    def take(self, chosen: object) -> tuple[Tensor, Tensor]:
        raise AssertionError("nobody asks for samples")


def update(strategy: Den, net: Network, ctx: Context, count: int = 1) -> None:
    for _ in range(count):
        backward(net, *make_batch(seed=ctx.progress.update))
        strategy.after_backward(net, ctx)
        net.optimizer.step(strategy.learning_rate(1.0, net, ctx))
        for parameter in net.parameters():
            parameter.grad = None
        strategy.after_step(net, ctx)
        net.hold_dead()
        ctx.progress.update += 1


def in_second_task(
    make: Make, strategy: Den, network: NetworkSpec = WIDE, optimizer: OptimizerSpec = PLAIN
) -> tuple[Network, Context]:
    net, ctx = make(network, optimizer)
    ctx.task_samples = OnlyLabels
    strategy.begin_run(net, ctx)
    strategy.begin_task(net, ctx)
    update(strategy, net, ctx, 3)
    strategy.end_task(net, ctx)
    ctx.progress.task = 1
    strategy.begin_task(net, ctx)
    return net, ctx


def test_the_head_is_trained_alone_for_its_share_of_every_task_but_the_first() -> None:
    plan = Plan(task_updates=(10, 20, 40), passes=1, batch_size=4)
    assert Den(head_share=0.25).schedule(plan) == [15, 40]
    assert Den(head_share=0).schedule(plan) == [10, 30]


@pytest.mark.parametrize("optimizer", [ADAM, SGD])
def test_at_first_only_the_head_moves_and_l1_gives_it_exact_zeros(
    make: Make, optimizer: OptimizerSpec
) -> None:
    strategy = Den(l1=0.1)
    net, ctx = in_second_task(make, strategy, optimizer=optimizer)
    before = net.copy_parameters()
    update(strategy, net, ctx, 20)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, before[name]) == (not name.startswith("head"))
    live = net.head.live_weights()
    assert bool((net.head.weight.detach()[live] == 0).any())


def test_the_soft_threshold_is_the_one_of_l1() -> None:
    weight = torch.tensor([[3.0, -0.5, 1.0], [3.0, -0.5, 1.0]])
    soft_threshold(weight, torch.tensor([1.0, 0.25]))
    assert weight.tolist() == [[2.0, 0.0, 0.0], [2.75, -0.25, 0.75]]


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_selected_are_the_units_with_a_path_of_weights_to_the_classes(
    make: Make, network: NetworkSpec
) -> None:
    """Against a search unit by unit: whoever the classes' logits depend on."""
    net, ctx = make(network)
    Den().begin_run(net, ctx)
    with torch.no_grad():
        for layer in net.layers[1:]:
            layer.weight.mul_(ctx.random.uniform(*layer.weight.shape[1:]) < 0.1)
    classes = torch.tensor([[True, False, False], [False, True, True]])
    found = connected_units(net, classes)
    for r in (0, 1):
        reached = set(classes[r].nonzero().flatten().tolist())
        for layer in reversed(net.layers[:-1]):
            consumer = layer.consumer
            assert consumer is not None
            slow = set()
            for unit in layer.alive[r].nonzero().flatten().tolist():
                block = slice(unit * layer.columns_per_unit, (unit + 1) * layer.columns_per_unit)
                if any(consumer.weight[r, one, block].any() for one in reached):
                    slow.add(unit)
            assert set(found[layer.name][r].nonzero().flatten().tolist()) == slow
            reached = slow
    assert not torch.equal(found[net.hidden[-1].name], net.hidden[-1].alive)


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_expansion_leaves_the_outputs(make: Make, network: NetworkSpec) -> None:
    strategy = Den(units=4)
    net, ctx = in_second_task(make, strategy, network)
    before, alive = answers(net), net.hidden[0].alive.sum(1)
    strategy.edit(net, ctx)
    assert torch.equal(net.hidden[0].alive.sum(1), alive + 4)
    torch.testing.assert_close(answers(net), before, atol=1e-6, rtol=0)


def test_it_expands_where_the_loss_is_high_and_as_far_as_the_budget_goes(make: Make) -> None:
    net, ctx = in_second_task(make, Den())
    losses = ctx.score_batch(net).loss
    middle = float(losses.mean())
    strategy = Den(units=10, compactness=0.6, loss_threshold=middle)
    strategy.edit(net, ctx)
    for r in (0, 1):
        more = losses[r] > middle
        assert [int(layer.alive[r].sum()) for layer in net.hidden] == (
            [30, 24] if more else [25, 20]
        )
    assert len({int(count) for count in net.hidden[0].alive.sum(1)}) == 2


def test_only_weights_among_selected_units_learn_afterwards(make: Make) -> None:
    strategy = Den(units=3, l1=0.3, group=0)
    net, ctx = in_second_task(make, strategy)
    update(strategy, net, ctx, 10)
    with torch.no_grad():
        net.head.weight[:, :, ::2] = 0
    strategy.edit(net, ctx)
    selected, before = ctx.state["selected"], net.copy_parameters()
    newborn = ctx.state["newborn"]["fc2"]
    update(strategy, net, ctx, 5)
    first, second = net.hidden
    assert bool((second.alive & ~selected["fc2"]).any())
    frozen = ~selected["fc2"]
    assert torch.equal(second.weight[frozen], before["fc2.weight"][frozen])
    assert torch.equal(second.bias[frozen], before["fc2.bias"][frozen])
    moved = (second.weight != before["fc2.weight"]).any(2) & second.alive
    assert bool((moved & ~newborn).any())
    assert not bool((moved & frozen).any())
    unselected = ~selected["fc2"].unsqueeze(1).expand_as(net.head.weight)
    assert torch.equal(net.head.weight[unselected], before["head.weight"][unselected])
    assert first.alive.sum(1).tolist() == [28, 28]


def test_new_units_that_come_to_nothing_are_removed_at_the_end_of_the_task(make: Make) -> None:
    strategy = Den(units=3, group=1000, split_threshold=100)
    net, ctx = in_second_task(make, strategy)
    alive = net.hidden[0].alive.clone()
    strategy.edit(net, ctx)
    update(strategy, net, ctx)
    newborn = ctx.state["newborn"]["fc1"]
    assert not group_norms(net.hidden[0])[newborn].any()
    assert bool(group_norms(net.hidden[0])[alive].all())
    before = answers(net)
    strategy.end_task(net, ctx)
    assert torch.equal(net.hidden[0].alive, alive)
    torch.testing.assert_close(answers(net), before, atol=1e-6, rtol=0)


def test_what_drifted_returns_and_its_copy_keeps_the_new_weights(make: Make) -> None:
    strategy = Den(units=0, l1=0, split_threshold=0.01)
    net, ctx = in_second_task(make, strategy)
    strategy.edit(net, ctx)
    update(strategy, net, ctx, 5)
    layer, consumer = net.hidden
    old, new = ctx.state["old"]["fc1.weight"], layer.weight.detach().clone()
    outgoing, alive = consumer.weight.detach().clone(), layer.alive.clone()
    moved = ((new - old) * alive.unsqueeze(2)).norm(dim=2)
    bound = float(moved[alive].median())
    Den(units=0, split_threshold=bound).duplicate(net, layer, layer.units, moved, ctx)
    for r in (0, 1):
        parents = (moved[r] > bound).nonzero().flatten().tolist()
        copies = (layer.alive & ~alive)[r].nonzero().flatten().tolist()
        assert len(parents) == len(copies) > 0
        for parent, copy in zip(parents, copies, strict=True):
            assert torch.equal(layer.weight[r, parent], old[r, parent])
            assert torch.equal(layer.weight[r, copy], new[r, parent])
            for unit in (parent, copy):
                torch.testing.assert_close(consumer.weight[r, :, unit], outgoing[r, :, parent] / 2)
        still = [unit for unit in alive[r].nonzero().flatten().tolist() if unit not in parents]
        assert torch.equal(layer.weight[r, still], new[r, still])


def test_copies_stop_at_the_budget_and_the_furthest_come_first(make: Make) -> None:
    strategy = Den(units=0, split_threshold=0)
    net, ctx = in_second_task(make, strategy)
    strategy.edit(net, ctx)
    update(strategy, net, ctx, 5)
    layer = net.hidden[0]
    moved = (layer.weight.detach() - ctx.state["old"]["fc1.weight"]).norm(dim=2) * layer.alive
    elders, new = layer.alive.clone(), layer.weight.detach().clone()
    strategy.duplicate(net, layer, 28, moved, ctx)
    assert layer.alive.sum(1).tolist() == [28, 28]
    for r in (0, 1):
        back = ((layer.weight.detach() != new)[r].any(1) & elders[r]).nonzero().flatten()
        assert set(back.tolist()) == set(moved[r].topk(3).indices.tolist())


@pytest.mark.parametrize("network", [WIDE, SMALL_CONVNET])
def test_new_units_before_it_are_no_drift_of_a_unit(make: Make, network: NetworkSpec) -> None:
    strategy = Den(units=4, split_threshold=1e-6)
    net, ctx = in_second_task(make, strategy, network)
    strategy.edit(net, ctx)
    first = len(net.ledger)
    strategy.end_task(net, ctx)
    assert net.ledger[first:] == []


def test_an_original_reads_only_what_was_there_before_the_task(make: Make) -> None:
    """So it computes again what it did then, new units and copies before it or not."""
    strategy = Den(seed_share=0.3, units=4, l1=0, group=0, split_threshold=1e-6)
    net, ctx = in_second_task(make, strategy)
    before, alive = ctx.probing(net, 32).layers["fc2"].raw, net.hidden[1].alive.clone()
    strategy.edit(net, ctx)
    update(strategy, net, ctx, 5)
    elders = net.hidden[0].alive.clone()
    drifts = {layer.name: drift(layer, ctx.state["old"]) for layer in net.hidden}
    strategy.end_task(net, ctx)
    assert bool((net.hidden[0].alive & ~elders).any())
    after = ctx.probing(net, 32).layers["fc2"].raw
    copied = [event for event in net.ledger if event.rule.startswith("drifted copy")]
    assert {event.layer for event in copied} == {"fc1", "fc2"}
    for r in (0, 1):
        (count,) = [len(e.units) for e in copied if (e.layer, e.replica) == ("fc2", r)]
        furthest = (drifts["fc2"][r] * alive[r]).topk(count).indices
        torch.testing.assert_close(after[r, :, furthest], before[r, :, furthest])


def test_proximal_steps_follow_the_schedule_of_the_rate(make: Make) -> None:
    strategy = Den(l1=0.1, group=100)
    net, ctx = make(WIDE, PLAIN)
    strategy.begin_run(net, ctx)
    before = net.copy_parameters()["fc1.weight"]
    for factor, step in ((0.0, 0.0), (0.5, 0.005)):
        assert strategy.learning_rate(factor, net, ctx) == factor
        strategy.after_step(net, ctx)
        expected = before.sign() * (before.abs() - step).clamp(min=0)
        torch.testing.assert_close(net.layers[0].weight.detach(), expected)


@pytest.mark.parametrize(
    ("settings", "message"), [({"head_share": 1.0}, "head_share=1.0"), ({"units": -1}, "units=-1")]
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        Den(**settings)  # type: ignore[arg-type]
