"""Where samples come from: digits (always there), MNIST and its kin, CIFAR, ImageNet, pictures."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torchvision import datasets

from ...harness.errors import unknown_name
from ...harness.stream import Samples
from .cifar import CifarReader
from .digits import DigitsReader
from .emnist import EmnistReader
from .features import FeatureReader
from .fetch import PATIENCE, obtain
from .idx import MnistReader
from .imagenet32 import Imagenet32Reader
from .manifest import digest_of
from .pictures import PictureReader
from .prepared import Prepared, read
from .reader import Reader, Workspace, counted, find, looked_for

__all__ = [
    "PATIENCE",
    "READERS",
    "load_source",
    "missing",
    "reader_of",
    "where",
]

READERS: dict[str, Callable[[str, Path, Path | None], Reader]] = {
    "digits": lambda name, data, _: DigitsReader(name, data),
    "mnist": lambda name, data, _: MnistReader(name, data, datasets.MNIST),
    "fashion-mnist": lambda name, data, _: MnistReader(name, data, datasets.FashionMNIST),
    "emnist": lambda name, data, _: EmnistReader(name, data, datasets.EMNIST),
    "cifar10": lambda name, data, _: CifarReader(name, data, datasets.CIFAR10),
    "cifar100": lambda name, data, _: CifarReader(name, data, datasets.CIFAR100),
    "imagenet32": lambda name, data, _: Imagenet32Reader(name, data),
    "mini-imagenet-features": lambda name, data, _: FeatureReader(name, data),
    "image-folder": PictureReader,
}


def load_source(name: str, data_dir: Path, folder: str | Path | None = None) -> Samples:
    """Return all samples of a source, fetching and preparing it on first use; one copy per process.

    All but digits are mapped from the prepared cache, whose pages all processes share.

    Args:
        name: a key of `READERS`.
        data_dir: where data sets are kept; their files may also lie directly in it.
        folder: the user's pictures, for image-folder.

    Raises:
        BenchError: no such source, files neither there nor to be downloaded, or damaged files.
    """
    return _load(name, _absolute(data_dir), None if folder is None else _absolute(folder))


def where(name: str, data_dir: Path, folder: str | Path | None = None) -> Path | None:
    """Return the folder that holds a source's files now, or None if it would have to be fetched."""
    return find(reader_of(name, data_dir, folder))


def missing(name: str, data_dir: Path, folder: str | Path | None = None) -> str:
    """Say where a source's files were looked for and what to do to have them."""
    return looked_for(reader_of(name, data_dir, folder))


def reader_of(name: str, data_dir: Path, folder: str | Path | None = None) -> Reader:
    """Return what finds, fetches and reads a source.

    Raises:
        BenchError: no such source.
    """
    if name not in READERS:
        raise unknown_name("source", name, READERS, "Set the stream's source to one of them.")
    return READERS[name](name, _absolute(data_dir), None if folder is None else _absolute(folder))


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


@lru_cache(maxsize=8)
def _load(name: str, data_dir: Path, folder: Path | None) -> Samples:
    reader = reader_of(name, data_dir, folder)
    place = obtain(reader)
    return Prepared.of(reader, place).samples() if reader.kept else _in_memory(reader, place)


def _in_memory(reader: Reader, place: Path) -> Samples:
    with TemporaryDirectory() as folder:
        arrays = read(reader, place, Workspace(Path(folder)))
    mean, std = reader.moments(arrays.train_x)
    return Samples(
        train_x=torch.from_numpy(arrays.train_x),
        train_y=torch.from_numpy(arrays.train_y),
        test_x=torch.from_numpy(arrays.test_x),
        test_y=torch.from_numpy(arrays.test_y),
        classes=counted(reader.name, arrays).classes,
        scale=reader.scale,
        mean=mean,
        std=std,
        digest=digest_of(arrays),
    )
