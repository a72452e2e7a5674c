"""Small networks, batches and stand-ins that many tests use."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import Layer, LayerStack
from plasticity_bench.harness.engine.optimizers import StackedOptimizer
from plasticity_bench.harness.engine.probe import replica_loss
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec

CPU = torch.device("cpu")
MLP = NetworkSpec(kind="mlp", hidden=(7, 6))
CONVNET = NetworkSpec(kind="convnet", hidden=(9, 8, 7), edit_trunk=True)
SGD = OptimizerSpec(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.01)
ADAM = OptimizerSpec(name="adam", lr=0.01, weight_decay=0.01)
IMAGE = (1, 4, 4)
CLASSES = 3


def make_network(
    spec: NetworkSpec = MLP,
    optimizer: OptimizerSpec = SGD,
    seeds: Sequence[int] = (0, 1),
    learning_rates: Sequence[float] | None = None,
) -> Network:
    net = Network(spec, IMAGE, CLASSES, ReplicaRandom(seeds, "initialisation", CPU))
    rates = [optimizer.lr] * len(seeds) if learning_rates is None else learning_rates
    net.attach(StackedOptimizer(optimizer, net, rates), ReplicaRandom(seeds, "fresh", CPU))
    return net


def make_batch(replicas: int = 2, size: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(replicas, size, *IMAGE, generator=generator)
    return x, torch.randint(CLASSES, (replicas, size), generator=generator)


def backward(net: LayerStack, x: Tensor, y: Tensor) -> Tensor:
    loss = replica_loss(net.forward(x), y).mean(1)
    loss.sum().backward()
    return loss.detach()


def train(net: Network, updates: int, seed: int = 0, hold: bool = True) -> None:
    """Make updates as the learner does, without strategies."""
    for update in range(updates):
        backward(net, *make_batch(net.replicas, seed=seed + update))
        net.optimizer.step(1.0)
        for parameter in net.parameters():
            parameter.grad = None
        if hold:
            net.hold_dead()


def units(layer: Layer, *chosen: Sequence[int]) -> Tensor:
    """Make a (R, U) mask from one list of unit numbers per replica."""
    mask = torch.zeros_like(layer.alive)
    for replica, row in enumerate(chosen):
        mask[replica, list(row)] = True
    return mask


def undrawn(figure: Figure, place: Path | BytesIO, **_: Any) -> None:
    """Stand for `Figure.savefig`: drawing takes most of a report's time, and has its own tests."""
    del figure
    if isinstance(place, Path):
        place.touch()
