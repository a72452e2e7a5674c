"""Read CIFAR-10 and CIFAR-100 from torchvision's files."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torchvision.datasets.utils import check_integrity, extract_archive

from .reader import (
    ELSEWHERE,
    Archive,
    Arrays,
    Bytes,
    DamagedFile,
    Images,
    Labels,
    Moments,
    Reader,
    Workspace,
)


@dataclass(frozen=True)
class CifarReader(Reader):
    """One of the two CIFAR data sets.

    Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """

    mean: ClassVar[tuple[float, ...]] = (0.4914, 0.4822, 0.4465)
    std: ClassVar[tuple[float, ...]] = (0.2470, 0.2435, 0.2616)

    dataset: type[Any]
    """The torchvision class that knows address, file names and checksums."""

    def places(self) -> Sequence[Path]:
        """List the data folder's batch folder, and the data folder if it is the batch folder."""
        return (self.data_dir / self.dataset.base_folder, self.data_dir)

    def holds(self, place: Path) -> bool:
        """Tell whether every batch is there."""
        return place.name == self.dataset.base_folder and all(
            file.is_file() for file in self.files(place)
        )

    def files(self, place: Path) -> Sequence[Path]:
        """List the batches and the file with the names of the classes."""
        return [place / name for name in self._checksums()]

    def remark(self, place: Path) -> str:
        """Say which batch is missing where some are there."""
        missing = [file.name for file in self.files(place) if not file.is_file()]
        return (
            f" (no {missing[0]})"
            if len(missing) < len(self._checksums())
            else super().remark(place)
        )

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read both parts, after their checksums: the batches are pickles, so only known ones."""
        for name, md5 in self._checksums().items():
            if not check_integrity(place / name, md5):
                raise DamagedFile(place / name, "its checksum is wrong")
        return Arrays(*self._part(place.parent, train=True), *self._part(place.parent, train=False))

    def remedy(self) -> str:
        """Name the archive and the folder."""
        archive = f"{self.dataset.filename} (from {self.dataset.url})"
        return f"Put {archive} into {self.data_dir}, {ELSEWHERE}."

    def archive(self) -> Archive:
        """Return the archive of all batches."""
        return Archive(self.dataset.url, self.dataset.filename, self.dataset.tgz_md5)

    def unpack(self, archive: Path, target: Path) -> None:
        """Unpack the folder of batches."""
        extract_archive(archive, target)

    def moments(self, train_x: Images) -> Moments:
        """Return the constants that the literature uses for both data sets."""
        return self.mean, self.std

    def _checksums(self) -> dict[str, str]:
        meta = (self.dataset.meta["filename"], self.dataset.meta["md5"])
        return dict([*self.dataset.train_list, *self.dataset.test_list, meta])

    def _part(self, root: Path, train: bool) -> tuple[Bytes, Labels]:
        with warnings.catch_warnings():
            # The batches were pickled by a NumPy so old that the new one complains about them.
            warnings.simplefilter("ignore")
            part = self.dataset(root, train=train)
        images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
        return images, np.asarray(part.targets, dtype=np.int64)
