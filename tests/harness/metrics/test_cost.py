"""Operations counted against torch's own counter, and capacity over time."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from plasticity_bench.harness.metrics.cost import (
    LayerCost,
    forward_flops,
    update_flops,
)

MLP = [LayerCost(inputs=784, outputs=100), LayerCost(inputs=100, outputs=10)]


def test_a_linear_layer_costs_two_operations_per_weight_and_sample() -> None:
    assert forward_flops(MLP, samples=1) == 2 * (784 * 100 + 100 * 10)


def test_a_convolution_pays_for_its_kernel_at_every_position() -> None:
    layer = LayerCost(inputs=3, outputs=32, kernel_area=9, positions=1024)
    assert forward_flops([layer], samples=1) == 2 * 9 * 3 * 32 * 1024


def test_an_update_costs_three_forward_passes_of_the_batch() -> None:
    assert update_flops(MLP, batch_size=16) == 3 * 16 * forward_flops(MLP, samples=1)


def test_half_of_the_units_alive_make_the_middle_layer_four_times_cheaper() -> None:
    full, half = LayerCost(inputs=100, outputs=100), LayerCost(inputs=50, outputs=50)
    assert forward_flops([full], 1) == 4 * forward_flops([half], 1)


def test_operations_agree_with_the_counter_of_torch() -> None:
    x = torch.randn(4, 3, 8, 8, requires_grad=True)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, padding=1),
        torch.nn.Flatten(),
        torch.nn.Linear(5 * 64, 7),
        torch.nn.Linear(7, 2),
    )
    layers = [
        LayerCost(inputs=3, outputs=5, kernel_area=9, positions=64),
        LayerCost(inputs=5 * 64, outputs=7),
        LayerCost(inputs=7, outputs=2),
    ]
    with FlopCounterMode(display=False) as forward:
        out = net(x)
    assert forward.get_total_flops() == forward_flops(layers, samples=4)
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    total = forward.get_total_flops() + backward.get_total_flops()
    assert total == update_flops(layers, batch_size=4)
