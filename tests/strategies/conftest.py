from collections.abc import Callable, Sequence

import pytest

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.probe import probe
from plasticity_bench.harness.engine.strategy import Context, Plan, Progress, TaskSamples
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import ADAM, CPU, MLP, make_batch, make_network

SEEDS = (0, 1)


def no_samples() -> TaskSamples:
    raise AssertionError("this context has no samples of a task")


@pytest.fixture
def make() -> Callable[..., tuple[Network, Context]]:
    """Make a network with a context whose scoring batch is always the same."""

    def make(
        network: NetworkSpec = MLP,
        optimizer: OptimizerSpec = ADAM,
        seeds: Sequence[int] = SEEDS,
        plan: Plan | None = None,
    ) -> tuple[Network, Context]:
        net = make_network(network, optimizer, seeds)
        context = Context(
            plan or Plan(task_updates=(10,) * 5, passes=1, batch_size=16),
            Progress(),
            ReplicaRandom(seeds, "strategy", CPU),
            lambda net, count: probe(net, *make_batch(len(seeds), count, seed=9)),
            no_samples,
        )
        return net, context

    return make
