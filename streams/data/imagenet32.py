"""Read ImageNet at 32 x 32 pixels: the published batches, or class folders of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...harness.errors import BenchError
from .npz import read_npz
from .pictures import decoded, two_parts
from .reader import ELSEWHERE, Arrays, DamagedFile, Images, Labels, Moments, Reader, Workspace

TRAIN = tuple(f"train_data_batch_{number}.npz" for number in range(1, 11))
TEST = "val_data.npz"
CLASSES = 1000
SIDE = 32
PIXELS = 3 * SIDE * SIDE
TEST_FOLDERS = ("val", "test")


@dataclass(frozen=True)
class Imagenet32Reader(Reader):
    """Downsampled ImageNet: 1,281,167 training and 50,000 validation images, which are the test.

    Either the ten batches and the validation file as they are published (.npz with `data`
    (N, 3072), uint8, channel by channel, and `labels` from 1 to 1000), or class folders of pictures
    of 32 x 32 pixels, `train/<class>/*` and `val/<class>/*`. Batches number the classes as they
    come, class folders alphabetically: the two have different digests.

    Source: Chrabaszcz, Loshchilov and Hutter 2017, "A Downsampled Variant of ImageNet as an
    Alternative to the CIFAR datasets".
    """

    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)

    def places(self) -> Sequence[Path]:
        """List the source's own folder and the data folder itself."""
        return (self.data_dir / self.name, self.data_dir)

    def holds(self, place: Path) -> bool:
        """Tell whether all batches are there, or both folders of class folders."""
        return not self._missing(place) or _folders(place) is not None

    def files(self, place: Path) -> Sequence[Path | str]:
        """List the batches or the pictures."""
        folders = self._class_folders(place)
        if folders is None:
            return [place / file for file in (*TRAIN, TEST)]
        train, test = two_parts(*folders)
        return [path for path, _ in train + test]

    def remark(self, place: Path) -> str:
        """Say which batch is missing where some are there."""
        missing = self._missing(place)
        return f" (no {missing[0]})" if len(missing) <= len(TRAIN) else super().remark(place)

    def remedy(self) -> str:
        """Name the files."""
        return (
            f"Put {TRAIN[0]} to {TRAIN[-1]} and {TEST} (from https://image-net.org, after "
            "registration: downsampled ImageNet, 32 x 32, npz), or the folders train/<class>/*.png "
            f"and val/<class>/*.png, into {self.places()[0]}, {ELSEWHERE}."
        )

    def is_public(self) -> bool:
        """Tell that only who registers may download it."""
        return False

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read the batches one by one, or decode the pictures."""
        folders = self._class_folders(place)
        if folders is None:
            return _batches(place, workspace)
        arrays = decoded(*two_parts(*folders), workspace)
        if arrays.train_x.shape[1:] != (3, SIDE, SIDE):
            channels, height, width = arrays.train_x.shape[1:]
            raise BenchError(
                f"the pictures in {place} have {channels} channels of {width} x {height} pixels, "
                f"but those of {self.name} have 3 of {SIDE} x {SIDE}. Bring them to that size, or "
                "read them as the source image-folder."
            )
        return arrays

    def moments(self, train_x: Images) -> Moments:
        """Return the constants that are usual for ImageNet."""
        return self.mean, self.std

    def _missing(self, place: Path) -> list[str]:
        return [file for file in (*TRAIN, TEST) if not (place / file).is_file()]

    def _class_folders(self, place: Path) -> tuple[Path, Path] | None:
        return _folders(place) if self._missing(place) else None


def _folders(place: Path) -> tuple[Path, Path] | None:
    tested = [place / name for name in TEST_FOLDERS if (place / name).is_dir()]
    return (place / "train", tested[0]) if tested and (place / "train").is_dir() else None


def _batches(place: Path, workspace: Workspace) -> Arrays:
    train_y = [read_npz(place / file, ("labels",))["labels"] for file in TRAIN]
    size = sum(map(len, train_y))
    train_x = workspace.array("train_x", (size, 3, SIDE, SIDE), np.uint8)
    first = 0
    for file, labels in workspace.watched(
        list(zip(TRAIN, train_y, strict=True)), "reading batches"
    ):
        train_x[first : first + len(labels)] = _images(place / file, len(labels))
        first += len(labels)
    test_y = read_npz(place / TEST, ("labels",))["labels"]
    test_x = _images(place / TEST, len(test_y))
    labelled = [_labels(place / file, y) for file, y in zip(TRAIN, train_y, strict=True)]
    return Arrays(train_x, np.concatenate(labelled), test_x, _labels(place / TEST, test_y))


def _images(path: Path, count: int) -> Images:
    data = read_npz(path, ("data",))["data"]
    if data.shape != (count, PIXELS) or data.dtype != np.uint8:
        raise DamagedFile(
            path, f"data is {data.dtype} {data.shape} instead of uint8 {(count, PIXELS)}"
        )
    return data.reshape(count, 3, SIDE, SIDE)


def _labels(path: Path, labels: NDArray[Any]) -> Labels:
    if labels.ndim != 1 or not len(labels) or labels.min() < 1 or labels.max() > CLASSES:
        raise DamagedFile(path, f"its labels are not a list of numbers from 1 to {CLASSES}")
    return labels.astype(np.int64) - 1
