"""Splitting steepest descent: split the units whose halves would part on their own."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ...harness.engine.activations import Activation, LeakyRelu, Relu
from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.probe import LayerProbe
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.slices import (
    at_units,
    like_rows,
    net2wider_slices,
    normal,
    rank_among,
    share_columns,
)
from ..selection import UnitChoice, best, worst
from .seeded import SeededGrowth

SOFTPLUS_BETA = 3.0
"""Sharpness of the softplus that lends a piecewise linear activation its second derivative."""


@dataclass(frozen=True, kw_only=True)
class Splitting(UnitChoice, SeededGrowth):
    """Split units in two along the bottom eigenvector of their splitting matrix.

    S = E[dL/dh phi''(z) x x^T]. If its smallest eigenvalue is negative, weights w + eps v and
    w - eps v with half the outgoing weight each lower the loss by eps^2 / 2 |eigenvalue|. The units
    with the most negative one are split; the budget is met even where it is positive. ReLU and
    leaky ReLU have no second derivative: that of a softplus is taken. Convolutions are split at
    random; a norm layer is not taken into account.

    Source: Liu, Wu and Wang 2019, "Splitting Steepest Descent for Growing Neural Architectures". It
    splits at plateaus of the loss, here the schedule says when.
    """

    name = "splitting"
    selection: Literal["eigenvalue", "random"] = "eigenvalue"
    """Which units are split: those of the most negative eigenvalue, or any; each along its own
    eigenvector."""
    epsilon: float = 0.01
    """Length of the step of each half, at least 0."""
    samples: int = 64
    """Samples of the current task on which S is measured, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epsilon < 0 or self.samples < 1:
            raise BenchError(
                f"epsilon={self.epsilon}, samples={self.samples}: give at least 0 and 1."
            )

    def edit(self, net: Network, ctx: Context) -> None:
        """Split in every layer, input side first; each unit at most once in a round."""
        for layer, newborn in self.births(net, ctx):
            missing = newborn
            while missing.any():
                missing = self._split(net, layer, missing, ctx)

    def _split(self, net: Network, layer: Layer, missing: Tensor, ctx: Context) -> Tensor:
        """Fill slots, (R, U) bool, with halves; return those that have to wait for a next round."""
        seen = ctx.probing(net, self.samples).layers[layer.name]
        values, directions = self._steepest(seen, ctx)
        count = min(int(missing[0].sum()), int(layer.alive[0].sum()))
        if self.selection == "random":
            values = ctx.uniform(layer.alive.shape)
        parents = worst(self.in_order(values), layer.alive, count)
        filled = best(torch.zeros_like(values), missing, count)
        step = self.epsilon * directions
        donor = at_units(filled, parents.nonzero()[:, 1].view(-1, count))
        slices = net2wider_slices(layer, filled, donor)
        back = step.take_along_dim(like_rows(donor, step), 1)
        rows = {**slices.rows, "weight": slices.rows["weight"] - back}
        share_columns(layer, filled, donor)
        with torch.no_grad():
            layer.weight.add_(step * like_rows(parents, step))
        halves = replace(slices, rule=self.name, rows=rows)
        net.grow(layer, filled, insertion=halves, state=self.state)
        return missing & ~filled

    def _steepest(self, seen: LayerProbe, ctx: Context) -> tuple[Tensor, Tensor]:
        """Return each unit's smallest eigenvalue (R, U) and its direction (R, U, I[, K, K])."""
        layer = seen.layer
        if seen.inputs is not None:
            return splitting_eigenpairs(seen)
        drawn = normal(ctx, layer.weight.shape)
        length = torch.linalg.vector_norm(drawn.flatten(2), dim=2)
        return ctx.uniform(layer.alive.shape), drawn / like_rows(length, drawn)


def second_derivative(activation: Activation, z: Tensor) -> Tensor:
    """Return phi''(z); for ReLU and leaky ReLU that of the softplus that stands for them."""
    if isinstance(activation, Relu | LeakyRelu):
        bend = 1 - (activation.slope if isinstance(activation, LeakyRelu) else 0.0)
        gate = torch.sigmoid(SOFTPLUS_BETA * z)
        return bend * SOFTPLUS_BETA * gate * (1 - gate)
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        (first,) = torch.autograd.grad(activation(leaf).sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), leaf)
    return second


@torch.no_grad()
def splitting_eigenpairs(seen: LayerProbe) -> tuple[Tensor, Tensor]:
    """Return the smallest eigenvalue (R, U) and its unit eigenvector (R, U, I) of every alive unit.

    S has the rank of the samples at most: the inputs are turned into their own principal axes,
    where it is small. Dead units have the value 0 and no direction.
    """
    layer, inputs = seen.layer, seen.inputs
    assert inputs is not None
    assert layer.activation is not None
    z = torch.baddbmm(layer.bias.unsqueeze(1), inputs, layer.weight.transpose(1, 2))
    pull = seen.signal * second_derivative(layer.activation, z) / inputs.shape[1]
    left, sizes, axes = torch.linalg.svd(inputs, full_matrices=False)
    small = left * sizes.unsqueeze(1)  # (R, S, r): the inputs along their axes
    count = int(layer.alive.sum(1).max())
    units = layer.alive.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :count]
    weighted = pull.gather(2, units.unsqueeze(1).expand(-1, pull.shape[1], -1)).transpose(1, 2)
    matrices = (small.unsqueeze(1) * weighted.unsqueeze(3)).transpose(2, 3) @ small.unsqueeze(1)
    found, vectors = torch.linalg.eigh(matrices)  # ascending
    place = rank_among(layer.alive)
    values = found[..., 0].gather(1, place) * layer.alive
    directions = (vectors[..., 0] @ axes).take_along_dim(place.unsqueeze(2), 1)
    return values, directions * layer.alive.unsqueeze(2)
