"""Read MNIST and the data sets made like it: four IDX files, packed with gzip or not."""

import gzip
import hashlib
import math
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...harness.errors import BenchError
from .reader import ELSEWHERE, MOST_BYTES, Arrays, Bytes, DamagedFile, Reader, Workspace

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DEBIAN = Path("/usr/share/datasets")
"""Debian's package dataset-fashion-mnist puts its files into the folder fashion-mnist below it."""

KNOWN: Mapping[str, tuple[str, str, str, str]] = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
"""SHA-256 of the unpacked files, in the order of `FILES`.

All such data sets use the same file names. The training labels tell them apart, so that
fashion-mnist is never taken for mnist because its files lie in the folder that was given; and where
one file is a known data set's, the others must be its own, too. The checksums that torchvision
has are those of the packed files, which are others wherever somebody packed them again.
"""


@dataclass(frozen=True)
class IdxReader(Reader):
    """One source of four IDX files."""

    names: ClassVar[tuple[str, ...]] = FILES
    """Training images, training labels, test images, test labels."""

    @abstractmethod
    def places(self) -> Sequence[Path]:
        """List the folders where the files may be; torchvision's is the first."""

    def holds(self, place: Path) -> bool:
        """Tell whether the four files are there and are not those of another data set."""
        return len(self.files(place)) == len(self.names) and self._contents(place) in {
            None,
            self.name,
        }

    def files(self, place: Path) -> Sequence[Path]:
        """List those of the four files that are there."""
        found = [idx_file(place, name) for name in self.names]
        return [file for file in found if file is not None]

    def remark(self, place: Path) -> str:
        """Say what a place lacks, or that its files are another data set."""
        missing = [name for name in self.names if idx_file(place, name) is None]
        if not missing:
            return f" (holds {self._contents(place)})"
        return f" (no {missing[0]})" if len(missing) < len(self.names) else super().remark(place)

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read the four files."""
        files = self.files(place)
        contents = [_unpacked(file) for file in files]
        train_x, train_y, test_x, test_y = map(parsed_idx, files, contents)
        _check_known(files, contents)
        _check_same_length(place, train_x, train_y)
        _check_same_length(place, test_x, test_y)
        return Arrays(
            train_x[:, None], train_y.astype(np.int64), test_x[:, None], test_y.astype(np.int64)
        )

    def remedy(self) -> str:
        """Name the four files and their folder."""
        files = ", ".join(self.names)
        return f"Put {files} (or the same with .gz) into {self.places()[0]}, {ELSEWHERE}."

    def _contents(self, place: Path) -> str | None:
        """Return which known data set lies here; None if it is none of them or cannot be read."""
        file = idx_file(place, self.names[1])
        try:
            labels = None if file is None else _sha256(_unpacked(file))
        except DamagedFile:
            return None
        return next((name for name, sums in KNOWN.items() if sums[1] == labels), None)


@dataclass(frozen=True)
class MnistReader(IdxReader):
    """MNIST or Fashion-MNIST."""

    dataset: type[Any]
    """The torchvision class that knows the mirrors and checksums."""

    def places(self) -> Sequence[Path]:
        """List torchvision's folder, the source's own, the data folder itself and Debian's."""
        raw = self.data_dir / self.dataset.__name__ / "raw"
        return (raw, self.data_dir / self.name, self.data_dir, DEBIAN / self.name)

    def download(self, target: Path) -> None:
        """Let torchvision fetch and check the files."""
        self.dataset(target, download=True)


def idx_file(folder: Path, name: str) -> Path | None:
    """Return the path of a file that may be packed, or None if it is not there."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def parsed_idx(path: Path, content: bytes) -> Bytes:
    """Read an IDX file of bytes: a header with the shape, then the values.

    Args:
        path: of the file.
        content: of the file, unpacked.

    Raises:
        DamagedFile: it is cut off or not IDX.

    Source: LeCun, Cortes and Burges 1998, "The MNIST database of handwritten digits".
    """
    # Two zero bytes, 8 for "unsigned byte", the number of axes; then each length, big-endian.
    header = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < header or content[:3] != b"\0\0\x08":
        raise DamagedFile(path, "it does not start like an IDX file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], dtype=">u4"))
    values = np.frombuffer(content[header:], dtype=np.uint8)
    if values.size != math.prod(shape) or not values.size:
        has = "more" if values.size > math.prod(shape) else f"{values.size}"
        raise DamagedFile(path, f"its header says shape {shape}, but it has {has} values")
    return values.reshape(shape).copy()


def _unpacked(path: Path) -> bytes:
    """Return what a file holds: no more than its header says, and one byte if there is more."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(4)
            axes = start[3] if start[:3] == b"\0\0\x08" and len(start) == 4 else 0
            lengths = file.read(4 * axes)
            size = math.prod(int.from_bytes(lengths[n : n + 4]) for n in range(0, 4 * axes, 4))
            if size > MOST_BYTES:
                raise DamagedFile(path, f"its header says {size:,} values")
            return start + lengths + file.read(size + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedFile(path, str(error)) from None


def _check_known(files: Sequence[Path], contents: Sequence[bytes]) -> None:
    """Refuse files of which some are a known data set's and others are not."""
    sums = [_sha256(content) for content in contents]
    for known in KNOWN.values():
        wrong = [file for file, ours, true in zip(files, sums, known, strict=True) if ours != true]
        if 0 < len(wrong) < len(files):
            raise DamagedFile(wrong[0], "its checksum is wrong")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_same_length(place: Path, images: Bytes, labels: Bytes) -> None:
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise BenchError(
            f"the IDX files in {place} do not belong together: images {images.shape}, "
            f"labels {labels.shape}. Replace them by one complete copy of the data set."
        )
