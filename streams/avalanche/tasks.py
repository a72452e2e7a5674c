"""The tasks of an Avalanche benchmark as rows of its samples, for one seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...harness.errors import BenchError
from ...harness.randomness import untouched_randomness
from ...harness.stream import Task
from ..random_transforms import DeviceTransforms
from .build import Benchmark, Recipe
from .chain import as_image, spread
from .pool import REFERENCE_SEED, AvalancheSamples, load_samples
from .survey import Reading, Survey, paired
from .walk import Rows, labels_of, task_labels_of

Side = tuple[Tensor, Tensor, set[tuple[int, ...] | None]]
CHECKED = 2
"""Samples of every task that are compared with what Avalanche itself returns."""


@dataclass(frozen=True)
class Tasks:
    """The tasks of one seed; tasks that are equal in part share the tensors."""

    tasks: tuple[Task, ...]
    labels: tuple[int | None, ...]
    """Task label of every task, None where it has several."""
    random: DeviceTransforms | None
    """What is done to training samples at random."""


@lru_cache(maxsize=64)
def load_tasks(recipe: Recipe, data_dir: Path, seed: int) -> Tasks:
    """Return the tasks of one seed as rows of `load_samples`.

    Raises:
        BenchError: that seed shows pictures that the reference seed does not.
    """
    samples = load_samples(recipe, data_dir)
    benchmark = recipe.make(seed, data_dir)
    with untouched_randomness(0):
        return TaskReader(samples, seed).read(benchmark)


class TaskReader:
    """Turns the tasks of one seed's benchmark into rows of the samples."""

    def __init__(self, samples: AvalancheSamples, seed: int) -> None:
        self.samples, self.layout, self.seed = samples, samples.layout, seed
        self.survey = Survey(samples.layout.plain)
        self.kept: dict[str, Tensor] = {}
        self.random: dict[str, DeviceTransforms | None] = {}
        self.tested: tuple[Any, Side] = (None, (torch.empty(0), torch.empty(0), set()))

    def read(self, benchmark: Benchmark) -> Tasks:
        """Read all tasks, one after the other."""
        tasks, labels = [], []
        for number, (train, test) in enumerate(paired(benchmark)):
            tasks.append(self._task(number, train, test))
            own = task_labels_of(train)
            labels.append(own.pop() if len(own) == 1 else None)
        if len(self.random) > 1:
            raise BenchError(
                f"the tasks of {self.samples.recipe.name} differ in their random training "
                f"transforms: {' and '.join(self.random)}. Give all tasks the same."
            )
        return Tasks(_with_moves(tasks), tuple(labels), next(iter(self.random.values())))

    def _task(self, number: int, train: Any, test: Any) -> Task:
        rows, labels, moves = self._side(number, "train", train)
        if test is not self.tested[0]:  # one test set may be for all tasks
            self.tested = (test, self._side(number, "test", test))
        test_rows, test_labels, test_moves = self.tested[1]
        moves = moves | test_moves
        if len(moves) > 1:
            raise BenchError(
                f"training and test samples of {self.samples.recipe.name} are moved about "
                f"differently in task {number} of seed {self.seed}, and alike with seed "
                f"{REFERENCE_SEED}. Give seed={self.seed} in its arguments."
            )
        (move,) = moves
        pixels = None if move is None else self._shared(np.array(move, np.int64))
        return Task(rows, labels, test_rows, test_labels, pixels)

    def _side(self, number: int, side: str, dataset: Any) -> Side:
        """Return rows, labels and the ways in which pixels are moved about."""
        read = self.survey.read(side, dataset)
        rows = np.empty(len(dataset), np.int64)
        for part, chain, name in read:
            rows[part.places] = self._start(side, name, number) + part.rows
            if side == "train":
                self.random[str(chain.random)] = chain.random
            elif chain.random is not None:
                raise BenchError(
                    f"the test samples of {self.samples.recipe.name} are changed at random: "
                    f"{chain.random}. Give it a test transform that is not random."
                )
        labels = labels_of(dataset)
        self._compare(number, side, dataset, read, rows, labels)
        return self._shared(rows), self._shared(labels), {chain.moves for _, chain, _ in read}

    def _start(self, side: str, name: str, number: int) -> int:
        start = self.layout.starts[side].get(name)
        if start is None:
            recipe = self.samples.recipe
            raise BenchError(
                f"the benchmark {recipe.name} shows in task {number} of seed {self.seed} pictures "
                f"that seed {REFERENCE_SEED} does not have, and all seeds share their samples. "
                "Give seed=VALUE in its arguments, which fixes it for all runs; or, where its "
                f"files have changed, delete the prepared samples in {self.samples.data_dir}."
            )
        return start

    def _shared(self, values: Rows) -> Tensor:
        """Return a tensor that all tasks with these values share."""
        key = sha256(values.tobytes()).hexdigest()
        return self.kept.setdefault(key, torch.from_numpy(values))

    def _compare(
        self,
        number: int,
        side: str,
        dataset: Any,
        read: Sequence[Reading],
        rows: Rows,
        labels: Rows,
    ) -> None:
        """Make sure, on a few samples, that Avalanche itself returns the same."""
        pool = self.samples.train_x if side == "train" else self.samples.test_x
        for part, chain, _ in read:
            for place in spread(part.places, CHECKED):
                x, y = dataset[place][:2]
                move = None if chain.moves is None else torch.tensor(chain.moves)
                ours = self.samples.network_input(pool[rows[place] : rows[place] + 1], move)[0]
                fits = chain.random is not None or torch.allclose(ours, as_image(x), atol=1e-5)
                if not fits or int(y) != labels[place]:
                    raise BenchError(
                        f"sample {place} of task {number} ({side}) of {self.samples.recipe.name} "
                        "is not what its transforms make of its data set. Use transforms that "
                        "depend on nothing but the sample, and no data set that changes."
                    )


def _with_moves(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Give every task a pixel map if any has one."""
    maps = [task.pixel_map for task in tasks if task.pixel_map is not None]
    if not maps:
        return tuple(tasks)
    stay = torch.arange(len(maps[0]))
    return tuple(
        replace(task, pixel_map=stay if task.pixel_map is None else task.pixel_map)
        for task in tasks
    )
