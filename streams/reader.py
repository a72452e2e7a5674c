"""What every kind of data set file has in common: where it is, how it is fetched and read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]
Moments = tuple[tuple[float, ...], tuple[float, ...]]


DATA_VARIABLE = "PLASTICITY_BENCH_DATA"
ELSEWHERE = (
    f"or name the folder of your data sets with --data or the environment variable {DATA_VARIABLE}"
)


class Arrays(NamedTuple):
    """The raw samples of one source: images (N, channels, height, width), labels (N,)."""

    train_x: Bytes
    train_y: Labels
    test_x: Bytes
    test_y: Labels


@dataclass(frozen=True)
class Reader(ABC):
    """Finds, downloads and reads the files of one source."""

    scale: ClassVar[float] = 1 / 255

    data_dir: Path
    """The folder in which data sets are kept and into which they are downloaded."""

    @abstractmethod
    def places(self) -> Sequence[Path]:
        """List the folders where the files may be, the preferred one first."""

    @abstractmethod
    def holds(self, place: Path) -> bool:
        """Tell whether every file is in this folder; damaged files count as there."""

    @abstractmethod
    def read(self, place: Path) -> Arrays:
        """Read all samples.

        Raises:
            BenchError: a file is damaged; the text names it.
        """

    @abstractmethod
    def remedy(self) -> str:
        """Say what to do by hand to have the files, one sentence."""

    def remark(self, place: Path) -> str:
        """Say in brackets what is wrong with a place that does not hold this source."""
        return " (not in it)" if place.exists() else " (no such folder)"

    def download(self, target: Path) -> None:
        """Fetch the files into the empty folder `target`, laid out as in the data folder.

        Raises:
            OSError, RuntimeError: they cannot be had.
        """
        raise OSError("it has no public address")

    def moments(self, train_x: Bytes) -> Moments:
        """Return mean and std per channel after scaling; 0 and 1 leave the images as they are."""
        channels = train_x.shape[1]
        return (0.0,) * channels, (1.0,) * channels
