"""Drifts: views that turn, labels that are wrong in new places, data that becomes more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from ...harness.errors import BenchError
from ...harness.stream import Samples, Task
from ..base import ImageStream, check_share, generator
from .shift import Change, Shifted, moved


@dataclass(frozen=True, kw_only=True)
class Rotated(Shifted):
    """Every task shows the images rotated by an angle of its own, the first one included.

    Angles are whole degrees, uniform in -180 .. 180, and they and the pixels (nearest neighbour,
    black corners) are those of Avalanche's RotatedMNIST for the same seed.

    Source: Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning".
    """

    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield rotations."""
        image = torch.Size(samples.train_x.shape[1:])
        random = np.random.RandomState(seed)
        angles = (float(random.randint(-180, 181)) for _ in count())
        for angle in islice(angles, start, None):
            yield partial(moved, pixel_map=rotation(image, angle))


def rotation(image: torch.Size, angle: float) -> Tensor:
    """Return the pixel map (D,) that rotates images (channels, height, width) about their centre.

    Args:
        image: shape of a sample.
        angle: degrees, anticlockwise.
    """
    # Rotating the numbers of the pixels tells where each comes from; float32 holds them exactly.
    numbers = torch.arange(image.numel(), dtype=torch.float32).view(image)
    black = [-1.0] * image[0]
    turned: Tensor = rotate(numbers, angle, InterpolationMode.NEAREST, fill=black)
    return turned.long().flatten()


@dataclass(frozen=True, kw_only=True)
class NoisyLabels(Shifted):
    """The images and their classes stay, but some training labels are wrong, others in each task.

    A wrong label is uniform over the other classes. Which images have one, and what it says, is
    drawn anew for each task; test labels are always right. There is no standard stream of this
    kind; label noise is where re-initialising helps most: Zaidi et al. 2022, "When Does
    Re-initialization Work?".
    """

    rate: float = 0.2
    """Share of the training labels that are wrong, in [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        check_share("rate", self.rate)

    def check(self, samples: Samples) -> None:
        """Refuse a single class: no label could be wrong."""
        super().check(samples)
        if samples.classes < 2:
            raise BenchError(
                f"'{self.source}' has a single class, so no label can be wrong. "
                "Use a source with at least 2."
            )

    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield wrong labels for every task."""
        for number in count(start):
            random = generator(seed, f"wrong labels/{number}")
            yield partial(mislabelled, rate=self.rate, classes=samples.classes, random=random)


def mislabelled(task: Task, rate: float, classes: int, random: np.random.RandomState) -> Task:
    """Make a share of the training labels wrong, each uniform over the other classes."""
    size = len(task.train_y)
    wrong = torch.from_numpy(random.permutation(size)[: round(rate * size)])
    shift = torch.from_numpy(random.randint(1, classes, size=len(wrong), dtype=np.int64))
    labels = (task.train_y[wrong] + shift) % classes
    return replace(task, train_y=task.train_y.index_copy(0, wrong, labels))


@dataclass(frozen=True, kw_only=True)
class WarmStart(ImageStream):
    """Task k trains on the first share of a shuffled training set, the last task on all of it.

    The order is drawn once per seed, so a share contains those before it. Every task is tested on
    the whole test set. A network that was warmed up on a share ends up worse than a fresh one.

    Source: Ash and Adams 2020, "On Warm-Starting Neural Network Training".
    """

    tasks: int = 2
    """Number of tasks: as many as there are shares."""
    shares: tuple[float, ...] = (0.5, 1.0)
    """Share of the training set in each task, in (0, 1], never shrinking."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        self.refuse_anew("a warm start keeps its old ones")
        if len(self.shares) != self.tasks:
            raise BenchError(
                f"shares has {len(self.shares)} values, but tasks is {self.tasks}. "
                f"Set tasks={len(self.shares)}, or give {self.tasks} shares."
            )
        if (
            sorted(self.shares) != list(self.shares)
            or not 0 < self.shares[0] <= 1 >= self.shares[-1]
        ):
            raise BenchError(
                f"shares is {list(self.shares)}. Give values in (0, 1] that never shrink, "
                "for example [0.5, 1.0]."
            )

    def task_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the training samples of every task."""
        whole = self.samples_per_task or self.available(samples)
        sizes = [max(1, round(share * whole)) for share in self.shares]
        return [sizes[number % self.distinct_tasks] for number in range(self.tasks)]

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield growing parts of one shuffled set."""
        rows = self.fixed_rows(samples, seed)
        order = generator(seed, "warm start").permutation(len(rows))
        rows = rows[torch.from_numpy(order)]
        test = torch.arange(len(samples.test_y))
        for size in islice(self.task_sizes(samples), start, None):
            train = rows[:size]
            yield Task(train, samples.train_y[train], test, samples.test_y)
