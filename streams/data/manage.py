"""See to the data sets: what is here and whole, and how to have the others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ...harness.errors import BenchError
from .fetch import obtain
from .locks import cache_root, cannot_keep, locked
from .manifest import stamp
from .prepared import Prepared
from .reader import (
    Counts,
    DamagedFile,
    Reader,
    Workspace,
    fetch_command,
    fetch_hint,
    find,
    find_archive,
)
from .sources import reader_of

State = Literal["here", "cached", "not here", "damaged"]


@dataclass(frozen=True)
class Status:
    """What is known about a source without loading it."""

    name: str
    state: State
    """Here: its files are; cached: prepared, too; damaged: something is there, but not whole."""
    place: Path | None
    """The folder with its files, or its archive."""
    counts: Counts | None
    size: int | None
    """Of its files, in bytes."""
    reason: str
    """Which file is damaged and why; else empty."""
    to_do: str
    """What to do; empty for nothing."""


def status(name: str, data_dir: Path, folder: Path | None = None) -> Status:
    """Check a source: every file of it, or its whole cache. Nothing is changed.

    Args:
        name: of the source.
        data_dir: where data sets are kept.
        folder: the user's pictures, for image-folder.

    Raises:
        BenchError: no such source.
    """
    reader = reader_of(name, data_dir, folder)
    again = fetch_command(reader)
    place = find(reader)
    try:
        if place is None:
            return _not_here(reader, again)
        if reader.kept:
            cache = Prepared.of(reader, place)
            if cache.is_there:
                return _cached(cache, again)
        with fetch_hint(reader), _scratch(reader) as workspace:
            counts = reader.check(place, workspace)
        size = sum(stamp(file).size for file in reader.files(place))
        to_do = f"It is prepared at first use, or now: {again}" if reader.kept else ""
        return Status(name, "here", place, counts, size, "", to_do)
    except BenchError as error:
        return Status(name, "damaged", place, None, None, str(error), "")


def fetch(
    name: str,
    data_dir: Path,
    folder: Path | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Status:
    """Download a source if it is not here or damaged, and prepare its cache.

    Args:
        name: of the source.
        data_dir: where data sets are kept.
        folder: the user's pictures, for image-folder.
        report: told what is being done, in a few words.

    Raises:
        BenchError: no such source, or it cannot be had, read or kept.
    """
    reader = reader_of(name, data_dir, folder)
    try:
        _make_ready(reader, report, anew=False)
    except DamagedFile as error:
        if not reader.is_public():
            raise
        report(f"the file {error.path} is damaged: {error.why}")
        _make_ready(reader, report, anew=True)
    return status(name, data_dir, folder)


def _make_ready(reader: Reader, report: Callable[[str], None], anew: bool) -> None:
    place = None if anew else find(reader)
    if place is None and reader.is_public():
        archive = None if anew else find_archive(reader)
        report("downloading" if archive is None else f"unpacking {archive}")
    place = obtain(reader, anew=anew)
    if not reader.kept:
        return
    cache = Prepared.of(reader, place)
    fault = cache.fault(full=True)
    if fault is None:
        return
    report(f"the cache is damaged ({fault})" if cache.is_there else f"preparing what is in {place}")
    with locked(cache.folder):
        if cache.fault(full=True) is not None:  # another process may have made it meanwhile
            cache.make()


def _cached(cache: Prepared, again: str) -> Status:
    name, place = cache.reader.name, cache.place
    fault = cache.fault(full=True)
    if fault is not None:
        to_do = f"It is made anew at next use where a file is cut off, or now: {again}"
        return Status(name, "damaged", place, None, None, f"{fault}.", to_do)
    manifest = cache.manifest()
    counts = Counts(
        manifest.arrays["train_y"].shape[0], manifest.arrays["test_y"].shape[0], manifest.classes
    )
    return Status(name, "cached", place, counts, sum(one.size for one in cache.stamps), "", "")


def _not_here(reader: Reader, again: str) -> Status:
    published, archive = reader.archive(), find_archive(reader)
    if published is not None and archive is not None:
        with fetch_hint(reader):
            published.check(archive)
        to_do = f"It is unpacked at first use, or now: {again}"
        return Status(reader.name, "here", archive, None, archive.stat().st_size, "", to_do)
    to_do = again if reader.is_public() else reader.remedy()
    return Status(reader.name, "not here", None, None, None, "", to_do)


@contextmanager
def _scratch(reader: Reader) -> Iterator[Workspace]:
    """Give room for arrays that are thrown away."""
    root = cache_root(reader.data_dir, reader.name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=root)
    except OSError as error:
        raise cannot_keep("what is checked", root, error) from None
    with folder:
        yield Workspace(Path(folder.name))
