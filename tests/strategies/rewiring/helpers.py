"""Steps of a small network under one strategy, as the learner makes them."""

import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.network import Layer
from plasticity_bench.harness.engine.strategy import Context, Plan, Strategy
from tests.helpers import backward, make_batch


def plan_of(updates: int, passes: int = 1) -> Plan:
    return Plan(task_updates=(updates,), passes=passes, batch_size=16)


def make_update(strategy: Strategy, net: Network, ctx: Context) -> bool:
    """Make one update, with the edit before it if one is due; tell if it replaced the step."""
    if ctx.update in set(strategy.schedule(ctx.plan)):
        strategy.edit(net, ctx)
    backward(net, *make_batch(net.replicas, 16, seed=ctx.update))
    replaced = bool(strategy.after_backward(net, ctx))
    if not replaced:
        net.mask_gradients()
        net.optimizer.step(strategy.learning_rate(1.0, net, ctx))
    for parameter in net.parameters():
        parameter.grad = None
    strategy.after_step(net, ctx)
    net.hold_dead()
    ctx.progress.update += 1
    return replaced


def connections(layer: Layer) -> Tensor:
    assert layer.connected is not None
    return layer.connected


def counts(net: Network) -> list[list[int]]:
    """Count the connections of every sparse layer of every replica."""
    sparse = [layer.connected for layer in net.layers if layer.connected is not None]
    return [connected.flatten(1).sum(1).tolist() for connected in sparse]


def state_of(net: Network, layer: Layer) -> dict[str, Tensor]:
    """Return the optimiser state of a layer's weights."""
    (slot,) = (s for s in net.optimizer.slots if s.layer is layer and s.name == "weight")
    return slot.state


def top(scores: Tensor, among: Tensor, count: int) -> Tensor:
    """Choose the highest of one replica, slowly: (U, I) bool."""
    places = sorted(among.nonzero().tolist(), key=lambda place: -float(scores[tuple(place)]))
    chosen = torch.zeros_like(among)
    for place in places[:count]:
        chosen[tuple(place)] = True
    return chosen
