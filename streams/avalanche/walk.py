"""Look into an Avalanche data set: which samples it takes from where, through which transforms.

Reading it sample by sample, as Avalanche does, would repeat in every task what is the same in all.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset
from torchvision import transforms as v1
from torchvision.transforms import v2

from ...harness.errors import BenchError
from ..random_transforms import Transform

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.benchmarks.utils import AvalancheDataset
    from avalanche.benchmarks.utils.flat_data import FlatData
    from avalanche.benchmarks.utils.transforms import (
        MultiParamCompose,
        MultiParamTransform,
        MultiParamTransformCallable,
        TupleTransform,
    )

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Samples of one data set that go through the same transforms."""

    base: Any
    """The data set without transforms: base[row] is (sample, label, ...)."""
    steps: tuple[Transform, ...]
    """Transforms of the sample, in order."""
    places: Rows
    """Where these samples are in the task."""
    rows: Rows
    """Where they are in the base, as many."""


class Walker:
    """Finds the parts of data sets; the same base and transforms are the same objects again."""

    def __init__(self) -> None:
        self.bare: dict[int, tuple[Any, Any, tuple[Transform, ...]]] = {}
        """Of every base: itself (so that its id is not given away), its bare copy, its steps."""

    def parts(self, dataset: Any) -> list[Part]:
        """Return the parts of one task's data set with its current group of transforms."""
        places = np.arange(len(dataset))
        group = dataset._flat_data._transform_groups.current_group
        found = self._walk(dataset, places, places, group, ())
        joined: dict[tuple[int, ...], list[Part]] = {}
        for part in found:
            joined.setdefault((id(part.base), *map(id, part.steps)), []).append(part)
        return [_join(same) for same in joined.values()]

    def _walk(
        self, data: Any, places: Rows, rows: Rows, group: str, then: tuple[Transform, ...]
    ) -> Iterator[Part]:
        """Go down to the bases; `then` are the steps of the levels above."""
        if isinstance(data, AvalancheDataset):
            data = data._flat_data
        if isinstance(data, FlatData):
            yield from self._into(data._datasets, places, _taken(data._indices, rows), group, (
                *_group_steps(data, group), *then
            ))  # fmt: skip
        elif type(data) is Subset:
            yield from self._walk(data.dataset, places, _taken(data.indices, rows), group, then)
        elif type(data) is ConcatDataset:
            yield from self._into(data.datasets, places, rows, group, then)
        else:
            bare, own = self._bare(data)
            yield Part(bare, (*own, *then), places, rows)

    def _into(
        self, data: Sequence[Any], places: Rows, rows: Rows, group: str, then: tuple[Transform, ...]
    ) -> Iterator[Part]:
        ends = np.cumsum([len(one) for one in data])
        owner = np.searchsorted(ends, rows, side="right")
        for number in np.unique(owner):
            own = owner == number
            before = ends[number] - len(data[number])
            yield from self._walk(data[number], places[own], rows[own] - before, group, then)

    def _bare(self, base: Any) -> tuple[Any, tuple[Transform, ...]]:
        """Take a data set's own transform off, so that it can be told what it does."""
        if id(base) not in self.bare:
            bare = base
            steps: tuple[Transform, ...] = ()
            if callable(getattr(base, "transform", None)):
                bare, steps = copy.copy(base), tuple(flat(base.transform))
                bare.transform = None
                if hasattr(bare, "transforms"):  # torchvision's pair of both transforms
                    bare.transforms = None
            self.bare[id(base)] = (base, bare, steps)
        return self.bare[id(base)][1:]


def labels_of(dataset: Any) -> Rows:
    """Return the labels that Avalanche's strategies look up."""
    try:
        return np.fromiter((int(label) for label in dataset.targets), np.int64, len(dataset))
    except (TypeError, ValueError, AttributeError) as error:
        raise BenchError(
            f"the samples of the benchmark have no class numbers as labels: {error}. Only "
            "benchmarks for classification can be a stream."
        ) from error


def task_labels_of(dataset: Any) -> set[int]:
    """Return the task labels that occur in a task."""
    return {int(label) for label in dataset.targets_task_labels.uniques}


def _taken(indices: Any, rows: Rows) -> Rows:
    if indices is None:
        return rows
    if isinstance(indices, list | tuple | np.ndarray | Tensor):
        return np.asarray(indices, dtype=np.int64)[rows]
    return np.fromiter((indices[row] for row in rows), np.int64, len(rows))


def _join(parts: Sequence[Part]) -> Part:
    places = np.concatenate([part.places for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    return Part(parts[0].base, parts[0].steps, places, rows)


def _group_steps(data: Any, group: str) -> list[Transform]:
    groups = (
        getattr(data, name, None) for name in ("_frozen_transform_groups", "_transform_groups")
    )
    return [step for one in groups if one is not None for step in flat(one[group])]


def flat(transform: Any) -> Iterator[Transform]:
    """Yield the single transforms of a sample that a composed one consists of."""
    if transform is None:
        return
    if isinstance(transform, TupleTransform):
        yield from flat(transform.transforms[0] if transform.transforms else None)
    elif isinstance(transform, MultiParamTransformCallable):
        yield from flat(transform.transform)
    elif isinstance(transform, MultiParamCompose | v1.Compose | v2.Compose):
        for one in transform.transforms:
            yield from flat(one)
    elif isinstance(transform, MultiParamTransform):
        raise BenchError(
            f"the transform {transform} changes samples and labels together. Only benchmarks for "
            "classification can be a stream."
        )
    else:
        yield transform
