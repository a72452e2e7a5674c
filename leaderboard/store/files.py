"""Files that are there whole or not at all, whatever stops the process that writes them."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABANDONED_AFTER = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed."""


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that after a crash there is the old one or the new one, never a part."""
    with temporary_beside(path) as temporary:
        write_synced(temporary, content)
        os.replace(temporary, path)
    sync_folder(path.parent)


def create_file(path: Path, content: bytes) -> bool:
    """Write a file whole unless there is one already; return whether it was written.

    Of several processes that do it at the same time one succeeds, and its file stays.
    """
    with temporary_beside(path) as temporary:
        write_synced(temporary, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: there the last of two at once stays
            if path.exists():
                return False
            os.replace(temporary, path)
    sync_folder(path.parent)
    return True


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Give a path in the same folder that nobody else writes to, and remove what is left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder's files are on the disk."""
    if os.name == "nt":  # Windows cannot open a folder, and needs no such call
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_abandoned(folder: Path) -> int:
    """Remove the temporary files that killed processes left in a folder or below; count them.

    Younger ones than `ABANDONED_AFTER` are left alone: somebody may be writing them.
    """
    removed = 0
    for path in folder.rglob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                path.unlink()
                removed += 1
        except FileNotFoundError:  # its writer has just put it in place
            continue
    return removed
