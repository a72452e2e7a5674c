"""Which connections of a layer: the best or worst so many of those allowed, in every replica."""

import torch
from torch import Tensor

from ...harness.engine.network import Layer


def highest(scores: Tensor, among: Tensor, counts: Tensor) -> Tensor:
    """Choose the entries with the highest scores in every replica; ties go to the lowest index.

    Args:
        scores: (R, ...), finite.
        among: bool of the same shape, the entries that may be chosen.
        counts: (R,) int64, how many, at least 0; where fewer are allowed, all of them.

    Returns:
        bool of the same shape.
    """
    ranked = scores.masked_fill(~among, -torch.inf).flatten(1)
    counts = torch.minimum(counts, among.flatten(1).sum(1))
    most = int(counts.max())
    if most == 0:
        return torch.zeros_like(among)
    last = (counts.clamp(min=1) - 1).unsqueeze(1)
    threshold = ranked.topk(most, dim=1).values.gather(1, last)
    above, equal = ranked > threshold, ranked == threshold
    missing = counts.unsqueeze(1) - above.sum(1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(1) <= missing))
    return (chosen & (counts > 0).unsqueeze(1)).view_as(among)


def lowest(scores: Tensor, among: Tensor, counts: Tensor) -> Tensor:
    """Choose the entries with the lowest scores in every replica; see `highest`."""
    return highest(-scores, among, counts)


def possible(layer: Layer) -> Tensor:
    """Return which connections are between alive units, existing or not: the weight's shape."""
    extra = (1,) * (layer.weight.dim() - 3)
    inputs = layer.alive_inputs()
    rows = layer.alive.view(*layer.alive.shape, 1, *extra)
    return (rows & inputs.view(inputs.shape[0], 1, -1, *extra)).expand(layer.weight.shape)


def count(chosen: Tensor) -> Tensor:
    """Count the chosen entries of every replica: (R, ...) bool to (R,) int64."""
    return chosen.flatten(1).sum(1)
