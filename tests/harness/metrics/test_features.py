"""Dormant shares and ranks of features: known answers, slow references, laws."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from plasticity_bench.harness.metrics.features import (
    dormant_share,
    effective_rank,
    gradient_dormant_share,
    singular_values,
    srank,
    stable_rank,
)

NAN = float("nan")
RANKS = [effective_rank, srank, stable_rank]
Rank = Callable[[Tensor], Tensor]
ALL = torch.tensor([True, True, True, True])
seeds = st.integers(0, 2**32 - 1)


def random_features(seed: int, samples: int = 9, units: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, samples, units, generator=generator).relu() + 1e-3


def with_spectrum(*singular: float) -> Tensor:
    return torch.tensor([singular], dtype=torch.double)


def test_dormant_units_are_at_most_tau_of_the_layers_mean() -> None:
    h = torch.tensor([[[0.0, 0.1, 1.0, 2.9], [0.0, -0.1, 1.0, -2.9]]])  # means 0, .1, 1, 2.9: 1
    assert dormant_share(h, ALL[None], tau=0.0).tolist() == [0.25]
    assert dormant_share(h, ALL[None], tau=0.05).tolist() == [0.25]
    assert dormant_share(h, ALL[None], tau=0.11).tolist() == [0.5]
    assert dormant_share(h, ALL[None]).tolist() == [0.5]


def test_dead_units_count_neither_as_dormant_nor_in_the_mean() -> None:
    h = torch.tensor([[[0.05, 1.0, 0.0, 0.0]]])
    assert dormant_share(h, ALL[None]).tolist() == [0.5]  # mean 0.26: the threshold is 0.026
    assert dormant_share(h, torch.tensor([[True, True, False, False]])).tolist() == [0.5]
    h[0, 0, 2:] = torch.tensor([NAN, 1e9])
    assert dormant_share(h, torch.tensor([[True, True, False, False]])).tolist() == [0.5]


def test_a_layer_of_zeros_is_all_dormant_and_one_without_units_is_undefined() -> None:
    alive = torch.stack([ALL, ~ALL])
    shares = dormant_share(torch.zeros(2, 3, 4), alive)
    assert shares[0] == 1
    assert shares[1].isnan()


def test_dormancy_of_a_diverged_replica_is_undefined_and_of_the_others_is_not() -> None:
    h = torch.ones(2, 3, 4)
    h[0, 0, 0] = NAN
    shares = dormant_share(h, ALL.expand(2, 4))
    assert shares.isnan().tolist() == [True, False]


@given(seeds, st.permutations(range(5)), st.floats(1e-3, 1e3), st.floats(0, 1))
def test_dormancy_depends_neither_on_the_order_of_units_nor_on_scale(
    seed: int, order: list[int], scale: float, tau: float
) -> None:
    h = random_features(seed).double()
    alive = torch.rand(2, 5, generator=torch.Generator().manual_seed(seed)) < 0.7
    shares = dormant_share(h, alive, tau)
    assert torch.equal(dormant_share(h[..., order], alive[:, order], tau).isnan(), shares.isnan())
    known = ~shares.isnan()
    assert dormant_share(h[..., order] * scale, alive[:, order], tau)[known].tolist() == (
        pytest.approx(shares[known].tolist())
    )
    assert ((shares[known] >= 0) & (shares[known] <= 1)).all()
    assert (dormant_share(h, alive, tau + 0.1)[known] >= shares[known]).all()


def test_gradient_dormant_units_receive_little_next_to_their_layer() -> None:
    grad = torch.tensor([[[0.0, 0.0], [0.01, -0.01], [1.0, -1.0], [3.0, 3.0]]])  # mean 1.0025
    assert gradient_dormant_share(grad, ALL[None]).tolist() == [0.5]
    assert gradient_dormant_share(grad, ALL[None], tau=0.0).tolist() == [0.25]


def test_inputs_without_gradient_do_not_change_gradient_dormancy() -> None:
    grad = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0)) ** 8
    wider = torch.cat([grad, torch.zeros(1, 4, 7)], dim=2)
    expected = gradient_dormant_share(grad, ALL[None], 0.3)
    assert torch.equal(gradient_dormant_share(wider, ALL[None], 0.3), expected)
    assert 0 < expected.item() < 1


@pytest.mark.parametrize("rank", [effective_rank, stable_rank])
def test_rank_of_orthogonal_features_is_their_number(rank: Rank) -> None:
    assert rank(singular_values(torch.eye(7, 4)[None])).item() == pytest.approx(4)


@pytest.mark.parametrize("rank", RANKS)
def test_rank_of_one_direction_is_1(rank: Rank) -> None:
    features = torch.outer(torch.arange(1.0, 6), torch.arange(1.0, 4))[None]
    assert rank(singular_values(features)).item() == pytest.approx(1)


def test_effective_rank_is_the_exponential_of_the_entropy() -> None:
    # shares 1/2, 1/4, 1/4: entropy 1.5 ln 2
    assert effective_rank(with_spectrum(4, 2, 2)).item() == pytest.approx(2**1.5)


def test_stable_rank_is_frobenius_over_spectral_norm_squared() -> None:
    assert stable_rank(with_spectrum(2, 1, 1)).item() == pytest.approx(1.5)


def test_srank_is_the_number_of_values_needed_counted_from_1() -> None:
    spectrum = with_spectrum(90, 8, 1.5, 0.5)  # cumulative shares .90, .98, .995, 1
    assert srank(spectrum).item() == 3
    assert srank(spectrum, delta=0.02).item() == 2
    assert srank(spectrum, delta=0.1).item() == 1
    assert srank(spectrum, delta=0.0).item() == 4


def test_srank_counts_a_sum_of_exactly_1_minus_delta_as_reached() -> None:
    assert srank(singular_values(torch.eye(100)[None])).item() == 99


@pytest.mark.parametrize("rank", RANKS)
def test_rank_of_a_dead_or_diverged_replica_is_nan_and_of_the_others_is_not(rank: Rank) -> None:
    features = torch.eye(3).repeat(3, 1, 1)
    features[0] = 0
    features[1, 0, 0] = NAN
    assert rank(singular_values(features)).isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("rank", RANKS)
@given(seed=seeds, order=st.permutations(range(5)), scale=st.floats(1e-3, 1e3))
def test_rank_depends_on_neither_order_nor_scale_nor_dead_columns(
    rank: Rank, seed: int, order: list[int], scale: float
) -> None:
    features = random_features(seed)
    expected = rank(singular_values(features))
    torch.testing.assert_close(rank(singular_values(features[..., order])), expected)
    torch.testing.assert_close(rank(singular_values(features.double() * scale)), expected)
    torch.testing.assert_close(
        rank(singular_values(torch.cat([features, torch.zeros(2, 9, 4)], dim=2))), expected
    )
    torch.testing.assert_close(rank(singular_values(features[1:])), expected[1:])


@given(seeds, st.integers(1, 9), st.integers(1, 7))
def test_ranks_are_between_1_and_the_smaller_side_and_in_order(
    seed: int, samples: int, units: int
) -> None:
    singular = singular_values(random_features(seed, samples, units))
    for rank in RANKS:
        values = rank(singular)
        assert ((values >= 1 - 1e-9) & (values <= min(samples, units) + 1e-9)).all()
    assert (stable_rank(singular) <= effective_rank(singular) + 1e-9).all()


def test_ranks_agree_with_one_replica_at_a_time_from_eigenvalues() -> None:
    features = random_features(3, samples=20, units=6).double()
    whole = singular_values(features)
    for one, effective, stable in zip(
        features, effective_rank(whole), stable_rank(whole), strict=True
    ):
        singular = torch.linalg.eigvalsh(one.T @ one).flip(0).clamp(min=0).sqrt()
        shares = singular / singular.sum()
        torch.testing.assert_close(effective, (-(shares * shares.log()).sum()).exp())
        torch.testing.assert_close(stable, one.square().sum() / singular[0] ** 2)
