"""The samples of an Avalanche benchmark as arrays, made once and kept, and its tasks as rows.

What is kept is every data set that the benchmark of seed 0 reads, whole. Benchmarks of other seeds
that take the same pictures otherwise (other classes a task, other permutations) share it.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..harness.errors import BenchError
from ..harness.stream import Samples, Task
from .avalanche_build import Benchmark, Recipe, untouched_randomness
from .avalanche_walk import (
    Chain,
    Part,
    Rows,
    Walker,
    analyse,
    as_image,
    fingerprint,
    labels_of,
    spread,
    task_labels_of,
)
from .random_transforms import DeviceTransforms

SIDES = ("train", "test")
REFERENCE_SEED = 0
CHECKED = 2
"""Samples of every task that are compared with what Avalanche itself returns."""
NEW = Callable[[str, tuple[int, ...], Any], NDArray[Any]]


@dataclass(frozen=True)
class Layout:
    """What the arrays hold."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    classes: int
    sizes: tuple[int, ...]
    """Training samples of every task of the reference seed."""
    starts: Mapping[str, Mapping[str, int]] = field(hash=False)
    """By side: the first row of every set of pictures, by its fingerprint."""
    plain: bool
    """See `analyse`."""
    has_task_labels: bool
    """Whether tasks have different task labels."""
    digest: str


@dataclass(frozen=True)
class AvalancheSamples(Samples):
    """The samples of a benchmark, and where to have its tasks from."""

    layout: Layout
    recipe: Recipe
    data_dir: Path


@dataclass(frozen=True)
class Tasks:
    """The tasks of one seed; tasks that are equal in part share the tensors."""

    tasks: tuple[Task, ...]
    labels: tuple[int | None, ...]
    """Task label of every task, None where it has several."""
    random: DeviceTransforms | None
    """What is done to training samples at random."""


@dataclass(frozen=True)
class Set:
    """One set of pictures as it is kept: a data set and what is applied to it once."""

    base: Any
    chain: Chain
    start: int


class Survey:
    """Finds out what the tasks of a benchmark read."""

    def __init__(self, plain: bool) -> None:
        self.plain = plain
        self.walker = Walker()
        self.chains: dict[tuple[int, ...], tuple[Part, Chain, str]] = {}
        self.prints: dict[tuple[Any, ...], str] = {}

    def read(self, dataset: Any) -> list[tuple[Part, Chain, str]]:
        """Return the parts of one task, with their transforms and fingerprints."""
        found = []
        for part in self.walker.parts(dataset):
            key = (id(part.base), *map(id, part.steps))
            if key not in self.chains:
                chain = analyse(part, self.plain)
                self.chains[key] = (part, chain, self._print(part.base, chain))
            _, chain, name = self.chains[key]
            found.append((part, chain, name))
        return found

    def _print(self, base: Any, chain: Chain) -> str:
        key = (id(base), chain.mean, chain.std, *map(id, chain.fixed))
        if key not in self.prints:
            self.prints[key] = fingerprint(base, chain)
        return self.prints[key]


@lru_cache(maxsize=4)
def load_samples(recipe: Recipe, data_dir: Path) -> AvalancheSamples:
    """Return the samples of a benchmark, from the cache in `data_dir` where they are there.

    Raises:
        BenchError: the benchmark cannot be made, or its samples cannot be those of a stream.
    """
    key = recipe.key()
    if key is None:  # nothing says when it has changed
        with untouched_randomness(0):
            layout, arrays = _materialise(recipe, data_dir, _in_memory, "")
        return _samples(layout, arrays, recipe, data_dir)
    folder = data_dir / "prepared" / f"avalanche-{key}"
    if not folder.is_dir():
        _prepare(recipe, data_dir, folder, key)
    try:
        content = json.loads((folder / "layout.json").read_text(encoding="utf-8"))
        arrays = {path.stem: np.load(path, mmap_mode="c") for path in folder.glob("*.npy")}
        return _samples(_layout(content), arrays, recipe, data_dir)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"the prepared samples of {recipe.name} in {folder} are damaged: {error}. "
            "Delete that folder; they are made again."
        ) from error


@lru_cache(maxsize=64)
def load_tasks(recipe: Recipe, data_dir: Path, seed: int) -> Tasks:
    """Return the tasks of one seed as rows of `load_samples`.

    Raises:
        BenchError: that seed shows pictures that the reference seed does not.
    """
    samples = load_samples(recipe, data_dir)
    benchmark = recipe.make(seed, data_dir)
    with untouched_randomness(0):
        return _Reader(samples, seed).read(benchmark)


def _layout(content: Mapping[str, Any]) -> Layout:
    tuples = {name: tuple(content[name]) for name in ("mean", "std", "sizes")}
    return Layout(**{**content, **tuples})


def _samples(
    layout: Layout, arrays: Mapping[str, NDArray[Any]], recipe: Recipe, data_dir: Path
) -> AvalancheSamples:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return AvalancheSamples(
        **tensors,
        classes=layout.classes,
        scale=layout.scale,
        mean=layout.mean,
        std=layout.std,
        digest=layout.digest,
        layout=layout,
        recipe=recipe,
        data_dir=data_dir,
    )


# -- making the arrays ---------------------------------------------------------------------------


def _prepare(recipe: Recipe, data_dir: Path, folder: Path, key: str) -> None:
    """Make the arrays in a folder of another name and move it: nobody sees half of it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    except OSError as error:
        raise BenchError(
            f"the samples of {recipe.name} cannot be kept in {folder.parent}: {error}. "
            "Name a folder that can be written to with --data."
        ) from error
    try:

        def on_disk(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
            path = temporary / f"{name}.npy"
            return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)

        with untouched_randomness(0):
            layout, arrays = _materialise(recipe, data_dir, on_disk, key)
        for array in arrays.values():
            array.flush()
        text = json.dumps(asdict(layout))
        (temporary / "layout.json").write_text(text, encoding="utf-8")
        try:
            os.replace(temporary, folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same
                raise
    finally:
        rmtree(temporary, ignore_errors=True)


def _in_memory(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    del name
    return np.empty(shape, dtype)


def _materialise(
    recipe: Recipe, data_dir: Path, new: NEW, key: str
) -> tuple[Layout, dict[str, Any]]:
    """Make the arrays of a benchmark, and the layout that says what is where."""
    benchmark = recipe.make(REFERENCE_SEED, data_dir)
    survey, sets = _sets(benchmark)
    first = next(iter(sets["train"].values())).chain
    for is_bytes in (True, False):
        dtype = np.uint8 if is_bytes else np.float32
        arrays = {f"{side}_x": _fill(sets[side], side, new, dtype) for side in SIDES}
        if all(array is not None for array in arrays.values()):
            break
    starts = {side: {name: one.start for name, one in sets[side].items()} for side in SIDES}
    for side in SIDES:
        arrays[f"{side}_y"] = new(f"{side}_y", (len(arrays[f"{side}_x"]),), np.int64)
        arrays[f"{side}_y"][:] = 0
    train = [labels_of(one.dataset) for one in benchmark.streams["train"]]
    labels = [task_labels_of(one.dataset) for one in benchmark.streams["train"]]
    for side in SIDES:
        for one in benchmark.streams[side]:
            for part, _, name in survey.read(one.dataset):
                own = labels_of(one.dataset)[part.places]
                arrays[f"{side}_y"][starts[side][name] + part.rows] = own
    layout = Layout(
        mean=first.mean,
        std=first.std,
        scale=1 / 255 if is_bytes else 1.0,
        classes=1 + max(int(own.max()) for own in train),
        sizes=tuple(len(own) for own in train),
        starts=starts,
        plain=survey.plain,
        has_task_labels=len(set().union(*labels)) > 1,
        digest=_digest(key, arrays),
    )
    return layout, arrays


def _sets(benchmark: Benchmark) -> tuple[Survey, dict[str, dict[str, Set]]]:
    """Return the sets of pictures of a benchmark by side and fingerprint.

    Normalisation and moves of pixels are left to the network's input where they are alike
    everywhere; otherwise everything fixed is applied once.
    """
    survey = Survey(plain=False)
    sets = _read_sets(benchmark, survey)
    if sets is None:
        survey = Survey(plain=True)
        sets = _read_sets(benchmark, survey)
    assert sets is not None, "what is applied once need not be alike"
    return survey, sets


def _read_sets(benchmark: Benchmark, survey: Survey) -> dict[str, dict[str, Set]] | None:
    sets: dict[str, dict[str, Set]] = {side: {} for side in SIDES}
    moments, ends = set(), dict.fromkeys(SIDES, 0)
    for train, test in _paired(benchmark):
        moves = set()
        for side, dataset in zip(SIDES, (train, test), strict=True):
            for part, chain, name in survey.read(dataset):
                moments.add((chain.mean, chain.std))
                moves.add(chain.moves)
                if name not in sets[side]:
                    sets[side][name] = Set(part.base, chain, ends[side])
                    ends[side] += len(part.base)
        if not survey.plain and (len(moves) > 1 or len(moments) > 1):
            return None
    return sets


def _paired(benchmark: Benchmark) -> Iterator[tuple[Any, Any]]:
    """Yield the training and test data of every task; one test set may be for all tasks."""
    train, test = benchmark.streams["train"], benchmark.streams["test"]
    if len(test) not in (1, len(train)):
        raise BenchError(
            f"the benchmark has {len(train)} tasks to train on and {len(test)} to test on. "
            "Let it have one test set for each task, or one for all."
        )
    for number in range(len(train)):
        pair = train[number].dataset, test[number if len(test) > 1 else 0].dataset
        if not all(map(len, pair)):
            raise BenchError(f"task {number} of the benchmark has no training or no test samples.")
        yield pair


def _fill(sets: Mapping[str, Set], side: str, new: NEW, dtype: Any) -> NDArray[Any] | None:
    """Write all pictures of one side; None where they are not bytes although they should be."""
    rows = sum(len(one.base) for one in sets.values())
    array: NDArray[Any] | None = None
    for one in sets.values():
        for row in range(len(one.base)):
            image = one.chain.image(one.base[row][0])
            if array is None:
                array = new(f"{side}_x", (rows, *image.shape), dtype)
            if tuple(image.shape) != array.shape[1:]:
                raise BenchError(
                    f"the images of the benchmark differ in size: {tuple(image.shape)} and "
                    f"{array.shape[1:]}. Give it a transform that makes them equal."
                )
            if dtype is not np.uint8:
                array[one.start + row] = image.numpy()
                continue
            pixels = (image * 255).round()
            if not torch.equal(pixels / 255, image):
                return None
            array[one.start + row] = pixels.numpy()
    return array


def _digest(key: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = sha256(key.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        for first in range(0, len(array), 1024):
            digest.update(np.ascontiguousarray(array[first : first + 1024]).data)
    return digest.hexdigest()


# -- reading the tasks ---------------------------------------------------------------------------


class _Reader:
    """Turns the tasks of one seed's benchmark into rows of the samples."""

    def __init__(self, samples: AvalancheSamples, seed: int) -> None:
        self.samples, self.layout, self.seed = samples, samples.layout, seed
        self.survey = Survey(samples.layout.plain)
        self.kept: dict[str, Tensor] = {}
        self.random: dict[str, DeviceTransforms | None] = {}

    def read(self, benchmark: Benchmark) -> Tasks:
        tasks, labels = [], []
        for number, (train, test) in enumerate(_paired(benchmark)):
            tasks.append(self._task(number, train, test))
            own = task_labels_of(train)
            labels.append(own.pop() if len(own) == 1 else None)
        if len(self.random) > 1:
            raise BenchError(
                f"the tasks of {self.samples.recipe.name} differ in their random training "
                f"transforms: {' and '.join(self.random)}. Give all tasks the same."
            )
        return Tasks(_with_moves(tasks), tuple(labels), next(iter(self.random.values())))

    def _task(self, number: int, train: Any, test: Any) -> Task:
        sides, moves = [], set()
        for side, dataset in zip(SIDES, (train, test), strict=True):
            read = self.survey.read(dataset)
            rows = np.empty(len(dataset), np.int64)
            for part, chain, name in read:
                rows[part.places] = self._start(side, name, number) + part.rows
                moves.add(chain.moves)
                if side == "train":
                    self.random[repr(chain.random)] = chain.random
                elif chain.random is not None:
                    raise BenchError(
                        f"the test samples of {self.samples.recipe.name} are changed at random "
                        f"({chain.random}). Give it a test transform that is not random."
                    )
            labels = labels_of(dataset)
            self._compare(number, side, dataset, read, rows, labels)
            sides += [self._shared(rows), self._shared(labels)]
        (move,) = moves
        pixels = None if move is None else self._shared(np.array(move, np.int64))
        return Task(*sides, pixel_map=pixels)

    def _start(self, side: str, name: str, number: int) -> int:
        start = self.layout.starts[side].get(name)
        if start is None:
            recipe = self.samples.recipe
            raise BenchError(
                f"the benchmark {recipe.name} shows in task {number} of seed {self.seed} pictures "
                f"that seed {REFERENCE_SEED} does not have, and all seeds share their samples. "
                "Give seed=VALUE in its arguments, which fixes it for all runs; or, where its "
                f"files have changed, delete the prepared samples in {self.samples.data_dir}."
            )
        return start

    def _shared(self, values: Rows) -> Tensor:
        """Return a tensor that all tasks with these values share."""
        key = sha256(values.tobytes()).hexdigest()
        return self.kept.setdefault(key, torch.from_numpy(values))

    def _compare(
        self,
        number: int,
        side: str,
        dataset: Any,
        read: Sequence[tuple[Part, Chain, str]],
        rows: Rows,
        labels: Rows,
    ) -> None:
        """Make sure, on a few samples, that Avalanche itself returns the same."""
        pool = self.samples.train_x if side == "train" else self.samples.test_x
        for part, chain, _ in read:
            for place in spread(part.places, CHECKED):
                x, y = dataset[place][:2]
                move = None if chain.moves is None else torch.tensor(chain.moves)
                ours = self.samples.network_input(pool[rows[place] : rows[place] + 1], move)[0]
                fits = chain.random is not None or torch.allclose(ours, as_image(x), atol=1e-5)
                if not fits or int(y) != labels[place]:
                    raise BenchError(
                        f"sample {place} of task {number} ({side}) of {self.samples.recipe.name} "
                        "is not what its transforms make of its data set. Use transforms that "
                        "depend on nothing but the sample, and no data set that changes."
                    )


def _with_moves(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Give every task a pixel map if any has one."""
    maps = [task.pixel_map for task in tasks if task.pixel_map is not None]
    if not maps:
        return tuple(tasks)
    stay = torch.arange(len(maps[0]))
    return tuple(
        Task(
            task.train_index,
            task.train_y,
            task.test_index,
            task.test_y,
            stay if task.pixel_map is None else task.pixel_map,
        )
        for task in tasks
    )
