"""Read EMNIST: IDX files with names of their own, published in one archive."""

import gzip
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from .idx import IdxReader
from .reader import Archive, Arrays, Images, Workspace


@dataclass(frozen=True)
class EmnistReader(IdxReader):
    """EMNIST's balanced split: 47 classes of digits and letters, 2,400 and 400 samples of each.

    The files hold every picture transposed. Here they are turned upright, so that rotations and
    convolutions mean what they mean for MNIST. torchvision (and so Avalanche) leaves them lying:
    its picture is this one's transpose.

    Source: Cohen et al. 2017, "EMNIST: an extension of MNIST to handwritten letters".
    """

    names: ClassVar[tuple[str, ...]] = tuple(
        f"emnist-balanced-{part}-{kind}-ubyte"
        for part in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
    )
    dataset: type[Any]
    """The torchvision class that knows address and checksum."""

    def places(self) -> Sequence[Path]:
        """List torchvision's folder, two of the source's own, and the data folder itself."""
        raw = self.data_dir / self.dataset.__name__ / "raw"
        return (raw, self.data_dir / self.name, self.data_dir / "gzip", self.data_dir)

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read the four files and turn the pictures upright."""
        train_x, train_y, test_x, test_y = super().read(place, workspace)
        return Arrays(_transposed(train_x), train_y, _transposed(test_x), test_y)

    def archive(self) -> Archive:
        """Return the archive of all splits."""
        return Archive(self.dataset.url, Path(self.dataset.url).name, self.dataset.md5)

    def archive_places(self) -> Sequence[Path]:
        """List the data folder and the folder into which torchvision downloads it."""
        return (self.data_dir, self.places()[0])

    def unpack(self, archive: Path, target: Path) -> None:
        """Unpack the four files of this split alone: all of them have two gigabytes."""
        raw = target / self.places()[0].relative_to(self.data_dir)
        raw.mkdir(parents=True)
        with zipfile.ZipFile(archive) as packed:
            for name in self.names:
                with gzip.open(packed.open(f"gzip/{name}.gz")) as source:
                    (raw / name).write_bytes(source.read())


def _transposed(images: Images) -> Images:
    return images.swapaxes(2, 3).copy()
