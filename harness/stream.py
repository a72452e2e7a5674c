"""What the loop needs of a stream: shared samples, and tasks that point into them.

Shapes: N samples of a source, n samples of one task, D = features of one flattened sample.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

Evaluate = Literal["current", "seen", "none"]


@dataclass(frozen=True)
class Samples:
    """All images of one source, shared by every task, replica and seed without copies."""

    train_x: Tensor
    """(N, channels, height, width), uint8."""
    train_y: Tensor
    """(N,), int64, the source's own classes."""
    test_x: Tensor
    """(M, channels, height, width), uint8."""
    test_y: Tensor
    """(M,), int64."""
    classes: int
    """Number of classes; labels are 0 .. classes - 1."""
    scale: float
    """A pixel enters the network as (pixel * scale - mean) / std."""
    mean: tuple[float, ...]
    """One value per channel, after scaling."""
    std: tuple[float, ...]
    """One value per channel, after scaling."""
    digest: str
    """SHA-256 over the raw arrays: goes into every result."""

    def network_input(self, images: Tensor, permutation: Tensor | None = None) -> Tensor:
        """Turn pixels into what enters the network: scaled, standardised, and only then permuted.

        Args:
            images: (n, channels, height, width), uint8.
            permutation: (D,), int64, see `Task.permutation`.

        Returns:
            (n, channels, height, width), float32, on the device of `images`.
        """
        mean = torch.tensor(self.mean, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(-1, 1, 1)
        inputs = (images.float() * self.scale - mean) / std
        if permutation is None:
            return inputs
        return inputs.flatten(1)[:, permutation.to(images.device)].view_as(inputs)


@dataclass(frozen=True)
class Task:
    """One stationary stretch of a stream for one replica, as indices into the shared samples."""

    train_index: Tensor
    """(n,), int64, rows of `Samples.train_x`."""
    train_y: Tensor
    """(n,), int64, the labels the learner is given."""
    test_index: Tensor
    """(m,), int64, rows of `Samples.test_x`."""
    test_y: Tensor
    """(m,), int64."""
    permutation: Tensor | None = None
    """(D,), int64: new flat pixel i shows old flat pixel permutation[i]; None leaves pixels alone.

    It acts on the standardised image, so that a pixel keeps the mean and std of its own channel.
    """


@dataclass(frozen=True, kw_only=True)
class Stream(ABC):
    """A sequence of tasks with a protocol: batch size, passes, what is told, when it is evaluated.

    A stream is a frozen value: all randomness comes from the seed given to `tasks` and `benchmark`.
    """

    told: ClassVar[frozenset[str]] = frozenset({"task boundary"})
    """What a strategy may be told on this stream; see `Strategy.needs`."""

    source: str = "digits"
    """Where samples come from: digits, mnist, fashion-mnist, cifar10, cifar100, image-folder."""
    folder: str | None = None
    """Folder of a user's own pictures, for the source image-folder only."""
    tasks: int = 10
    """Number of tasks, at least 1."""
    samples_per_task: int | None = None
    """Training samples of one task; None takes all that the task has."""
    batch_size: int = 16
    """Samples of one update, at least 1."""
    passes: int = 1
    """Passes over a task's samples, at least 1."""
    evaluate: Evaluate = "current"
    """Test accuracy at each checkpoint: on the current task, on all tasks seen so far, or none."""
    checkpoints_per_task: int = 1
    """Evenly spaced evaluations within a task; the last is at its end. At least 1."""

    @abstractmethod
    def load(self, data_dir: Path) -> Samples:
        """Return the shared samples, from the cache in `data_dir` where it is there."""

    @abstractmethod
    def task_sequence(self, samples: Samples, seed: int, start: int = 0) -> Iterator[Task]:
        """Yield the tasks of one seed from number `start` on, one at a time, in constant memory."""

    @abstractmethod
    def benchmark(self, seed: int, data_dir: Path) -> Any:
        """Return the same stream as a genuine Avalanche benchmark (a CLScenario)."""

    @abstractmethod
    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of a typical task: it fixes the updates of every task."""

    def updates_per_pass(self, samples: Samples) -> int:
        """Count the updates of one pass: full batches only, running over into the next pass.

        Every replica makes the same number of updates per task even where its classes have fewer or
        more samples, so that replicas can train in lockstep.
        """
        return math.ceil(self.nominal_samples(samples) / self.batch_size)

    def updates_per_task(self, samples: Samples) -> int:
        """Count the updates of one task."""
        return self.passes * self.updates_per_pass(samples)

    def output_classes(self, samples: Samples) -> int:
        """Count the outputs of the one head that all tasks share."""
        return samples.classes
