"""Norms per replica: known answers, masks, and one vector at a time as the reference."""

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.metrics.weights import (
    distance_from_init,
    gradient_norm,
    weight_norm,
)


def parameters(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 4, 5), (3, 4), (3, 2, 4, 3, 3)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def as_vectors(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.double().flatten(1) for tensor in tensors], dim=1)


def test_weight_norm_takes_all_parameters_of_a_replica_as_one_vector() -> None:
    weights = [torch.tensor([[[3.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([[4.0], [0.0]])]
    assert weight_norm(weights).tolist() == [5.0, 1.0]


def test_norms_agree_with_one_replica_at_a_time() -> None:
    now, then = parameters(0), parameters(1)
    expected = as_vectors(now).norm(dim=1)
    torch.testing.assert_close(weight_norm(now), expected)
    torch.testing.assert_close(gradient_norm(now), expected)
    distance = (as_vectors(now) - as_vectors(then)).norm(dim=1)
    torch.testing.assert_close(distance_from_init(now, then), distance)


def test_only_live_entries_count_even_where_dead_ones_are_not_finite() -> None:
    weights = [torch.tensor([[3.0, 4.0, float("nan")]]), torch.tensor([[float("inf"), 12.0]])]
    live = [torch.tensor([[True, True, False]]), torch.tensor([[False, True]])]
    assert weight_norm(weights, live).tolist() == [13.0]
    assert gradient_norm(weights, live).tolist() == [13.0]
    assert distance_from_init(weights, [torch.zeros(1, 3), torch.zeros(1, 2)], live).item() == 13


def test_a_mask_of_units_broadcasts_over_their_weights() -> None:
    weight = torch.tensor([[[3.0, 4.0], [5.0, 12.0]]])
    assert weight_norm([weight], [torch.tensor([[[False], [True]]])]).tolist() == [13.0]


def test_nothing_has_moved_from_itself() -> None:
    assert distance_from_init(parameters(0), parameters(0)).tolist() == [0.0, 0.0, 0.0]


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        distance_from_init(parameters(0), parameters(0)[:1])
