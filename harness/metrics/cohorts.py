"""Newborn units against incumbents: what each unit does and receives, and the ratios of the groups.

Shapes: R replicas, B samples (of a convolution: samples times positions), U units, O units of the
consumer, I inputs. Dead units may hold any value: the masks decide what counts.

`delta` is dL/dz and `delta_next` dL/dz of the consumer, for each sample. Whether L is the sum, the
mean or each sample's own loss changes all units by one factor, which no ratio depends on. Measure
over at least 8 batches; for all but `incoming_gradient_norm` that is the same as one large batch.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import BenchError

SILENT = 1e-12
"""At or below this mean a group is silent, far below any mean that training produces: nothing can
be held against silent incumbents, so there is no parity, see `parity`."""

EARLY_AGES = (1.0, 100.0)
"""First and last age, in updates, of what a result calls a newborn's early parity."""


def activation_frequency(h: Tensor, tau: float = 0.05) -> Tensor:
    """Return the share of samples on which each unit is active: post-activation above tau.

    Args:
        h: (R, B, U), post-activation.
        tau: threshold, in units of the activation.

    Returns:
        (R, U), between 0 and 1.

    Source: `act(j)` of Lillo and Cheney 2026.
    """
    return (h > tau).float().mean(1)


def gradient_magnitude(delta: Tensor) -> Tensor:
    """Average |dL/dz| of each unit over the samples.

    Args:
        delta: (R, B, U).

    Returns:
        (R, U), at least 0, in units of the loss per unit of pre-activation.

    Source: `grad(j)` of Lillo and Cheney 2026.
    """
    return delta.abs().mean(1)


def incoming_gradient_norm(inputs: Tensor, delta: Tensor, batches: int) -> Tensor:
    """Return the L2 norm of the gradient of each unit's incoming weights and bias.

    The norm of each batch's mean gradient, averaged over the batches: within a batch samples may
    cancel out. A batch's gradient is D^T X, D the deltas and X the inputs with a 1 for the bias, so
    its squared norms are the diagonal of D^T (X X^T + 1) D: all weights' gradient is never made.

    Args:
        inputs: (R, B, I), what the layer reads.
        delta: (R, B, U), gradient of each sample's own loss to what the weights compute.
        batches: into how many equal parts the samples fall.

    Returns:
        (R, U), at least 0.

    Source: the authors' reply to the referees of Lillo and Cheney 2026, who there describe this
    quantity under the name of `gradient_magnitude`.
    """
    split_x: Tensor = inputs.unflatten(1, (batches, -1))
    split_delta: Tensor = delta.unflatten(1, (batches, -1)) / split_x.shape[2]
    gram = split_x @ split_x.transpose(2, 3) + 1
    squared = ((gram @ split_delta) * split_delta).sum(2)
    return squared.clamp(min=0).sqrt().mean(1)


def utility(h: Tensor, w_out: Tensor) -> Tensor:
    """Return how much each unit says to its consumers: mean |h_j| times the L1 norm of w_out,j.

    Args:
        h: (R, B, U), post-activation.
        w_out: (R, O, U) outgoing weights, or (R, O, U, ...) where one unit feeds several inputs of
            the consumer (the positions of a flattened convolution, or a kernel); all are summed.

    Returns:
        (R, U), at least 0.

    Source: contribution utility of Dohare et al. 2024, "Loss of plasticity in deep continual
    learning", without its running average.
    """
    return h.abs().mean(1) * _blocks(w_out).abs().sum((1, 3))


def gate_rate(gate: Tensor) -> Tensor:
    """Average the slope of the activation at each unit: first factor of gradient parity.

    The three factors belong together: for every sample and unit before a linear consumer,
    |delta_j| = |phi'(z_j)| * ||w_out,j|| * ||delta_next|| * |cos(w_out,j, delta_next)|. Their means
    over samples multiply to the mean |delta_j| only roughly, because they are not independent.

    Args:
        gate: (R, B, U), phi'(z).

    Returns:
        (R, U); with ReLU the share of samples above 0.
    """
    return gate.mean(1)


def outgoing_norm(w_out: Tensor) -> Tensor:
    """Return the L2 norm of each unit's outgoing weights: second factor of gradient parity.

    Args:
        w_out: (R, O, U), or (R, O, U, ...) as in `utility`; all weights of a unit are one vector.

    Returns:
        (R, U), at least 0.
    """
    return _blocks(w_out).square().sum((1, 3)).sqrt()


def alignment(w_out: Tensor, delta_next: Tensor) -> Tensor:
    """Average |cos| between outgoing weights and backward signal: third factor of gradient parity.

    Where either is zero nothing comes back to the unit, and the cosine counts as 0.

    Args:
        w_out: (R, O, U) of a linear consumer; or (R, O, U, S) where each unit feeds S of its
            inputs, as after a flattened convolution: the mean over S, as if every position were
            used. A consumer that is a convolution is not covered.
        delta_next: (R, B, O).

    Returns:
        (R, U), between 0 and 1.
    """
    columns = _blocks(w_out)  # (R, O, U, S)
    direction = normalize(columns, dim=1, eps=SILENT)
    signal = normalize(delta_next, dim=2, eps=SILENT)
    cosine = torch.bmm(signal, direction.flatten(2)).abs().mean(1)
    return cosine.reshape(-1, *columns.shape[2:]).mean(2)


def parity(values: Tensor, newborn: Tensor, incumbent: Tensor) -> Tensor:
    """Divide the newborns' mean by the incumbents': R_x = mean_N x / mean_O x.

    The paper adds an eps to the denominator that it does not state; where incumbents are silent the
    ratio would then be as large as eps is small. Here it is undefined, see `incumbents_are_silent`.

    For a prune the kept units stand for the newborns and the pruned ones for the incumbents.

    Args:
        values: (R, U), one measurement for each unit, at least 0.
        newborn: (R, U) bool, the cohort.
        incumbent: (R, U) bool, what it is compared with.

    Returns:
        (R,) in double precision, at least 0; 1 is parity. NaN where either group is empty, and
        where the incumbents are silent.

    Source: Lillo and Cheney 2026.
    """
    base = _mean_of(values, incumbent)
    return _mean_of(values, newborn) / torch.where(base > SILENT, base, torch.nan)


def incumbents_are_silent(values: Tensor, incumbent: Tensor) -> Tensor:
    """Tell where incumbents' mean is `SILENT`: newborns are neither behind nor ahead of nothing.

    Args:
        values: (R, U), at least 0; NaN where it is not measured.
        incumbent: (R, U) bool.

    Returns:
        (R,) bool; False without incumbents.
    """
    return _mean_of(values, incumbent) <= SILENT  # a comparison with NaN is False


def mean_parity(ratios: Sequence[float], weights: Sequence[float] | None = None) -> float | None:
    """Average parity ratios by the newborns' share N / (N + O) of what both groups have.

    A mean of ratios is ruled by the largest, and a mean of their logarithms by the smallest; shares
    lie between 0 and 1. The mean share s is said as a ratio again, s / (1 - s).

    Args:
        ratios: parity ratios, finite and at least 0; NaN is left out.
        weights: of each, at least 0; None weighs all alike.

    Returns:
        At least 0; None without a ratio of a weight above 0.
    """
    known = [
        (ratio / (1 + ratio), weight)
        for ratio, weight in zip(ratios, weights or [1.0] * len(ratios), strict=True)
        if not np.isnan(ratio) and weight > 0
    ]
    if not known:
        return None
    shares, kept = zip(*known, strict=True)
    share = float(np.average(shares, weights=kept))
    return share / (1 - share)


def parity_between(
    ages: Sequence[float], ratios: Sequence[float], first: float, last: float
) -> float | None:
    """Average a cohort's ratio curve over measurements at ages in [first, last]; see `mean_parity`.

    Args:
        ages: updates since birth of each measurement.
        ratios: the parity ratio at each age; NaN is left out.
        first: youngest age, in updates.
        last: oldest age, in updates.

    Returns:
        At least 0; None without a measurement in between.

    Raises:
        BenchError: ages and ratios differ in length.
    """
    if len(ages) != len(ratios):
        raise BenchError(
            f"parity of {len(ratios)} ratios at {len(ages)} ages: give one age for each."
        )
    return mean_parity([r for a, r in zip(ages, ratios, strict=True) if first <= a <= last])


def _blocks(w_out: Tensor) -> Tensor:
    """Return outgoing weights as (R, O, U, S), S inputs of the consumer for each unit."""
    return w_out.unsqueeze(3).flatten(3)


def _mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    # `where` and not a product: what a unit outside holds, inf or NaN even, must not count
    total = torch.where(chosen, values.double(), 0.0).sum(1)
    return total / chosen.sum(1)
