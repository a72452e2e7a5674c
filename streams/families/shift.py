"""Shifts: how task k differs from the same images as they are, for any number k."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...harness.stream import Samples, Task
from ..base import ImageStream

Change = Callable[[Task], Task]
"""What happens to one task."""


@dataclass(frozen=True, kw_only=True)
class Shifted(ImageStream):
    """The same images in every task, changed by a shift: of the pixels, or of the labels."""

    @abstractmethod
    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield what happens to task after task from number `start` on, without end.

        Args:
            samples: whose `classes` labels may be drawn from; labels come from the task itself.
            seed: of the stream.
            start: number of the first task.
        """

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield the tasks of the images as they are, each with its change."""
        plain = self.plain_tasks(samples, seed, start)
        for task, change in zip(plain, self.changes(samples, seed, start), strict=False):
            yield change(task)


def moved(task: Task, pixel_map: Tensor) -> Task:
    """Move the pixels of a task whose pixels may have been moved before.

    Args:
        task: any.
        pixel_map: (D,), see `Task.pixel_map`; it acts on what the task shows so far.
    """
    if task.pixel_map is not None:
        shown = task.pixel_map[pixel_map.clamp(min=0)]
        pixel_map = torch.where(pixel_map >= 0, shown, -1)
    return replace(task, pixel_map=pixel_map)
