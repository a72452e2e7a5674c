import doctest
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plasticity_bench.harness.edits import Network
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
    train,
)


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


def stacked_reference(
    model: nn.Sequential, strategies: Sequence[Strategy], benchmark: Any
) -> StackedLearner:
    """Train our own engine from the model's weights on the same batches in the same order."""
    linear = [module for module in model if isinstance(module, nn.Linear)]
    plan = Plan(task_updates=(12, 12, 12), passes=2, batch_size=MINIBATCH)
    hidden = tuple(module.out_features for module in linear[:-1])
    learner = StackedLearner(
        NetworkSpec(hidden=hidden, init="torch"),
        OptimizerSpec(lr=0.05),
        [0.05],
        strategies,
        [3],
        IMAGE,
        CLASSES,
        plan,
        CPU,
    )
    with torch.no_grad():
        for layer, module in zip(learner.net.layers, linear, strict=True):
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
    benchmark, model = make_benchmark(), make_mlp()
    plugin = PlasticityPlugin(spec, seed=3)
    reference = stacked_reference(model, plugin.strategies, benchmark).net
    train(make_strategy(model, [plugin]), benchmark, shuffle=False)
    assert plugin.network.ledger == [
        event_of(event, plugin.network) for event in reference.ledger
    ]
    for ours, theirs in zip(reference.layers, plugin.network.layers, strict=True):
        assert torch.equal(ours.alive, theirs.alive)
        assert torch.allclose(ours.weight, theirs.weight, atol=1e-5)
        assert torch.allclose(ours.bias, theirs.bias, atol=1e-5)


def event_of(event: Any, net: Network) -> Any:
    from dataclasses import replace

    names = {"fc1": "1", "fc2": "3"}
    return replace(event, layer=names[event.layer])


def test_every_hook_acts_on_the_model_as_on_our_own_network() -> None:
    benchmark, model = make_benchmark(), make_mlp()
    plugin = PlasticityPlugin([EveryHook(), Prune(compactness=0.5, rewind="none")], seed=3)
    reference = stacked_reference(model, plugin.strategies, benchmark).net
    train(make_strategy(model, [plugin]), benchmark, shuffle=False)
    for ours, theirs in zip(reference.layers, plugin.network.layers, strict=True):
        assert torch.allclose(ours.weight, theirs.weight, atol=1e-5)
