"""Any Avalanche benchmark as a stream: one of its classic ones, or a user's own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...harness.errors import BenchError
from ...harness.plugins.registry import LoadedStream
from ...harness.specs.named_code import AVALANCHE
from ...harness.stream import Samples, Stream, Task
from ..base import choose
from ..catalogue import built_in
from ..random_transforms import DeviceTransforms
from ..scenario import scenario
from .build import Recipe, format_arguments, load_maker, parse_arguments
from .pool import AvalancheSamples, is_here, load_samples
from .tasks import Tasks, load_tasks

COUNTS = ("batch_size", "passes", "checkpoints_per_task", "samples_per_task")
_random: dict[Recipe, DeviceTransforms | None] = {}
"""What the benchmarks whose tasks were read do to training samples at random."""


@dataclass(frozen=True, kw_only=True)
class AvalancheStream(Stream):
    """A benchmark of Avalanche, its samples kept as tensors and its transforms as declared.

    The run's seed is the benchmark's own where it takes one; a seed in the arguments fixes it for
    all runs. Transforms without chance are applied once; those of the training set that draw at
    random are applied on the device to every sample of every batch. Every seed makes as many
    updates per task as the benchmark of seed 0 has samples for. Benchmarks in which another seed
    shows other pictures, rather than the same in other tasks, need a seed in the arguments.

    Source: Lomonaco et al. 2021, "Avalanche: an End-to-End Library for Continual Learning".
    """

    maker: str
    """A function of `avalanche.benchmarks`, as SplitCIFAR100; or your own, "module:function"."""
    arguments: str = ""
    """The function's arguments, `key=value&key=value`."""
    source: str = "avalanche"
    """Samples are the benchmark's own."""
    tasks: int = 0
    """Number of tasks, from the first one on; 0 takes all that the benchmark has."""
    samples_per_task: int | None = None
    """Training samples of one task, drawn once per seed; None takes all that the task has."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            BenchError: says which setting or argument is wrong and what is right.
        """
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BenchError(f"{name} is {value}. Set it to a whole number of at least 1.")
        for name in ("tasks", "gradual_updates"):
            if getattr(self, name) < 0:
                raise BenchError(f"{name} is {getattr(self, name)}. Set it to at least 0.")
        if self.source != "avalanche" or self.folder is not None:
            raise BenchError(
                "source and folder say where other streams have their samples from; an Avalanche "
                "benchmark has its own. Leave them out."
            )
        self.recipe.check()

    @property
    def recipe(self) -> Recipe:
        """How the benchmark is made."""
        return Recipe(self.maker, format_arguments(parse_arguments(self.arguments)))

    @property
    def varies_with_seed(self) -> bool:
        """Whether another seed is another stream."""
        return self.recipe.seed_matters or self.samples_per_task is not None

    def is_here(self, data_dir: Path) -> bool:
        """Tell whether the samples can be had without a download, as far as that can be told."""
        return is_here(self.recipe, data_dir.expanduser().resolve())

    def load(self, data_dir: Path) -> Samples:
        """Return the samples of the benchmark, made once and then memory-mapped."""
        return load_samples(self.recipe, data_dir.expanduser().resolve())

    def benchmark(self, seed: int, data_dir: Path) -> Any:
        """Return the benchmark itself, as Avalanche makes it.

        Where only some of its tasks or samples are taken, it is one of the tensors instead.

        Raises:
            BenchError: such a one would lack the random transforms of the training set.
        """
        if not self.tasks and self.samples_per_task is None:
            return self.recipe.make(self._own_seed(seed), data_dir.expanduser().resolve())
        samples = self.load(data_dir)
        if self._table(samples, seed).random is not None:
            raise BenchError(
                f"{self.maker} transforms its training samples at random, so it has an Avalanche "
                "view with all its tasks and samples only. Leave tasks and samples_per_task out."
            )
        return scenario(self, samples, seed)

    def task_sequence(self, samples: Samples, seed: int, start: int = 0) -> Iterator[Task]:
        """Yield the tasks of one seed from number `start` on.

        Raises:
            BenchError: the settings do not fit the benchmark; raised at the call.
        """
        table = self._table(samples, seed)
        return (
            self._subset(table.tasks[number], seed, number)
            for number in range(start, self._count(samples))
        )

    def task_label(self, samples: Samples, seed: int, number: int) -> int | None:
        """Return the benchmark's label of a task; None where its samples have several."""
        return self._table(samples, seed).labels[number]

    def nominal_samples(self, samples: Samples) -> int:
        """Count the training samples of the largest task of seed 0."""
        return max(self._sizes(samples))

    def task_updates(self, samples: Samples) -> Sequence[int]:
        """Count the updates of every task: its samples differ from those of others."""
        return [self.passes * -(-size // self.batch_size) for size in self._sizes(samples)]

    @property
    def augments(self) -> bool:
        """Whether the training set has random transforms; known once its tasks were read."""
        return _random.get(self.recipe) is not None

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Apply the random transforms of the training set to every sample of a batch."""
        transforms = _random.get(self.recipe)
        return x if transforms is None else transforms(x, generator)

    def _own_seed(self, seed: int) -> int:
        return seed if self.recipe.seed_matters else 0

    def _table(self, samples: Samples, seed: int) -> Tasks:
        own = _own(samples)
        self._check(own)
        table = load_tasks(self.recipe, own.data_dir, self._own_seed(seed))
        _random[self.recipe] = table.random
        return table

    def _check(self, samples: AvalancheSamples) -> None:
        sizes = samples.layout.sizes
        if self.tasks > len(sizes):
            raise BenchError(
                f"tasks is {self.tasks}, but the benchmark {self.maker} has {len(sizes)}. Set it "
                "to that or less, or to 0 for all."
            )
        fewest = min(self.task_updates(samples))
        for name in ("checkpoints_per_task", "gradual_updates"):
            if getattr(self, name) > fewest:
                raise BenchError(
                    f"{name} is {getattr(self, name)}, but a task has only {fewest} updates. "
                    "Set it to that or less."
                )
        if (self.samples_per_task or 0) > min(sizes):
            raise BenchError(
                f"samples_per_task is {self.samples_per_task}, but a task of {self.maker} has "
                f"{min(sizes)}. Set it to that or less."
            )
        if self.tell_task and not samples.layout.has_task_labels:
            raise BenchError(
                f"tell_task is true, but all tasks of {self.maker} have one task label. Leave it "
                "out, or let the benchmark give task labels, as return_task_id=true does."
            )

    def _count(self, samples: Samples) -> int:
        return self.tasks or len(_own(samples).layout.sizes)

    def _sizes(self, samples: Samples) -> Sequence[int]:
        sizes = _own(samples).layout.sizes[: self.tasks or None]
        return sizes if self.samples_per_task is None else [self.samples_per_task] * len(sizes)

    def _subset(self, task: Task, seed: int, number: int) -> Task:
        if self.samples_per_task is None:
            return task
        places = torch.arange(len(task.train_index))
        places = choose(places, self.samples_per_task, seed, f"subset/{number}")
        return replace(task, train_index=task.train_index[places], train_y=task.train_y[places])


def _own(samples: Samples) -> AvalancheSamples:
    if not isinstance(samples, AvalancheSamples):
        raise BenchError("an Avalanche stream has tasks over the samples of its own load() only.")
    return samples


def loaded(name: str) -> LoadedStream:
    """Return the stream of a name such as `SplitCIFAR100?n_experiences=10`.

    Raises:
        BenchError: there is no such benchmark, or its arguments cannot be read.
    """
    maker, _, text = name.partition("?")
    load_maker(maker)
    arguments = parse_arguments(text)
    settings: dict[str, Any] = {"maker": maker, "arguments": format_arguments(arguments)}
    if arguments.get("return_task_id") is True:
        settings["tell_task"] = True
    # The usual learner is that of the class-incremental streams, most like these benchmarks. What
    # a user's own holds is not known here; every image can enter a network without a trunk.
    is_flat = "MNIST" in maker or ":" in maker
    usual = built_in()["class-incremental-mnist" if is_flat else "class-incremental-cifar10"]
    return LoadedStream(
        f"{AVALANCHE}{name}", AvalancheStream, settings, usual.network, usual.optimizer
    )
