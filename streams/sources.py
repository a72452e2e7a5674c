"""Where samples come from: digits (always there), MNIST and its kin, CIFAR, a user's pictures."""

import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
from torchvision import datasets

from ..harness.errors import BenchError, unknown_name
from ..harness.stream import Samples
from .cifar import CifarReader
from .idx import IdxReader
from .pictures import PictureReader
from .reader import DATA_VARIABLE, Arrays, Reader

PATIENCE = 10.0
"""Seconds until a server that does not answer counts as out of reach."""


class DigitsReader(Reader):
    """Scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, which come with the library.

    Split: samples sorted by class (within a class in the library's order), every fifth from the
    first on is a test sample. So 1,437 train and 360 test, each class split alike to within one
    sample, and the same in every version of every library.
    """

    scale = 1 / 16

    def places(self) -> Sequence[Path]:
        """List the folder inside scikit-learn."""
        return (Path(sklearn.datasets.__file__).parent / "data",)

    def holds(self, place: Path) -> bool:
        """Tell whether the library's file is there."""
        return (place / "digits.csv.gz").is_file()

    def remedy(self) -> str:
        """Say where the file comes from."""
        return "Install scikit-learn again."

    def read(self, place: Path) -> Arrays:
        """Read and split the digits."""
        flat, target = sklearn.datasets.load_digits(return_X_y=True)
        images = np.asarray(flat, dtype=np.uint8).reshape(-1, 1, 8, 8)
        labels = np.asarray(target, dtype=np.int64)
        is_test = np.zeros(len(labels), dtype=bool)
        is_test[np.argsort(labels, kind="stable")[::5]] = True
        return Arrays(images[~is_test], labels[~is_test], images[is_test], labels[is_test])


READERS: dict[str, Callable[[Path, Path | None], Reader]] = {
    "digits": lambda data, _: DigitsReader(data),
    "mnist": lambda data, _: IdxReader(data, "mnist", datasets.MNIST),
    "fashion-mnist": lambda data, _: IdxReader(data, "fashion-mnist", datasets.FashionMNIST),
    "cifar10": lambda data, _: CifarReader(data, datasets.CIFAR10),
    "cifar100": lambda data, _: CifarReader(data, datasets.CIFAR100),
    "image-folder": PictureReader,
}


def default_data_dir() -> Path:
    """Return the folder for data sets: $PLASTICITY_BENCH_DATA, else one in the user's cache."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named or "~/.cache/plasticity-bench/data").expanduser()


def load_source(name: str, data_dir: Path, folder: str | Path | None = None) -> Samples:
    """Return all samples of a source, downloading it on first use; one copy per process.

    Args:
        name: digits, mnist, fashion-mnist, cifar10, cifar100 or image-folder.
        data_dir: where data sets are kept; their files may also lie directly in it.
        folder: the user's pictures, for image-folder.

    Raises:
        BenchError: no such source, files neither there nor to be downloaded, or damaged files.
    """
    return _load(name, _absolute(data_dir), None if folder is None else _absolute(folder))


def where(name: str, data_dir: Path, folder: str | Path | None = None) -> Path | None:
    """Return the folder that holds a source's files now, or None if it would have to be fetched."""
    reader = _reader(name, _absolute(data_dir), None if folder is None else _absolute(folder))
    return _find(reader)


def missing(name: str, data_dir: Path, folder: str | Path | None = None) -> str:
    """Say where a source's files were looked for and what to do to have them."""
    reader = _reader(name, _absolute(data_dir), None if folder is None else _absolute(folder))
    looked = [f"{place}{reader.remark(place)}" for place in reader.places()]
    return f"Looked in: {', '.join(looked) or 'no folder, none was given'}. {reader.remedy()}"


@lru_cache(maxsize=8)
def _load(name: str, data_dir: Path, folder: Path | None) -> Samples:
    reader = _reader(name, data_dir, folder)
    place = _find(reader)
    if place is None:
        _fetch(name, reader, folder)
        place = _find(reader)
    assert place is not None, "a download that succeeds leaves the files where they are looked for"
    return _samples(name, reader, reader.read(place))


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def _reader(name: str, data_dir: Path, folder: Path | None) -> Reader:
    if name not in READERS:
        raise unknown_name("source", name, READERS, "Set the stream's source to one of them.")
    return READERS[name](data_dir, folder)


def _find(reader: Reader) -> Path | None:
    return next((place for place in reader.places() if reader.holds(place)), None)


def _fetch(name: str, reader: Reader, folder: Path | None) -> None:
    """Download into a folder of its own and move file by file: two processes may do so at once."""
    try:
        reader.data_dir.mkdir(parents=True, exist_ok=True)
        with _patience(), tempfile.TemporaryDirectory(dir=reader.data_dir) as temporary:
            reader.download(Path(temporary))
            _move(Path(temporary), reader.data_dir)
    except (OSError, RuntimeError, HTTPException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise BenchError(
            f"the data set '{name}' is not here and cannot be downloaded: {reason}. "
            f"{missing(name, reader.data_dir, folder)} The source digits needs no files."
        ) from None


@contextmanager
def _patience() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _move(source: Path, target: Path) -> None:
    for file in [path for path in source.rglob("*") if path.is_file()]:
        goal = target / file.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, goal)


def _samples(name: str, reader: Reader, arrays: Arrays) -> Samples:
    classes = int(arrays.train_y.max()) + 1
    if int(arrays.test_y.max()) >= classes:
        raise BenchError(f"the source '{name}' has test labels that no training sample has.")
    mean, std = reader.moments(arrays.train_x)
    return Samples(
        train_x=torch.from_numpy(arrays.train_x),
        train_y=torch.from_numpy(arrays.train_y),
        test_x=torch.from_numpy(arrays.test_x),
        test_y=torch.from_numpy(arrays.test_y),
        classes=classes,
        scale=reader.scale,
        mean=mean,
        std=std,
        digest=_digest(arrays),
    )


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
