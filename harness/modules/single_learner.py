"""What trains outside the stack, one replica at a time: what such an entrant has to offer.

A user's own PyTorch code is a `TorchLearner`; `strategies/avalanche` has Avalanche's strategies.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ..engine.batches import TaskBatches
from ..engine.strategy import Plan
from ..errors import BenchError
from ..specs.spec import NetworkSpec, OptimizerSpec
from ..stream import Stream, Task
from .health import Predict


@dataclass(frozen=True)
class Circumstances:
    """What a learner is given before its first task."""

    name: str
    """The entrant's, for messages."""
    seed: int
    stream: Stream
    image: tuple[int, int, int]
    """(channels, height, width) of one sample."""
    classes: int
    """Outputs of the head; 1 for a regression."""
    plan: Plan
    network: NetworkSpec
    """The entrant's; a learner that builds its own may leave it aside."""
    optimizer: OptimizerSpec
    data_dir: Path
    device: torch.device


class Watch(Protocol):
    """Who looks on while a learner trains; nothing of it changes what is learnt."""

    def begin(self, updates: int) -> None:
        """Be told how many updates the task has."""

    def is_free(self) -> bool:
        """Tell whether the learner takes the next batch; else the batch goes by unlearnt."""
        ...

    def saw(self, logits: Tensor, y: Tensor, samples: int) -> None:
        """Take note of an update.

        Args:
            logits: of the current task's samples in the batch, before the update: (n, classes).
            y: their labels, (n,).
            samples: how many samples, of whatever task, were learnt from.
        """

    def passed(self) -> None:
        """Be told that a batch has been learnt from, or has gone by."""


@dataclass(frozen=True)
class Lesson:
    """One task, to be learnt."""

    number: int
    """From 0."""
    updates: int
    """As the protocol plans them."""
    batches: TaskBatches
    """Of one replica."""
    watch: Watch


@dataclass(frozen=True)
class View:
    """A learner as it is at the moment, to be measured."""

    predict: Predict
    """Logits (B, classes) of samples of one task."""
    module: nn.Module | None
    """What `predict` uses; None where that cannot be looked into."""


class Trainer(ABC):
    """One replica of a learner in training."""

    @abstractmethod
    def train(self, lesson: Lesson) -> None:
        """Learn one task, telling the lesson's watch of every batch."""

    @abstractmethod
    def view(self, task: int) -> View:
        """Return the learner as it is, asked about samples of a task by number."""

    def widths(self) -> list[int] | None:
        """Return the units of every hidden layer; None to have them counted by hooks."""
        return None


class SingleLearner(ABC):
    """An entrant that trains outside the stack, a dataclass whose fields are its settings."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """What it must be told: a subset of {"task boundary", "task id at test"}."""

    cost_factor: ClassVar[float] = 1.0
    """FLOPs of an update over those of a plain one on the stream's usual network; at least 1.

    Used where a stream does not wait for the learner (`Stream.real_time`).
    """

    versions: ClassVar[Mapping[str, str]] = {}
    """Version by package of the libraries whose code it is: other versions are other runs."""

    @classmethod
    def check_settings(cls, settings: Mapping[str, Any]) -> None:
        """Refuse settings by name that are not for an entrant to choose; none by default."""
        del settings

    @abstractmethod
    def trainer(self, given: Circumstances) -> Trainer:
        """Start one replica."""

    def check(self, stream: Stream, network: NetworkSpec) -> None:
        """Refuse a stream, or a network, that does not fit, before anything is loaded.

        Raises:
            BenchError: says which setting of what does not fit, and what would.
        """
        del network
        if stream.zero_head:
            raise unfit("zero_head=true", "only the harness's own network has a head to set to 0")

    def check_task(self, task: Task) -> None:
        """Refuse a stream by its first task.

        Raises:
            BenchError: outputs open from task to task.
        """
        if task.outputs is not None:
            raise unfit("a head that grows", "only the harness's own network has outputs to open")


def unfit(setting: str, reason: str) -> BenchError:
    """Build the error for a protocol that a learner outside the stack cannot follow.

    Args:
        setting: of the stream, as written.
        reason: one clause.
    """
    return BenchError(
        f"the stream has {setting}, which this entrant cannot follow: {reason}. "
        "Run it on a stream without that."
    )
