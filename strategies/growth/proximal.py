"""Group lasso by its proximal step, which makes exact zeros where a gradient would not."""

import torch
from torch import Tensor

from ...harness.engine.network import Layer
from ..newborns.slices import like_rows


def group(layer: Layer) -> list[Tensor]:
    """Return the parameters that make up each unit's group, (R, U, ...) each.

    Incoming weights and bias, or, behind a norm, gain and shift: at zero the unit is silent.
    """
    if layer.gain is not None and layer.shift is not None:
        return [layer.gain, layer.shift]
    return [layer.weight, layer.bias]


def group_norms(layer: Layer) -> Tensor:
    """Return the L2 norm of each unit's group, as far as it is fed by what lives: (R, U)."""
    first, second = (parameter.detach() for parameter in group(layer))
    if layer.gain is None:
        first = first * layer.live_weights()
    squares: Tensor = first.square().reshape(*first.shape[:2], -1).sum(2)
    return (squares + second.square()).sqrt()


@torch.no_grad()
def shrink_groups(layer: Layer, amount: Tensor) -> None:
    """Shorten the group of each alive unit by an amount (R, U), to exactly zero where it is longer.

    That is the proximal step of amount * norm: w <- w max(0, 1 - amount / |w|).
    """
    norms = group_norms(layer)
    kept = torch.where(norms > amount, 1 - amount / norms.clamp(min=1e-30), 0.0)
    kept = torch.where(layer.alive, kept, 1.0)
    for parameter in group(layer):
        parameter.mul_(like_rows(kept, parameter))


@torch.no_grad()
def soft_threshold(weight: Tensor, amount: Tensor) -> None:
    """Move weights (R, ...) towards zero by an amount (R,), to exactly zero where it is more."""
    amount = amount.view(-1, *(1,) * (weight.dim() - 1))
    weight.copy_(weight.sign() * (weight.abs() - amount).clamp(min=0))
