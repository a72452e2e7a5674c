"""What the families of image streams share: samples, checked settings, the Avalanche benchmark."""

import math
from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice, repeat
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..harness.errors import BenchError, unknown_name
from ..harness.randomness import derive_seed
from ..harness.seeds import LARGEST_SEED
from ..harness.stream import Evaluate, Samples, Stream, Task
from .data.sources import READERS, load_source, where

Subset = Literal["chance", "first", "anew"]
COUNTS = ("tasks", "batch_size", "passes", "checkpoints_per_task")
OPTIONAL_COUNTS = ("samples_per_task", "updates_per_task", "period")
MOST = 1_000_000
"""Tasks, samples of a task or of an update, passes, updates of a task."""
"""NumPy's legacy generator, which Avalanche draws permutations with, takes no larger seed."""


@dataclass(frozen=True, kw_only=True)
class ImageStream(Stream):
    """A stream over the images of one source; a family says how its tasks differ."""

    known_sources: ClassVar[Collection[str]] = READERS
    """What `source` may be."""

    pixels: Literal["usual", "unit", "symmetric"] = "usual"
    """How pixels enter: as is usual for the source, in [0, 1], or in [-1, 1]."""
    subset: Subset = "chance"
    """Which training images `samples_per_task` takes: drawn once per seed; the first of the file;
    or drawn anew for each task.

    Sources: first: Lillo and Cheney 2025; anew: the code of Kumar et al. 2024 and of Elsayed and
    Mahmood 2024.
    """
    updates_per_task: int | None = None
    """Updates of every task, whatever its samples; None makes `passes` over the task's samples.

    It has to be a multiple of `passes`, which then only cuts a task into equal parts, for
    strategies that act at the start of a pass.
    """
    period: int | None = None
    """Recurrence: the first `period` tasks come back in the same order, again and again;
    None never."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            BenchError: says which setting is wrong and what is right.
        """
        for name in COUNTS:
            check_count(name, getattr(self, name))
        for name in OPTIONAL_COUNTS:
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.updates_per_task is not None and self.updates_per_task % self.passes:
            raise BenchError(
                f"updates_per_task is {self.updates_per_task}, which is no multiple of the "
                f"{self.passes} passes. Set passes to 1, or to another divisor."
            )
        if self.gradual_updates < 0:
            raise BenchError(f"gradual_updates is {self.gradual_updates}. Set it to at least 0.")
        check_choice("subset", self.subset, get_args(Subset))
        check_choice("evaluate", self.evaluate, get_args(Evaluate), "way to evaluate")
        check_choice("source", self.source, self.known_sources)
        if self.folder is not None and self.source != "image-folder":
            raise BenchError(
                f"folder is for the source image-folder, not for '{self.source}'. Leave it out, or "
                "name the folder of your data sets with --data."
            )

    @abstractmethod
    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield the tasks from number `start` on; settings, samples and seed are checked."""

    def is_here(self, data_dir: Path) -> bool:
        """Tell whether the source's files are on this machine, without reading them."""
        return where(self.source, data_dir, self.folder) is not None

    def load(self, data_dir: Path) -> Samples:
        """Return the shared samples, one copy per process."""
        samples = self.read(data_dir)
        if self.pixels == "usual":
            return samples
        channels = samples.train_x.shape[1]
        centre, spread = (0.0, 1.0) if self.pixels == "unit" else (0.5, 0.5)
        return replace(samples, mean=(centre,) * channels, std=(spread,) * channels)

    def read(self, data_dir: Path) -> Samples:
        """Return the samples with the pixels that are usual for the source."""
        return load_source(self.source, data_dir, self.folder)

    def task_sequence(self, samples: Samples, seed: int, start: int = 0) -> Iterator[Task]:
        """Yield the tasks of one seed from number `start` on, one at a time.

        Args:
            samples: what `load` returned.
            seed: 0 .. 2**32 - 1.
            start: number of the first task, from 0.

        Raises:
            BenchError: the settings do not fit the samples; raised at the call, before any task.
        """
        assert start >= 0, "tasks are counted from 0"
        self.check(samples)
        if not 0 <= seed <= LARGEST_SEED:
            raise BenchError(f"the seed {seed} is not in 0 .. {LARGEST_SEED}. Choose another.")
        return self._in_periods(samples, seed, start)

    def _in_periods(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        number = start
        while number < self.tasks:
            place = number % self.distinct_tasks
            length = min(self.distinct_tasks - place, self.tasks - number)
            yield from islice(self.draw(samples, seed, place), length)
            number += length

    @property
    def distinct_tasks(self) -> int:
        """Number of tasks before they come back, all of them where they never do."""
        return min(self.tasks, self.period or self.tasks)

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        """Return the same stream as a genuine Avalanche benchmark (a CLScenario).

        Its experiences are made when they are asked for, so memory does not grow with the tasks.
        """
        from .scenario import scenario  # importing Avalanche takes seconds

        return scenario(self, self.load(data_dir), seed)

    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of a task, of the largest where tasks differ."""
        return max(self.task_sizes(samples))

    def task_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the training samples of every task; the same for all seeds, so perhaps rounded."""
        return [self.samples_per_task or self.available(samples)] * self.tasks

    def task_updates(self, samples: Samples) -> Sequence[int]:
        """Count the updates of every task, each a multiple of `passes`."""
        if self.updates_per_task is not None:
            return [self.updates_per_task] * self.tasks
        return [self.passes * math.ceil(n / self.batch_size) for n in self.task_sizes(samples)]

    def available(self, samples: Samples) -> int:
        """Count the training samples that every task has at least."""
        return len(samples.train_y)

    def check(self, samples: Samples) -> None:
        """Refuse settings that do not fit the samples.

        Raises:
            BenchError: more samples asked for than a task has, or more checkpoints than updates.
        """
        if (self.samples_per_task or 0) > self.available(samples):
            raise BenchError(
                f"samples_per_task is {self.samples_per_task}, but a task of this stream over "
                f"'{self.source}' has {self.available(samples)}. Set it to that or less."
            )
        fewest = min(self.task_updates(samples))
        if self.checkpoints_per_task > fewest:
            raise BenchError(
                f"checkpoints_per_task is {self.checkpoints_per_task}, but a task has only "
                f"{fewest} updates. Set it to that or less."
            )
        if self.gradual_updates > fewest:
            raise BenchError(
                f"gradual_updates is {self.gradual_updates}, but a task has only {fewest} updates. "
                "Set it to that or less."
            )

    def fixed_rows(self, samples: Samples, seed: int) -> Tensor:
        """Return the training rows that all tasks of one seed share: (n,), sorted."""
        return self.pick(torch.arange(len(samples.train_y)), self.samples_per_task, seed, "subset")

    def pick(self, rows: Tensor, number: int | None, seed: int, purpose: str) -> Tensor:
        """Take that many of the rows as `subset` says, in their old order; None takes all."""
        if number is None:
            return rows
        return rows[:number] if self.subset == "first" else choose(rows, number, seed, purpose)

    def refuse_anew(self, why: str) -> None:
        """Refuse `subset="anew"` where it makes no sense."""
        if self.subset == "anew":
            raise BenchError(
                f'subset="anew" draws new images for every task, but {why}. '
                'Set subset to "chance" or "first".'
            )

    def train_rows(self, samples: Samples, seed: int, start: int) -> Iterator[Tensor]:
        """Yield the training rows (n,) of task after task from number `start` on, without end."""
        if self.subset != "anew" or self.samples_per_task is None:
            yield from repeat(self.fixed_rows(samples, seed))
        rows, number = torch.arange(len(samples.train_y)), self.samples_per_task
        yield from (self.pick(rows, number, seed, f"subset/{task}") for task in count(start))

    def plain_tasks(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield tasks as the source is: they differ in nothing, or in the rows they take."""
        test, task = torch.arange(len(samples.test_y)), None
        for rows in islice(self.train_rows(samples, seed, start), max(0, self.tasks - start)):
            if task is None or rows is not task.train_index:
                task = Task(rows, samples.train_y[rows], test, samples.test_y)
            yield task


def choose(rows: Tensor, count: int, seed: int, purpose: str) -> Tensor:
    """Draw `count` of the rows without replacement, in their old order."""
    chosen = generator(seed, purpose).permutation(len(rows))[:count]
    return rows[torch.from_numpy(np.sort(chosen))]


def generator(seed: int, purpose: str) -> np.random.RandomState:
    """Return the generator of one purpose.

    NumPy promises never to change what this legacy class draws; streams stay the same for good.
    """
    sequence = np.random.SeedSequence(derive_seed(seed, f"stream/{purpose}"))
    return np.random.RandomState(np.random.MT19937(sequence))


def check_count(name: str, value: object) -> None:
    """Refuse what is no whole number of at least 1, or more than there can be room for."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
        raise BenchError(f"{name} is {value!r}. Set it to a whole number from 1 to {MOST:,}.")


def check_share(name: str, value: float) -> None:
    """Refuse what is not in [0, 1]."""
    if not 0 <= value <= 1:
        raise BenchError(f"{name} is {value!r}. Set it to a share in [0, 1].")


def check_choice(name: str, value: object, known: Collection[str], what: str | None = None) -> None:
    """Refuse what is not among the known words."""
    if value not in known:
        raise unknown_name(what or name, str(value), known, f"Set {name} to one of them.")
