"""Batches for all replicas at once, gathered by index on the device, without a loader.

Shapes: R replicas, B samples of a batch, D features of one flattened sample, n samples of a task.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .randomness import ReplicaRandom
from .stream import Samples, Task


class SampleBank:
    """The shared samples on the device, as bytes, and how a byte enters the network."""

    def __init__(self, samples: Samples, device: torch.device) -> None:
        self.image = tuple(samples.train_x.shape[1:])
        self.train_x = samples.train_x.flatten(1).to(device)
        self.test_x = samples.test_x.flatten(1).to(device)
        pixels = self.image[1] * self.image[2]
        std = torch.tensor(samples.std).repeat_interleave(pixels)
        mean = torch.tensor(samples.mean).repeat_interleave(pixels)
        self.factor = (samples.scale / std).to(device)
        self.offset = (-mean / std).to(device)
        self.is_shifted = bool(self.offset.any())

    def take(self, pool: Tensor, rows: Tensor, permutation: Tensor | None) -> Tensor:
        """Return samples (R, B, channels, height, width) as floats.

        Args:
            pool: `train_x` or `test_x`.
            rows: (R, B), int64.
            permutation: (R, D), new flat pixel i shows old flat pixel permutation[i]; or None.
        """
        x = pool.index_select(0, rows.flatten()).view(*rows.shape, -1)
        factor, offset = self.factor, self.offset
        if permutation is not None:  # bytes are moved faster than floats
            order = permutation.unsqueeze(1)
            x = x.gather(2, order.expand_as(x))
            factor, offset = factor[order], offset[order]  # a pixel keeps its channel's scale
        x = x * factor
        if self.is_shifted:
            x += offset
        return x.view(*rows.shape, *self.image)


class TaskBatches:
    """The current task of every replica: training batches without end, probe and test batches."""

    def __init__(
        self, bank: SampleBank, tasks: Sequence[Task], batch_size: int, order: ReplicaRandom
    ) -> None:
        self.bank = bank
        self.tasks = tasks
        self.batch_size = batch_size
        self.order = order
        device = bank.train_x.device
        permutations = [task.permutation for task in tasks if task.permutation is not None]
        self.permutation = torch.stack(permutations).to(device) if permutations else None
        self.train_rows = [task.train_index.to(device) for task in tasks]
        self.train_y = [task.train_y.to(device) for task in tasks]

    def training(self, updates: int, updates_per_pass: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield full batches, x (R, B, ...) and y (R, B), of shuffled passes without a gap.

        The order of one pass is drawn at a time, so memory does not grow with the passes.
        """
        left = [torch.empty(0, dtype=torch.int64)] * len(self.tasks)
        for first in range(0, updates, updates_per_pass):
            count = min(updates_per_pass, updates - first)
            left = [self._refill(r, rest, count) for r, rest in enumerate(left)]
            taken = count * self.batch_size
            chosen = [rest[:taken].to(self.train_rows[0].device) for rest in left]
            left = [rest[taken:] for rest in left]
            rows, labels = self._look_up(chosen)
            for batch in range(count):
                part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
                x = self.bank.take(self.bank.train_x, rows[:, part], self.permutation)
                yield x, labels[:, part]

    def _refill(self, replica: int, rest: Tensor, batches: int) -> Tensor:
        size, generator = len(self.train_rows[replica]), self.order.generators[replica]
        parts, held = [rest], len(rest)
        while held < batches * self.batch_size:
            parts.append(torch.randperm(size, generator=generator))
            held += size
        return torch.cat(parts)

    def _look_up(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        rows = torch.stack([rows[i] for rows, i in zip(self.train_rows, chosen, strict=True)])
        labels = torch.stack([y[i] for y, i in zip(self.train_y, chosen, strict=True)])
        return rows, labels

    def draw(self, random: ReplicaRandom, count: int) -> tuple[Tensor, Tensor]:
        """Draw training samples with replacement from given generators: x (R, count, ...), y."""
        chosen = [
            torch.randint(len(rows), (count,), generator=generator).to(rows.device)
            for rows, generator in zip(self.train_rows, random.generators, strict=True)
        ]
        rows, labels = self._look_up(chosen)
        return self.bank.take(self.bank.train_x, rows, self.permutation), labels


EVALUATED_AT_ONCE = 100
"""Test samples of one replica in one forward pass; more of them fall out of the cache."""


def evaluation_batches(bank: SampleBank, tasks: Sequence[Task]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one task's test samples of every replica, x (R, b, ...) and y (R, b).

    Replicas may have different numbers of test samples: the shorter ones end in label -1.
    """
    device = bank.test_x.device
    rows = torch.nn.utils.rnn.pad_sequence([task.test_index for task in tasks], batch_first=True)
    labels = torch.nn.utils.rnn.pad_sequence(
        [task.test_y for task in tasks], batch_first=True, padding_value=-1
    )
    permutations = [task.permutation for task in tasks if task.permutation is not None]
    permutation = torch.stack(permutations).to(device) if permutations else None
    for first in range(0, rows.shape[1], EVALUATED_AT_ONCE):
        part = slice(first, first + EVALUATED_AT_ONCE)
        x = bank.take(bank.test_x, rows[:, part].to(device), permutation)
        yield x, labels[:, part].to(device)
