"""SET: connections are dropped by magnitude and grown by chance."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from .base import PeriodicRewiring
from .choice import count, highest, lowest, possible
from .density import Distribution


@dataclass(frozen=True, kw_only=True)
class SparseEvolutionaryTraining(PeriodicRewiring):
    """Drop the weights closest to zero on either side, connect as many by chance.

    Only pairs that were not connected before are: what was just dropped is not grown. Every layer
    keeps its number of connections; where few pairs are left, fewer are moved. In a stream, too, it
    rewires after every pass over a task's samples, and never stops.

    Source: Mocanu et al. 2018, "Scalable training of artificial neural networks with adaptive
    sparse connectivity inspired by network science". Their epsilon = 20 is a density of 0.117 on
    the 784-256-256-10 network.
    """

    name = "set"
    distribution: Distribution = "er"
    """How connections are spread over the layers."""
    drop: float = 0.3
    """Share of the positive and of the negative weights that are moved (zeta), in [0, 1].

    A weight of exactly 0 counts as positive.
    """
    new_weights: Literal["random", "zero"] = "random"
    """Weights of new connections: by the initialisation law at the alive fan-in, or 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.drop <= 1:
            raise BenchError(f"drop={self.drop}: give a share in [0, 1].")

    @torch.no_grad()
    def edit(self, net: Network, ctx: Context) -> None:
        """Move this share of the connections of every sparse layer."""
        for layer in self.sparse_layers(net):
            live = layer.live_weights()
            empty = possible(layer) & ~live
            dropped = _closest_to_zero(layer, live, self._share(live, empty))
            grown = highest(ctx.uniform(live.shape), empty, count(dropped))
            drawn = net.fresh_parameters(layer, ctx.random, layer.alive_fan_in())["weight"]
            values = drawn if self.new_weights == "random" else None
            net.rewire(layer, dropped, grown, values=values, rule="set")

    def _share(self, live: Tensor, empty: Tensor) -> Tensor:
        """Return the share of each replica: no more than there are pairs to connect. (R,)."""
        most = count(empty).double() / count(live).clamp(min=1)
        return most.clamp(max=self.drop)


def _closest_to_zero(layer: Layer, live: Tensor, share: Tensor) -> Tensor:
    weight = layer.weight.detach()
    positive, negative = live & (weight >= 0), live & (weight < 0)
    halves = [
        lowest(weight.abs(), side, (share * count(side)).long()) for side in (positive, negative)
    ]
    return halves[0] | halves[1]
