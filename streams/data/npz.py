"""Read arrays of npz files, which may be cut off."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reader import DamagedFile


def array_names(path: Path) -> list[str]:
    """List the arrays of an npz file.

    Raises:
        DamagedFile: it is cut off or not an npz file.
    """
    with _opened(path) as content:
        return list(content)


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read arrays of an npz file, never a pickle.

    Args:
        path: of the file.
        names: of the arrays.

    Raises:
        DamagedFile: it is cut off, changed, or lacks one of the arrays.
    """
    with _opened(path) as content:
        missing = [name for name in names if name not in content]
        if missing:
            has = ", ".join(content) or "none"
            raise DamagedFile(path, f"it has no array {missing[0]}; it has {has}")
        return {name: content[name] for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with open(path, "rb") as file:  # NumPy alone leaves a damaged file open
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise DamagedFile(path, "it is one array and not an npz file")
            with content:
                yield content
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedFile(path, str(error)) from None
