import random
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plasticity_bench.harness.engine.edits import Network, StatePolicy
from plasticity_bench.harness.engine.learner import StackedLearner
from plasticity_bench.harness.engine.strategy import Context, Plan, Strategy
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.avalanche.guest import ExperienceSamples
from plasticity_bench.strategies.avalanche.plugin import PlasticityPlugin
from plasticity_bench.strategies.growth.grow import Grow
from plasticity_bench.strategies.pruning.prune import Prune
from tests.helpers import CPU
from tests.strategies.avalanche.helpers import (
    CLASSES,
    IMAGE,
    MINIBATCH,
    make_benchmark,
    make_convnet,
    make_mlp,
    make_strategy,
    train,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.models import SimpleMLP


@dataclass(frozen=True, kw_only=True)
class EveryHook(Strategy):
    """Pulls weights together, halves the head's gradient and shrinks the first layer."""

    name = "every-hook"

    def penalty(self, net: Network, ctx: Context) -> Tensor:
        squares = [p.square().flatten(1).sum(1) for p in net.parameters()]
        return 0.01 * torch.stack(squares).sum(0)

    def after_backward(self, net: Network, ctx: Context) -> None:
        head = net.head
        assert head.weight.grad is not None
        assert head.bias.grad is not None
        head.weight.grad *= 0.5
        head.bias.grad = head.bias.grad * 0.5

    def after_step(self, net: Network, ctx: Context) -> None:
        with torch.no_grad():
            net.layers[0].weight.mul_(0.999)


@dataclass(frozen=True, kw_only=True)
class LooksOnly(Strategy):
    """Draws and looks at samples whenever it can, and leaves everything as it is."""

    name = "looks-only"

    def schedule(self, plan: Plan) -> Sequence[int]:
        return range(0, plan.total_updates, 3)

    def edit(self, net: Network, ctx: Context) -> None:
        ctx.score_batch(net)

    def end_task(self, net: Network, ctx: Context) -> None:
        ctx.score_batch(net)
        ctx.uniform(net.layers[0].alive.shape)


def stacked_reference(
    model: nn.Sequential, strategies: Sequence[Strategy], benchmark: Any
) -> StackedLearner:
    """Train our own engine from the model's weights on the same batches in the same order."""
    linear = [module for module in model if isinstance(module, nn.Linear)]
    convolutions = [module for module in model if isinstance(module, nn.Conv2d)]
    learner = StackedLearner(
        NetworkSpec(
            kind="convnet" if convolutions else "mlp",
            channels=tuple(module.out_channels for module in convolutions) or (1,),
            hidden=tuple(module.out_features for module in linear[:-1]),
            init="torch",
            edit_trunk=True,
        ),
        OptimizerSpec(lr=0.05),
        [0.05],
        strategies,
        [3],
        IMAGE,
        CLASSES,
        Plan(task_updates=(12, 12, 12), passes=2, batch_size=MINIBATCH),
        CPU,
    )
    with torch.no_grad():
        for layer, module in zip(learner.net.layers, [*convolutions, *linear], strict=True):
            layer.weight.copy_(module.get_parameter("weight"))
            layer.bias.copy_(module.get_parameter("bias"))
    learner.net.initial = learner.net.copy_parameters()
    for experience in benchmark.train_stream:
        learner.batches = ExperienceSamples(experience.dataset, CPU)  # type: ignore[assignment]
        if learner.progress.task == 0:
            learner.call("begin_run")
        learner.call("begin_task")
        for update in range(12):
            learner.call_scheduled_edits()
            first = update % 6 * MINIBATCH
            x, y = ExperienceSamples(experience.dataset, CPU).take(range(first, first + MINIBATCH))
            learner.observe(x, y)
        learner.call("end_task")
        learner.progress.task += 1
    return learner


@pytest.mark.parametrize(
    "spec",
    [
        "dense",
        "grow(compactness=0.6,events=3)",
        "grow(compactness=0.6,events=3,selection=gradient,insertion=fresh)",
        "prune(compactness=0.4,events=3)",
        "prune(compactness=0.4,events=2,rewind=snapshot,snapshot_update=5)",
        "shrink-perturb(keep=0.7)",
        "reset",
        "prune(compactness=0.4,rewind=none)+shrink-perturb",
    ],
)
def test_a_run_equals_that_of_our_own_engine(spec: str) -> None:
    check_equals_our_own_engine(make_mlp(), PlasticityPlugin(spec, seed=3))


@pytest.mark.parametrize("spec", ["grow(compactness=0.6,events=3)", "prune(compactness=0.4)"])
def test_a_convnet_equals_that_of_our_own_engine(spec: str) -> None:
    torch.manual_seed(0)
    trunk: list[nn.Module] = []
    for inputs, channels in ((1, 6), (6, 5)):
        trunk += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, CLASSES)]
    plugin = PlasticityPlugin(spec, seed=3, edit_trunk=True)
    check_equals_our_own_engine(nn.Sequential(*trunk, *head), plugin)


def test_every_hook_acts_as_in_our_own_engine() -> None:
    plugin = PlasticityPlugin([EveryHook(), Prune(compactness=0.5, rewind="none")], seed=3)
    check_equals_our_own_engine(make_mlp(), plugin)


def check_equals_our_own_engine(model: nn.Sequential, plugin: PlasticityPlugin) -> None:
    benchmark, head = make_benchmark(), model[-1].get_parameter("weight")
    before = head.detach().clone()
    reference = stacked_reference(model, plugin.strategies, benchmark).net
    train(make_strategy(model, [plugin]), benchmark, shuffle=False)
    view = plugin.network
    pairs = list(zip(reference.layers, view.layers, strict=True))
    names = {ours.name: theirs.name for ours, theirs in pairs}
    assert view.ledger == [replace(e, layer=names[e.layer]) for e in reference.ledger]
    assert not torch.allclose(before, head, atol=1e-3)
    for ours, theirs in pairs:
        assert torch.equal(ours.alive, theirs.alive)
        assert torch.allclose(ours.weight, theirs.weight, atol=1e-5)
        assert torch.allclose(ours.bias, theirs.bias, atol=1e-5)


# -- laws ------------------------------------------------------------------------------------------


def test_grow_ends_at_its_targets_and_starts_at_its_seed() -> None:
    counts = []

    @dataclass(frozen=True, kw_only=True)
    class Count(Strategy):
        def after_step(self, net: Network, ctx: Context) -> None:
            counts.append([int(layer.alive.sum()) for layer in net.hidden])

    grow = Grow(compactness=0.5, seed_share=0.2, at=(0, 10, 30))
    train(make_strategy(make_mlp((10, 20)), [PlasticityPlugin([grow, Count()])]), make_benchmark())
    assert len(counts) == 36
    assert counts[0] == [3, 6]  # of the seeds 2 and 4, a third of the way to 5 and 10
    assert counts[9] == counts[0]
    assert counts[10] == counts[29] == [4, 8]
    assert counts[30] == counts[-1] == [5, 10]


OPTIMIZERS: list[Callable[..., torch.optim.Optimizer]] = [
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    partial(torch.optim.Adam, lr=0.01, weight_decay=0.1, amsgrad=True),
    partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
]


@pytest.mark.parametrize("at", [0, 6])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_dead_unit_and_its_state_do_not_move(
    make: Callable[..., torch.optim.Optimizer], at: int
) -> None:
    model, benchmark = make_mlp(), make_benchmark()
    optimizer = make(model.parameters())
    plugin = PlasticityPlugin([Prune(compactness=0.5, at=(at,), rewind="none"), EveryHook()])
    strategy = make_strategy(model, [plugin], optimizer)
    strategy.train(benchmark.train_stream[0])
    dead = ~plugin.network.layers[0].alive[0]
    assert int(dead.sum()) == 5
    weight, bias = model.get_parameter("1.weight"), model.get_parameter("1.bias")
    outgoing = model.get_parameter("3.weight")

    def slices() -> list[Tensor]:
        state = [optimizer.state[p] for p in (weight, bias, outgoing)]
        moments = [[t for t in one.values() if t is not None and t.dim()] for one in state]
        assert min(map(len, moments)) >= 1
        assert not any(bool(t[dead].any()) for t in (*moments[0], *moments[1]))
        assert not any(bool(t[:, dead].any()) for t in moments[2])
        assert all(bool(t.any()) for part in moments for t in part)
        weights = [weight[dead], bias[dead], outgoing[:, dead]]
        return [one.detach().clone() for one in weights]

    before, alive_before = slices(), weight[~dead].detach().clone()
    strategy.train(benchmark.train_stream[1])
    assert all(map(torch.equal, before, slices()))
    assert not torch.allclose(alive_before, weight[~dead], atol=1e-3)


@pytest.mark.parametrize("make_model", [make_mlp, make_convnet])
def test_masked_is_as_good_as_physically_removed(make_model: Callable[[], nn.Sequential]) -> None:
    model = make_model()
    plugin = PlasticityPlugin("prune(compactness=0.5,rewind=none)", edit_trunk=True)
    train(make_strategy(model, [plugin]), make_benchmark())
    small = deepcopy(model)
    for module in small.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    kept_inputs: Tensor | None = None
    for layer in plugin.network.torch_layers:
        twin = small.get_submodule(layer.name)
        assert isinstance(twin, nn.Linear | nn.Conv2d)
        assert twin.bias is not None
        alive = layer.alive[0]
        weight = twin.weight.data[alive]
        twin.weight.data = weight if kept_inputs is None else weight[:, kept_inputs]
        twin.bias.data = twin.bias.data[alive]
        kept_inputs = alive.repeat_interleave(layer.columns_per_unit)
    x = torch.randn(9, *IMAGE)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())
    assert torch.allclose(small(x), model(x), atol=1e-6)
    assert torch.allclose(small(x), plugin.network.forward(x.unsqueeze(0))[0], atol=1e-6)
    assert torch.equal(deepcopy(model)(x), model(x))


def test_what_a_dead_unit_holds_does_not_matter() -> None:
    model = make_mlp()
    plugin = PlasticityPlugin("prune(compactness=0.5,at=[0],rewind=none)")
    make_strategy(model, [plugin]).train(make_benchmark().train_stream[0])
    x, y = torch.randn(5, *IMAGE), torch.tensor([0, 1, 2, 3, 0])
    gradients = []
    for extra in (0, 1000):
        with torch.no_grad():
            model.get_parameter("1.weight")[~plugin.network.layers[0].alive[0]] += extra
        loss = nn.functional.cross_entropy(model(x), y)
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    assert all(map(torch.equal, *gradients))


def test_a_strategy_that_does_nothing_changes_not_a_bit() -> None:
    def trained(*plugins: PlasticityPlugin) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        model = SimpleMLP(num_classes=CLASSES, input_size=36, hidden_size=9, hidden_layers=2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        train(make_strategy(model, plugins, optimizer), make_benchmark())
        return torch.cat([p.detach().flatten() for p in model.parameters()]), torch.rand(3)

    without = trained()
    for plugin in (PlasticityPlugin("dense"), PlasticityPlugin(LooksOnly(), seed=1)):
        assert all(map(torch.equal, without, trained(plugin)))
    assert not torch.equal(without[0], trained(PlasticityPlugin("reset"))[0])


def test_looking_at_samples_does_not_move_the_generators_of_their_transforms() -> None:
    class Noisy:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, row: int) -> tuple[Tensor, int]:
            return torch.rand(2) + random.random() + float(np.random.rand()), row

    def draws() -> list[float]:
        return [float(torch.rand(())), random.random(), float(np.random.rand())]

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    expected = draws()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    x, y = ExperienceSamples(Noisy(), CPU).take([3, 1])
    assert x.shape == (1, 2, 2)
    assert y.tolist() == [[3, 1]]
    assert draws() == expected


# -- the optimiser's state -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["stock", "zero", "mean", "second_moment_only", "reset_all"])
def test_a_state_policy_writes_the_state_of_torch_s_optimiser(policy: StatePolicy) -> None:
    model, benchmark = make_mlp(), make_benchmark()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    plugin = PlasticityPlugin("dense")
    make_strategy(model, [plugin], optimizer).train(benchmark.train_stream[0])
    view = plugin.network
    weight, head = model.get_parameter("1.weight"), model.get_parameter("5.bias")
    was = {key: value.clone() for key, value in optimizer.state[weight].items()}
    chosen = torch.arange(10).unsqueeze(0) < 2
    view.torch_optimizer.refresh()
    view.reset(view.layers[0], chosen, state=policy)
    if policy == "reset_all":
        assert not optimizer.state
        return
    assert optimizer.state[head]["exp_avg"].any()
    for key, plain in (("exp_avg", "mean"), ("exp_avg_sq", "mean second_moment_only")):
        now = optimizer.state[weight][key]
        assert torch.equal(now[2:], was[key][2:])
        expected = {"stock": was[key][:2]}.get(policy, torch.zeros(2, 36))
        if policy in plain.split():
            expected = was[key][2:].mean(0).expand(2, 36)
        assert torch.allclose(now[:2], expected)


def test_a_clock_of_its_own_is_said_to_be_missing_under_adam_only() -> None:
    for make in (torch.optim.Adam, torch.optim.SGD):
        model = make_mlp()
        optimizer = make(model.parameters(), lr=0.01)
        plugin = PlasticityPlugin("grow(compactness=0.5,at=[5],state=zero_step)")
        strategy = make_strategy(model, [plugin], optimizer)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            strategy.train(make_benchmark().train_stream[0])
        said = [str(one.message) for one in caught if "zero_step" in str(one.message)]
        assert len(said) == (2 if make is torch.optim.Adam else 0)  # one for each layer's edit


def test_an_optimiser_reset_empties_torch_s_state() -> None:
    model, benchmark = make_mlp(), make_benchmark()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    train(make_strategy(model, [PlasticityPlugin("optimizer-reset")], optimizer), benchmark)
    assert {int(state["step"]) for state in optimizer.state.values()} == {12}
