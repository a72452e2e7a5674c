"""Read CIFAR-10 and CIFAR-100 from torchvision's files."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torchvision.datasets.utils import check_integrity

from ..harness.errors import BenchError
from .reader import ELSEWHERE, Arrays, Bytes, Labels, Moments, Reader


@dataclass(frozen=True)
class CifarReader(Reader):
    """One of the two CIFAR data sets."""

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
            (place / name).is_file() for name in self._checksums()
        )

    def read(self, place: Path) -> Arrays:
        """Read both parts, after their checksums: the batches are pickles, so only known ones."""
        for name, md5 in self._checksums().items():
            if not check_integrity(place / name, md5):
                raise BenchError(
                    f"the file {place / name} is damaged: its checksum is wrong. "
                    f"Delete the folder {place} and run again to fetch it anew."
                )
        return Arrays(*self._part(place.parent, train=True), *self._part(place.parent, train=False))

    def remedy(self) -> str:
        """Name the archive and the folder."""
        archive = f"{self.dataset.filename} (from {self.dataset.url})"
        return f"Put {archive} into {self.data_dir}, {ELSEWHERE}."

    def download(self, target: Path) -> None:
        """Let torchvision fetch, check and unpack the archive, or unpack the one that is there."""
        archive = self.data_dir / self.dataset.filename
        if archive.is_file():
            (target / archive.name).symlink_to(archive)
        self.dataset(target, download=True)
        (target / archive.name).unlink()

    def moments(self, train_x: Bytes) -> Moments:
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
