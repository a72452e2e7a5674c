"""Reading files that others may have put there: never without end, and never more than a bound."""

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 2**30
"""Of a file; the longest that is written here has some tens of millions."""


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return what a file holds.

    Args:
        path: of the file, or of a link to it.
        most: bytes that it may have.

    Raises:
        OSError: it is not there or cannot be read, is a folder, a pipe or a device, or is larger.
    """
    # A pipe that nobody writes to would be waited for when it is opened.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _check(os.fstat(descriptor), path, most)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _check(status: os.stat_result, path: Path, most: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file but a folder, a pipe or a device", str(path))
    if status.st_size > most:
        told = f"it has {status.st_size:,} bytes, and at most {most:,} are read"
        raise OSError(errno.EFBIG, told, str(path))
