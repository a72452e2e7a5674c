"""Read arrays of npz files, which may be cut off."""

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reader import MOST_BYTES, DamagedFile


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
        for name in names:
            _check_size(content.zip, name, path)
        return {name: content[name] for name in names}


def _check_size(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    """Refuse an array whose header asks for more room than the file has for it."""
    member = packed.getinfo(f"{name}.npy")
    if member.file_size > MOST_BYTES:
        raise DamagedFile(path, f"its array {name} unpacks to {member.file_size:,} bytes")
    with packed.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise DamagedFile(path, f"its array {name} is of the unknown version {version}")
        shape, _, dtype = _HEADERS[version](file)
        needed, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if dtype.hasobject:
        raise DamagedFile(path, f"its array {name} is of objects: only a pickle could hold them")
    if needed != there:
        raise DamagedFile(
            path, f"its array {name} says shape {shape} of {dtype}, but has {there:,} bytes"
        )


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with open(path, "rb") as file:  # NumPy alone leaves a damaged file open
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise DamagedFile(path, "it is one array and not an npz file")
            with content:
                yield content
    except DamagedFile:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise whatever a broken file makes them
        raise DamagedFile(path, str(error) or type(error).__name__) from None
