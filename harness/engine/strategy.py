"""What a strategy is: hooks in call order, each doing nothing until overridden.

Order within a run: `configure`, `begin_run`, then for each task `begin_task`, its updates, and
`end_task`; at last `end_run`. Order within an update: `extend_batch`, forward, loss and `penalty`,
backward, `after_backward`, optimiser step at the `learning_rate`, `after_step`, dead slots put
back. An `edit` that `schedule` asks for at update u happens after u updates are done, before the
next one. Where units are born in a hook, `after_births` of every strategy follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from ..errors import BenchError
from ..randomness import ReplicaRandom
from ..specs.grammar import Settings
from ..specs.spec import NetworkSpec
from .edits import Network
from .probe import Probe, Probing

Matched = Mapping[str, Settings]
"""Settings to change in a strategy, by the control that this makes of it."""


class PluginError(BenchError):
    """A strategy raised in one of its hooks."""


@dataclass(frozen=True)
class Plan:
    """How long a run is, in updates."""

    task_updates: tuple[int, ...]
    """Updates of every task."""
    passes: int
    """Passes over the samples of every task."""
    batch_size: int
    """Samples of one update."""

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.task_updates)

    @cached_property  # asked for at every update
    def total_updates(self) -> int:
        """Updates of the whole run."""
        return sum(self.task_updates)

    def task_starts(self) -> list[int]:
        """Return after how many updates each task starts."""
        return [0, *accumulate(self.task_updates)][:-1]

    def pass_starts(self) -> list[int]:
        """Return after how many updates each pass of each task starts."""
        return [
            start + number * (updates // self.passes)
            for start, updates in zip(self.task_starts(), self.task_updates, strict=True)
            for number in range(self.passes)
        ]


@dataclass
class Progress:
    """Where a run is: shared by the loop and every context."""

    update: int = 0
    """Updates done so far."""
    task: int = 0
    """Number of the current task, from 0."""
    edit_updates: tuple[int, ...] = ()
    """Updates after which some strategy of the entrant edits, ascending."""


class TaskSamples(Protocol):
    """The training samples of the current task of every replica."""

    train_y: list[Tensor]
    """Labels (n,) of each replica's samples; n may differ."""

    def take(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return samples by their numbers within the task, k for each replica.

        Args:
            chosen: for each replica (k,) int64, the same k.

        Returns:
            x (R, k, channels, height, width) as the network reads them, and y (R, k).
        """
        ...


@dataclass
class Context:
    """What a strategy may know and keep besides the network."""

    plan: Plan
    progress: Progress
    random: ReplicaRandom
    """This strategy's own generators."""
    probing: Probing
    """Gives labelled samples of the current task, drawn from this strategy's own generators."""
    task_samples: Callable[[], TaskSamples]
    """Gives the samples of the current task."""
    state: dict[str, Any] = field(default_factory=dict)
    """Tensors and plain values that the strategy keeps between hooks; saved and restored."""

    @property
    def update(self) -> int:
        """Updates done so far."""
        return self.progress.update

    @property
    def task(self) -> int:
        """Number of the current task, from 0."""
        return self.progress.task

    @property
    def edit_updates(self) -> tuple[int, ...]:
        """Updates after which some strategy of the entrant edits, ascending."""
        return self.progress.edit_updates

    def uniform(self, shape: torch.Size) -> Tensor:
        """Draw from U[0, 1) in a shape that starts with R, each replica from its own generator."""
        return self.random.uniform(*shape[1:])

    def score_batch(self, net: Network) -> Probe:
        """Pass a mini-batch of the current task forward and backward, changing nothing."""
        return self.probing(net, self.plan.batch_size)


class Strategy:
    """A plug-in that changes how a network learns. Subclass as a frozen dataclass.

    Settings are fields; what changes during a run is kept in `Context.state`.
    """

    name: ClassVar[str] = "strategy"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What the strategy must be told: a subset of {"task boundary", "task id at test"}."""

    cost_factor: ClassVar[float] = 1.0
    """FLOPs of an update over those of one without the strategy on the same units; at least 1.

    Used where a stream does not wait (`Stream.real_time`); 2 for who replays as many samples.
    """

    edits_structure: ClassVar[bool] = False
    """Whether it changes which units or connections are alive: a winning ticket trains without."""

    matched: ClassVar[Matched] = {}
    """How to have its own controls for chance, where it chooses units by some criterion.

    The settings to change, by control: "random-matched" edits as many units in the same layers at
    the same moments, chosen by chance; "inverse-matched" those that the criterion puts last. With
    `--controls` each becomes an entrant. Empty where no criterion chooses units, or where how many
    are edited hangs on which ones were edited before.
    """

    retrains: ClassVar[bool] = False
    """Whether the run is followed by another one of its final structure with new initial weights.

    That is the evaluation as a *winning ticket*: same stream, same seed, structure frozen.
    """

    def configure(self, network: NetworkSpec) -> NetworkSpec:
        """Return the architecture to build, changed or not."""
        return network

    def schedule(self, plan: Plan) -> Sequence[int]:
        """Return the updates after which `edit` is called, each in [0, plan.total_updates)."""
        del plan
        return ()

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Act once before the first update."""

    def begin_task(self, net: Network, ctx: Context) -> None:
        """Act at the start of every task, the first included."""

    def after_births(self, born: Mapping[str, Tensor], net: Network, ctx: Context) -> None:
        """Act on units that an edit of any strategy switched on or rewrote just now.

        Args:
            born: layer name -> (R, U) bool; layers without births are left out.
            net: the network.
            ctx: the context.
        """

    def extend_batch(
        self, x: Tensor, y: Tensor, net: Network, ctx: Context
    ) -> tuple[Tensor, Tensor]:
        """Return the batch of the coming update, with samples added *behind* those of the stream.

        Args:
            x: (R, B, channels, height, width).
            y: (R, B).
            net: the network, which may not be up to date: do not look at weights here.
            ctx: the context.
        """
        del net, ctx
        return x, y

    def learning_rate(self, factor: float, net: Network, ctx: Context) -> float:
        """Return what the learning rates are multiplied by in the coming update.

        Args:
            factor: what the schedule, or the strategy before, says.
            net: the network, which may not be up to date: do not look at weights here.
            ctx: the context.
        """
        del net, ctx
        return factor

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the update from which `penalty`, `after_backward` and `after_step` do nothing.

        Asked at every edit and boundary, and good until the next. Who acts for a while only lets
        the engine train faster afterwards; a number in the past says "not now".
        """
        del net
        return ctx.plan.total_updates

    def penalty(self, net: Network, ctx: Context) -> Tensor | None:
        """Return what to add to the loss of each replica: (R,); None for nothing."""

    def after_backward(self, net: Network, ctx: Context) -> bool | None:
        """Act on gradients, before the optimiser's step; return True to take the step's place.

        Gradients of connections that do not exist are those that they would have if they did.
        """

    def after_step(self, net: Network, ctx: Context) -> None:
        """Act on weights, after the optimiser's step."""

    def edit(self, net: Network, ctx: Context) -> None:
        """Edit the structure at the updates that `schedule` named."""

    def end_task(self, net: Network, ctx: Context) -> None:
        """Act at the end of every task, after its evaluation."""

    def end_run(self, net: Network, ctx: Context) -> None:
        """Act once after the last task."""


def overrides(strategy: Strategy, hook: str) -> bool:
    """Tell whether a strategy does anything in a hook."""
    return getattr(type(strategy), hook) is not getattr(Strategy, hook)
