"""Net2WiderNet: grow by duplicating units, without a change of the function."""

from dataclasses import dataclass, replace

from torch import Tensor

from ...harness.engine.edits import Network, Slices, StatePolicy
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.slices import (
    like_rows,
    live_spread,
    net2wider_slices,
    normal,
    random_donors,
    share_columns,
    share_row_state,
)
from .seeded import SeededGrowth


@dataclass(frozen=True, kw_only=True)
class Net2Wider(SeededGrowth):
    """Add copies of random alive units, which share their outgoing weights.

    The function is unchanged but for the noise; under random activations (RSL) it is unchanged at
    evaluation only, and under LayerNorm it is not. Without noise twins stay twins for ever.

    Source: Chen, Goodfellow and Shlens 2016, "Net2Net: Accelerating Learning via Knowledge
    Transfer". It widens once, with a new optimiser at a tenth of the rate; the size of its noise is
    not printed.
    """

    name = "net2wider"
    noise: float = 0.01
    """Standard deviation of what is added to a copy's incoming weights, over that of the donor's
    own, at least 0."""
    state: StatePolicy = "donor"
    """Optimiser state of newborn units; donor copies it, and shares the moments of the rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 0:
            raise BenchError(f"noise={self.noise}: give 0 or more.")

    def check_state(self) -> None:
        """Accept every optimiser state: here newborns do have donors."""

    def edit(self, net: Network, ctx: Context) -> None:
        """Widen every layer, input side first."""
        for layer, newborn in self.births(net, ctx):
            donor = random_donors(layer, ctx)
            slices = self._noisy(net2wider_slices(layer, newborn, donor), layer, donor, ctx)
            share_columns(layer, newborn, donor)
            net.grow(layer, newborn, insertion=slices, state=self.state, donor=donor)
            if self.state == "donor":
                share_row_state(net, layer, newborn, donor)

    def _noisy(self, slices: Slices, layer: Layer, donor: Tensor, ctx: Context) -> Slices:
        weight = slices.rows["weight"]
        spread = live_spread(layer).gather(1, donor)
        noise = self.noise * normal(ctx, layer.weight.shape) * like_rows(spread, weight)
        return replace(slices, rows={**slices.rows, "weight": weight + noise})
