"""Read scikit-learn's digits, the one source that needs no files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import sklearn.datasets

from .reader import Arrays, Reader, Workspace, is_test


@dataclass(frozen=True)
class DigitsReader(Reader):
    """Scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, which come with the library.

    Split: every fifth of a class is a test sample (see `is_test`). So 1,437 train and 360 test, and
    the same in every version of every library.
    """

    scale: ClassVar[float] = 1 / 16
    kept: ClassVar[bool] = False

    def places(self) -> Sequence[Path]:
        """List the folder inside scikit-learn."""
        return (Path(sklearn.datasets.__file__).parent / "data",)

    def holds(self, place: Path) -> bool:
        """Tell whether the library's file is there."""
        return self.files(place)[0].is_file()

    def files(self, place: Path) -> Sequence[Path]:
        """List the library's file."""
        return (place / "digits.csv.gz",)

    def remedy(self) -> str:
        """Say where the file comes from."""
        return "Install scikit-learn again."

    def is_public(self) -> bool:
        """Tell that nothing can be downloaded."""
        return False

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read and split the digits."""
        flat, target = sklearn.datasets.load_digits(return_X_y=True)
        images = np.asarray(flat, dtype=np.uint8).reshape(-1, 1, 8, 8)
        labels = np.asarray(target, dtype=np.int64)
        tested = is_test(labels)
        return Arrays(images[~tested], labels[~tested], images[tested], labels[tested])
