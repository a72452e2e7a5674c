"""Births and updates by hand, as the learner makes them, and short runs that can be looked into."""

from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.engine.strategy import Context, Plan, Strategy
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.harness.loop.test_run import DATA, make_specs
from tests.helpers import backward, make_batch, train, units

Make = Callable[..., tuple[Network, Context]]
MLP = NetworkSpec(hidden=(9, 8))
NORMED = NetworkSpec(hidden=(9, 8), norm="layer")
TRUNK = NetworkSpec(kind="convnet", channels=(6, 7), hidden=(8, 7), edit_trunk=True)
PLAIN_SGD = OptimizerSpec(name="sgd", lr=0.05)
ADAM = OptimizerSpec(name="adam", lr=0.01)
MOMENTUM = OptimizerSpec(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.01)
NETWORKS = [
    pytest.param(MLP, id="mlp"),
    pytest.param(NORMED, id="norm"),
    pytest.param(TRUNK, id="trunk"),
]
LONG = Plan(task_updates=(1000,), passes=1, batch_size=16)

TINY = ("stream.samples_per_task=64", "network.hidden=[12,10]", "stream.batch_size=8")
"""Three tasks of 8 updates each."""


def consumer_of(layer: Layer) -> Layer:
    assert layer.consumer is not None
    return layer.consumer


def columns(layer: Layer, tensor: Tensor, unit: int) -> Tensor:
    """Return the columns (R, O, S, ...) of one unit from a tensor of its consumer's shape."""
    width = layer.columns_per_unit
    return tensor[:, :, unit * width : (unit + 1) * width]


def aged(
    make: Make, network: NetworkSpec = MLP, optimizer: OptimizerSpec = ADAM, dead: int = 4
) -> tuple[Network, Context]:
    """Train a network in which the first units of every layer are dead."""
    net, ctx = make(network, optimizer, plan=LONG)
    for layer in net.hidden:
        net.prune(layer, units(layer, *[range(dead)] * net.replicas))
    train(net, 6)
    return net, ctx


def bear(
    net: Network,
    ctx: Context,
    strategy: Strategy,
    *chosen: Sequence[int],
    layers: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Switch units on, one list of numbers per replica, and tell the strategy of it.

    Args:
        net: the network.
        ctx: the strategy's context.
        strategy: who is told.
        chosen: those of them that are dead are born.
        layers: numbers among the editable layers; None for all.

    Returns:
        The newborns, by layer.
    """
    born: dict[str, Tensor] = {}
    for number in range(len(net.hidden)) if layers is None else layers:
        layer = net.hidden[number]
        born[layer.name] = units(layer, *chosen) & ~layer.alive
        net.grow(layer, born[layer.name])
    strategy.after_births(born, net, ctx)
    return born


def update(
    net: Network, ctx: Context, strategy: Strategy, factor: float = 1.0
) -> dict[str, Tensor]:
    """Make one update as the learner does; return the gradients by parameter."""
    backward(net, *make_batch(net.replicas, size=16, seed=ctx.update))
    strategy.after_backward(net, ctx)
    gradients = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    net.optimizer.step(strategy.learning_rate(factor, net, ctx))
    for parameter in net.parameters():
        parameter.grad = None
    strategy.after_step(net, ctx)
    net.hold_dead()
    ctx.progress.update += 1
    return gradients


def slice_entries(net: Network, born: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mark the entries in the slices of some units, one by one: parameter -> bool of its shape."""
    marks = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in net.named_parameters()}
    for layer in net.hidden:
        for replica, unit in born.get(layer.name, torch.zeros(0, 2)).nonzero().tolist():
            for name in layer.parameters():
                marks[f"{layer.name}.{name}"][replica, unit] = True
            columns(layer, marks[f"{consumer_of(layer).name}.weight"], unit)[replica] = True
    return marks


def live_entries(net: Network) -> dict[str, Tensor]:
    """Return which entries can matter, by parameter."""
    return {
        name: mask for (name, _), mask in zip(net.named_parameters(), net.live_masks(), strict=True)
    }


def tiny_run(entrant: str, seeds: str = "0:2", *sets: str) -> StackedRun:
    """Make a run of 24 updates without measurements."""
    return StackedRun(make_specs(entrant, seeds, *TINY, *sets), DATA, measured=False)


def drive(run: StackedRun, updates: int) -> list[float]:
    """Make that many updates of a run by hand, with its edits; return the loss of each."""
    learner, losses = run.learner, []
    for x, y in run.trial_batches(updates):
        if learner.progress.update > 0:
            learner.call_scheduled_edits()
        losses.append(float(learner.observe(x, y)[1].sum()))
    return losses
