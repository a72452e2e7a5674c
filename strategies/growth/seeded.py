"""What growth methods share: a small seed, a schedule, and the units that each edit adds."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...harness.engine.edits import Network, StatePolicy
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..budget import ScheduledEdits, units_this_time
from ..newborns.slices import start_with_seed
from ..selection import alive_everywhere, best


@dataclass(frozen=True, kw_only=True)
class SeededGrowth(ScheduledEdits):
    """Start with a random seed of units and add units on the schedule and budget of Grow."""

    edits_structure = True
    seed_share: float = 0.1
    """Share of each layer's units that are alive from the start, chosen by chance, in (0, 1]."""
    state: StatePolicy = "zero_step"
    """Optimiser state of newborn units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seed_share <= 1:
            raise BenchError(f"seed_share={self.seed_share}: give a share in (0, 1].")
        self.check_state()

    def check_state(self) -> None:
        """Refuse an optimiser state that this method cannot give its newborns."""
        if self.state == "donor":
            raise BenchError(
                f"state='donor' copies the state of a donor, and {self.name} has none. "
                "Use zero_step, or add newborn-state(policy=donor)."
            )

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave only the seed alive: `seed_share` of each layer, but no more than its target."""
        start_with_seed(net, ctx, self.seed_share, self.targets(net))

    def births(self, net: Network, ctx: Context) -> Iterator[tuple[Layer, Tensor]]:
        """Yield each layer, input side first, with the dead slots (R, U) to fill at this edit.

        Which slots they are does not matter to who writes all weights: those of lowest index.
        """
        left = self.edits_left(ctx.plan, ctx.update)
        for layer, target in zip(net.hidden, self.targets(net), strict=True):
            count = units_this_time(target - alive_everywhere(layer), left)
            if count:
                yield layer, best(torch.zeros_like(layer.bias), ~layer.alive, count)
