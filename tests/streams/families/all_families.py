"""The families on small samples, as the tests of their laws draw them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from plasticity_bench.harness.stream import Samples, Stream, Task
from plasticity_bench.streams.families.composed import Composed
from plasticity_bench.streams.families.drift import NoisyLabels, Rotated, WarmStart
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.labels import RandomLabels, ShiftingLabels
from plasticity_bench.streams.families.permuted import Permuted
from plasticity_bench.streams.families.stationary import Stationary

FAMILIES: Mapping[str, Callable[..., Stream]] = {
    "permuted": Permuted,
    "shifting-labels": ShiftingLabels,
    "random-labels": RandomLabels,
    "class-incremental": ClassIncremental,
    "stationary": Stationary,
    "rotated": Rotated,
    "noisy-labels": NoisyLabels,
    "warm-start": partial(WarmStart, shares=(0.3, 0.5, 1.0)),
    "composed": partial(Composed, shifts=("rotated", "permuted(share=0.5)", "shifting-labels")),
    "partly permuted": partial(Permuted, share=0.4, move="places"),
    "cumulatively permuted": partial(Permuted, cumulative=True),
    "partly random labels": partial(RandomLabels, fraction=0.25),
    "pairs of classes": partial(
        ClassIncremental, classes_per_task=(2,), repeats="pairs", labels="within task"
    ),
    "growing": partial(ClassIncremental, head="growing", keep_old=True),
}
"""Every family with three tasks, and variants that draw in ways of their own."""


def small(name: str, **changed: Any) -> Stream:
    """Make a stream of 3 tasks of 16 samples."""
    return FAMILIES[name](**{"tasks": 3, "samples_per_task": 16, "batch_size": 4, **changed})


def given_to(stream: Stream, samples: Samples) -> Samples:
    """Return the samples as the stream's own `load` hands them out."""
    if not isinstance(stream, RandomLabels):
        return samples
    return replace(samples, test_x=samples.train_x, test_y=samples.train_y)


def drawn(stream: Stream, samples: Samples, seed: int = 0, start: int = 0) -> list[Task]:
    """Draw the tasks of a stream."""
    return list(stream.task_sequence(given_to(stream, samples), seed, start))


def draw(name: str, samples: Samples, seed: int = 0, start: int = 0, **changed: Any) -> list[Task]:
    """Draw the tasks of a small stream."""
    return drawn(small(name, **changed), samples, seed, start)


def fingerprint(tasks: list[Task]) -> str:
    """Return a digest of all that tasks are."""
    digest = hashlib.sha256()
    for task in tasks:
        for tensor in (task.train_index, task.train_y, task.test_index, task.test_y):
            digest.update(tensor.numpy().tobytes())
        for optional in (task.pixel_map, task.outputs):
            if optional is not None:
                digest.update(optional.numpy().tobytes())
        if not task.scored:
            digest.update(b"not scored")
    return digest.hexdigest()[:16]
