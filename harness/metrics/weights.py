"""Norms of weights and gradients, one number for each replica.

Every argument is a list of tensors, one for each parameter, each (R, ...) with the replicas first;
the norm is over all of them taken as one vector. `live` lists masks that broadcast to the tensors,
of the entries that count: a dead slot's stored weights are no part of the network. All results are
(R,), in double precision.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Live = Sequence[Tensor] | None
"""(R, ...) bool for each parameter; None where all entries count."""


def weight_norm(weights: Sequence[Tensor], live: Live = None) -> Tensor:
    """Return the L2 norm of all live weights: (R,), at least 0."""
    return _squares(weights, live).sqrt()


def gradient_norm(gradients: Sequence[Tensor], live: Live = None) -> Tensor:
    """Return the L2 norm of the gradient of all live weights: (R,), at least 0."""
    return _squares(gradients, live).sqrt()


def distance_from_init(
    weights: Sequence[Tensor], initial: Sequence[Tensor], live: Live = None
) -> Tensor:
    """Return the L2 distance of all live weights from where they started: (R,), at least 0."""
    differences = [now.double() - then.double() for now, then in zip(weights, initial, strict=True)]
    return _squares(differences, live).sqrt()


def _squares(tensors: Sequence[Tensor], live: Live) -> Tensor:
    """Sum the squares of the live entries of all tensors: (R,)."""
    masks = [torch.ones_like(t, dtype=torch.bool) for t in tensors] if live is None else live
    kept = [
        # `where` and not a product: a dead entry does not count even if it is not finite
        torch.where(mask, tensor.double(), 0.0).square().flatten(1).sum(1)
        for tensor, mask in zip(tensors, masks, strict=True)
    ]
    return torch.stack(kept).sum(0)
