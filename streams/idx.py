"""Read MNIST and the data sets made like it: four IDX files, packed with gzip or not."""

import gzip
import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..harness.errors import BenchError
from .reader import ELSEWHERE, Arrays, Bytes, Reader

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DEBIAN = Path("/usr/share/datasets")
"""Debian's package dataset-fashion-mnist puts its files into the folder fashion-mnist below it."""

# All such data sets use the same file names. The training labels tell them apart, so that
# fashion-mnist is never taken for mnist because its files lie in the folder that was given.
KNOWN_LABELS = {
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "mnist",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9": "fashion-mnist",
}


@dataclass(frozen=True)
class IdxReader(Reader):
    """One source of four IDX files."""

    name: str
    dataset: type[Any]
    """The torchvision class that knows the mirrors and checksums."""

    def places(self) -> Sequence[Path]:
        """List torchvision's folder, the source's own, the data folder itself and Debian's."""
        raw = self.data_dir / self.dataset.__name__ / "raw"
        return (raw, self.data_dir / self.name, self.data_dir, DEBIAN / self.name)

    def holds(self, place: Path) -> bool:
        """Tell whether the four files are there and are not those of another data set."""
        files = [idx_file(place, name) for name in FILES]
        return all(files) and self._contents(place) in {None, self.name}

    def remark(self, place: Path) -> str:
        """Say what a place lacks, or that its files are another data set."""
        missing = [name for name in FILES if idx_file(place, name) is None]
        if not missing:
            return f" (holds {self._contents(place)})"
        return f" (no {missing[0]})" if len(missing) < len(FILES) else super().remark(place)

    def read(self, place: Path) -> Arrays:
        """Read the four files."""
        files = [idx_file(place, name) for name in FILES]
        train_x, train_y, test_x, test_y = (read_idx(file) for file in files if file is not None)
        _check_same_length(place, train_x, train_y)
        _check_same_length(place, test_x, test_y)
        return Arrays(
            train_x[:, None], train_y.astype(np.int64), test_x[:, None], test_y.astype(np.int64)
        )

    def remedy(self) -> str:
        """Name the four files and their folder."""
        files = ", ".join(FILES)
        return f"Put {files} (or the same with .gz) into {self.places()[0]}, {ELSEWHERE}."

    def download(self, target: Path) -> None:
        """Let torchvision fetch and check the files."""
        self.dataset(target, download=True)

    def _contents(self, place: Path) -> str | None:
        """Return which known data set lies here; None if it is none of them or cannot be read."""
        file = idx_file(place, FILES[1])
        try:
            return None if file is None else KNOWN_LABELS.get(_sha256(file))
        except BenchError:
            return None


def idx_file(folder: Path, name: str) -> Path | None:
    """Return the path of a file that may be packed, or None if it is not there."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path) -> Bytes:
    """Read an IDX file of bytes: a header with the shape, then the values.

    Raises:
        BenchError: the file is cut off, not gzip although it is called so, or not IDX.

    Source: LeCun, Cortes and Burges 1998, "The MNIST database of handwritten digits".
    """
    content = _unpacked(path)
    # Two zero bytes, 8 for "unsigned byte", the number of axes; then each length, big-endian.
    header = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < header or content[:3] != b"\0\0\x08":
        raise _damaged(path, "it does not start like an IDX file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], dtype=">u4"))
    values = np.frombuffer(content[header:], dtype=np.uint8)
    if values.size != math.prod(shape) or not values.size:
        raise _damaged(path, f"its header says shape {shape}, but it has {values.size} values")
    return values.reshape(shape).copy()


def _unpacked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> BenchError:
    return BenchError(
        f"the file {path} is damaged: {why}. Delete it, or replace it by a good copy."
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(_unpacked(path)).hexdigest()


def _check_same_length(place: Path, images: Bytes, labels: Bytes) -> None:
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise BenchError(
            f"the IDX files in {place} do not belong together: images {images.shape}, "
            f"labels {labels.shape}. Replace them by one complete copy of the data set."
        )
