"""Resets at task boundaries: of the weights, of a part of them, of the optimiser."""

from dataclasses import dataclass
from typing import Literal

from ..harness.edits import Network
from ..harness.errors import BenchError
from ..harness.strategy import Context, Strategy


@dataclass(frozen=True, kw_only=True)
class ShrinkPerturb(Strategy):
    """Shrink all weights and add a share of a fresh network, before every task but the first.

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
    """Start every task with a new network and optimiser: the reference that loses no plasticity."""

    name = "reset"
    needs = frozenset({"task boundary"})
    to: Literal["fresh", "same"] = "fresh"
    """New weights at every task, or the same initial weights again."""

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Start anew at a boundary."""
        if ctx.task == 0:
            return
        if self.to == "fresh":
            net.blend_fresh(keep=0, fresh=1)
        else:
            net.rewind("init")
        net.optimizer.reset()
