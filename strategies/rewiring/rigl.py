"""RigL: connections are dropped by magnitude and grown by gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Plan
from ...harness.errors import BenchError
from .base import Anneal, SparseNetwork, annealed, magnitudes
from .choice import count, highest, lowest, possible


@dataclass(frozen=True, kw_only=True)
class RigL(SparseNetwork):
    """Now and then drop the smallest weights, grow where the gradient is largest.

    An edit takes the place of that update's step. A dropped connection that is grown again keeps
    its weight and its momentum; others start at 0. Every layer keeps its number of connections.

    Source: Evci et al. 2020, "Rigging the Lottery". There t_end is 75 % of one training. For a
    stream that has no end, anneal="constant" rewires for ever, and `cycles` restarts the cosine.
    """

    name = "rigl"
    every: int = 100
    """Updates from one edit to the next (Delta T), at least 1; the first is the first update."""
    drop: float = 0.3
    """Share of a layer's connections that the first edit drops (alpha), in [0, 1]."""
    anneal: Anneal = "cosine"
    """Whether that share falls to 0 at the end of the edits, or stays (then edits never end)."""
    end_share: float = 0.75
    """Share of a cycle after which structure is frozen under anneal="cosine", in (0, 1]."""
    cycles: int = 1
    """Number of equal parts of the run, in each of which the share falls anew; at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1 or self.cycles < 1:
            raise BenchError(f"every={self.every}, cycles={self.cycles}: give at least 1.")
        if not 0 <= self.drop <= 1:
            raise BenchError(f"drop={self.drop}: give a share in [0, 1].")
        if not 0 < self.end_share <= 1:
            raise BenchError(f"end_share={self.end_share}: give a share in (0, 1].")

    def drop_share(self, plan: Plan, update: int) -> float:
        """Return the share of connections that an edit at an update drops; 0 once frozen."""
        if self.anneal == "constant":
            return self.drop
        length = plan.total_updates / self.cycles
        share = (update % length) / (self.end_share * length)
        return annealed("cosine", self.drop, 0.0, share) if share < 1 else 0.0

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return after which updates an edit takes the place of the next step."""
        moments = range(0, plan.total_updates, self.every)
        return [update for update in moments if self.drop_share(plan, update) > 0]

    def edit(self, net: Network, ctx: Context) -> None:
        """Do nothing yet: the edit needs the gradient of the coming update, and takes its place.

        That it is there has the engine ask `acts_until` at every moment of the schedule.
        """

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the end of the present update if it is an edit: between edits nothing is done."""
        del net
        return ctx.update + 1 if self._is_edit(ctx) else ctx.update

    def _is_edit(self, ctx: Context) -> bool:
        return ctx.update % self.every == 0 and self.drop_share(ctx.plan, ctx.update) > 0

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> bool:
        """Drop and grow in every sparse layer, instead of the step."""
        if not self._is_edit(ctx):
            return False
        share = self.drop_share(ctx.plan, ctx.update)
        for layer in self.sparse_layers(net):
            _drop_and_grow(net, layer, share)
        return True


def _drop_and_grow(net: Network, layer: Layer, share: float) -> None:
    gradient = layer.weight.grad
    assert gradient is not None
    live = layer.live_weights()
    counts = (share * count(live).double()).long()
    dropped = lowest(magnitudes(layer), live, counts)
    candidates = possible(layer) & ~(live & ~dropped)
    grown = highest(gradient.abs(), candidates, counts)
    net.rewire(layer, dropped, grown, rule="rigl")
