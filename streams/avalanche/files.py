"""Where Avalanche's own benchmarks find the files that we have already."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets

from ..data.sources import load_source, where

SOURCES = {
    "SplitMNIST": "mnist",
    "PermutedMNIST": "mnist",
    "RotatedMNIST": "mnist",
    "SplitFMNIST": "fashion-mnist",
    "SplitCIFAR10": "cifar10",
    "SplitCIFAR100": "cifar100",
}
"""The classic benchmarks whose files we may have already, and what we call them."""


@contextmanager
def avalanche_root(name: str, data_dir: Path) -> Iterator[Path]:
    """Yield the folder that Avalanche is to look in, with its files as it wants them.

    It reads MNIST's files only unpacked and from one place, while ours may be packed or elsewhere.
    A data set that we do not know has a folder of its own, so that its files stay together.
    """
    source = SOURCES.get(name)
    place = None if source is None else where(source, data_dir)
    if source is None or place is None:
        is_shared = source is not None or name == "SplitCIFAR110" or ":" in name
        yield data_dir if is_shared else data_dir / name.lower()
    elif source.startswith("cifar"):
        yield place.parent
    else:
        with TemporaryDirectory() as folder:
            write_idx_files(source, data_dir, Path(folder))
            yield Path(folder)


def write_idx_files(source: str, data_dir: Path, folder: Path) -> None:
    """Write the four files of MNIST or one of its kin as torchvision unpacks them."""
    dataset = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[source]
    samples = load_source(source, data_dir)
    raw = folder / dataset.__name__ / "raw"
    raw.mkdir(parents=True)
    parts = (
        samples.train_x.squeeze(1),
        samples.train_y.to(torch.uint8),
        samples.test_x.squeeze(1),
        samples.test_y.to(torch.uint8),
    )
    for (packed_name, _), values in zip(dataset.resources, parts, strict=True):
        (raw / Path(packed_name).stem).write_bytes(_idx(values))


def _idx(values: Tensor) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    return header + values.numpy().tobytes()
