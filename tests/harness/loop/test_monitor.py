"""Which cohorts are followed, and what ends them."""

from types import SimpleNamespace
from typing import Any, cast

import torch

from plasticity_bench.harness.engine.edits import Event, Network
from plasticity_bench.harness.loop.monitor import CohortMonitor


def network() -> Any:
    layers = [SimpleNamespace(name=name, alive=torch.ones(2, 4, dtype=torch.bool)) for name in "ab"]
    return SimpleNamespace(layers=layers, restarted_weights=torch.zeros(2, dtype=torch.int64))


def births(monitor: CohortMonitor) -> dict[str, list[int | None]]:
    return {name: list(one.births) for name, one in monitor.layers.items()}


def test_a_restart_of_all_weights_ends_the_cohorts_of_its_replica_in_every_layer() -> None:
    net, monitor = network(), CohortMonitor()
    grown = [Event("grow", layer, replica, (1,), "", 0) for layer in "ab" for replica in (0, 1)]
    monitor.begin(cast(Network, net), grown, 10)
    assert births(monitor) == {"a": [10, 10], "b": [10, 10]}
    monitor.begin(cast(Network, net), [], 20)
    assert births(monitor) == {"a": [10, 10], "b": [10, 10]}
    net.restarted_weights[1] += 7
    monitor.begin(cast(Network, net), [], 30)
    assert births(monitor) == {"a": [10, None], "b": [10, None]}
    assert not monitor.layers["a"].newborn[1].any()


def test_the_restarts_seen_are_part_of_the_state() -> None:
    net, monitor, other = network(), CohortMonitor(), CohortMonitor()
    net.restarted_weights += 3
    monitor.begin(cast(Network, net), [Event("grow", "a", 0, (1,), "", 0)], 10)
    other.load_state_dict(monitor.state_dict())
    other.begin(cast(Network, net), [], 20)
    assert births(other) == {"a": [10, None]}
