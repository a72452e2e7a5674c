from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.optimizers import learning_rate_factor
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from tests.helpers import CONVNET, MLP, backward, make_batch, make_network, train, units

RULES: list[tuple[OptimizerSpec, type[torch.optim.Optimizer], dict[str, Any]]] = [
    (OptimizerSpec(name="sgd", lr=0.1), torch.optim.SGD, {}),
    (OptimizerSpec(name="sgd", lr=0.1, weight_decay=0.1), torch.optim.SGD, {"weight_decay": 0.1}),
    (
        OptimizerSpec(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.01),
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.01},
    ),
    (OptimizerSpec(name="adam", lr=0.01), torch.optim.Adam, {}),
    (
        OptimizerSpec(name="adam", lr=0.01, beta1=0.8, beta2=0.95, eps=1e-5, weight_decay=0.1),
        torch.optim.Adam,
        {"betas": (0.8, 0.95), "eps": 1e-5, "weight_decay": 0.1},
    ),
    (
        OptimizerSpec(name="adamw", lr=0.01, weight_decay=0.1),
        torch.optim.AdamW,
        {"weight_decay": 0.1},
    ),
    (OptimizerSpec(name="amsgrad", lr=0.01), torch.optim.Adam, {"amsgrad": True}),
]


@pytest.mark.parametrize(("spec", "reference", "settings"), RULES)
@pytest.mark.parametrize("by_unit", [False, True], ids=["common clock", "clock per unit"])
@pytest.mark.parametrize("network", [MLP, CONVNET], ids=["mlp", "convnet"])
def test_100_steps_equal_torch_optim(
    spec: OptimizerSpec,
    reference: type[torch.optim.Optimizer],
    settings: dict[str, Any],
    by_unit: bool,
    network: NetworkSpec,
) -> None:
    """The reference sees the same gradients, replica by replica, with a cosine schedule on top."""
    rates = (spec.lr, spec.lr, 2 * spec.lr)
    net = make_network(network, spec, seeds=(0, 1, 2), learning_rates=rates)
    twins = [[p.detach()[r].clone().requires_grad_() for p in net.parameters()] for r in range(3)]
    optimizers = [
        reference(twin, lr=rate, **settings)  # type: ignore[call-arg]
        for twin, rate in zip(twins, rates, strict=True)
    ]
    for update in range(100):
        if by_unit:
            net.optimizer.split_clocks()
        backward(net, *make_batch(3, seed=update))
        factor = learning_rate_factor("cosine", update, 100)
        for replica, (twin, optimizer) in enumerate(zip(twins, optimizers, strict=True)):
            for parameter, stacked in zip(twin, net.parameters(), strict=True):
                assert stacked.grad is not None
                parameter.grad = stacked.grad[replica].clone()
            optimizer.param_groups[0]["lr"] = rates[replica] * factor
            optimizer.step()
        net.optimizer.step(factor)
        for parameter in net.parameters():
            parameter.grad = None
    for replica, twin in enumerate(twins):
        for parameter, stacked in zip(twin, net.parameters(), strict=True):
            torch.testing.assert_close(stacked[replica], parameter, atol=1e-6, rtol=1e-6)


def test_steps_fall_to_a_fifth_three_times_in_every_task_as_torchs_do() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, milestones=[60, 120, 160], gamma=0.2
    )
    for update in range(200):
        expected = optimizer.param_groups[0]["lr"]
        factor = learning_rate_factor("steps", 1000 + update, 9999, update / 200)
        assert factor == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_cosine_goes_from_one_to_zero_as_torchs_does() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for update in range(50):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate_factor("cosine", update, 50) == pytest.approx(expected, abs=1e-12)
        optimizer.step()
        scheduler.step()
    assert learning_rate_factor("cosine", 50, 50) == pytest.approx(0, abs=1e-12)
    assert learning_rate_factor("constant", 17, 50) == 1


LATE_RATE = 0.001


@pytest.fixture(scope="module")
def late() -> Network:
    """A network late in training, all along without unit 2 of its last editable layer."""
    net = make_network(MLP, OptimizerSpec(name="adam", lr=LATE_RATE))
    layer = net.hidden[-1]
    net.prune(layer, units(layer, [2], [2]))
    train(net, 1500)
    return net


def first_update(late: Network, state: str) -> tuple[Network, Tensor, Tensor]:
    """Revive the unit in a copy of the network; return that, and its row's update / lr."""
    net = deepcopy(late)
    layer = net.hidden[-1]
    net.grow(layer, units(layer, [2], []), insertion="fresh", state=state)  # type: ignore[arg-type]
    before = layer.weight.detach().clone()
    backward(net, *make_batch(2, 64, seed=7))
    gradient = layer.weight.grad
    assert gradient is not None
    gradient = gradient[0, 2].clone()
    net.optimizer.step(1.0)
    return net, ((layer.weight - before)[0, 2] / LATE_RATE).detach(), gradient


def test_a_zeroed_clock_makes_the_first_update_one_learning_rate(late: Network) -> None:
    _, update, gradient = first_update(late, "zero_step")
    felt = gradient.abs() > 1e-4
    assert felt.any()
    torch.testing.assert_close(update[felt], -gradient[felt].sign(), atol=2e-3, rtol=0)


def test_the_stock_clock_makes_the_first_update_nearly_three_learning_rates(late: Network) -> None:
    """0.1 / sqrt(0.001 / (1 - 0.999^1501)): the hot start of a masked slot under stock Adam."""
    for state in ("stock", "zero"):
        _, update, gradient = first_update(late, state)
        felt = gradient.abs() > 1e-4
        expected = 0.1 / (0.001 / (1 - 0.999**1501)) ** 0.5
        assert expected == pytest.approx(2.79, abs=0.01)
        torch.testing.assert_close(
            update[felt], -expected * gradient[felt].sign(), atol=0.02, rtol=0
        )


def test_a_reset_of_one_replica_leaves_the_others_clocks() -> None:
    net = make_network(MLP, OptimizerSpec(name="adam", lr=0.01))
    train(net, 10)
    net.optimizer.reset(torch.tensor([True, False]))
    assert net.optimizer.clocks["fc1"].unique(dim=1).flatten().tolist() == [0, 10]
    moments = net.optimizer.slots[0].state["second_moment"]
    assert not moments[0].any()
    assert moments[1].any()


def test_clocks_that_are_old_enough_count_as_one() -> None:
    spec = OptimizerSpec(name="adam", lr=0.001, beta1=0.5, beta2=0.6)
    net = make_network(MLP, spec)
    net.optimizer.reset(torch.tensor([True, False]))
    assert net.optimizer.common_clock is None
    train(net, 50)
    assert net.optimizer.common_clock is not None
