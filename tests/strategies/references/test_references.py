"""What others are compared with: neither touches a network; one asks to be trained again."""

from collections.abc import Callable

import pytest
import torch

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context, Strategy
from plasticity_bench.strategies.references.dense import Dense
from plasticity_bench.strategies.references.ticket import WinningTicket
from tests.helpers import train


@pytest.mark.parametrize("strategy", [Dense(), WinningTicket()])
def test_a_reference_leaves_the_network_as_it_is(
    make: Callable[..., tuple[Network, Context]], strategy: Strategy
) -> None:
    net, ctx = make()
    train(net, 3)
    before = net.copy_parameters()
    strategy.begin_run(net, ctx)
    for task in range(2):
        ctx.progress.task = task
        strategy.begin_task(net, ctx)
        strategy.after_step(net, ctx)
        strategy.end_task(net, ctx)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert all(layer.alive.all() for layer in net.hidden)
    assert net.optimizer.common_clock == 3


def test_the_winning_ticket_alone_is_trained_again() -> None:
    assert (Dense().retrains, WinningTicket().retrains) == (False, True)
