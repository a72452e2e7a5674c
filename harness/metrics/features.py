"""Health of a layer's features: how many units are dormant, how many directions are in use.

Shapes: R replicas, B or N samples, U units, K = min(N, U) singular values. All results are (R,),
one number for each replica; where a quantity is undefined for a replica it is NaN there, because
one replica's dead layer must not stop the measurement of the others.
"""

import torch
from torch import Tensor

ROUNDING = 1e-9
"""How far a sum of singular value shares may be off: rounding must not decide a comparison."""


def dormant_share(h: Tensor, alive: Tensor, tau: float = 0.1) -> Tensor:
    """Return the share of alive units whose mean |h| is at most tau times the layer's mean.

    The layer's mean is over alive units: masked ones would make all others look lively.

    Args:
        h: (R, B, U), post-activation.
        alive: (R, U) bool.
        tau: threshold, at least 0; customary are 0.1, 0.025, and 0 for units that never fire.

    Returns:
        (R,), between 0 and 1; 1 for a layer that is all zero; NaN without alive units or where
        one of them is not finite.

    Source: Sokar et al. 2023, "The Dormant Neuron Phenomenon in Deep Reinforcement Learning".
    """
    return _share_below(h.abs().mean(1), alive, tau)


def gradient_dormant_share(grad_weight: Tensor, alive: Tensor, tau: float = 0.01) -> Tensor:
    """Return the share of alive units whose mean |dL/dW_in| is at most tau times the layer's mean.

    Args:
        grad_weight: (R, U, I) gradient of the incoming weights, or (R, U, I, ...) of a convolution.
        alive: (R, U) bool.
        tau: threshold, at least 0.

    Returns:
        (R,), between 0 and 1; 1 for a layer without any gradient; NaN as for `dormant_share`.

    Source: Liu et al. 2025, "Measure gradients, not activations! Enhancing neuronal activity in
    deep reinforcement learning" (GraMa).
    """
    return _share_below(grad_weight.flatten(2).abs().mean(2), alive, tau)


def singular_values(features: Tensor) -> Tensor:
    """Return what the ranks below are made of, in double precision: a rank hangs on small values.

    Args:
        features: (R, N, U) post-activations, not centred. Dead units are zero and change nothing.

    Returns:
        (R, K) with K = min(N, U), descending; zeros for a replica that is not finite: the
        decomposition refuses it, and one diverged replica must not stop the others.
    """
    finite = features.isfinite().all(2).all(1)
    safe = torch.where(finite[:, None, None], features.double(), 0.0)
    singular: Tensor = torch.linalg.svdvals(safe)
    return singular


def effective_rank(singular: Tensor) -> Tensor:
    """Count the directions that features use: exp of the entropy of the singular values' shares.

    Args:
        singular: (R, K) singular values of the features, descending.

    Returns:
        (R,) double, between 1 and min(N, U); NaN where all are zero or one is not finite.

    Source: Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".
    """
    shares = _shares(singular)
    rank: Tensor = torch.special.entr(shares).sum(1).exp()
    return rank


def srank(singular: Tensor, delta: float = 0.01) -> Tensor:
    """Count the largest singular values that together have at least 1 - delta of the sum of all.

    It is the smallest such k, counted from 1. Some code reports the zero-based index, k - 1; and
    some calls this number the stable rank, which here is another one.

    Args:
        singular: (R, K) singular values of the features, descending.
        delta: share that may be missing, in [0, 1).

    Returns:
        (R,) double, whole numbers from 1 to min(N, U); NaN as for `effective_rank`.

    Source: Kumar et al. 2021, "Implicit Under-Parameterization Inhibits Data-Efficient Deep RL".
    """
    reached = _shares(singular).cumsum(1)
    count = 1 + (reached[:, :-1] < 1 - delta - ROUNDING).sum(1).double()
    return torch.where(reached[:, -1].isnan(), torch.nan, count)


def stable_rank(singular: Tensor) -> Tensor:
    """Return the squared Frobenius norm over the squared spectral norm.

    Args:
        singular: (R, K) singular values of the features, descending.

    Returns:
        (R,) double, between 1 and the rank; NaN as for `effective_rank`.

    Source: Rudelson and Vershynin 2007, "Sampling from large matrices".
    """
    squares = singular.square()
    return squares.sum(1) / squares[:, 0]


def _share_below(scores: Tensor, alive: Tensor, tau: float) -> Tensor:
    """Return the share of alive units with a score of at most tau times the alive units' mean."""
    count = alive.sum(1)
    live_scores = torch.where(alive, scores.double(), 0.0)
    mean = live_scores.sum(1) / count
    share = ((live_scores <= tau * mean.unsqueeze(1)) & alive).sum(1) / count.double()
    return torch.where(mean.isfinite(), share, torch.nan)


def _shares(singular: Tensor) -> Tensor:
    return singular / singular.sum(1, keepdim=True)
