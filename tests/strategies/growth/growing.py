"""What tests of growth methods share."""

from collections.abc import Callable

import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.specs.spec import NetworkSpec
from plasticity_bench.strategies.budget import ScheduledEdits
from tests.helpers import make_batch, train

Make = Callable[..., tuple[Network, Context]]
WIDE = NetworkSpec(hidden=(50, 40))
LEAKY = NetworkSpec(hidden=(50, 40), activation="leaky-relu(slope=0.2)")
SMALL_CONVNET = NetworkSpec(kind="convnet", channels=(10, 8), hidden=(20, 16), edit_trunk=True)


def go_through(strategy: ScheduledEdits, net: Network, ctx: Context) -> list[list[list[int]]]:
    """Make every scheduled edit with three updates between; return alive counts after each."""
    counts = []
    strategy.begin_run(net, ctx)
    for update in sorted(set(strategy.schedule(ctx.plan))):
        ctx.progress.update = update
        strategy.edit(net, ctx)
        counts.append([layer.alive.sum(1).tolist() for layer in net.hidden])
        train(net, 3, seed=update)
    return counts


def seeded(make: Make, strategy: ScheduledEdits, network: NetworkSpec) -> tuple[Network, Context]:
    """Return a network that has begun its run and made a few updates."""
    net, ctx = make(network)
    strategy.begin_run(net, ctx)
    train(net, 5)
    ctx.progress.update = next(iter(strategy.schedule(ctx.plan)))
    return net, ctx


@torch.no_grad()
def answers(net: Network) -> Tensor:
    """Return the logits on some samples."""
    return net.forward(make_batch(net.replicas, 32, seed=4)[0])
