"""Input shift: every task shows the same images with its own permutation of the pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..harness.stream import Samples, Task
from .base import ImageStream


@dataclass(frozen=True, kw_only=True)
class Permuted(ImageStream):
    """A fresh pixel permutation for each task, the first one included; labels stay.

    Permutations are those of Avalanche's PermutedMNIST for the same seed. `samples_per_task` fixes
    one subset of the training images per seed, the same in each task; the test set is whole.
    Colour images are permuted over all channels together.

    Source: Goodfellow et al. 2013, "An Empirical Investigation of Catastrophic Forgetting";
    as a plasticity stream of 500 tasks: Kumar et al. 2024, "Maintaining Plasticity in Continual
    Learning via Regenerative Regularization".
    """

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield tasks that share their rows and labels and differ in the permutation."""
        train = self.fixed_subset(samples, seed)
        train_y, test = samples.train_y[train], torch.arange(len(samples.test_y))
        pixels = samples.train_x[0].numel()
        random = np.random.RandomState(seed)
        for number in range(self.tasks):
            permutation = torch.from_numpy(random.permutation(pixels))
            if number >= start:
                yield Task(train, train_y, test, samples.test_y, permutation)
