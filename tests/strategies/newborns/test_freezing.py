import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.strategies.newborns.windows import FreezeIncumbents, FreezeNewborns
from tests.strategies.newborns.helpers import (
    ADAM,
    MLP,
    MOMENTUM,
    NETWORKS,
    NORMED,
    TRUNK,
    Make,
    aged,
    bear,
    columns,
    consumer_of,
    live_entries,
    slice_entries,
    update,
)


def optimiser_state(net: Network) -> dict[tuple[str, str, str], Tensor]:
    return {
        (slot.layer.name, slot.name, key): tensor.clone()
        for slot in net.optimizer.slots
        for key, tensor in slot.state.items()
    }


@pytest.mark.parametrize(
    ("network", "optimizer", "head"),
    [
        (MLP, MOMENTUM, "frozen"),
        (MLP, ADAM, "biases"),
        (MLP, ADAM, "all"),
        (NORMED, ADAM, "frozen"),
        (TRUNK, ADAM, "frozen"),
        (TRUNK, MOMENTUM, "all"),
    ],
)
def test_tr1_all_but_newborns_is_bit_identical_in_the_window(
    make: Make, network: NetworkSpec, optimizer: OptimizerSpec, head: str
) -> None:
    """Weights, biases, norm parameters, moments and clocks; the newborns' slices all move."""
    net, ctx = aged(make, network, optimizer)
    strategy = FreezeIncumbents(updates=4, head=head)  # type: ignore[arg-type]
    born = bear(net, ctx, strategy, [0, 2], [1])
    inside, live = slice_entries(net, born), live_entries(net)
    before, state = net.copy_parameters(), optimiser_state(net)
    clocks = {name: clock.clone() for name, clock in net.optimizer.clocks.items()}
    for _ in range(4):
        update(net, ctx, strategy)
    assert not torch.equal(net.head.weight, before["head.weight"])
    learns = {"frozen": (), "biases": ("head.bias",), "all": ("head.bias", "head.weight")}[head]
    for name, parameter in net.named_parameters():
        frozen = ~inside[name] if name not in learns else torch.zeros_like(inside[name])
        assert torch.equal(parameter[frozen], before[name][frozen]), name
        learning = ~frozen & live[name]
        assert (parameter != before[name])[learning].any() or not learning.any()
        for key, tensor in optimiser_state(net).items():
            if name == f"{key[0]}.{key[1]}":
                assert torch.equal(tensor[frozen], state[key][frozen]), key
    assert net.optimizer.common_clock is None  # each unit's step is corrected by its own clock
    for layer in net.layers:
        stopped = ~born.get(layer.name, torch.zeros_like(layer.alive))
        if layer is net.head and learns:
            stopped[:] = False
        clock = net.optimizer.clocks[layer.name]
        assert torch.equal(clock[stopped], clocks[layer.name][stopped])
        assert torch.equal(clock[~stopped], clocks[layer.name][~stopped] + 4)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("part", ["all", "outgoing"])
def test_frozen_newborns_never_learn_and_all_others_do(
    make: Make, network: NetworkSpec, part: str
) -> None:
    net, ctx = aged(make, network, OptimizerSpec(name="adamw", lr=0.01, weight_decay=0.1))
    strategy = FreezeNewborns(part=part)  # type: ignore[arg-type]
    assert strategy.acts_until(net, ctx) <= ctx.update
    born = bear(net, ctx, strategy, [0, 2], [1])
    assert strategy.acts_until(net, ctx) == ctx.plan.total_updates
    before, live = net.copy_parameters(), live_entries(net)
    frozen = slice_entries(net, born)
    if part == "outgoing":
        frozen = {name: torch.zeros_like(mask) for name, mask in frozen.items()}
        for layer in net.hidden:
            for replica, unit in born[layer.name].nonzero().tolist():
                columns(layer, frozen[f"{consumer_of(layer).name}.weight"], unit)[replica] = True
    for _ in range(12):
        update(net, ctx, strategy)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter[frozen[name]], before[name][frozen[name]])
        learning = live[name] & ~frozen[name]
        assert float((parameter != before[name])[learning].float().mean()) > 0.5
