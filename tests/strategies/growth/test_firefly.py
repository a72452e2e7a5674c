import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.probe import replica_loss
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.strategies.growth.firefly import Firefly, Trial
from plasticity_bench.strategies.selection import best
from tests.helpers import make_batch
from tests.strategies.growth.growing import LEAKY, SMALL_CONVNET, WIDE, Make, answers, seeded


@pytest.mark.parametrize("epsilon", [0.0, 1e-7])
def test_without_a_step_the_function_is_unchanged(make: Make, epsilon: float) -> None:
    strategy = Firefly(compactness=0.6, events=1, epsilon=epsilon, steps=2)
    net, ctx = seeded(make, strategy, WIDE)
    before = answers(net)
    strategy.edit(net, ctx)
    assert net.hidden[0].alive.sum(1).tolist() == [30, 30]
    torch.testing.assert_close(answers(net), before, atol=1e-6, rtol=0)


def test_trying_candidates_out_changes_nothing(make: Make) -> None:
    strategy = Firefly()
    net, ctx = seeded(make, strategy, WIDE)
    before, alive = net.copy_parameters(), net.hidden[0].alive.clone()
    trial = strategy.trial(net, net.hidden[0], 3, ctx)
    drawn = trial.direction.clone()
    strategy.scores(net, trial, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert torch.equal(net.hidden[0].alive, alive)
    assert not torch.equal(trial.direction, drawn)
    torch.testing.assert_close(trial.direction.norm(dim=2), drawn.norm(dim=2))
    assert trial.splits.sum(1).tolist() == [5, 5]
    assert trial.slots.sum(1).tolist() == [45, 45]


def loss_with_candidates(net: Network, trial: Trial, steps: Tensor) -> Tensor:
    """Enter every candidate at a step of its own, (R, U), one by one and slowly."""
    layer, consumer = net.hidden
    weight, columns = layer.weight.detach().clone(), consumer.weight.detach().clone()
    bias = layer.bias.detach().clone()
    for r in (0, 1):
        for slot in trial.slots[r].nonzero().flatten().tolist():
            step = steps[r, slot]
            if trial.splits[r, slot]:
                parent = int(trial.donor[r, slot])
                columns[r, :, parent] /= 2
                columns[r, :, slot] = columns[r, :, parent]
                weight[r, slot] = weight[r, parent] - step * trial.direction[r, parent]
                weight[r, parent] = weight[r, parent] + step * trial.direction[r, parent]
                bias[r, slot] = bias[r, parent]
            else:
                weight[r, slot] = trial.fresh["weight"][r, slot]
                bias[r, slot] = trial.fresh["bias"][r, slot]
                columns[r, :, slot] = step * trial.outgoing[r, :, slot]
    x, y = make_batch(2, 128, seed=9)
    alive = (layer.alive | trial.slots).unsqueeze(1).double()
    leaky = torch.nn.LeakyReLU(0.2)
    h = x.flatten(2).double() @ weight.double().transpose(1, 2) + bias.double().unsqueeze(1)
    h = leaky(h) * alive
    z = h @ columns.double().transpose(1, 2) + consumer.bias.detach().double().unsqueeze(1)
    h = leaky(z) * consumer.alive.unsqueeze(1)
    head = net.head.weight.detach().double().transpose(1, 2)
    return replica_loss(h @ head + net.head.bias.detach().double().unsqueeze(1), y).mean(1)


def test_the_score_is_how_fast_the_loss_falls_with_a_candidates_own_step(make: Make) -> None:
    """Against finite differences, each candidate moved alone around half of the step."""
    strategy = Firefly(epsilon=0.1, steps=0)
    net, ctx = seeded(make, strategy, LEAKY)
    trial = strategy.trial(net, net.hidden[0], 3, ctx)
    scores = strategy.scores(net, trial, ctx)
    shared = trial.slots.all(0).nonzero().flatten().tolist()
    kinds = {bool(trial.splits[0, slot]) for slot in shared[:12]}
    assert kinds == {False, True}
    for slot in shared[:12]:
        losses = []
        for moved in (0.05 + 1e-4, 0.05 - 1e-4):
            steps = torch.full(trial.slots.shape, 0.05, dtype=torch.float64)
            steps[:, slot] = moved
            losses.append(loss_with_candidates(net, trial, steps))
        slope = ((losses[0] - losses[1]) / 2e-4).float()
        torch.testing.assert_close(-scores[:, slot], slope, atol=1e-4, rtol=2e-2)


def test_candidates_follow_the_gradient_of_the_loss_with_all_of_them(make: Make) -> None:
    """Against autograd through candidates that enter slowly."""
    strategy = Firefly(epsilon=0.1)
    net, ctx = seeded(make, strategy, LEAKY)
    layer = net.hidden[0]
    trial = strategy.trial(net, layer, 3, ctx)
    before, alive = net.copy_parameters(), layer.alive
    trial.enter(0.1)
    slopes = trial.slopes(ctx.probing(net, 128), 0.1)
    trial.leave(net, before, alive)
    ways = [trial.direction, trial.fresh["weight"], trial.outgoing]
    for way in ways:
        way.requires_grad_()
    steps = torch.full(trial.slots.shape, 0.1, dtype=torch.float64)
    expected = torch.autograd.grad(loss_with_candidates(net, trial, steps).sum(), ways)
    for slope, slow in zip(slopes, expected, strict=True):
        assert slow.any()
        torch.testing.assert_close(slope, slow, atol=1e-6, rtol=1e-3)


def test_the_best_candidates_stay(make: Make) -> None:
    strategy = Firefly(compactness=0.3, events=1, steps=3)
    net, ctx = seeded(make, strategy, LEAKY)
    twin, twin_ctx = seeded(make, strategy, LEAKY)
    layer = twin.hidden[0]
    trial = strategy.trial(twin, layer, 10, twin_ctx)
    scores = strategy.scores(twin, trial, twin_ctx)
    expected = layer.alive | best(scores, trial.slots, 10)
    strategy.edit(net, ctx)
    assert torch.equal(net.hidden[0].alive, expected)


def test_parents_of_splits_that_are_not_kept_stay_as_they_are(make: Make) -> None:
    strategy = Firefly(compactness=0.14, events=1, steps=0, candidates=0)
    net, ctx = seeded(make, strategy, LEAKY)
    first = net.hidden[0]
    elders, rows = first.alive.clone(), first.weight.detach().clone()
    strategy.edit(net, ctx)
    for r in (0, 1):
        whole = (first.weight[r] == rows[r]).all(1) & elders[r]
        assert int(whole.sum()) == 5 - 2  # two of five were split


def test_what_it_keeps_lowers_the_loss(make: Make) -> None:
    strategy = Firefly(compactness=0.3, events=1, epsilon=0.05)
    net, ctx = seeded(make, strategy, LEAKY)
    x, y = make_batch(2, 128, seed=9)
    before = replica_loss(net.forward(x), y).mean(1)
    strategy.edit(net, ctx)
    assert bool((replica_loss(net.forward(x), y).mean(1) < before - 1e-3).all())


def test_convolutions_get_new_units(make: Make) -> None:
    strategy = Firefly(compactness=0.5, events=1)
    net, ctx = seeded(make, strategy, SMALL_CONVNET)
    assert not strategy.trial(net, net.hidden[0], 2, ctx).splits.any()
    strategy.edit(net, ctx)
    assert net.hidden[0].alive.sum(1).tolist() == [5, 5]


def test_bad_settings_are_refused(make: Make) -> None:
    with pytest.raises(BenchError, match="candidates=-1"):
        Firefly(candidates=-1)
