import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, PluginError, Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.avalanche import plugin as avalanche_plugin
from plasticity_bench.strategies.avalanche.plugin import PlasticityPlugin
from tests.strategies.avalanche.helpers import (
    CLASSES,
    IMAGE,
    MINIBATCH,
    make_benchmark,
    make_class_incremental_benchmark,
    make_mlp,
    make_strategy,
    run_example,
    tensors,
    train,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import split_online_stream
    from avalanche.models import IncrementalClassifier, MTSimpleMLP, SimpleCNN

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
    model.eval()
    x = torch.randn(3, *IMAGE)
    assert torch.allclose(view.forward(x.unsqueeze(0))[0], model(x), atol=1e-6)
    assert set(vars(model)) == set(vars(ByFunctions()))


@pytest.mark.parametrize("when", ["every_tasks=1,events=2", "at=[0]"])
def test_a_growing_head_is_followed(when: str) -> None:
    benchmark = make_class_incremental_benchmark()
    head = IncrementalClassifier(9, initial_out_features=1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 9), nn.ReLU(), head)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    plugin = PlasticityPlugin(f"prune(compactness=0.5,{when})")
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
    view, (x, _) = plugin.network, tensors(9, 1)
    model.eval()
    assert torch.equal(model(x).argmax(1), view.forward(x.unsqueeze(0))[0].argmax(1))


def test_a_head_that_has_not_grown_is_still_the_one_that_is_edited() -> None:
    model = make_mlp()
    plugin = PlasticityPlugin("dense")
    train(make_strategy(model, [plugin]), make_benchmark())
    assert plugin.network.head.weight.data_ptr() == model.get_parameter("5.weight").data_ptr()
    assert not torch.equal(plugin.network.initial["5.weight"], plugin.network.head.weight)


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


class Shifts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1) - torch.ones(36))  # type: ignore[no-any-return]


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
        (Shifts(), "the operation 'sub' reads more than one tensor"),
        (Decides(), "the forward of Decides cannot be followed"),
        (Reshapes(), "Reshapes does something between its layers that is not understood"),
    ],
)
def test_a_model_that_is_not_a_chain_is_refused_by_name(model: nn.Module, message: str) -> None:
    strategy = make_strategy(model, [PlasticityPlugin("grow")])
    modes, names = [module.training for module in model.modules()], set(vars(model))
    with pytest.raises(BenchError, match=message) as caught:
        strategy.train(make_benchmark().train_stream[0])
    assert "Supported are Linear and Conv2d layers" in str(caught.value)
    assert modes == [module.training for module in model.modules()]
    assert names == set(vars(model))


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
    with pytest.raises(BenchError, match=r"nothing to edit: .* Set edit_trunk=True"):
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


def test_two_plug_ins_for_one_model_are_refused() -> None:
    strategy = make_strategy(make_mlp(), [PlasticityPlugin("grow"), PlasticityPlugin("reset")])
    with pytest.raises(BenchError, match="Give all strategies to one, for example"):
        strategy.train(make_benchmark().train_stream[0])


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
    found = run_example(avalanche_plugin)
    assert found.failed == 0
    assert found.attempted > 5
