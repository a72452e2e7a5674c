"""Sparse networks whose connections move while they train: what all rewiring methods share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Plan, Strategy
from ...harness.errors import BenchError, unknown_name
from .choice import highest
from .density import Distribution, connection_counts

Anneal = Literal["cosine", "constant"]
"""How the share of connections that a rewiring moves falls: in half a cosine, or not at all.

A stream never ends for its learner, so that "constant" is the adaptation that assumes nothing;
"cosine" is what the papers do in a training of known length, here over the whole run.
"""


@dataclass(frozen=True, kw_only=True)
class SparseNetwork(Strategy):
    """Start with a random part of all connections; subclasses move them.

    The weights of the connections are those that the whole network would start with. Densities are
    over the layers that are not `dense`, and every replica draws its own connections.
    """

    edits_structure: ClassVar[bool] = True

    density: float = 0.1
    """Connections over weights of the sparse layers together, in (0, 1]."""
    distribution: Distribution = "erk"
    """How connections are spread over the layers."""
    dense: tuple[str, ...] = ("head",)
    """Names of the layers that stay whole, as fc1 or head; biases and norms always do."""

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise BenchError(f"density={self.density}: give a share in (0, 1].")

    def sparse_layers(self, net: Network) -> list[Layer]:
        """Return the layers that are not whole, from input to output."""
        return layers_but(self.dense, net)

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave as many connections of each layer as the densities say, chosen by chance.

        Raises:
            BenchError: another strategy has chosen connections already.
        """
        layers = self.sparse_layers(net)
        if any(layer.connected is not None for layer in layers):
            raise BenchError(
                f"{self.name} chooses the connections that a network starts with, and another "
                "strategy of this entrant has chosen them already. Name one of them only."
            )
        shapes = [layer.weight.shape[1:] for layer in layers]
        counts = connection_counts(self.density, self.distribution, shapes)
        for layer, count in zip(layers, counts, strict=True):
            scores = ctx.uniform(layer.weight.shape)
            counted = torch.full((net.replicas,), count, device=net.device)
            everything = torch.ones_like(layer.weight, dtype=torch.bool)
            net.start_connected(layer, highest(scores, everything, counted))


@dataclass(frozen=True, kw_only=True)
class PeriodicRewiring(SparseNetwork):
    """A sparse network that is rewired now and then, by default where a pass over samples ends.

    Not after the last pass, as nothing would be trained afterwards. On a stream whose tasks are
    passed once these are the moments at which tasks switch; `every` places them otherwise.
    """

    every: int | None = None
    """Updates from one rewiring to the next; None for the ends of all passes over the samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every is not None and self.every < 1:
            raise BenchError(f"every={self.every}: give at least 1 update, or null.")

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return after which updates the network is rewired."""
        if self.every is not None:
            return range(self.every, plan.total_updates, self.every)
        return [update for update in plan.pass_starts() if update > 0]


def layers_but(dense: Sequence[str], net: Network) -> list[Layer]:
    """Return a network's layers but those named.

    Raises:
        BenchError: there is no layer of that name.
    """
    known = [layer.name for layer in net.layers]
    for name in dense:
        if name not in known:
            raise unknown_name("layer", name, known, "Name layers of the network in dense=[...].")
    return [layer for layer in net.layers if layer.name not in dense]


def annealed(anneal: Anneal, first: float, last: float, share: float) -> float:
    """Return a value that goes from `first` to `last` in half a cosine, or stays at `first`.

    Args:
        anneal: whether it goes.
        first: value at share 0.
        last: value at share 1.
        share: how far the run is, in [0, 1].
    """
    if anneal == "constant":
        return first
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def magnitudes(layer: Layer) -> Tensor:
    """Return the absolute weights of a layer."""
    return layer.weight.detach().abs()
