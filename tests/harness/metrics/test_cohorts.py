"""Unit measurements by hand and by autograd, and the parity ratios built on them."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.metrics.cohorts import (
    activation_frequency,
    alignment,
    gate_rate,
    gradient_magnitude,
    incoming_gradient_norm,
    incumbents_are_silent,
    mean_parity,
    outgoing_norm,
    parity,
    parity_between,
    utility,
)

NAN, INF = float("nan"), float("inf")
REPLICAS, SAMPLES, INPUTS, UNITS, OUTPUTS = 2, 5, 4, 6, 3


@dataclass
class TinyNetwork:
    """tanh layer and a linear consumer, R replicas apart, with all gradients by autograd."""

    h: Tensor
    gate: Tensor
    delta: Tensor
    delta_next: Tensor
    w_out: Tensor
    grad_weight: Tensor
    grad_bias: Tensor
    x: Tensor


def tiny_network() -> TinyNetwork:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.double)

    x = normal(REPLICAS, SAMPLES, INPUTS)
    weight = normal(REPLICAS, UNITS, INPUTS).requires_grad_()
    bias = normal(REPLICAS, UNITS).requires_grad_()
    w_out = normal(REPLICAS, OUTPUTS, UNITS)
    z = torch.einsum("rbi,rui->rbu", x, weight) + bias[:, None]
    h = z.tanh()
    logits = torch.einsum("rbu,rou->rbo", h, w_out)
    losses = logits.logsumexp(2) - logits[:, :, 0]  # cross-entropy of class 0
    delta, delta_next, grad_weight, grad_bias = torch.autograd.grad(
        losses.sum(), [z, logits, weight, bias]
    )
    gate = 1 - h.detach().square()
    return TinyNetwork(h.detach(), gate, delta, delta_next, w_out, grad_weight, grad_bias, x)


def mask(*rows: list[int], units: int = 4) -> Tensor:
    return torch.tensor([[unit in row for unit in range(units)] for row in rows])


# -- what each unit does and receives --------------------------------------------------------------


def test_activation_frequency_counts_samples_above_tau() -> None:
    h = torch.tensor([[[0.0, 0.05], [0.06, 1.0], [-1.0, 0.2], [0.05, 0.5]]])
    assert activation_frequency(h).tolist() == [[0.25, 0.75]]
    assert activation_frequency(h, tau=0.0).tolist() == [[0.5, 1.0]]


def test_gradient_magnitude_is_the_mean_of_the_absolute_values() -> None:
    delta = torch.tensor([[[1.0, -2.0], [-3.0, 0.0]]])
    assert gradient_magnitude(delta).tolist() == [[2.0, 1.0]]


def test_incoming_gradient_norm_is_that_of_the_gradient_autograd_makes() -> None:
    """Two batches: the norm of each one's mean gradient, averaged."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 8, 5, generator=generator)
    weight = torch.randn(2, 3, 5, generator=generator, requires_grad=True)
    bias = torch.randn(2, 1, 3, generator=generator, requires_grad=True)
    z = x @ weight.transpose(1, 2) + bias
    losses = torch.tanh(z).square().sum(2)
    (delta,) = torch.autograd.grad(losses.sum(), z, retain_graph=True)
    slow = torch.zeros(2, 3)
    for batch in (slice(0, 4), slice(4, 8)):
        loss = losses[:, batch].mean(1).sum()
        to_weight, to_bias = torch.autograd.grad(loss, (weight, bias), retain_graph=True)
        slow += (to_weight.square().sum(2) + to_bias.squeeze(1).square()).sqrt() / 2
    torch.testing.assert_close(incoming_gradient_norm(x, delta, batches=2), slow)


def test_utility_is_mean_activation_times_outgoing_l1_norm() -> None:
    h = torch.tensor([[[1.0, -4.0], [3.0, 0.0]]])
    w_out = torch.tensor([[[1.0, 0.5], [-2.0, 0.0]]])
    assert utility(h, w_out).tolist() == [[6.0, 1.0]]


def test_utility_and_outgoing_norm_sum_over_all_inputs_that_a_unit_feeds() -> None:
    h = torch.ones(1, 1, 2)
    w_out = torch.tensor([[[[1.0, -2.0], [0.0, 0.0]], [[0.0, 2.0], [0.0, 5.0]]]])  # (1, 2, 2, 2)
    assert utility(h, w_out).tolist() == [[5.0, 5.0]]
    assert outgoing_norm(w_out).tolist() == [[3.0, 5.0]]
    kernels = w_out[..., None, None].expand(1, 2, 2, 2, 2, 2)
    assert utility(h, kernels).tolist() == [[20.0, 20.0]]


def test_outgoing_norm_is_the_column_norm() -> None:
    assert outgoing_norm(torch.tensor([[[3.0, 0.0], [4.0, 2.0]]])).tolist() == [[5.0, 2.0]]


def test_gate_rate_of_relu_is_the_share_of_samples_above_0() -> None:
    gate = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]])
    assert gate_rate(gate).tolist() == [[0.75, 0.25]]


def test_alignment_is_1_along_the_signal_and_0_across() -> None:
    w_out = torch.tensor([[[2.0, 0.0, -1.0, 0.0], [0.0, 3.0, 0.0, 0.0]]])  # units: e1, e2, -e1, 0
    delta_next = torch.tensor([[[5.0, 0.0], [0.0, 0.0]]])  # the second sample has no signal
    assert alignment(w_out, delta_next).tolist() == [[0.5, 0.0, 0.5, 0.0]]
    assert alignment(w_out, delta_next[:, :1]).tolist() == [[1.0, 0.0, 1.0, 0.0]]


def test_alignment_of_a_unit_that_feeds_several_inputs_is_their_mean() -> None:
    w_out = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # one unit, inputs along e1 and e2
    assert alignment(w_out, torch.tensor([[[1.0, 0.0]]])).tolist() == [[0.5]]


def test_gradient_is_the_product_of_its_three_factors_for_every_sample_and_unit() -> None:
    net = tiny_network()
    for sample in range(SAMPLES):
        one = net.delta_next[:, sample : sample + 1]
        factors = (
            gate_rate(net.gate[:, sample : sample + 1])
            * outgoing_norm(net.w_out)
            * one.norm(dim=2)
            * alignment(net.w_out, one)
        )
        torch.testing.assert_close(gradient_magnitude(net.delta[:, sample : sample + 1]), factors)


# -- parity ----------------------------------------------------------------------------------------


def test_parity_divides_the_means_of_the_groups_in_each_replica() -> None:
    values = torch.tensor([[1.0, 3.0, 4.0, 100.0], [2.0, 2.0, 2.0, 6.0]])
    ratio = parity(values, mask([0, 1], [3]), mask([2], [0, 1, 2]))
    assert ratio.tolist() == pytest.approx([0.5, 3.0])


def test_parity_is_nan_where_a_group_is_empty_and_only_there() -> None:
    values = torch.ones(3, 4)
    ratio = parity(values, mask([], [0], [0]), mask([1], [], [1]))
    assert ratio.isnan().tolist() == [True, True, False]


def test_what_other_units_hold_does_not_count_even_if_it_is_not_finite() -> None:
    values = torch.tensor([[1.0, 2.0, NAN, INF]])
    assert parity(values, mask([0]), mask([1])).tolist() == pytest.approx([0.5])


def test_parity_with_silent_incumbents_is_undefined_and_not_enormous() -> None:
    values = torch.tensor([[0.3, 0.0], [0.0, 0.0], [0.3, 1e-13], [0.3, 1e-11], [NAN, NAN]])
    values = torch.cat([values, torch.ones(5, 2)], dim=1)  # of units that are neither
    newborn, incumbent = mask(*[[0]] * 5), mask(*[[1]] * 5)
    assert parity(values, newborn, incumbent).isnan().tolist() == [True, True, True, False, True]
    silent = incumbents_are_silent(values, incumbent)
    assert silent.tolist() == [True, True, True, False, False]  # the last was not measured
    assert not incumbents_are_silent(values, mask(*[[]] * 5)).any()


def test_mean_parity_is_ruled_by_no_single_ratio() -> None:
    assert mean_parity([0.5, 0.5]) == pytest.approx(0.5)
    assert mean_parity([0.25, 4.0]) == pytest.approx(1.0)  # as far behind as ahead
    assert mean_parity([1.0, 1e12]) == pytest.approx(3.0)
    assert mean_parity([1.0, 0.0]) == pytest.approx(1 / 3)
    assert mean_parity([1.0, 3.0, NAN], [1.0, 3.0, 5.0]) == pytest.approx(0.6875 / 0.3125)
    assert mean_parity([NAN, 1.0], [1.0, 0.0]) is None


groups = st.integers(0, 2**32 - 1)


def random_cohort(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(3, 12, generator=generator, dtype=torch.double) + 0.01
    newborn = torch.rand(3, 12, generator=generator) < 0.4
    return values, newborn, ~newborn


@given(groups, st.floats(1e-3, 1e3))
def test_parity_does_not_depend_on_the_scale_of_the_loss(seed: int, scale: float) -> None:
    values, newborn, incumbent = random_cohort(seed)
    torch.testing.assert_close(
        parity(scale * values, newborn, incumbent),
        parity(values, newborn, incumbent),
        equal_nan=True,
    )


@given(groups, st.permutations(range(12)))
def test_parity_does_not_depend_on_the_order_of_units(seed: int, order: list[int]) -> None:
    values, newborn, incumbent = random_cohort(seed)
    torch.testing.assert_close(
        parity(values[:, order], newborn[:, order], incumbent[:, order]),
        parity(values, newborn, incumbent),
        equal_nan=True,
    )


@given(groups)
def test_parity_of_swapped_groups_is_the_inverse(seed: int) -> None:
    values, newborn, incumbent = random_cohort(seed)
    product = parity(values, newborn, incumbent) * parity(values, incumbent, newborn)
    torch.testing.assert_close(
        product[~product.isnan()], torch.ones_like(product)[~product.isnan()]
    )


def test_parity_between_averages_the_ages_asked_for_without_what_is_missing() -> None:
    ages, ratios = [0, 1, 10, 100, 101], [9.0, 0.2, NAN, 0.4, 9.0]
    assert parity_between(ages, ratios, 1, 100) == pytest.approx(mean_parity([0.2, 0.4]))
    assert parity_between(ages, ratios, 10, 10) is None
    with pytest.raises(BenchError, match="one age for each"):
        parity_between([1], [], 1, 100)
