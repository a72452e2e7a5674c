"""Scores of units, and the choice of the best or worst of them in every replica."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..harness.engine.edits import Network
from ..harness.engine.network import Layer
from ..harness.engine.strategy import Context, Matched, Strategy
from ..harness.errors import BenchError
from ..harness.metrics.cohorts import incoming_gradient_norm

Score = Literal[
    "activation", "gradient", "magnitude", "random", "mask-gradient", "gradmax", "least-recent"
]

NEVER = -1


@dataclass(frozen=True, kw_only=True)
class UnitChoice(Strategy):
    """A strategy that edits the first units in the order of a criterion, its `selection`.

    How many it edits must not depend on which ones they are: then its controls for chance edit as
    many.
    """

    matched: ClassVar[Matched] = {
        "random-matched": {"selection": "random", "reverse": False},
        "inverse-matched": {"reverse": True},
    }

    reverse: bool = False
    """Whether units are chosen in reverse: those that would be last come first (a control)."""

    def in_order(self, scores: Tensor) -> Tensor:
        """Return the scores by which units are chosen, (R, U): negated if they are reversed."""
        return -scores if self.reverse else scores


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


def mask_gradient_scores(net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score units by |sum_x phi(z_j) <w_out,j, delta>| on one mini-batch, over its size: (R, U).

    The absolute derivative of the loss by the unit's mask: how much the loss changes, to first
    order, by switching a dead unit on. Unlike `gradient_scores`, samples may cancel out.
    """
    layers = ctx.score_batch(net).layers
    return {name: (one.raw * one.signal).mean(1).abs() for name, one in layers.items()}


def gradmax_scores(net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score units by the norm of the gradient of their incoming weights and bias: (R, U).

    ||sum_x delta_j(x) [h(x); 1]|| over the mini-batch's size, delta_j = phi'(z_j) <w_out,j, delta>
    and h what the layer reads, as if dead units were unmasked: what GradMax (Evci et al. 2022)
    maximises over outgoing weights, here of those that are stored. With a norm layer delta_j is
    taken behind it.

    Raises:
        BenchError: an editable layer is a convolution.
    """
    check_score("gradmax", net)
    layers = ctx.score_batch(net).layers
    gradients: dict[str, Tensor] = {}
    for layer in net.hidden:
        one = layers[layer.name]
        assert one.inputs is not None
        gradients[layer.name] = incoming_gradient_norm(one.inputs, one.delta, batches=1)
    return gradients


def check_score(kind: Score, net: Network) -> None:
    """Refuse a score that the network's editable layers do not have.

    Raises:
        BenchError: "gradmax", and one of them is a convolution.
    """
    convolutions = [layer.name for layer in net.hidden if layer.is_convolution]
    if kind == "gradmax" and convolutions:
        raise BenchError(
            f"selection=gradmax does not know the gradient of a convolution's weights, and "
            f"{convolutions[0]} is one. Set network.edit_trunk=false, or selection=gradient."
        )


def note_alive(net: Network, ctx: Context) -> None:
    """Remember that the units that are alive now were so after this many updates."""
    times: dict[str, Tensor] = ctx.state.setdefault("last alive", {})
    for layer in net.hidden:
        known = times.get(layer.name, torch.full_like(layer.alive, NEVER, dtype=torch.int64))
        times[layer.name] = torch.where(layer.alive, ctx.update, known)


def least_recent_scores(ctx: Context) -> dict[str, Tensor]:
    """Score units by how long ago `note_alive` last saw them alive, never being longest: (R, U)."""
    times: dict[str, Tensor] = ctx.state["last alive"]
    return {name: (ctx.update - time).double() for name, time in times.items()}


def magnitude_scores(net: Network) -> dict[str, Tensor]:
    """Score units by their mean absolute incoming weight: (R, U). Lillo and Cheney 2026, eq. 24."""
    return {layer.name: layer.weight.detach().abs().flatten(2).mean(2) for layer in net.hidden}


def random_scores(net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score units by chance: (R, U)."""
    return {layer.name: ctx.uniform(layer.alive.shape) for layer in net.hidden}


def score(kind: Score, net: Network, ctx: Context, tau: float) -> dict[str, Tensor]:
    """Score every unit of the hidden layers: layer name -> (R, U)."""
    makers: dict[str, Callable[[], dict[str, Tensor]]] = {
        "activation": lambda: activation_scores(net, ctx, tau),
        "gradient": lambda: gradient_scores(net, ctx),
        "mask-gradient": lambda: mask_gradient_scores(net, ctx),
        "gradmax": lambda: gradmax_scores(net, ctx),
        "least-recent": lambda: least_recent_scores(ctx),
        "magnitude": lambda: magnitude_scores(net),
        "random": lambda: random_scores(net, ctx),
    }
    return makers[kind]()


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
