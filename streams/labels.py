"""Concept shift: the images stay, what they are called changes from task to task."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..harness.errors import BenchError
from ..harness.stream import Samples, Task
from .base import ImageStream, generator


@dataclass(frozen=True, kw_only=True)
class ShiftingLabels(ImageStream):
    """A fresh permutation of the class labels for each task, the first one included.

    The same permutation renames the training and the test labels. `samples_per_task` fixes one
    subset of the training images per seed, the same in each task; the test set is whole.

    Source: Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic Forgetting in
    Continual Learning" (there label-permuted, batch 1).
    """

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield tasks that share their rows and differ in what the classes are called."""
        train = self.fixed_subset(samples, seed)
        train_y, test = samples.train_y[train], torch.arange(len(samples.test_y))
        for number in range(start, self.tasks):
            names = generator(seed, f"class names/{number}").permutation(samples.classes)
            renamed = torch.from_numpy(names)
            yield Task(train, renamed[train_y], test, renamed[samples.test_y])


@dataclass(frozen=True, kw_only=True)
class RandomLabels(ImageStream):
    """Fixed images, with labels drawn anew and uniformly for each task: pure memorisation.

    No test image could tell whether labels without a rule were learnt. So a task is evaluated on
    what was to be memorised: the test samples of this stream are its training samples with the
    labels of the task, and test accuracy is the memorised share.

    Source: Zhang et al. 2017, "Understanding deep learning requires rethinking generalization";
    as a stream: Lyle et al. 2023, "Understanding plasticity in neural networks", with the settings
    of Kumar et al. 2024, "Maintaining Plasticity in Continual Learning via Regenerative
    Regularization".
    """

    samples_per_task: int | None = 1200
    """Images to memorise, drawn once per seed; None takes all training images."""

    def load(self, data_dir: Path) -> Samples:
        """Return the samples with the training images in place of the test images, not copied."""
        samples = super().load(data_dir)
        return replace(samples, test_x=samples.train_x, test_y=samples.train_y)

    def check(self, samples: Samples) -> None:
        """Refuse samples that were not loaded by this class: their test images are others."""
        super().check(samples)
        if samples.test_x.shape != samples.train_x.shape:
            raise BenchError(
                "random labels are evaluated on the training images. Take the samples from the "
                "stream's own load()."
            )

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield tasks that share their rows and differ in the labels."""
        rows = self.fixed_subset(samples, seed)
        for number in range(start, self.tasks):
            random = generator(seed, f"random labels/{number}")
            labels = torch.from_numpy(
                random.randint(samples.classes, size=len(rows), dtype=np.int64)
            )
            yield Task(rows, labels, rows, labels)
