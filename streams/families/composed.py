"""Composition: several shifts at once, over the same images or over groups of classes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ...harness.errors import BenchError, unknown_name
from ...harness.specs.grammar import parse_call
from ...harness.specs.spec import build_settings
from ...harness.stream import Samples, Task
from ..base import ImageStream
from .drift import NoisyLabels, Rotated
from .incremental import ClassIncremental
from .labels import RandomLabels, ShiftingLabels
from .permuted import Permuted
from .shift import Shifted
from .stationary import Stationary

SHIFTS: Mapping[str, type[Shifted]] = {
    "permuted": Permuted,
    "rotated": Rotated,
    "shifting-labels": ShiftingLabels,
    "random-labels": RandomLabels,
    "noisy-labels": NoisyLabels,
}
BASES: Mapping[str, type[ImageStream]] = {
    "stationary": Stationary,
    "class-incremental": ClassIncremental,
}
COMMON = {part.name for part in fields(ImageStream)}
S = TypeVar("S", bound=ImageStream)


@dataclass(frozen=True, kw_only=True)
class Composed(ImageStream):
    """The tasks of a base stream, each changed by several shifts, one after the other.

    Every shift draws what it would draw alone for the same seed; shifts of the pixels act on what
    the ones before them show, shifts of the labels on what the ones before them say.
    """

    shifts: tuple[str, ...] = ()
    """What changes, in order: permuted, rotated, shifting-labels, random-labels, noisy-labels, each
    with settings of its own, for example "permuted(share=0.5)"."""
    over: str = "stationary"
    """What is changed: stationary, or class-incremental with its settings, for example
    "class-incremental(classes_per_task=[2])"."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        if not self.shifts:
            raise BenchError(
                f"shifts is empty. Name at least one, of: {', '.join(sorted(SHIFTS))}."
            )
        base, shifts = self.base, self.parts
        if not isinstance(base, ClassIncremental):
            return
        if base.head == "growing":
            raise BenchError(
                f"over is '{self.over}': a growing head has no outputs for shifted labels. "
                'Set head="whole" in it.'
            )
        if any(isinstance(one, RandomLabels) and one.fraction < 1 for one in shifts):
            raise BenchError(
                "random labels at a fraction below 1 are kept from task to task, but over "
                "class-incremental no image comes back. Leave fraction out."
            )

    @property
    def base(self) -> ImageStream:
        """What is changed, with the settings of this stream."""
        return self._part("base", self.over, BASES)

    @property
    def parts(self) -> Sequence[Shifted]:
        """The shifts in order, each as it would be alone."""
        return [self._part("shift", text, SHIFTS) for text in self.shifts]

    def _part(self, what: str, text: str, table: Mapping[str, type[S]]) -> S:
        call = parse_call(text, what)
        if call.name not in table:
            raise unknown_name(what, call.name, table, "Name one of them.")
        cls = table[call.name]
        own = [part.name for part in fields(cls) if part.name not in COMMON]
        for name in call.settings:
            if name not in own:
                remedy = "Settings that all streams have belong to the composed stream."
                raise unknown_name(f"setting of {what} {call.name} named", name, own, remedy)
        made = build_settings(cls, call.settings, f"{what} {call.name}", remedy="Correct it.")
        return replace(made, **{name: getattr(self, name) for name in COMMON})

    def read(self, data_dir: Path) -> Samples:
        """Return the samples of the base; what has random labels is tested on itself."""
        samples = super().read(data_dir)
        if any(isinstance(one, RandomLabels) for one in self.parts):
            return replace(samples, test_x=samples.train_x, test_y=samples.train_y)
        return samples

    @property
    def augments(self) -> bool:
        """Whether `augment` does anything."""
        return self.base.augments

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change the training samples of one replica's batch at random, as the base does."""
        return self.base.augment(x, generator)

    def output_classes(self, samples: Samples) -> int:
        """Count the outputs of the one head that all tasks share."""
        return self.base.output_classes(samples)

    def task_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the training samples of every task."""
        return self.base.task_sizes(samples)

    def available(self, samples: Samples) -> int:
        """Count the training samples that every task has at least."""
        return self.base.available(samples)

    def check(self, samples: Samples) -> None:
        """Refuse settings that do not fit the samples."""
        for part in (self.base, *self.parts):
            part.check(samples)

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield the tasks of the base with all their changes."""
        named = replace(samples, classes=self.output_classes(samples))
        changes = [one.changes(named, seed, start) for one in self.parts]
        for task, *steps in zip(self.base.draw(samples, seed, start), *changes, strict=False):
            for change in steps:
                task = change(task)
            yield task
