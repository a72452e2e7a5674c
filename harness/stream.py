"""What the loop needs of a stream: shared samples, and tasks that point into them.

Shapes: N samples of a source, n samples of one task, D = features of one flattened sample.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

Evaluate = Literal["current", "seen", "none"]
RealTime = Literal["off", "flops", "clock"]


@dataclass(frozen=True)
class Samples:
    """All images of one source, shared by every task, replica and seed without copies."""

    train_x: Tensor
    """(N, channels, height, width), uint8, or float32 where a sample is a vector of features."""
    train_y: Tensor
    """(N,), int64, the source's own classes."""
    test_x: Tensor
    """(M, channels, height, width), of the same type."""
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

    def network_input(self, images: Tensor, pixel_map: Tensor | None = None) -> Tensor:
        """Turn pixels into what enters the network: moved about, scaled and standardised.

        Args:
            images: (n, channels, height, width), as in `train_x`.
            pixel_map: (D,), int64, see `Task.pixel_map`.

        Returns:
            (n, channels, height, width), float32, on the device of `images`.
        """
        mean = torch.tensor(self.mean, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(-1, 1, 1)
        inputs = (images.float() * self.scale - mean) / std
        if pixel_map is None:
            return inputs
        pixels = pixel_map.to(images.device)
        black = ((0 - mean) / std).expand(inputs.shape[1:]).flatten()
        shown = inputs.flatten(1)[:, pixels.clamp(min=0)]
        return torch.where(pixels >= 0, shown, black).view_as(inputs)


@dataclass(frozen=True)
class Task:
    """One stationary stretch of a stream for one replica, as indices into the shared samples."""

    train_index: Tensor
    """(n,), int64, rows of `Samples.train_x`."""
    train_y: Tensor
    """(n,), int64, the labels the learner is given; or float32, the targets of a regression."""
    test_index: Tensor
    """(m,), int64, rows of `Samples.test_x`."""
    test_y: Tensor
    """(m,), as `train_y`."""
    pixel_map: Tensor | None = None
    """(D,), int64: new flat pixel i shows old flat pixel pixel_map[i], or black (a raw 0) for -1.

    None leaves pixels alone. It acts on the standardised image, so that a pixel keeps the mean and
    std of its own channel.
    """
    outputs: Tensor | None = None
    """(outputs of the head,), bool: those that exist in this task; None for all. A head that grows
    opens its outputs from task to task: closed ones have no probability and learn nothing."""
    scored: bool = True
    """Whether the task counts in the averages over tasks."""


def chained_digest(digest: str, task: Task) -> str:
    """Return the content hash of a stream up to a task, from that up to the task before.

    It starts with `Samples.digest`; samples, labels and pixels of every task go in, in order.
    """
    chain = hashlib.sha256(digest.encode())
    parts = (task.train_index, task.train_y, task.test_index, task.test_y)
    for part in (*parts, task.pixel_map, task.outputs):
        chain.update(b"none" if part is None else part.contiguous().numpy().tobytes())
    return chain.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Stream(ABC):
    """A sequence of tasks with a protocol: batch size, passes, what is told, when it is evaluated.

    A stream is a frozen value: all randomness comes from the seed given to `tasks` and `benchmark`.
    """

    source: str = "digits"
    """Where samples come from: digits, mnist, fashion-mnist, emnist, cifar10, cifar100, imagenet32,
    mini-imagenet-features, image-folder."""
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
    reshuffle: bool = True
    """Whether every pass has an order of its own, or the samples come as they lie in the task."""
    gradual_updates: int = 0
    """Updates over which a new task gradually replaces the last one; 0 switches at once.

    In update u of these n, a sample is one of the last task with probability 1 - u / (n + 1).
    Source: Liu and Mou 2026: loss of plasticity largely vanishes where the world changes gradually.
    """
    real_time: RealTime = "off"
    """Whether the stream waits: off; or an entrant that costs 1 + d times a plain learner's update
    learns from every (1 + d)-th batch, its cost by counted FLOPs or by this machine's clock.

    Source: Ghunaim et al. 2023, "Real-Time Evaluation in Online Continual Learning".
    """
    tell_boundary: bool = True
    """Whether learners may be told where a task begins; if not, those that need it are refused."""
    tell_task: bool = False
    """Whether learners may be told which task a sample is of, at test as well."""
    zero_head: bool = False
    """Whether the head's weights and biases are set to 0 at the start of every task.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning".
    """

    @property
    def metric(self) -> str:
        """What entrants are ranked by where nothing else is asked: what the stream's question is.

        Where all tasks seen are tested, that is what is kept of them (ACC): a network that forgets
        everything may learn each task best. Elsewhere how well each task is learnt anew (TAOA).
        """
        return "acc" if self.evaluate == "seen" else "taoa"

    @property
    def told(self) -> frozenset[str]:
        """What a strategy may be told on this stream; see `Strategy.needs`."""
        may_be_told = {"task boundary": self.tell_boundary, "task id at test": self.tell_task}
        return frozenset(name for name, is_told in may_be_told.items() if is_told)

    def is_here(self, data_dir: Path) -> bool:
        """Tell whether the samples are on this machine, without reading them.

        True where that cannot be told, or where they are made and not kept.
        """
        del data_dir
        return True

    @abstractmethod
    def load(self, data_dir: Path) -> Samples:
        """Return the shared samples, from the cache in `data_dir` where it is there."""

    @abstractmethod
    def task_sequence(self, samples: Samples, seed: int, start: int = 0) -> Iterator[Task]:
        """Yield the tasks of one seed from number `start` on, one at a time, in constant memory."""

    @abstractmethod
    def benchmark(self, seed: int, data_dir: Path) -> Any:
        """Return the same stream as a genuine Avalanche benchmark (a CLScenario)."""

    @property
    def varies_with_seed(self) -> bool:
        """Whether another seed is another stream, or only another order of its samples."""
        return True

    @abstractmethod
    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of a typical task: it fixes the updates of every task."""

    def updates_per_pass(self, samples: Samples) -> int:
        """Count the updates of one pass: full batches only, running over into the next pass.

        Every replica makes the same number of updates per task even where its classes have fewer or
        more samples, so that replicas can train in lockstep.
        """
        return math.ceil(self.nominal_samples(samples) / self.batch_size)

    def task_updates(self, samples: Samples) -> Sequence[int]:
        """Count the updates of every task, each a multiple of `passes`."""
        return [self.passes * self.updates_per_pass(samples)] * self.tasks

    def output_classes(self, samples: Samples) -> int:
        """Count the outputs of the one head that all tasks share; 1 for a regression."""
        return samples.classes

    def task_label(self, samples: Samples, seed: int, number: int) -> int | None:
        """Return Avalanche's label of a task: it is given to models, so it is 0 unless told.

        The number of the task itself is the experience's `current_experience`. None where the
        samples of one task have several labels.
        """
        del samples, seed
        return number if "task id at test" in self.told else 0

    @property
    def augments(self) -> bool:
        """Whether `augment` does anything."""
        return False

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change the training samples of one replica's batch at random, on their device.

        Args:
            x: (B, channels, height, width), float32, as it would enter the network.
            generator: the only source of randomness that may be used; on the CPU.
        """
        del generator
        return x
