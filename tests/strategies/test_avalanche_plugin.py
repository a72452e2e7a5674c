import doctest
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
from torch.nn import functional
from torch.utils.data import TensorDataset

from plasticity_bench.harness.edits import Network, StatePolicy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.learner import StackedLearner
from plasticity_bench.harness.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.harness.strategy import Context, Plan, PluginError, Strategy
from plasticity_bench.strategies import avalanche_plugin
from plasticity_bench.strategies.avalanche_guest import ExperienceSamples
from plasticity_bench.strategies.avalanche_plugin import PlasticityPlugin
from plasticity_bench.strategies.grow import Grow
from plasticity_bench.strategies.prune import Prune
from tests.helpers import CPU
from tests.strategies.avalanche_helpers import (
    CLASSES,
    IMAGE,
    MINIBATCH,
    make_benchmark,
    make_convnet,
    make_mlp,
    make_strategy,
    tensors,
    train,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import (
        class_incremental_benchmark,
        split_online_stream,
        tensors_benchmark,
    )
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.models import IncrementalClassifier, MTSimpleMLP, SimpleCNN, SimpleMLP


@dataclass(frozen=True, kw_only=True)
class EveryHook(Strategy):
    """Pulls weights together, halves the head's gradient and shrinks the first layer."""

    name = "every-hook"

    def penalty(self, net: Network, ctx: Context) -> Tensor:
        return 0.01 * sum(p.square().flatten(1).sum(1) for p in net.parameters())

    def after_backward(self, net: Network, ctx: Context) -> None:
        assert net.head.weight.grad is not None
        net.head.weight.grad *= 0.5
        net.head.bias.grad = net.head.bias.grad * 0.5  # type: ignore[operator]

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
            assert module.bias is not None
            layer.weight.copy_(module.weight)
            layer.bias.copy_(module.bias)
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
    benchmark, before = make_benchmark(), model[-1].weight.detach().clone()
    reference = stacked_reference(model, plugin.strategies, benchmark).net
    train(make_strategy(model, [plugin]), benchmark, shuffle=False)
    view = plugin.network
    names = dict(zip((l.name for l in reference.layers), (l.name for l in view.layers)))
    assert view.ledger == [replace(e, layer=names[e.layer]) for e in reference.ledger]
    assert not torch.allclose(before, model[-1].weight, atol=1e-3)
    for ours, theirs in zip(reference.layers, view.layers, strict=True):
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


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_dead_unit_and_its_state_do_not_move(make: Callable[..., torch.optim.Optimizer]) -> None:
    model, benchmark = make_mlp(), make_benchmark()
    optimizer = make(model.parameters())
    plugin = PlasticityPlugin([Prune(compactness=0.5, at=(6,), rewind="none"), EveryHook()])
    strategy = make_strategy(model, [plugin], optimizer)
    strategy.train(benchmark.train_stream[0])
    dead = ~plugin.network.layers[0].alive[0]
    assert int(dead.sum()) == 5

    def slices() -> list[Tensor]:
        state = [optimizer.state[p] for p in (model[1].weight, model[1].bias, model[3].weight)]
        moments = [[t for t in one.values() if t is not None and t.dim()] for one in state]
        assert min(map(len, moments)) >= 1
        assert not any(bool(t[dead].any()) for t in (*moments[0], *moments[1]))
        assert not any(bool(t[:, dead].any()) for t in moments[2])
        assert all(bool(t.any()) for part in moments for t in part)
        weights = [model[1].weight[dead], model[1].bias[dead], model[3].weight[:, dead]]
        return [weight.detach().clone() for weight in weights]

    before, alive_before = slices(), model[1].weight[~dead].detach().clone()
    strategy.train(benchmark.train_stream[1])
    assert all(map(torch.equal, before, slices()))
    assert not torch.allclose(alive_before, model[1].weight[~dead], atol=1e-3)


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
            model[1].weight[~plugin.network.layers[0].alive[0]] += extra
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

    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # type: ignore[func-returns-value]
    expected = draws()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # type: ignore[func-returns-value]
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
    weight, head = model[1].weight, model[5].bias
    was = {key: value.clone() for key, value in optimizer.state[weight].items()}
    chosen = torch.arange(10).unsqueeze(0) < 2
    view.optimizer.refresh()
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


# -- models ----------------------------------------------------------------------------------------


class ByFunctions(nn.Module):
    """Written as most models are: functions, one activation module for all, a pool before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc1 = nn.Linear(4 * 2 * 2, 9)
        self.fc2 = nn.Linear(9, 8)
        self.fc3 = nn.Linear(8, CLASSES)
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.conv(x), 2))
        x = functional.dropout(x.view(x.size(0), -1), 0.1, training=self.training)
        x = self.act(self.fc1(x))
        return self.fc3(self.act(self.fc2(x)))  # type: ignore[no-any-return]


def test_functions_and_shared_activations_are_followed() -> None:
    model = ByFunctions()
    plugin = PlasticityPlugin("grow(compactness=0.5)", edit_trunk=True)
    train(make_strategy(model, [plugin]), make_benchmark())
    view = plugin.network
    assert [layer.name for layer in view.hidden] == ["conv", "fc1", "fc2"]
    assert [int(layer.alive.sum()) for layer in view.hidden] == [2, 4, 4]
    assert [layer.columns_per_unit for layer in view.layers] == [4, 1, 1, 1]
    assert view.layers[0].positions == 16
    x, model = torch.randn(3, *IMAGE), model.eval()
    assert torch.allclose(view.forward(x.unsqueeze(0))[0], model(x), atol=1e-6)
    assert set(vars(model)) == set(vars(ByFunctions()))


def test_a_growing_head_is_followed() -> None:
    torch.manual_seed(0)
    x, y = tensors(96, 0)
    plain = TensorDataset(x, y)
    plain.targets = y.tolist()  # type: ignore[attr-defined]
    data = {"train": as_classification_dataset(plain)}
    benchmark = class_incremental_benchmark(data, num_experiences=2, class_order=[0, 1, 2, 3])
    head = IncrementalClassifier(9, initial_out_features=1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 9), nn.ReLU(), head)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    plugin = PlasticityPlugin("prune(compactness=0.5,every_tasks=1,events=2)")
    strategy = make_strategy(model, [plugin], optimizer)
    widths = []
    for experience in benchmark.train_stream:
        strategy.train(experience)
        view = plugin.network
        widths.append(view.head.weight.shape[1])
        assert view.head.weight.data_ptr() == head.classifier.weight.data_ptr()
        assert view.initial["3.classifier.weight"].shape == view.head.weight.shape
        assert view.closed_outputs is not None
        assert view.closed_outputs.flatten().logical_not().tolist() == head.active_units.tolist()
    assert widths == [2, 4]
    assert int(plugin.network.hidden[0].alive.sum()) == 4
    assert torch.equal(model.eval()(x).argmax(1), view.forward(x.unsqueeze(0))[0].argmax(1))


def test_a_head_that_has_not_grown_is_still_the_one_that_is_edited() -> None:
    model = make_mlp()
    plugin = PlasticityPlugin("dense")
    train(make_strategy(model, [plugin]), make_benchmark())
    assert plugin.network.head.weight.data_ptr() == model[5].weight.data_ptr()
    assert not torch.equal(plugin.network.initial["5.weight"][0], model[5].weight)


# -- the plan --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "settings", "said", "planned"),
    [
        ((48, 48, 48), {}, {}, (12, 12, 12)),
        ((48, 20, 8), {"train_epochs": 3}, {}, (18, 9, 3)),
        ((48, 20), {}, {"updates_per_task": [12, 6]}, (12, 6)),
        ((48, 48), {}, {"tasks": 3}, (12, 12, 12)),
        ((48, 48), {}, {"updates_per_task": 12}, (12, 12)),
        ((48, 48), {}, {"tasks": 1, "updates_per_task": 12}, (12,)),
    ],
)
def test_the_plan_comes_from_the_benchmark_unless_it_is_said(
    sizes: Sequence[int],
    settings: dict[str, Any],
    said: dict[str, Any],
    planned: tuple[int, ...],
) -> None:
    plugin = PlasticityPlugin("dense", **said)
    strategy = make_strategy(make_mlp(), [plugin], **settings)
    strategy.train(make_benchmark(sizes).train_stream[0])
    assert plugin.plan.task_updates == planned
    assert plugin.plan.passes == settings.get("train_epochs", 2)
    assert plugin.plan.batch_size == MINIBATCH
    assert plugin.updates == planned[0]


def test_batches_that_are_dropped_are_not_planned_with() -> None:
    plugin = PlasticityPlugin("dense")
    strategy = make_strategy(make_mlp(), [plugin])
    for experience in make_benchmark((20, 20)).train_stream:
        strategy.train(experience, drop_last=True)
    assert plugin.plan.task_updates == (4, 4)


def test_a_run_that_differs_from_its_plan_is_told_of() -> None:
    plugin = PlasticityPlugin("dense", updates_per_task=5)
    strategy = make_strategy(make_mlp(), [plugin])
    with pytest.warns(UserWarning, match="task 0 took 12 updates, but 5 were expected"):
        strategy.train(make_benchmark().train_stream[0])


def test_the_parts_of_an_online_experience_are_one_task() -> None:
    calls: list[tuple[str, int, int]] = []

    @dataclass(frozen=True, kw_only=True)
    class Notes(Strategy):
        def begin_task(self, net: Network, ctx: Context) -> None:
            calls.append(("begin", ctx.task, ctx.update))

        def end_task(self, net: Network, ctx: Context) -> None:
            calls.append(("end", ctx.task, ctx.update))

        def end_run(self, net: Network, ctx: Context) -> None:
            calls.append(("done", ctx.task, ctx.update))

    split = partial(split_online_stream, make_benchmark((16, 16)).train_stream, experience_size=4)
    plugin = PlasticityPlugin(Notes(), tasks=2, updates_per_task=8)
    strategy = make_strategy(make_mlp(), [plugin], train_mb_size=4)
    for part in split(access_task_boundaries=True):
        strategy.train(part)
    assert calls == [
        ("begin", 0, 0),
        ("end", 0, 8),
        ("begin", 1, 8),
        ("end", 1, 16),
        ("done", 2, 16),
    ]
    untold = next(iter(split(access_task_boundaries=False)))
    with pytest.raises(BenchError, match="'reset' needs to be told: task boundary"):
        make_strategy(make_mlp(), [PlasticityPlugin("reset", tasks=2, updates_per_task=8)]).train(
            untold
        )
    with pytest.raises(BenchError, match=r"Give tasks=\.\.\. and updates_per_task=\.\.\."):
        make_strategy(make_mlp(), [PlasticityPlugin("grow")]).train(untold)


# -- errors ----------------------------------------------------------------------------------------


class Skips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(36, 36), nn.Linear(36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        return self.second(torch.relu(self.first(h)) + h)  # type: ignore[no-any-return]


class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1) if x.sum() > 0 else -x.flatten(1))  # type: ignore[no-any-return]


class Reshapes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(18, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.reshape(-1, 18))  # type: ignore[no-any-return]


def chain(*modules: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 6), *modules)


SHARED = nn.Linear(6, 6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Skips(), "the output of the operation 'flatten' is read 2 times, by Linear 'first'"),
        (chain(nn.BatchNorm1d(6), nn.Linear(6, 4)), "BatchNorm1d '2' is not supported"),
        (chain(nn.LayerNorm(6), nn.Linear(6, 4)), "LayerNorm '2' is not supported"),
        (chain(SHARED, nn.ReLU(), SHARED), "Linear '2' is used twice"),
        (chain(nn.ReLU(), nn.Tanh(), nn.Linear(6, 4)), "Linear '1' is followed by 2 activations"),
        (chain(nn.ReLU(), nn.Linear(6, 4), nn.Softmax(1)), "Softmax '4' is not supported"),
        (chain(nn.ReLU(), nn.Linear(6, 4), nn.ReLU()), "ReLU '4' comes after the head"),
        (chain(nn.ReLU(), nn.Linear(6, 4, bias=False)), "Linear '3' has no bias"),
        (nn.Sequential(nn.Conv2d(1, 4, 6)), "Conv2d '0', is not a Linear head"),
        (MTSimpleMLP(input_size=36), "MTSimpleMLP reads x and task_labels"),
        (Decides(), "the forward of Decides cannot be followed"),
        (Reshapes(), "Reshapes does something between its layers that is not understood"),
    ],
)
def test_a_model_that_is_not_a_chain_is_refused_by_name(model: nn.Module, message: str) -> None:
    strategy = make_strategy(model, [PlasticityPlugin("grow")])
    modes = [module.training for module in model.modules()]
    with pytest.raises(BenchError, match=message) as caught:
        strategy.train(make_benchmark().train_stream[0])
    assert "Supported are Linear and Conv2d layers" in str(caught.value)
    assert modes == [module.training for module in model.modules()]


def test_an_optimiser_whose_state_is_not_known_is_refused() -> None:
    model = make_mlp()
    optimizer = torch.optim.Rprop(model.parameters())
    strategy = make_strategy(model, [PlasticityPlugin("grow")], optimizer)
    with pytest.raises(BenchError, match=r"the state of Rprop .* Use torch.optim.SGD, Adam or"):
        strategy.train(make_benchmark().train_stream[0])


def test_a_model_with_nothing_to_edit_is_refused() -> None:
    model = SimpleCNN(num_classes=CLASSES)
    benchmark = make_benchmark()
    model.features[0] = nn.Conv2d(1, 32, 3, padding=4)
    with pytest.raises(BenchError, match="nothing to edit: .* Set edit_trunk=True"):
        make_strategy(model, [PlasticityPlugin("grow")]).train(benchmark.train_stream[0])
    plugin = PlasticityPlugin("grow(compactness=0.5)", edit_trunk=True)
    train(make_strategy(model, [plugin]), benchmark)
    assert [int(layer.alive.sum()) for layer in plugin.network.hidden] == [16, 16, 32, 32, 32]


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        ("grwo", "no strategy 'grwo'; did you mean 'grow'"),
        ("grow(compactnes=1)", "did you mean 'compactness'"),
        ("grow(compactness=2)", "compactness=2.0: give a share"),
        ([3], "3 is not a strategy"),
    ],
)
def test_a_wrong_strategy_is_refused_before_any_training(strategies: Any, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        PlasticityPlugin(strategies)


def test_a_strategy_that_wants_another_architecture_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wider(Strategy):
        name = "wider"

        def configure(self, network: NetworkSpec) -> NetworkSpec:
            return network

    with pytest.raises(BenchError, match="'wider' changes the architecture"):
        PlasticityPlugin(Wider())


def test_a_strategy_that_cuts_single_connections_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Cuts(Strategy):
        def begin_run(self, net: Network, ctx: Context) -> None:
            net.layers[0].connected = torch.ones_like(net.layers[0].weight, dtype=torch.bool)
            net.prune(net.layers[0], torch.zeros_like(net.layers[0].alive))

    with pytest.raises(BenchError, match="single connections cannot be cut"):
        make_strategy(make_mlp(), [PlasticityPlugin(Cuts())]).train(
            make_benchmark().train_stream[0]
        )


def test_a_strategy_that_raises_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Fails(Strategy):
        name = "fails"

        def after_step(self, net: Network, ctx: Context) -> None:
            raise ZeroDivisionError("no")

    with pytest.raises(PluginError, match="'fails' raised in after_step after 0 updates: Zero"):
        make_strategy(make_mlp(), [PlasticityPlugin(Fails())]).train(
            make_benchmark().train_stream[0]
        )


def test_another_model_or_none_yet_is_refused() -> None:
    benchmark, plugin = make_benchmark(), PlasticityPlugin("grow")
    with pytest.raises(BenchError, match="has not seen the model yet"):
        _ = plugin.network
    strategy = make_strategy(make_mlp(), [plugin])
    strategy.train(benchmark.train_stream[0])
    strategy.model = make_mlp()
    with pytest.raises(BenchError, match="has another model than at the first experience"):
        strategy.train(benchmark.train_stream[1])
    other = make_strategy(model := make_mlp(), [plugin := PlasticityPlugin("grow")])
    other.train(benchmark.train_stream[0])
    model[3] = nn.Linear(10, 9)
    model[5] = nn.Linear(9, CLASSES)
    with pytest.raises(BenchError, match="the layers of Sequential have changed"):
        other.train(benchmark.train_stream[1])


def test_the_example_in_the_documentation_does_what_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 8, 8, generator=generator)
    y = torch.randint(10, (64,), generator=generator)
    benchmark = tensors_benchmark([(x, y)] * 3, [(x, y)] * 3, task_labels=[0] * 3)
    given = {"benchmark": benchmark}
    text = avalanche_plugin.__doc__ or ""
    test = doctest.DocTestParser().get_doctest(text, given, "example", None, 0)
    assert len(test.examples) > 5
    runner = doctest.DocTestRunner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert runner.run(test).failed == 0
