"""NeST: grow units that bridge the inputs and outputs between which a path would help most."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices
from ...harness.engine.network import Layer
from ...harness.engine.probe import Probe
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.slices import at_units, consumer_of, fresh_slices, growth_matrix, silent_rows
from .seeded import SeededGrowth


@dataclass(frozen=True, kw_only=True)
class Nest(SeededGrowth):
    """Add units whose weights follow the largest entries of the bridging gradient.

    B = -M / N, with M = sum over N samples of delta_{l+1} h_{l-1}^T, says how much a path from
    input i to output o would lower the loss. Each newborn adds, over the pairs (i, o) of the
    largest |B|, s sgn(B) sqrt|B| to its weight from i and s sqrt|B| to its weight to o, with a
    random sign s for each pair; both sides are then scaled to `strength`. It changes the function,
    to lower the loss.

    This is policy 2 (neurons) of NeST; its growth of single connections and of feature maps and its
    pruning phase are left out. Convolutions, and layers that feed one, get fresh weights.

    Source: Dai, Yin and Jha 2019, "NeST: A Neural Network Synthesis Tool Based on a Grow-and-Prune
    Paradigm". How many pairs and units one step takes is not printed.
    """

    name = "nest"
    pairs: float = 0.1
    """Share of the pairs of alive inputs and outputs that a newborn bridges, in (0, 1]; at least
    one pair."""
    strength: float = 0.4
    """Mean absolute weight of a newborn, over that of its elders, above 0; above 0.3 works, the
    paper says."""
    samples: int = 128
    """Samples of the current task on which B is measured, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.pairs <= 1 or self.strength <= 0 or self.samples < 1:
            raise BenchError(
                f"pairs={self.pairs}, strength={self.strength}, samples={self.samples}: give a "
                "share in (0, 1], a strength above 0 and at least 1 sample."
            )

    def edit(self, net: Network, ctx: Context) -> None:
        """Grow every layer, from one measurement before any of them is grown."""
        probe = ctx.probing(net, self.samples)
        slices = [
            (layer, newborn, self._slices(probe, layer, newborn, ctx))
            for layer, newborn in self.births(net, ctx)
        ]
        for layer, newborn, one in slices:
            # Drawn now, when the units that this layer reads have grown: they are its fan-in.
            insertion = fresh_slices(net, layer, newborn) if one is None else one
            net.grow(layer, newborn, insertion=insertion, state=self.state)

    def _slices(self, probe: Probe, layer: Layer, newborn: Tensor, ctx: Context) -> Slices | None:
        matrix = growth_matrix(probe, layer)
        if matrix is None:
            return None
        kept = largest_pairs(-matrix / self.samples, layer, self.pairs)
        root = kept.abs().sqrt()
        incoming, outgoing = [], []
        for _ in range(int(newborn[0].sum())):
            signed = torch.where(ctx.random.uniform(*root.shape[1:]) < 0.5, -root, root)
            incoming.append((signed * kept.sign()).sum(1))
            outgoing.append(signed.sum(2))
        consumer = consumer_of(layer)
        rows = silent_rows(layer)
        rows["weight"] = at_units(newborn, self._scaled(torch.stack(incoming, 1), layer))
        columns = at_units(newborn, self._scaled(torch.stack(outgoing, 1), consumer))
        return Slices("nest", rows, columns.transpose(1, 2))

    def _scaled(self, drawn: Tensor, layer: Layer) -> Tensor:
        """Give each newborn's weights (R, K, n) the strength, beside a layer's live weights."""
        live = layer.live_weights()
        size = (layer.weight.detach().abs() * live).flatten(1).sum(1) / live.flatten(1).sum(1)
        own = drawn.abs().sum(2) / (drawn != 0).sum(2).clamp(min=1)
        return drawn * (self.strength * size.unsqueeze(1) / own.clamp(min=1e-30)).unsqueeze(2)


def largest_pairs(bridging: Tensor, layer: Layer, share: float) -> Tensor:
    """Return the bridging gradient (R, O, I) with all but its largest entries at 0.

    Args:
        bridging: B, zero for what is dead.
        layer: the layer to grow.
        share: how many entries stay, of all pairs of an alive input and an alive output.
    """
    pairs = layer.alive_inputs().sum(1) * consumer_of(layer).alive.sum(1)
    count = (share * pairs).round().clamp(min=1).unsqueeze(1)
    order = bridging.abs().flatten(1).sort(dim=1, descending=True, stable=True).indices
    place = torch.arange(order.shape[1], device=order.device).expand_as(order)
    kept = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order, place < count)
    return bridging * kept.view_as(bridging)
