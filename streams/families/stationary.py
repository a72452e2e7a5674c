"""No shift: the control that tells loss of plasticity from slow learning."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...harness.stream import Samples, Task
from ..base import ImageStream


@dataclass(frozen=True, kw_only=True)
class Stationary(ImageStream):
    """Independent, identically distributed samples: every task is the same data.

    Normally one task with several checkpoints. `samples_per_task` fixes one subset of the training
    images per seed, the same in each task unless `subset` says otherwise; the test set is whole.
    """

    tasks: int = 1
    """Number of tasks, at least 1; more than one only cut the run into pieces."""

    @property
    def varies_with_seed(self) -> bool:
        """Whether another seed is another stream: it is where only some samples are taken."""
        return self.samples_per_task is not None

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield the same task again and again, or the next images of the same source."""
        return self.plain_tasks(samples, seed, start)
