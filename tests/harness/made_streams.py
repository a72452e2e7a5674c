"""Streams with one fault each, as anyone could write them by mistake."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticity_bench.harness.stream import Samples, Task
from plasticity_bench.streams.families.permuted import Permuted

_calls = count()


@dataclass(frozen=True, kw_only=True)
class Sound(Permuted):
    """Permuted digits, small enough to be checked at once."""

    tasks: int = 30
    samples_per_task: int | None = 64


@dataclass(frozen=True, kw_only=True)
class Altered(Sound):
    """Changes each task by a function of the task, its number and the seed."""

    def alter(self, task: Task, number: int, seed: int) -> Task:
        raise NotImplementedError

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        for number, task in enumerate(super().draw(samples, seed, start), start):
            yield self.alter(task, number, seed)


@dataclass(frozen=True, kw_only=True)
class RowOutside(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, test_index=task.test_index + (1 if number == 3 else 0))


@dataclass(frozen=True, kw_only=True)
class LabelOutside(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, train_y=task.train_y + (1 if number == 4 else 0))


@dataclass(frozen=True, kw_only=True)
class ClosedOutput(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        opened = torch.ones(10, dtype=torch.bool)
        opened[task.test_y[0]] = number != 2
        return replace(task, outputs=opened)


@dataclass(frozen=True, kw_only=True)
class Forgetful(Altered):
    """Draws something else every time it is asked."""

    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, train_y=task.train_y.roll(next(_calls)))


@dataclass(frozen=True, kw_only=True)
class SameForAllSeeds(Sound):
    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        return super().draw(samples, 0, start)


@dataclass(frozen=True, kw_only=True)
class SaysItDoesNotVary(Sound):
    @property
    def varies_with_seed(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class StartsOver(Sound):
    """Counts its tasks from where it is started."""

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        for task, _ in zip(super().draw(samples, seed, 0), range(self.tasks - start), strict=False):
            yield task


@dataclass(frozen=True, kw_only=True)
class StopsShort(Sound):
    """Leaves out the last task where it is started late."""

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        end = self.tasks - (1 if start else 0)
        for number, task in enumerate(super().draw(samples, seed, start), start):
            if number < end:
                yield task


@dataclass(frozen=True, kw_only=True)
class TouchesTorch(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        torch.rand(1)
        return task


@dataclass(frozen=True, kw_only=True)
class TouchesNumpy(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        np.random.uniform()
        return task


@dataclass(frozen=True, kw_only=True)
class TouchesPython(Sound):
    def benchmark(self, seed: int, data_dir: Path) -> Any:
        random.random()
        return super().benchmark(seed, data_dir)


@dataclass(frozen=True, kw_only=True)
class NoMultiple(Sound):
    passes: int = 2

    def task_updates(self, samples: Samples) -> Sequence[int]:
        return [8] * 5 + [7] + [8] * 24


@dataclass(frozen=True, kw_only=True)
class OneTaskLess(Sound):
    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        for number, task in enumerate(super().draw(samples, seed, start), start):
            if number < self.tasks - 1:
                yield task


@dataclass(frozen=True, kw_only=True)
class OtherBenchmark(Sound):
    """Its Avalanche view is that of another seed."""

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        return super().benchmark(seed + 1, data_dir)


@dataclass(frozen=True, kw_only=True)
class OtherLabels(Sound):
    """Its Avalanche view has other labels."""

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        return _Renamed(**{name: getattr(self, name) for name in ("tasks",)}).benchmark(
            seed, data_dir
        )


@dataclass(frozen=True, kw_only=True)
class _Renamed(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, test_y=9 - task.test_y)


@dataclass(frozen=True, kw_only=True)
class OtherTaskIds(Sound):
    """Says that it tells the task, and its Avalanche view does not."""

    def task_label(self, samples: Samples, seed: int, number: int) -> int:
        return number

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        return Sound().benchmark(seed, data_dir)


@dataclass(frozen=True, kw_only=True)
class AllAtOnce(Sound):
    """Holds all its tasks from the first one on."""

    tasks: int = 100

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        tasks = [
            replace(task, train_index=task.train_index.clone(), test_index=_copies(task.test_index))
            for task in super().draw(samples, seed, start)
        ]
        yield from tasks


def _copies(index: Tensor) -> Tensor:
    return index.repeat(20)[: len(index)].clone()


@dataclass(frozen=True, kw_only=True)
class OtherElsewhere(Altered):
    """Depends on the process."""

    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, train_y=task.train_y.roll(hash("this") % 50 + 1))


@dataclass(frozen=True, kw_only=True)
class Breaks(Altered):
    def alter(self, task: Task, number: int, seed: int) -> Task:
        return replace(task, train_y=task.train_y[[][0]])
