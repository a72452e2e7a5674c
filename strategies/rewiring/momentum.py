"""Sparse momentum: connections move to where the momentum of the gradient is large."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ...harness.specs.spec import OptimizerSpec
from .base import Anneal, PeriodicRewiring, annealed, magnitudes
from .choice import count, highest, lowest, possible

FULLEST = 0.99
"""Share of a layer's empty places that one rewiring may connect; the rest goes to other layers."""

EPSILON = 1e-8
"""Added to the root of Adam's second moment."""


@dataclass(frozen=True, kw_only=True)
class SparseMomentum(PeriodicRewiring):
    """Prune small weights and grow as many where the layers' momentum is large.

    A layer's share is the mean |momentum| of its weights, before it is pruned; what does not fit in
    goes to other layers by their shares. What was just pruned may grow again, with its weight;
    other new connections start at 0, with the momentum that they would have. The network as a whole
    keeps its number of connections.

    Momentum is that of the dense gradient, kept here: with SGD an average at the optimiser's
    momentum (0.9 without one), with Adam m / (sqrt(v) + 1e-8). Weight decay is not in it. So every
    update needs the whole gradient. In a stream: rewires after every pass over a task's samples;
    anneal="constant" never slows down.

    Source: Dettmers and Zettlemoyer 2019, "Sparse Networks from Scratch" (SNFS).
    """

    name = "sparse-momentum"
    prune: float = 0.5
    """Share of each layer's connections that the first rewiring prunes, in [0, 1]."""
    last_prune: float = 0.005
    """Share at the end of the run under anneal="cosine", in [0, prune]."""
    anneal: Anneal = "cosine"
    """Whether the share falls."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.last_prune <= self.prune <= 1:
            raise BenchError(
                f"last_prune={self.last_prune}, prune={self.prune}: give 0 <= last_prune <= prune "
                "<= 1."
            )

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> None:
        """Add the dense gradient to the moments, as the optimiser does with the masked one."""
        spec = net.optimizer.spec
        for layer in self.sparse_layers(net):
            gradient = layer.weight.grad
            assert gradient is not None
            moments = _moments(layer, spec, ctx)
            if spec.name == "sgd":
                moments["momentum"].mul_(spec.momentum or 0.9).add_(gradient)
            else:
                second = moments["second_moment"]
                moments["first_moment"].lerp_(gradient, 1 - spec.beta1)
                second.mul_(spec.beta2).addcmul_(gradient, gradient, value=1 - spec.beta2)

    @torch.no_grad()
    def edit(self, net: Network, ctx: Context) -> None:
        """Prune, share out and grow."""
        spec, layers = net.optimizer.spec, self.sparse_layers(net)
        share = ctx.update / ctx.plan.total_updates
        rate = annealed(self.anneal, self.prune, self.last_prune, share)
        signals = [_signal(_moments(layer, spec, ctx), spec) for layer in layers]
        pruned = []
        for layer in layers:
            live = layer.live_weights()
            pruned.append(
                lowest(magnitudes(layer), live, (rate * count(live).double()).ceil().long())
            )
        counts = self._counts(layers, pruned, signals)
        for layer, cut, signal, counted in zip(layers, pruned, signals, counts.T, strict=True):
            empty = possible(layer) & ~(layer.live_weights() & ~cut)
            grown = highest(signal.abs(), empty, counted)
            before = layer.live_weights()
            net.rewire(layer, cut, grown, rule="sparse momentum")
            _take_over_momentum(net, layer, grown & ~before, _moments(layer, spec, ctx))

    def _counts(self, layers: list[Layer], pruned: list[Tensor], signals: list[Tensor]) -> Tensor:
        """Return how many connections each layer grows: (R, layers) int64."""
        total, means, most = [], [], []
        for layer, cut, signal in zip(layers, pruned, signals, strict=True):
            live = layer.live_weights()
            empty = possible(layer) & ~(live & ~cut)
            total.append(count(cut))
            means.append((signal.abs() * live).flatten(1).sum(1) / count(live).clamp(min=1))
            most.append((FULLEST * count(empty).double()).long())
        wanted = torch.stack(total, 1)
        return share_out(
            wanted.sum(1), layer_shares(torch.stack(means, 1), wanted), torch.stack(most, 1)
        )


def layer_shares(means: Tensor, pruned: Tensor) -> Tensor:
    """Return the layers' shares of what is grown, in proportion to their mean |momentum|.

    Args:
        means: (R, layers), at least 0; where all are 0, what each layer pruned decides.
        pruned: (R, layers) int64.

    Returns:
        (R, layers) in double precision; each row sums to 1 unless nothing was pruned either.
    """
    weights = torch.where(means.sum(1, keepdim=True) > 0, means.double(), pruned.double())
    return weights / weights.sum(1, keepdim=True).clamp(min=torch.finfo(torch.double).tiny)


def share_out(total: Tensor, shares: Tensor, most: Tensor) -> Tensor:
    """Split whole numbers by shares; what a layer cannot take goes to the others by their shares.

    Args:
        total: (R,) int64.
        shares: (R, layers), at least 0.
        most: (R, layers) int64, what each layer can take.

    Returns:
        (R, layers) int64; its rows sum to the total where that can be taken.
    """
    given = torch.zeros_like(most)
    for _ in range(shares.shape[1] + 1):  # every round but the last fills a layer or ends it
        left = total - given.sum(1)
        open_shares = shares * (given < most)
        whole = open_shares.sum(1, keepdim=True)
        wanted = left.unsqueeze(1) * open_shares / whole.clamp(min=torch.finfo(torch.double).tiny)
        given = torch.minimum(given + _rounded(wanted, left), most)
    return given


def _rounded(wanted: Tensor, total: Tensor) -> Tensor:
    """Round (R, layers) down, and give what is left to those that lost most (Hamilton)."""
    floor = wanted.floor()
    missing = (total - floor.sum(1)).clamp(min=0)
    rank = (wanted - floor).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (floor + ((rank < missing.unsqueeze(1)) & (wanted > 0))).long()


def _moments(layer: Layer, spec: OptimizerSpec, ctx: Context) -> dict[str, Tensor]:
    """Return the moments of a layer's dense gradient, zero at first; they are changed in place."""
    kinds = ("momentum",) if spec.name == "sgd" else ("first_moment", "second_moment")
    return {
        kind: ctx.state.setdefault(f"{layer.name} {kind}", torch.zeros_like(layer.weight.detach()))
        for kind in kinds
    }


def _signal(moments: dict[str, Tensor], spec: OptimizerSpec) -> Tensor:
    if spec.name == "sgd":
        return moments["momentum"]
    return moments["first_moment"] / (moments["second_moment"].sqrt() + EPSILON)


def _take_over_momentum(
    net: Network, layer: Layer, new: Tensor, moments: dict[str, Tensor]
) -> None:
    """Give new connections the optimiser state of the dense gradient: it has never been masked."""
    for slot in net.optimizer.slots:
        if slot.layer is layer and slot.name == "weight":
            for kind, moment in moments.items():
                if kind in slot.state:
                    slot.state[kind].copy_(torch.where(new, moment, slot.state[kind]))
