"""Scores of units, and the choice of the best or worst of them in every replica."""

from typing import Literal

import torch
from torch import Tensor

from ..harness.edits import Network
from ..harness.network import Layer
from ..harness.strategy import Context

Score = Literal["activation", "gradient", "magnitude", "random"]


def activation_scores(net: Network, ctx: Context, tau: float) -> dict[str, Tensor]:
    """Score units by how often they would fire: the share of samples with phi(z) > tau, (R, U).

    On one mini-batch, and as if dead units were unmasked (Lillo and Cheney 2026, eq. 21).
    """
    layers = ctx.score_batch(net).layers
    return {name: (one.raw > tau).float().mean(1) for name, one in layers.items()}


def gradient_scores(net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score units by mean |dL/dz| on one mini-batch, as if dead units were unmasked: (R, U).

    |phi'(z_j) <w_out,j, delta>|, the gradient that unit j would receive (Lillo and Cheney 2026,
    app. B.4, "GradMax-style": selection only).
    """
    layers = ctx.score_batch(net).layers
    return {name: one.delta.abs().mean(1) for name, one in layers.items()}


def magnitude_scores(net: Network) -> dict[str, Tensor]:
    """Score units by their mean absolute incoming weight: (R, U). Lillo and Cheney 2026, eq. 24."""
    return {layer.name: layer.weight.detach().abs().flatten(2).mean(2) for layer in net.hidden}


def random_scores(net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score units by chance: (R, U)."""
    return {layer.name: ctx.uniform(layer.alive.shape) for layer in net.hidden}


def score(kind: Score, net: Network, ctx: Context, tau: float) -> dict[str, Tensor]:
    """Score every unit of the hidden layers: layer name -> (R, U)."""
    if kind == "activation":
        return activation_scores(net, ctx, tau)
    if kind == "gradient":
        return gradient_scores(net, ctx)
    return magnitude_scores(net) if kind == "magnitude" else random_scores(net, ctx)


def best(scores: Tensor, among: Tensor, count: int) -> Tensor:
    """Choose the `count` best of the allowed units of every replica; ties go to the lowest index.

    Args:
        scores: (R, U).
        among: (R, U) bool, at least `count` in each row.
        count: how many, at least 0.

    Returns:
        (R, U) bool.
    """
    ranked = scores.masked_fill(~among, -torch.inf).sort(dim=1, descending=True, stable=True)
    chosen = torch.zeros_like(among)
    return chosen.scatter_(1, ranked.indices[:, :count], torch.ones_like(among)) & among


def worst(scores: Tensor, among: Tensor, count: int) -> Tensor:
    """Choose the `count` worst units of every replica among those allowed; see `best`."""
    return best(-scores, among, count)


def alive_everywhere(layer: Layer) -> int:
    """Count the alive units of a layer; the budget makes it the same in every replica."""
    counts = layer.alive.sum(1)
    assert bool((counts == counts[0]).all()), f"replicas differ in alive units of {layer.name}"
    return int(counts[0])
