"""Resets at task boundaries or at a schedule: of the weights, of a part, of the optimiser."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..harness.engine.edits import Network
from ..harness.engine.strategy import Context, Plan, Strategy
from ..harness.errors import BenchError
from .budget import Scheduled


@dataclass(frozen=True, kw_only=True)
class ShrinkPerturb(Strategy):
    """Shrink weights, add a share of a fresh network, before every task but the first.

    weights <- keep * weights + perturb * fresh initialisation; the optimiser starts anew.

    Source: Ash and Adams 2020, "On Warm-Starting Neural Network Training"; their released settings.
    Other papers do this at every step or with plain Gaussian noise: those are other methods.
    """

    name = "shrink-perturb"
    needs = frozenset({"task boundary"})
    keep: float = 0.4
    """Factor on every weight, in [0, 1]; 1 keeps it whole."""
    perturb: float = 0.1
    """Factor on the fresh initialisation that is added, in [0, 1]."""

    def __post_init__(self) -> None:
        if not (0 <= self.keep <= 1 and 0 <= self.perturb <= 1):
            raise BenchError(f"keep={self.keep}, perturb={self.perturb}: give shares in [0, 1].")

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Shrink and perturb at a boundary."""
        if ctx.task > 0:
            net.blend_fresh(self.keep, self.perturb)
            net.optimizer.reset()


@dataclass(frozen=True, kw_only=True)
class OptimizerReset(Strategy):
    """Forget the optimiser's state before every task but the first; the weights stay.

    Source: Asadi, Fakoor and Sabach 2023, "Resetting the Optimizer in Deep RL".
    """

    name = "optimizer-reset"
    needs = frozenset({"task boundary"})

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Forget at a boundary."""
        if ctx.task > 0:
            net.optimizer.reset()


@dataclass(frozen=True, kw_only=True)
class FullReset(Strategy):
    """Start every task with a new network and optimiser: no plasticity is lost."""

    name = "reset"
    needs = frozenset({"task boundary"})
    to: Literal["fresh", "same"] = "fresh"
    """New weights at every task, or the same initial weights again."""

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Start anew at a boundary."""
        if ctx.task > 0:
            _start_anew(net, self.to)


@dataclass(frozen=True, kw_only=True)
class ScheduledReset(Scheduled):
    """Start anew, optimiser included, at the moments at which Grow and Prune edit.

    The control for the reset that a rewind is. A moment before the first update is left out: there
    the network is new. It is told nothing of tasks, unless it is placed by every_tasks.
    """

    name = "scheduled-reset"
    to: Literal["fresh", "same"] = "fresh"
    """New weights every time, or the same initial weights again."""

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return after which updates the network is reset."""
        return [update for update in self.edit_updates(plan) if update > 0]

    def edit(self, net: Network, ctx: Context) -> None:
        """Start anew."""
        del ctx
        _start_anew(net, self.to)


def _start_anew(net: Network, to: Literal["fresh", "same"]) -> None:
    if to == "fresh":
        net.blend_fresh(keep=0, fresh=1)
    else:
        net.rewind("init")
    net.optimizer.reset()
