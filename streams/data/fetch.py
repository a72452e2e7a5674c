"""Download a source, or unpack the archive that is there; never half."""

import io
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from http.client import HTTPException
from pathlib import Path

from ...harness.errors import BenchError
from .locks import PREPARED, locked
from .reader import DamagedFile, Reader, fetch_hint, find, find_archive, looked_for

PATIENCE = 10.0
"""Seconds until a server that does not answer counts as out of reach."""


def obtain(reader: Reader, *, anew: bool = False) -> Path:
    """Return the folder that holds a source, after fetching it if need be.

    An archive in the data folder is unpacked instead of downloaded. All is written into a folder of
    its own first, by one process at a time, and moved when it is whole and its checksums are right.

    Args:
        reader: of the source.
        anew: whether what is there is damaged and to be downloaded again.

    Raises:
        DamagedFile: the archive in the data folder is damaged, and `anew` is not set.
        BenchError: the source cannot be had.
    """
    place = None if anew else find(reader)
    if place is not None:
        return place
    if not reader.is_public():
        raise _cannot_be_had(reader, "it has no public address")
    try:
        reader.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_be_had(reader, str(error)) from None
    with locked(reader.data_dir / PREPARED / reader.name):
        place = None if anew else find(reader)  # another process may have fetched it meanwhile
        if place is None:
            _fetch(reader, None if anew else find_archive(reader), anew)
            place = find(reader)
    assert place is not None, "a download that succeeds leaves the files where they are looked for"
    return place


def _fetch(reader: Reader, archive: Path | None, anew: bool) -> None:
    part = reader.data_dir / PREPARED / f"{reader.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
        part.mkdir(parents=True)
        if archive is None:
            with patience(), _quiet_unless_terminal():
                reader.download(part)
        else:
            with fetch_hint(reader):
                _unpack(reader, archive, part)
        _move(part, reader.data_dir)
    except (OSError, RuntimeError, HTTPException) as error:
        raise _cannot_be_had(reader, str(error).strip().splitlines()[-1], anew) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(reader: Reader, archive: Path, target: Path) -> None:
    published = reader.archive()
    assert published is not None, "an archive was found"
    published.check(archive)
    try:
        reader.unpack(archive, target)
    except KeyError as error:
        raise DamagedFile(archive, str(error)) from None


def _cannot_be_had(reader: Reader, reason: str, is_damaged: bool = False) -> BenchError:
    if "corrupted" in reason:  # torchvision's words for a wrong checksum
        reason = "what arrived is cut off or changed (its checksum is wrong); try again"
    if is_damaged:
        what = f"the data set '{reader.name}' is damaged and cannot be downloaded again"
        return BenchError(f"{what}: {reason}. {reader.remedy()}")
    return BenchError(
        f"the data set '{reader.name}' is not here and cannot be downloaded: {reason}. "
        f"{looked_for(reader)} The source digits needs no files."
    )


@contextmanager
def patience() -> Iterator[None]:
    """Do not wait for servers that do not answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _quiet_unless_terminal() -> Iterator[None]:
    """Keep torchvision's progress bar out of what is not a terminal."""
    if sys.stderr.isatty():
        yield
        return
    with redirect_stderr(io.StringIO()):
        yield


def _move(source: Path, target: Path) -> None:
    """Move folders as a whole where they are new, else file by file."""
    for path in list(source.iterdir()):
        goal = target / path.name
        if path.is_dir() and goal.is_dir():
            _move(path, goal)
        else:
            os.replace(path, goal)
