"""GradMax: grow the units that will receive the largest gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices
from ...harness.engine.network import Layer
from ...harness.engine.probe import Probe
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.slices import (
    at_units,
    column_norms,
    consumer_of,
    gate_at_zero,
    growth_matrix,
    like_rows,
    mean_over,
    normal,
    random_columns,
    row_norms,
    silent_rows,
)
from .seeded import SeededGrowth

RANK_TOLERANCE = 1e-6
"""Singular values below this share of the largest are float32's rounding."""


@dataclass(frozen=True, kw_only=True)
class GradMax(SeededGrowth):
    """Add units, incoming weights zero, outgoing ones of maximal first gradient.

    With M = sum over samples of delta_{l+1} h_{l-1}^T, the outgoing weights are M's first left
    singular vectors at norm c: row j then receives a gradient of norm phi'(0) c sigma_j, the most
    that a birth without change of the function can get. Beyond the rank of M outgoing weights
    are random, as what is orthogonal to M receives nothing; so are those of convolutions, and of
    layers that feed one. Each vector's sign is the one with which its unit fires on
    the larger share of the samples after its first step.

    torch's ReLU has phi'(0) = 0, and zero weights would never move: there the incoming weights are
    a first step down the gradient, of length `first_step`, which changes the function a little. A
    norm layer changes it too. To rank stored units instead, use grow(selection=gradient).

    Source: Evci et al. 2022, "GradMax: Growing Neural Networks using Gradient Information".
    """

    name = "gradmax"
    scale: float = 0.5
    """Norm of the outgoing weights, over the mean norm of incumbents, above 0."""
    samples: int = 128
    """Samples of the current task on which M is measured, at least 1."""
    first_step: float = 0.001
    """Norm of the incoming weights where phi'(0) = 0, over the mean of incumbents, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale <= 0 or self.samples < 1 or self.first_step < 0:
            raise BenchError(
                f"scale={self.scale}, samples={self.samples}, first_step={self.first_step}: give a "
                "scale above 0, at least 1 sample and a first_step of at least 0."
            )

    def edit(self, net: Network, ctx: Context) -> None:
        """Grow every layer, from one measurement before any of them is grown."""
        probe = ctx.probing(net, self.samples)
        slices = [
            (layer, newborn, self._slices(probe, layer, newborn, ctx))
            for layer, newborn in self.births(net, ctx)
        ]
        for layer, newborn, one in slices:
            net.grow(layer, newborn, insertion=one, state=self.state)

    def _slices(self, probe: Probe, layer: Layer, newborn: Tensor, ctx: Context) -> Slices:
        norm = self.scale * mean_over(column_norms(layer), layer.alive)
        matrix = growth_matrix(probe, layer)
        if matrix is None:
            columns = random_columns(layer, ctx, norm)
            step = normal(ctx, layer.weight.shape)
        else:
            inputs = probe.layers[layer.name].inputs
            assert inputs is not None
            outgoing, descent = self._directions(matrix, inputs, layer, int(newborn[0].sum()), ctx)
            columns = at_units(newborn, outgoing * norm.view(-1, 1, 1)).transpose(1, 2)
            step = at_units(newborn, descent)
        rows = silent_rows(layer)
        if gate_at_zero(layer) == 0:
            length = self.first_step * mean_over(row_norms(layer), layer.alive)
            whole = torch.linalg.vector_norm(step.flatten(2), dim=2).clamp(min=1e-30)
            rows["weight"] = step * like_rows(length.unsqueeze(1) / whole, step)
        return Slices("gradmax", rows, columns)

    def _directions(
        self, matrix: Tensor, inputs: Tensor, layer: Layer, count: int, ctx: Context
    ) -> tuple[Tensor, Tensor]:
        """Return unit outgoing weights (R, count, O) and the descent of the rows (R, count, I)."""
        drawn = normal(ctx, torch.Size((matrix.shape[0], count, matrix.shape[1])))
        drawn = drawn * consumer_of(layer).alive.unsqueeze(1)
        directions = drawn / torch.linalg.vector_norm(drawn, dim=2, keepdim=True)
        left, sizes, _ = torch.linalg.svd(matrix.double(), full_matrices=False)
        ranked = min(count, sizes.shape[1])
        strong = sizes[:, :ranked] > RANK_TOLERANCE * sizes[:, :1]
        top = left[:, :, :ranked].transpose(1, 2).to(matrix.dtype)
        directions[:, :ranked] = torch.where(strong.unsqueeze(2), top, directions[:, :ranked])
        descent = -(directions @ matrix)
        fires = descent @ inputs.transpose(1, 2)
        sign = torch.where((fires > 0).sum(2) >= (fires < 0).sum(2), 1.0, -1.0).unsqueeze(2)
        return directions * sign, descent * sign
