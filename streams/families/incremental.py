"""Accumulation: classes come in groups, one group a task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, cycle, islice, takewhile
from typing import Literal, get_args

import torch
from torch import Tensor

from ...harness.errors import BenchError
from ...harness.stream import Evaluate, Samples, Task
from ..augmentation import PADDING, flip_crop_rotate
from ..base import ImageStream, check_choice, check_count
from .classes import ClassRows, class_order, groups, pairs

Repeats = Literal["never", "pairs"]
Labels = Literal["own", "within task"]
Head = Literal["whole", "growing"]
Augment = Literal["none", "flip-crop-rotate"]


@dataclass(frozen=True, kw_only=True)
class ClassIncremental(ImageStream):
    """Groups of classes, one a task, one shared head, evaluated on all tasks seen.

    The order of the classes is that of Avalanche's SplitMNIST (and of every `nc_benchmark`) for
    the same seed, unless `repeats` says otherwise. `samples_per_task` draws that many of the task's
    training images; the test set has all images of the task's new classes.

    Sources: van de Ven and Tolias 2019, "Three scenarios for continual learning"; a pattern of
    group sizes: the 5+1 CIFAR of Kumar et al. 2024, "Maintaining Plasticity in Continual Learning
    via Regenerative Regularization"; pairs, old classes that stay and augmentation: Continual
    ImageNet and incremental CIFAR-100 of Dohare et al. 2024, "Loss of plasticity in deep continual
    learning".
    """

    evaluate: Evaluate = "seen"
    """Test accuracy at each checkpoint: on the current task, on all tasks seen so far, or none."""
    classes_per_task: tuple[int, ...] = ()
    """Sizes of the groups, a pattern that repeats: [5, 1] brings 5 classes, 1, 5, and so on; empty
    for equal groups of all classes."""
    repeats: Repeats = "never"
    """Whether classes come back: never; or in shuffled passes over all classes, in pairs of which
    none comes twice (needs classes_per_task=[2])."""
    labels: Labels = "own"
    """What classes are called: by the source's numbers, or from 0 on in each task, in the order of
    Avalanche's `class_ids_from_zero_in_each_exp`; then the head has as many outputs as the largest
    group."""
    samples_per_class: int | None = None
    """Training images of each class, the same whenever it comes; None takes all."""
    test_per_class: int | None = None
    """Test images of each class; None takes all."""
    head: Head = "whole"
    """Whether the head has all outputs from the start, or only those of the classes seen so far."""
    keep_old: bool = False
    """Whether all classes seen so far stay in the training set, which then grows from task to task,
    and with it the updates, unless `updates_per_task` fixes them."""
    score_groups_of: int | None = None
    """Only tasks with that many classes count in averages over tasks; None counts all."""
    augmentation: Augment = "none"
    """What happens to training images: nothing; or a mirror image half the time, a crop after
    padding by 4 reflected pixels, and a turn by up to 15 degrees."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        for name, allowed in [
            ("repeats", Repeats),
            ("labels", Labels),
            ("head", Head),
            ("augmentation", Augment),
        ]:
            check_choice(name, getattr(self, name), get_args(allowed))
        for name in ("samples_per_class", "test_per_class"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        for size in self.classes_per_task:
            check_count("a size in classes_per_task", size)
        self.refuse_anew("the images of a task are those of its classes")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.samples_per_class is not None and self.samples_per_task is not None:
            raise BenchError(
                "samples_per_class and samples_per_task are both given. Leave one of them out."
            )
        if self.repeats == "pairs" and self.classes_per_task != (2,):
            raise BenchError(
                f'repeats="pairs" with classes_per_task={list(self.classes_per_task)}. '
                "Set classes_per_task=[2]."
            )
        if self.repeats == "pairs" and self.keep_old:
            raise BenchError(
                'keep_old=true is for those that come once. Set keep_old=false or repeats="never".'
            )
        if self.labels == "within task" and (self.keep_old or self.head == "growing"):
            raise BenchError(
                'labels="within task" gives several classes one name, so old ones cannot stay '
                'and the head cannot grow. Set labels="own".'
            )
        if self.score_groups_of not in (None, *self.classes_per_task):
            raise BenchError(
                f"score_groups_of is {self.score_groups_of}, but classes_per_task is "
                f"{list(self.classes_per_task)}. Set it to a size that there is."
            )

    @property
    def augments(self) -> bool:
        """Whether `augment` does anything."""
        return self.augmentation != "none"

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change the training samples of one replica's batch at random; see `Stream.augment`."""
        return flip_crop_rotate(x, generator) if self.augments else x

    def output_classes(self, samples: Samples) -> int:
        """Count the outputs of the one head that all tasks share."""
        if self.labels == "within task":
            return max(self.group_sizes(samples))
        return samples.classes

    def group_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the new classes of every task before tasks come back."""
        equal = (max(1, samples.classes // self.distinct_tasks),)
        return list(islice(cycle(self.classes_per_task or equal), self.distinct_tasks))

    def task_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the training samples of every task, of an average one where classes differ."""
        sizes, seen = [], 0
        for new in self.group_sizes(samples):
            seen = seen + new if self.keep_old else new
            average = len(samples.train_y) * seen // samples.classes
            of_class = None if self.samples_per_class is None else self.samples_per_class * seen
            sizes.append(self.samples_per_task or of_class or average)
        return list(islice(cycle(sizes), self.tasks))

    def available(self, samples: Samples) -> int:
        """Count the training samples of the smallest task that there can be."""
        counts = torch.bincount(samples.train_y, minlength=samples.classes).sort().values
        return int(counts[: min(self.group_sizes(samples))].sum())

    def check(self, samples: Samples) -> None:
        """Refuse numbers of tasks that do not fit the classes, and classes with too few samples."""
        self._check_classes(samples)
        for part, labels, asked in [
            ("train", samples.train_y, self.samples_per_class),
            ("test", samples.test_y, self.test_per_class),
        ]:
            fewest = int(torch.bincount(labels, minlength=samples.classes).min())
            if (asked or 0) > fewest > 0:
                name = "samples_per_class" if part == "train" else "test_per_class"
                raise BenchError(
                    f"{name} is {asked}, but a class of '{self.source}' has {fewest} {part} "
                    "samples. Set it to that or less."
                )
            if fewest == 0:
                raise BenchError(
                    f"'{self.source}' has classes without {part} samples, so their tasks cannot be "
                    f"{'learnt' if part == 'train' else 'evaluated'}. "
                    f"Add {part} samples for every class."
                )
        if self.augments and min(samples.train_x.shape[2:]) <= PADDING:
            raise BenchError(
                f"images of '{self.source}' are {tuple(samples.train_x.shape[2:])} pixels, too "
                'small for crops that are off by 4. Set augmentation="none".'
            )
        super().check(samples)

    def _check_classes(self, samples: Samples) -> None:
        if not self.classes_per_task and samples.classes % self.distinct_tasks:
            fitting = [n for n in range(1, samples.classes + 1) if samples.classes % n == 0]
            name = "tasks" if self.distinct_tasks == self.tasks else "period"
            raise BenchError(
                f"{name} is {self.distinct_tasks}, which does not divide the {samples.classes} "
                f"classes of '{self.source}'. Set it to one of {', '.join(map(str, fitting))}; or "
                "say how many classes a task has with classes_per_task."
            )
        fit = self._fitting_tasks(samples.classes)
        if self.distinct_tasks > fit:
            raise BenchError(
                f"tasks is {self.tasks}, but the {samples.classes} classes of '{self.source}' are "
                f"enough for {fit} different tasks of classes_per_task="
                f"{list(self.classes_per_task)}. Set tasks or period to {fit} or less."
            )

    def _fitting_tasks(self, classes: int) -> int:
        """Count the tasks that there are classes for."""
        if self.repeats == "pairs":
            return classes * (classes - 1) // 2
        sizes = self.classes_per_task or (classes // self.distinct_tasks,)
        return sum(1 for _ in takewhile(lambda used: used <= classes, accumulate(cycle(sizes))))

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield one group of classes after the other."""
        train = self._class_rows(samples.train_y, samples, self.samples_per_class, seed, "train")
        test = self._class_rows(samples.test_y, samples, self.test_per_class, seed, "test")
        seen = torch.zeros(samples.classes, dtype=torch.bool)
        for number, new in enumerate(self._groups(samples, seed)):
            seen[new] = True
            if number < start:
                continue
            rows = train.of(seen.nonzero().squeeze(1) if self.keep_old else new)
            rows = self.pick(rows, self.samples_per_task, seed, f"subset/{number}")
            tested = test.of(new)
            name = partial(self._named, new=new, classes=samples.classes)
            yield Task(
                rows,
                name(samples.train_y[rows]),
                tested,
                name(samples.test_y[tested]),
                outputs=seen.clone() if self.head == "growing" else None,
                scored=self.score_groups_of in (None, len(new)),
            )

    def _groups(self, samples: Samples, seed: int) -> Iterator[Tensor]:
        """Yield the new classes of every task before tasks come back."""
        if self.repeats == "pairs":
            return islice(pairs(samples.classes, seed), self.distinct_tasks)
        return groups(class_order(samples.classes, seed), self.group_sizes(samples))

    def _class_rows(
        self, labels: Tensor, samples: Samples, number: int | None, seed: int, part: str
    ) -> ClassRows:
        rows = ClassRows(labels, samples.classes)
        for one, of_class in enumerate(rows.by_class):
            rows.by_class[one] = self.pick(of_class, number, seed, f"{part} images of class/{one}")
        return rows

    def _named(self, labels: Tensor, new: Tensor, classes: int) -> Tensor:
        """Return the labels as this stream says them."""
        if self.labels == "own":
            return labels
        names = torch.full((classes,), -1)
        names[new] = torch.arange(len(new))
        return names[labels]
