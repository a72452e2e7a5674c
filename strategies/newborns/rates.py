"""Learning rates that start anew when units are born."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import torch

from ...harness.engine.edits import Network
from ...harness.engine.optimizers import learning_rate_factor
from ...harness.engine.strategy import Context, Strategy
from ...harness.errors import BenchError
from .base import Units, born_since, note_births, youngest
from .windows import remember, scale_newborn_updates, weights_before


@dataclass(frozen=True, kw_only=True)
class RestartRate(Strategy):
    """Start the learning rate anew at every edit: half a cosine to the next one.

    From 1 to 0 times the learning rate between one edit and the next, the last time until the end
    of the run, in place of the run's schedule. It takes away the confound that units born late meet
    a rate that is nearly annealed. Source of the restarts: Loshchilov and Hutter 2017, "SGDR".
    """

    name = "restart-rate"
    warm_up: int = 0
    """Updates after each start over which the rate rises in a straight line, 0 for none."""
    of: Literal["all", "newborns"] = "all"
    """Whose rate starts anew: everybody's, or that of the units born since the last edit, whose
    updates are scaled, while all others follow the run's schedule."""

    def __post_init__(self) -> None:
        if self.warm_up < 0:
            raise BenchError(f"warm_up={self.warm_up}: give 0 or more updates.")

    def restarted(self, ctx: Context) -> float:
        """Return what the rate is multiplied by in the coming update, in [0, 1]."""
        start, end = self._cycle(ctx)
        done = ctx.update - start
        rising = min(1.0, (done + 1) / self.warm_up) if self.warm_up else 1.0
        return rising * learning_rate_factor("cosine", done, end - start)

    def learning_rate(self, factor: float, net: Network, ctx: Context) -> float:
        """Return the factor that has started anew in place of the schedule's."""
        del net
        if self.of == "all":
            return self.restarted(ctx)
        ctx.state["over schedule"] = self.restarted(ctx) / factor if factor > 0 else 0.0
        return factor

    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Remember who is newborn."""
        del net
        if self.of == "newborns":
            note_births(born, ctx)

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the end of the cycle if units were born in it."""
        del net
        start, end = self._cycle(ctx)
        latest = youngest(ctx)
        return end if latest is not None and latest >= start else 0

    @torch.no_grad()
    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember the weights before the step."""
        if self.of == "newborns":
            remember(net, ctx)

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Scale the newborns' updates from the run's rate to their own."""
        if self.of == "newborns":
            newborns = born_since(self._cycle(ctx)[0], net, ctx)
            factor: float = ctx.state["over schedule"]
            scale_newborn_updates(net, newborns, weights_before(ctx), factor)

    def _cycle(self, ctx: Context) -> tuple[int, int]:
        """Return the last edit and the next one; the run's start and end count as edits."""
        edits = (0, *ctx.edit_updates, ctx.plan.total_updates)
        number = bisect_right(edits, min(ctx.update, ctx.plan.total_updates - 1))
        return edits[number - 1], edits[number]
