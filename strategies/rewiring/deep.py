"""DeepR: a random walk over signed connections, of which a fixed number is active."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from .base import SparseNetwork
from .choice import count, highest, possible

NEWBORN = 1e-12
"""Absolute weight of a connection that becomes active."""


@dataclass(frozen=True, kw_only=True)
class DeepRewiring(SparseNetwork):
    """Cut connections whose weight would change sign, activate others by chance.

    Every possible connection has a sign of its own for the whole run, that of its initial weight.
    After the gradient step |w| also falls by rate * l1 and takes a random step of standard
    deviation sqrt(2 * rate * temperature). Every layer keeps its number of connections at every
    update. It knows neither tasks nor an end, and suits a stream as it is; plain SGD only.

    Source: Bellec et al. 2018, "Deep Rewiring", the dense form of the released code, where signs
    are kept. Its noise, rate * 1e-5, is this temperature at its first rate of 0.5.
    """

    name = "deep-rewiring"
    l1: float = 1e-5
    """Pull of every active weight towards 0 (alpha), at least 0."""
    temperature: float = 2.5e-11
    """Strength of the random walk (T), at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.l1 < 0 or self.temperature < 0:
            raise BenchError(f"l1={self.l1}, temperature={self.temperature}: give 0 or more.")

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Choose the first connections.

        Raises:
            BenchError: the optimiser is not plain SGD.
        """
        spec = net.optimizer.spec
        if spec.name != "sgd" or spec.momentum > 0 or spec.weight_decay > 0:
            raise BenchError(
                f"deep-rewiring is defined for plain SGD, but the optimiser is {spec.name} with "
                f"momentum={spec.momentum:g} and weight_decay={spec.weight_decay:g}. Set "
                "optimizer.name=sgd, optimizer.momentum=0 and optimizer.weight_decay=0."
            )
        super().begin_run(net, ctx)

    def learning_rate(self, factor: float, net: Network, ctx: Context) -> float:
        """Note the rate of the coming step; the walk takes the same."""
        del net
        ctx.state["factor"] = factor
        return factor

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Walk, cut what has crossed zero, and activate as many."""
        rates = torch.tensor(net.optimizer.learning_rates, device=net.device)
        rates = rates * float(ctx.state["factor"])
        for layer in self.sparse_layers(net):
            signs = _signs(net, layer)
            rate = rates.view(-1, *(1,) * (layer.weight.dim() - 1))
            self._walk(layer, signs, rate, ctx)
            _replace_crossed(net, layer, signs, ctx)

    def _walk(self, layer: Layer, signs: Tensor, rate: Tensor, ctx: Context) -> None:
        step = -rate * self.l1
        if self.temperature > 0:
            shape = layer.weight.shape[1:]
            noise = ctx.random.draw(lambda generator: torch.randn(shape, generator=generator))
            step = step + (rate * (2 * self.temperature)).sqrt() * noise
        layer.weight.add_(signs * step * layer.live_weights())


def _scores(counts: Tensor, layer: Layer, ctx: Context) -> Tensor:
    """Draw a score for every weight where a replica chooses any: whose others do draws nothing."""
    shape = layer.weight.shape[1:]
    scores = [
        torch.rand(shape, generator=generator) if chooses else torch.zeros(shape)
        for generator, chooses in zip(ctx.random.generators, counts.tolist(), strict=True)
    ]
    return torch.stack(scores).to(layer.weight.device)


def _signs(net: Network, layer: Layer) -> Tensor:
    return torch.where(net.initial[f"{layer.name}.weight"] < 0, -1.0, 1.0)


def _replace_crossed(net: Network, layer: Layer, signs: Tensor, ctx: Context) -> None:
    """Make weights that crossed zero dormant and activate as many, maybe the same ones again."""
    live = layer.live_weights()
    crossed = live & (signs * layer.weight <= 0)
    counts = count(crossed)
    if not bool(counts.any()):
        return
    dormant = possible(layer) & ~(live & ~crossed)
    activated = highest(_scores(counts, layer, ctx), dormant, counts)
    newborn = signs * NEWBORN
    layer.weight.copy_(torch.where(crossed, newborn, layer.weight))
    net.rewire(layer, crossed, activated, values=newborn, rule="deep rewiring")
