"""The samples of an Avalanche benchmark as arrays, made once and kept.

What is kept is every data set that the benchmark of seed 0 reads, whole. Benchmarks of other seeds
that take the same pictures otherwise (other classes a task, other permutations) share it.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...harness.errors import BenchError
from ...harness.randomness import untouched_randomness
from ...harness.stream import Samples
from ..data.sources import where
from .build import Recipe
from .files import SOURCES
from .survey import SIDES, Set, find_sets, paired
from .walk import labels_of, task_labels_of

ARRAYS = ("train_x", "train_y", "test_x", "test_y")
REFERENCE_SEED = 0
ROUNDING = 1e-6
"""By so little may a byte in [0, 1] be off: torchvision divides in more than one way."""
New = Callable[[str, tuple[int, ...], Any], NDArray[Any]]
"""Makes an array of a name, shape and type."""


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


@lru_cache(maxsize=4)
def load_samples(recipe: Recipe, data_dir: Path) -> AvalancheSamples:
    """Return the samples of a benchmark, from the cache in `data_dir` where they are there.

    They are made anew in memory for a benchmark that is an object, and where the folder cannot be
    written to.

    Raises:
        BenchError: the benchmark cannot be made, or its samples cannot be those of a stream.
    """
    folder = _folder(recipe, data_dir)
    if recipe.is_kept and not folder.is_dir():
        _prepare(recipe, data_dir, folder)
    if not (recipe.is_kept and folder.is_dir()):
        with untouched_randomness(0):
            layout, arrays = materialise(recipe, data_dir, _in_memory)
        return _samples(layout, arrays, recipe, data_dir)
    try:
        content = json.loads((folder / "layout.json").read_text(encoding="utf-8"))
        mapped = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
        return _samples(_layout(content), mapped, recipe, data_dir)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"the prepared samples of {recipe.name} in {folder} are damaged: {error}. "
            "Delete that folder; they are made again."
        ) from error


def is_here(recipe: Recipe, data_dir: Path) -> bool:
    """Tell whether samples are kept or their files are here; true where only the maker knows."""
    own = ":" in recipe.name or any(key.startswith("dataset_root") for key in recipe.given)
    source = SOURCES.get(recipe.name)
    files = source is not None and where(source, data_dir) is not None
    return own or files or _folder(recipe, data_dir).is_dir()


def _folder(recipe: Recipe, data_dir: Path) -> Path:
    return data_dir / "prepared" / f"avalanche-{recipe.key}"


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


def _prepare(recipe: Recipe, data_dir: Path, folder: Path) -> None:
    """Make the arrays in a folder of another name and move it: nobody sees half of it.

    Nothing is done where the data folder cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    except OSError:
        return
    try:

        def on_disk(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
            bytes_needed = math.prod(shape) * np.dtype(dtype).itemsize
            if bytes_needed > disk_usage(temporary).free:
                raise BenchError(
                    f"the samples of {recipe.name} need {bytes_needed / 1e9:.1f} GB in "
                    f"{folder.parent}, which has less. Name another folder with --data."
                )
            path = temporary / f"{name}.npy"
            return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)

        with untouched_randomness(0):
            layout, arrays = materialise(recipe, data_dir, on_disk)
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


def materialise(recipe: Recipe, data_dir: Path, new: New) -> tuple[Layout, dict[str, Any]]:
    """Make the arrays of a benchmark, and the layout that says what is where."""
    benchmark = recipe.make(REFERENCE_SEED, data_dir)
    survey, sets = find_sets(benchmark)
    arrays: dict[str, Any] = {}
    is_bytes = all(_fill(sets[side], side, new, arrays, np.uint8) for side in SIDES)
    if not is_bytes:
        for side in SIDES:
            _fill(sets[side], side, new, arrays, np.float32)
    starts = {side: {name: one.start for name, one in sets[side].items()} for side in SIDES}
    for side in SIDES:
        arrays[f"{side}_y"] = new(f"{side}_y", (len(arrays[f"{side}_x"]),), np.int64)
        arrays[f"{side}_y"][:] = 0
    sizes, highest, given = [], 0, set()
    latest: dict[str, Any] = {}
    for pair in paired(benchmark):
        for side, dataset in zip(SIDES, pair, strict=True):
            if dataset is latest.get(side):
                continue
            latest[side], labels = dataset, labels_of(dataset)
            for part, _, name in survey.read(side, dataset):
                arrays[f"{side}_y"][starts[side][name] + part.rows] = labels[part.places]
            highest = max(highest, int(labels.max()))
            if side == "train":
                sizes.append(len(labels))
                given |= task_labels_of(dataset)
    first = next(iter(sets["train"].values())).chain
    layout = Layout(
        mean=first.mean,
        std=first.std,
        scale=1 / 255 if is_bytes else 1.0,
        classes=1 + highest,
        sizes=tuple(sizes),
        starts=starts,
        plain=survey.plain,
        has_task_labels=len(given) > 1,
        digest=_digest(recipe.key, arrays),
    )
    return layout, arrays


def _fill(sets: Mapping[str, Set], side: str, new: New, arrays: dict[str, Any], dtype: Any) -> bool:
    """Write all pictures of one side; give up where they are not bytes although they should be."""
    count, array = sum(len(one.base) for one in sets.values()), None
    for one in sets.values():
        for row in range(len(one.base)):
            image = one.chain.image(one.base[row][0])
            if array is None:
                array = arrays[f"{side}_x"] = new(f"{side}_x", (count, *image.shape), dtype)
            if tuple(image.shape) != array.shape[1:]:
                raise BenchError(
                    f"the images of the benchmark differ in size: {tuple(image.shape)} and "
                    f"{array.shape[1:]}. Give it a transform that makes them equal."
                )
            if dtype is np.uint8:
                pixels = (image * 255).round()
                if not torch.allclose(pixels / 255, image, rtol=0, atol=ROUNDING):
                    return False
                image = pixels
            array[one.start + row] = image.numpy()
    return True


def _digest(key: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = sha256(key.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        for first in range(0, len(array), 1024):
            digest.update(np.ascontiguousarray(array[first : first + 1024]).data)
    return digest.hexdigest()
