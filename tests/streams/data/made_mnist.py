"""MNIST's four files in their true format, with a few images that are made up."""

import gzip
from pathlib import Path

import numpy as np

TRAIN, TEST = 30, 20
"""Images of the two parts, the ten classes taking turns."""


def write_mnist(folder: Path, packed: bool = True) -> None:
    """Write the files that MNIST and Fashion-MNIST have in common by name."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(1)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images = random.randint(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, values in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            content = header + values.tobytes()
            if packed:
                (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{name}-ubyte").write_bytes(content)
