"""Where prepared data is kept, and how processes wait for each other there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ...harness.errors import BenchError
from ...harness.places import DATA_VARIABLE, USERS_OWN

PREPARED = "prepared"


def cache_root(data_dir: Path, name: str) -> Path:
    """Return the folder of all prepared data: in the data folder, or the user's own.

    The user's own is for data sets in a folder that may only be read.

    Args:
        data_dir: the folder of data sets.
        name: the cache that is looked for; where it is in the data folder already it is used there.
    """
    root = data_dir / PREPARED
    if (root / name).is_dir() or os.access(_nearest(root), os.W_OK):
        return root
    return Path(USERS_OWN).expanduser() / PREPARED


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time work on a file or folder; the others wait.

    The lock is the operating system's: it ends with the process that holds it, however that ends.

    Raises:
        BenchError: the lock cannot be made.
    """
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise cannot_keep("prepared data", path.parent, error) from None
    try:
        yield
    finally:
        lock.release()


def cannot_keep(what: str, folder: Path, error: OSError) -> BenchError:
    """Build the error for a folder that cannot be written to."""
    return BenchError(
        f"cannot keep {what} in {folder}: {error}. Name a folder that can be written to with "
        f"--data or the environment variable {DATA_VARIABLE}."
    )


def _nearest(path: Path) -> Path:
    """Return the path, or the first folder above it that exists."""
    return next(one for one in (path, *path.parents) if one.exists())
