"""What every kind of data set file has in common: where it is, how it is fetched and read."""

import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets.utils import check_integrity, download_url
from tqdm import tqdm

from ...harness.errors import BenchError
from ...harness.places import DATA_VARIABLE, default_data_dir

Bytes = NDArray[np.uint8]
Features = NDArray[np.float32]
Images = Bytes | Features
Labels = NDArray[np.int64]
Moments = tuple[tuple[float, ...], tuple[float, ...]]
Item = TypeVar("Item")

ELSEWHERE = (
    f"or name the folder of your data sets with --data or the environment variable {DATA_VARIABLE}"
)
MOST_BYTES = 4 * 2**30
"""A file that says it unpacks to more is refused before anything is unpacked: no source has one."""
EVERY = 5
"""Where a source has no test part of its own, every fifth sample of a class is one."""


class Arrays(NamedTuple):
    """The raw samples of one source: images (N, channels, height, width), labels (N,)."""

    train_x: Images
    train_y: Labels
    test_x: Images
    test_y: Labels


class Counts(NamedTuple):
    """How large a source is."""

    train: int
    """Training samples."""
    test: int
    """Test samples."""
    classes: int


class DamagedFile(BenchError):
    """A file that is there, but is cut off, changed or not what it is called."""

    def __init__(self, path: Path, why: str, again: str | None = None) -> None:
        """Say what is wrong and what to do.

        Args:
            path: of the file.
            why: it counts as damaged.
            again: the command that fetches it again, if that can be done.
        """
        fetch = "" if again is None else f" Or fetch it again: {again}"
        super().__init__(
            f"the file {path} is damaged: {why}. Delete it, or replace it by a good copy.{fetch}"
        )
        self.path = path
        self.why = why


@dataclass(frozen=True)
class Workspace:
    """Where arrays that may not fit into memory are filled: files in a folder."""

    folder: Path

    def array(self, part: str, shape: Sequence[int], dtype: type[np.generic]) -> NDArray[Any]:
        """Return an array to be filled, kept in the file of this part of the source.

        Args:
            part: a field of `Arrays`.
            shape: of the array; not empty.
            dtype: of the array.

        Raises:
            BenchError: the disk has no room for it.
        """
        needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
        free = shutil.disk_usage(self.folder).free
        if needed > free:  # a mapped file would be cut short without an error
            raise BenchError(
                f"no room in {self.folder}: {needed:,} bytes are needed and {free:,} are free. "
                "Make room, or name a folder on another disk with --data."
            )
        made: NDArray[Any] = np.lib.format.open_memmap(
            self.folder / f"{part}.npy", mode="w+", dtype=dtype, shape=tuple(shape)
        )
        return made

    def watched(self, items: Sequence[Item], what: str) -> Iterable[Item]:
        """Return the items, showing on a terminal how far they are worked through."""
        watched: Iterable[Item] = tqdm(items, desc=what, disable=None, delay=2, leave=False)
        return watched


@dataclass(frozen=True)
class Archive:
    """One file on the Internet that holds a whole source."""

    url: str
    file: str
    """Its name."""
    md5: str

    def check(self, path: Path) -> None:
        """Refuse a copy that is not whole.

        Raises:
            DamagedFile: its checksum is wrong.
        """
        if not check_integrity(path, self.md5):
            size = path.stat().st_size
            why = f"its checksum is wrong ({size:,} bytes; perhaps it is half downloaded)"
            raise DamagedFile(path, why)


@dataclass(frozen=True)
class Reader(ABC):
    """Finds, downloads and reads the files of one source."""

    scale: ClassVar[float] = 1 / 255
    kept: ClassVar[bool] = True
    """Whether the arrays are kept in the data folder, to be mapped into memory."""

    name: str
    """The source's own."""
    data_dir: Path
    """The folder in which data sets are kept and into which they are downloaded."""

    @abstractmethod
    def places(self) -> Sequence[Path]:
        """List the folders where the files may be, the preferred one first."""

    @abstractmethod
    def holds(self, place: Path) -> bool:
        """Tell whether every file is in this folder; damaged files count as there."""

    @abstractmethod
    def files(self, place: Path) -> Sequence[Path | str]:
        """List the files that are read, all of them below the place or the data folder."""

    @abstractmethod
    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read all samples.

        Args:
            place: a folder that holds the source.
            workspace: gives room for arrays that are too large for memory.

        Raises:
            DamagedFile: a file is damaged; the text names it.
            BenchError: the files do not fit together.
        """

    @abstractmethod
    def remedy(self) -> str:
        """Say what to do by hand to have the files, one sentence."""

    def check(self, place: Path, workspace: Workspace) -> Counts:
        """Refuse what `read` would refuse; count what there is."""
        return counted(self.name, self.read(place, workspace))

    def is_public(self) -> bool:
        """Tell whether the files, or what is missing of them, can be downloaded."""
        return True

    def words(self) -> list[str]:
        """Return how the source is named on the command line."""
        return [self.name]

    def remark(self, place: Path) -> str:
        """Say in brackets what is wrong with a place that does not hold this source."""
        return " (not in it)" if place.exists() else " (no such folder)"

    def archive(self) -> Archive | None:
        """Return the one file in which the source is published, if it is."""
        return None

    def archive_places(self) -> Sequence[Path]:
        """List the folders where the archive may lie."""
        return (self.data_dir,)

    def unpack(self, archive: Path, target: Path) -> None:
        """Unpack a good archive into the empty folder `target`, laid out as the data folder."""
        raise NotImplementedError

    def download(self, target: Path) -> None:
        """Fetch the files into the empty folder `target`, laid out as the data folder.

        Raises:
            OSError, RuntimeError: they cannot be had.
        """
        archive = self.archive()
        if archive is None:
            raise OSError("it has no public address")
        download_url(archive.url, target, filename=archive.file, md5=archive.md5)
        self.unpack(target / archive.file, target)
        (target / archive.file).unlink()

    def moments(self, train_x: Images) -> Moments:
        """Return mean and std per channel after scaling; 0 and 1 leave the images as they are."""
        channels = train_x.shape[1]
        return (0.0,) * channels, (1.0,) * channels


def is_test(labels: Labels) -> NDArray[np.bool_]:
    """Choose the test samples of a source without a test part: (N,).

    Samples sorted by class (within a class in their own order), every fifth from the first on: each
    class is split alike to within one sample.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.argsort(labels, kind="stable")[::EVERY]] = True
    return chosen


def counted(name: str, arrays: Arrays) -> Counts:
    """Count samples and classes of a source.

    Raises:
        BenchError: its parts do not fit together: images of two sizes, a test label that no
            training sample has, more classes than samples.
    """
    train, test = arrays.train_x.shape[1:], arrays.test_x.shape[1:]
    if train != test:
        raise BenchError(
            f"the source '{name}' has training samples of {_size(train)} and test samples of "
            f"{_size(test)}. Bring all to one size."
        )
    if min(arrays.train_y.min(), arrays.test_y.min()) < 0:
        raise BenchError(f"the source '{name}' has a label below 0. Number its classes from 0.")
    classes = int(arrays.train_y.max()) + 1
    if int(arrays.test_y.max()) >= classes:
        raise BenchError(f"the source '{name}' has test labels that no training sample has.")
    if classes > len(arrays.train_y):
        raise BenchError(
            f"the source '{name}' has labels up to {classes - 1:,} and {len(arrays.train_y):,} "
            "training samples. Number its classes from 0, without gaps."
        )
    return Counts(len(arrays.train_y), len(arrays.test_y), classes)


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{channels} x {height} x {width} (channels, height, width)"


def find(reader: Reader) -> Path | None:
    """Return the first place that holds a source, or None."""
    return next((place for place in reader.places() if reader.holds(place)), None)


def find_archive(reader: Reader) -> Path | None:
    """Return the source's archive where it lies in the data folder, or None."""
    archive = reader.archive()
    if archive is None:
        return None
    paths = (place / archive.file for place in reader.archive_places())
    return next((path for path in paths if path.is_file()), None)


def looked_for(reader: Reader) -> str:
    """Say where a source's files were looked for and what to do to have them."""
    looked = [f"{place}{reader.remark(place)}" for place in reader.places()]
    return f"Looked in: {', '.join(looked) or 'no folder, none was given'}. {reader.remedy()}"


def fetch_command(reader: Reader) -> str:
    """Return what to type to have a source fetched and prepared."""
    words = ["plasticity-bench", "data", "fetch", *reader.words()]
    if reader.data_dir != default_data_dir().resolve():
        words += ["--data", str(reader.data_dir)]
    return shlex.join(words)


@contextmanager
def fetch_hint(reader: Reader) -> Iterator[None]:
    """Say of a damaged file how to fetch it again, and of one that cannot be opened whose it is.

    Raises:
        BenchError: whatever went wrong inside.
    """
    try:
        yield
    except DamagedFile as error:
        again = fetch_command(reader) if reader.is_public() else None
        raise DamagedFile(error.path, error.why, again) from None
    except OSError as error:
        raise BenchError(f"the data set '{reader.name}' cannot be read: {error}.") from None
