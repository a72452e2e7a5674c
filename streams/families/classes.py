"""Classes: the order in which they come, the pairs they make, the rows that show them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import generator


def class_order(classes: int, seed: int) -> Tensor:
    """Draw the order in which Avalanche brings the classes, without touching torch's own state."""
    return torch.randperm(classes, generator=torch.Generator().manual_seed(seed))


def pairs(classes: int, seed: int) -> Iterator[Tensor]:
    """Yield pairs of classes (2,) in shuffled passes over all of them, none of them twice.

    The classes play a round-robin tournament (the circle method) with drawn places: in each round
    everyone meets someone else, an odd one out pauses, and after the last round every two have met
    once. The rounds, the pairs of a round and the two of a pair come in a drawn order.

    Args:
        classes: how many, at least 2; they make classes * (classes - 1) / 2 pairs.
        seed: of the stream.
    """
    random = generator(seed, "pairs of classes")
    places = random.permutation(classes)
    seats = classes + classes % 2  # who meets the empty seat pauses
    for number, played in enumerate(random.permutation(seats - 1)):
        order = generator(seed, f"pairs of classes/{number}")
        met = order.permutation(_round(seats, played, classes))
        swapped = order.randint(2, size=len(met)).astype(bool)
        met[swapped] = met[swapped, ::-1]
        yield from torch.from_numpy(places[met])


def _round(seats: int, number: int, classes: int) -> NDArray[np.int64]:
    """Return who meets whom in one round: (seats // 2, 2) without whoever meets an empty seat."""
    steps = np.arange(1, seats // 2)
    turning = seats - 1
    left = np.append(turning, (number + steps) % turning)
    right = np.append(number, (number - steps) % turning)
    met = np.stack([left, right], axis=1)
    return met[(met < classes).all(axis=1)]


def groups(order: Tensor, sizes: Sequence[int]) -> Iterator[Tensor]:
    """Yield the classes of one task after the other: groups of given sizes, in order."""
    yield from order[: sum(sizes)].split(list(sizes))


class ClassRows:
    """The rows of every class of a set, all of them or a few.

    Args:
        labels: (N,), int64.
        classes: how many there are.
    """

    def __init__(self, labels: Tensor, classes: int) -> None:
        self.counts = torch.bincount(labels, minlength=classes).tolist()
        self.by_class = list(labels.argsort(stable=True).split(self.counts))

    def of(self, classes: Tensor) -> Tensor:
        """Return the rows of some classes, in the order of the file."""
        return torch.cat([self.by_class[one] for one in classes.tolist()]).sort().values
