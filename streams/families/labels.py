"""Concept shift: the images stay, what they are called changes from task to task."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ...harness.errors import BenchError
from ...harness.stream import Samples, Task
from ..base import check_choice, check_share, generator
from .shift import Change, Shifted

DrawLabels = Literal["uniform", "shuffled"]


@dataclass(frozen=True, kw_only=True)
class ShiftingLabels(Shifted):
    """A fresh permutation of the class labels for each task, the first one included.

    The same permutation renames the training and the test labels. `samples_per_task` fixes one
    subset of the training images per seed, the same in each task; the test set is whole.

    Source: Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic Forgetting in
    Continual Learning" (there label-permuted, batch 1).
    """

    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield renamings of the classes."""
        for number in count(start):
            names = generator(seed, f"class names/{number}").permutation(samples.classes)
            yield partial(renamed, names=torch.from_numpy(names))


def renamed(task: Task, names: Tensor) -> Task:
    """Give the classes new names, (classes,), in training and test alike."""
    return replace(task, train_y=names[task.train_y], test_y=names[task.test_y])


@dataclass(frozen=True, kw_only=True)
class RandomLabels(Shifted):
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
    fraction: float = 1.0
    """Share of the images whose label is drawn anew for each task, in [0, 1]; the others keep their
    label of the task before. The first task draws all.

    Source: Lyle et al. 2024, "Disentangling the Causes of Plasticity Loss in Neural Networks".
    """

    draw_labels: DrawLabels = "uniform"
    """How labels are drawn: each uniformly from the classes; or those of the images are shuffled
    among them, so that every class stays as frequent as it is.

    Source: shuffled: the code of Kumar et al. 2024.
    """

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        check_choice("draw_labels", self.draw_labels, get_args(DrawLabels))
        check_share("fraction", self.fraction)
        if self.fraction < 1 and self.draw_labels == "shuffled":
            raise BenchError(
                f'draw_labels="shuffled" exchanges the labels of all images, but fraction is '
                f'{self.fraction}. Set fraction to 1, or draw_labels to "uniform".'
            )
        if self.fraction < 1:
            self.refuse_anew("at a fraction below 1 images keep their labels")

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

    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield labels for the rows of each task."""
        if self.fraction == 1:
            return (self._drawn(samples, seed, number) for number in count(start))
        return islice(self._partly_drawn(samples, seed), start, None)

    def _drawn(self, samples: Samples, seed: int, number: int) -> Change:
        def change(task: Task) -> Task:
            if self.draw_labels == "shuffled":
                order = generator(seed, f"random labels/{number}").permutation(len(task.train_y))
                return memorised(task, task.train_y[torch.from_numpy(order)])
            return memorised(task, _labels(number, len(task.train_y), samples.classes, seed)[0])

        return change

    def _partly_drawn(self, samples: Samples, seed: int) -> Iterator[Change]:
        """Yield the changes from the first task on: each goes on from the labels before."""
        size = self.nominal_samples(samples)
        labels, _ = _labels(0, size, samples.classes, seed)
        for number in count(1):
            yield partial(memorised, labels=labels)
            fresh, random = _labels(number, size, samples.classes, seed)
            chosen = torch.from_numpy(random.permutation(size)[: round(self.fraction * size)])
            labels = labels.index_copy(0, chosen, fresh[chosen])


def memorised(task: Task, labels: Tensor) -> Task:
    """Give the training images labels (n,) to memorise, and test on just these."""
    return replace(task, train_y=labels, test_index=task.train_index, test_y=labels)


def _labels(
    number: int, size: int, classes: int, seed: int
) -> tuple[Tensor, np.random.RandomState]:
    """Draw new labels (n,) for one task; return its generator as well, to go on drawing."""
    random = generator(seed, f"random labels/{number}")
    return torch.from_numpy(random.randint(classes, size=size, dtype=np.int64)), random
