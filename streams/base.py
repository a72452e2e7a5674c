"""What the families of image streams share: samples, checked settings, the Avalanche benchmark."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..harness.errors import BenchError, unknown_name
from ..harness.randomness import derive_seed
from ..harness.stream import Evaluate, Samples, Stream, Task
from .sources import READERS, load_source

COUNTS = ("tasks", "batch_size", "passes", "checkpoints_per_task")
LARGEST_SEED = 2**32 - 1
"""NumPy's legacy generator, which Avalanche draws permutations with, takes no larger seed."""


@dataclass(frozen=True, kw_only=True)
class ImageStream(Stream):
    """A stream over the images of one source; a family says how its tasks differ."""

    pixels: Literal["usual", "unit", "symmetric"] = "usual"
    """How pixels enter: as is usual for the source, in [0, 1], or in [-1, 1]."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            BenchError: says which setting is wrong and what is right.
        """
        for name in COUNTS:
            _check_count(name, getattr(self, name))
        if self.samples_per_task is not None:
            _check_count("samples_per_task", self.samples_per_task)
        if self.gradual_updates < 0:
            raise BenchError(f"gradual_updates is {self.gradual_updates}. Set it to at least 0.")
        if self.evaluate not in get_args(Evaluate):
            remedy = "Set evaluate to one of them."
            raise unknown_name("way to evaluate", str(self.evaluate), get_args(Evaluate), remedy)
        if self.source not in READERS:
            remedy = "Set source to one of them."
            raise unknown_name("source", str(self.source), READERS, remedy)
        if self.folder is not None and self.source != "image-folder":
            raise BenchError(
                f"folder is for the source image-folder, not for '{self.source}'. Leave it out, or "
                "name the folder of your data sets with --data."
            )

    @abstractmethod
    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield the tasks from number `start` on; settings, samples and seed are checked."""

    def load(self, data_dir: Path) -> Samples:
        """Return the shared samples, one copy per process."""
        samples = load_source(self.source, data_dir, self.folder)
        if self.pixels == "usual":
            return samples
        channels = samples.train_x.shape[1]
        centre, spread = (0.0, 1.0) if self.pixels == "unit" else (0.5, 0.5)
        return replace(samples, mean=(centre,) * channels, std=(spread,) * channels)

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
        return self.draw(samples, seed, start)

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        """Return the same stream as a genuine Avalanche benchmark (a CLScenario).

        Its experiences are made when they are asked for, so memory does not grow with the tasks.
        """
        from .avalanche_view import scenario  # importing Avalanche takes seconds

        return scenario(self, self.load(data_dir), seed)

    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of a task."""
        return self.samples_per_task or self.available(samples)

    def available(self, samples: Samples) -> int:
        """Count the training samples that every task has at least."""
        return len(samples.train_y)

    def check(self, samples: Samples) -> None:
        """Refuse settings that do not fit the samples.

        Raises:
            BenchError: more samples asked for than a task has, or more checkpoints than updates.
        """
        if self.nominal_samples(samples) > self.available(samples):
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

    def fixed_subset(self, samples: Samples, seed: int) -> Tensor:
        """Draw the training rows that all tasks of one seed share: (n,), sorted."""
        rows = torch.arange(len(samples.train_y))
        if self.samples_per_task is None:
            return rows
        return choose(rows, self.samples_per_task, seed, "subset")


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


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BenchError(f"{name} is {value!r}. Set it to a whole number of at least 1.")
