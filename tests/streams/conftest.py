import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from plasticity_bench.harness.stream import Samples
from plasticity_bench.streams import sources

Made = dict[str, NDArray[np.uint8]]
WriteIdx = Callable[..., Made]


@pytest.fixture(autouse=True)
def _nothing_kept_between_tests() -> None:
    sources._load.cache_clear()


@pytest.fixture
def samples() -> Samples:
    """Make six classes of unequal size in two channels of 3 x 4 pixels."""
    random = np.random.RandomState(0)
    train_y = np.repeat(np.arange(6), [8, 9, 10, 11, 12, 13])
    test_y = np.tile(np.arange(6), 4)
    random.shuffle(train_y)
    return Samples(
        train_x=torch.from_numpy(random.randint(0, 256, (63, 2, 3, 4), dtype=np.uint8)),
        train_y=torch.from_numpy(train_y),
        test_x=torch.from_numpy(random.randint(0, 256, (24, 2, 3, 4), dtype=np.uint8)),
        test_y=torch.from_numpy(test_y),
        classes=6,
        scale=1 / 255,
        mean=(0.25, 0.5),
        std=(0.5, 0.125),
        digest="made up",
    )


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, values.ndim])
    return header + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


@pytest.fixture
def write_idx() -> WriteIdx:
    """Write four IDX files of 30 and 20 images of 28 x 28 pixels; return what they hold."""

    def write(folder: Path, packed: bool = True) -> Made:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(1)
        made = {
            "train-images-idx3-ubyte": random.randint(0, 256, (30, 28, 28), dtype=np.uint8),
            "train-labels-idx1-ubyte": np.tile(np.arange(10, dtype=np.uint8), 3),
            "t10k-images-idx3-ubyte": random.randint(0, 256, (20, 28, 28), dtype=np.uint8),
            "t10k-labels-idx1-ubyte": np.tile(np.arange(10, dtype=np.uint8), 2),
        }
        for name, values in made.items():
            content = idx_bytes(values)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return made

    return write
