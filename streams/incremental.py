"""Accumulation: classes come in groups, one group a task, and never again."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..harness.errors import BenchError
from ..harness.stream import Evaluate, Samples, Task
from .base import ImageStream, choose


@dataclass(frozen=True, kw_only=True)
class ClassIncremental(ImageStream):
    """Disjoint groups of equally many classes, one shared head, evaluated on all tasks seen.

    The order of the classes is that of Avalanche's SplitMNIST (and of every `nc_benchmark`) for
    the same seed; labels stay the source's own. `samples_per_task` draws that many of the task's
    training images; the test set has all images of the task's classes.

    Source: van de Ven and Tolias 2019, "Three scenarios for continual learning".
    """

    evaluate: Evaluate = "seen"
    """Test accuracy at each checkpoint: on the current task, on all tasks seen so far, or none."""

    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of an average task: classes may differ in size."""
        return self.samples_per_task or len(samples.train_y) // self.tasks

    def available(self, samples: Samples) -> int:
        """Count the training samples of the smallest task there can be, unless all are taken."""
        if self.samples_per_task is None:
            return self.nominal_samples(samples)
        counts = torch.bincount(samples.train_y, minlength=samples.classes)
        return int(counts.sort().values[: samples.classes // self.tasks].sum())

    def check(self, samples: Samples) -> None:
        """Refuse numbers of tasks that do not divide the classes, and classes without a test."""
        if samples.classes % self.tasks:
            fitting = [n for n in range(1, samples.classes + 1) if samples.classes % n == 0]
            raise BenchError(
                f"tasks is {self.tasks}, which does not divide the {samples.classes} classes of "
                f"'{self.source}'. Set it to one of {', '.join(map(str, fitting))}."
            )
        if not torch.bincount(samples.test_y, minlength=samples.classes).all():
            raise BenchError(
                f"'{self.source}' has classes without test samples, so their tasks cannot be "
                "evaluated. Add test samples for every class."
            )
        super().check(samples)

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield one group of classes after the other."""
        groups = class_order(samples.classes, seed).view(self.tasks, -1)
        for number in range(start, self.tasks):
            train = rows_of(samples.train_y, groups[number])
            test = rows_of(samples.test_y, groups[number])
            if self.samples_per_task is not None:
                train = choose(train, self.samples_per_task, seed, f"subset/{number}")
            yield Task(train, samples.train_y[train], test, samples.test_y[test])


def class_order(classes: int, seed: int) -> Tensor:
    """Draw the order in which Avalanche brings the classes, without touching torch's own state."""
    return torch.randperm(classes, generator=torch.Generator().manual_seed(seed))


def rows_of(labels: Tensor, classes: Tensor) -> Tensor:
    """Return the rows whose label is one of the classes, in their order."""
    return torch.isin(labels, classes).nonzero().squeeze(1)
