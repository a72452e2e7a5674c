"""Newborn units that are not there at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from .base import NEVER, NewbornWindow, Units


@dataclass(frozen=True, kw_only=True)
class FadeIn(NewbornWindow):
    """Fade newborn units in: after k updates their output counts k / updates.

    Its weights are those with which it was inserted. At birth it says nothing, so the function is
    as before, with a norm layer too: it takes part in the statistics by the same share. It learns
    in proportion to what it says, and with full strength once the window is over.
    """

    name = "fade-in"

    @torch.no_grad()
    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Damp the newborns to nothing."""
        super().after_births(born, net, ctx)
        self._damp(net, ctx, ctx.update)

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Let the newborns come forward by one step of their window."""
        self._damp(net, ctx, ctx.update + 1)

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return when the last window closes; later where its last batches were let go by."""
        closes = super().acts_until(net, ctx)
        is_faded = any(layer.fading is not None for layer in net.layers)
        return max(closes, ctx.update + 1) if is_faded else closes

    def _damp(self, net: Network, ctx: Context, update: int) -> None:
        times: dict[str, Tensor] = ctx.state.get("born", {})
        for layer in net.layers:
            if layer.name in times:
                net.set_fading(layer, self._shares(layer, times[layer.name], update))

    def _shares(self, layer: Layer, times: Tensor, update: int) -> Tensor | None:
        """Return by what units are damped after so many updates; None where none is."""
        shares = ((update - times) / self.updates).clamp(max=1).to(layer.weight.dtype)
        shares = torch.where(times == NEVER, 1.0, shares)
        return None if bool((shares == 1).all()) else shares
