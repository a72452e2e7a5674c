"""Batches for all replicas at once, gathered by index on the device, without a loader.

Shapes: R replicas, B samples of a batch, D features of one flattened sample, n samples of a task.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import ReplicaRandom
from ..stream import Samples, Task


@dataclass(frozen=True)
class PixelMoves:
    """Pixel maps made ready for use: what a batch needs of them is looked up once a task."""

    maps: Tensor
    """(R, 1 or B, D), int64, see `Task.pixel_map`."""
    shown: Tensor
    """(R, 1 or B, D), int64: the pixel that is shown; where it is black, the place's own."""
    factor: Tensor
    """(R, 1 or B, D): what the byte is multiplied by; 0 where it is black."""
    offset: Tensor
    """(R, 1 or B, D): what is added then."""


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

    def moves(self, maps: Tensor | None) -> PixelMoves | None:
        """Make pixel maps (R, 1 or B, D) ready for use; None where there are none."""
        if maps is None:
            return None
        own = torch.arange(maps.shape[-1], device=maps.device)
        shown = torch.where(maps < 0, own, maps)
        # A pixel keeps its channel's scale; black is a raw 0 at its own place.
        return PixelMoves(maps, shown, self.factor[shown] * (maps >= 0), self.offset[shown])

    def take(self, pool: Tensor, rows: Tensor, moves: PixelMoves | None) -> Tensor:
        """Return samples (R, B, channels, height, width) as floats.

        Args:
            pool: `train_x` or `test_x`.
            rows: (R, B), int64.
            moves: of `moves`; or None.
        """
        x = pool.index_select(0, rows.flatten()).view(*rows.shape, -1)
        factor, offset = self.factor, self.offset
        if moves is not None:  # bytes are moved faster than floats
            x = x.gather(2, moves.shown.expand_as(x))
            factor, offset = moves.factor, moves.offset
        x = x * factor
        if self.is_shifted:
            x += offset
        return x.view(*rows.shape, *self.image)


class TaskBatches:
    """The current task of every replica: training batches without end, probe and test batches.

    Args:
        bank: the shared samples.
        tasks: one per replica.
        batch_size: samples of one update.
        order: draws the order of the samples.
        reshuffle: whether each pass has its own order, or samples come as they lie in the task.
        transition: how the task takes over from the last one; None for at once.
        augmentation: changes the training batches; None for not at all.
    """

    def __init__(
        self,
        bank: SampleBank,
        tasks: Sequence[Task],
        batch_size: int,
        order: ReplicaRandom,
        *,
        reshuffle: bool = True,
        transition: "Transition | None" = None,
        augmentation: "Augmentation | None" = None,
    ) -> None:
        self.bank = bank
        self.tasks = tasks
        self.batch_size = batch_size
        self.order = order
        self.reshuffle = reshuffle
        self.transition = transition
        self.augmentation = augmentation
        device = bank.train_x.device
        self.moves = bank.moves(stacked_pixel_maps(tasks, device))
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
                yield self._batch(first + batch, rows[:, part], labels[:, part])

    def _batch(self, update: int, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        moves = self.moves
        if self.transition is not None and update < self.transition.updates:
            maps = None if moves is None else moves.maps
            rows, labels, maps = self.transition.mix(update, rows, labels, maps)
            moves = self.bank.moves(maps)
        x = self.bank.take(self.bank.train_x, rows, moves)
        return (x if self.augmentation is None else self.augmentation(x)), labels

    def _refill(self, replica: int, rest: Tensor, batches: int) -> Tensor:
        size, generator = len(self.train_rows[replica]), self.order.generators[replica]
        parts, held = [rest], len(rest)
        while held < batches * self.batch_size:
            shuffled = self.reshuffle
            parts.append(
                torch.randperm(size, generator=generator) if shuffled else torch.arange(size)
            )
            held += size
        return torch.cat(parts)

    def _look_up(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        rows = torch.stack([rows[i] for rows, i in zip(self.train_rows, chosen, strict=True)])
        labels = torch.stack([y[i] for y, i in zip(self.train_y, chosen, strict=True)])
        return rows, labels

    def draw(self, random: ReplicaRandom, count: int) -> tuple[Tensor, Tensor]:
        """Draw training samples with replacement from given generators: x (R, count, ...), y."""
        rows, labels = self.draw_rows(random, count)
        return self.bank.take(self.bank.train_x, rows, self.moves), labels

    def take(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return training samples by number within the task, see `TaskSamples.take`."""
        rows, labels = self._look_up(chosen)
        return self.bank.take(self.bank.train_x, rows, self.moves), labels

    def draw_rows(self, random: ReplicaRandom, count: int) -> tuple[Tensor, Tensor]:
        """Draw rows of the training samples with replacement, and their labels: (R, count) each."""
        return self._look_up(
            [
                torch.randint(len(rows), (count,), generator=generator).to(rows.device)
                for rows, generator in zip(self.train_rows, random.generators, strict=True)
            ]
        )


@dataclass(frozen=True)
class Transition:
    """A switch of task that is not abrupt: for a while some samples are the last task's."""

    last: TaskBatches
    updates: int
    """How long; see `Stream.gradual_updates`."""
    random: ReplicaRandom
    """Draws which samples are the last task's, and which of its samples."""

    def mix(
        self, update: int, rows: Tensor, labels: Tensor, pixel_map: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Replace some rows, labels (R, B) and pixel maps (R, 1, D) by those of the last task.

        Args:
            update: number of the update within its task, from 0.
            rows: of the batch.
            labels: of the batch.
            pixel_map: of the task.
        """
        share = 1 - (update + 1) / (self.updates + 1)
        is_old = self.random.uniform(rows.shape[1]) < share
        old_rows, old_labels = self.last.draw_rows(self.random, rows.shape[1])
        if pixel_map is not None and self.last.moves is not None:
            pixel_map = torch.where(is_old.unsqueeze(2), self.last.moves.maps, pixel_map)
        return (
            torch.where(is_old, old_rows, rows),
            torch.where(is_old, old_labels, labels),
            pixel_map,
        )


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training images, each replica's from its own generator."""

    change: Callable[[Tensor, torch.Generator], Tensor]
    """See `Stream.augment`."""
    random: ReplicaRandom

    def __call__(self, x: Tensor) -> Tensor:
        """Return the samples (R, B, ...) changed."""
        pairs = zip(x, self.random.generators, strict=True)
        return torch.stack([self.change(one, generator) for one, generator in pairs])


def stacked_pixel_maps(tasks: Sequence[Task], device: torch.device) -> Tensor | None:
    """Return the tasks' pixel maps (R, 1, D), or None where no task has one."""
    maps = [task.pixel_map for task in tasks if task.pixel_map is not None]
    assert len(maps) in (0, len(tasks)), "either all tasks of a stream have a pixel map, or none"
    return torch.stack(maps).unsqueeze(1).to(device) if maps else None


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
    moves = bank.moves(stacked_pixel_maps(tasks, device))
    for first in range(0, rows.shape[1], EVALUATED_AT_ONCE):
        part = slice(first, first + EVALUATED_AT_ONCE)
        x = bank.take(bank.test_x, rows[:, part].to(device), moves)
        yield x, labels[:, part].to(device)
