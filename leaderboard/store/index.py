"""The index: one row per result file, so that a board of thousands need not read them all.

`index.sqlite` is derived and never needed. Whoever finds it older than the files reads those that
are new or changed, and puts a private copy in its place: no lock, nothing that a crash or a
network file system could spoil. What cannot be written still answers from memory.
"""

import logging
import os
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .files import sync_folder, temporary_beside
from .index_row import FORMAT, IndexRow, read_rows
from .result import Record, Status
from .result_file import Signature, scan

FILE = "index.sqlite"

_log = logging.getLogger(__name__)
_SCHEMA = (
    "CREATE TABLE results (fingerprint TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, "
    "ctime_ns INTEGER, damage TEXT, problem TEXT, stream TEXT, entrant TEXT, status TEXT, "
    "record TEXT, seal TEXT)",
)


@dataclass(frozen=True)
class Found:
    """What the index says of one result file: the record, or the problem with the file."""

    fingerprint: str
    record: Record | None
    problem: str | None
    """What is wrong with the file, as `DamagedResult.what`."""


def records(
    folder: Path,
    *,
    fingerprints: Collection[str] | None = None,
    streams: Collection[str] | None = None,
    entrants: Collection[str] | None = None,
) -> list[Found]:
    """Return what the result files of a folder say, in the order of their fingerprints.

    A damaged file belongs to no stream and no entrant, and is there whatever names are asked for.
    """
    rows = up_to_date(folder)
    names = sorted(rows if fingerprints is None else rows.keys() & set(fingerprints))
    return [
        _found(rows[name])
        for name in names
        if rows[name].record is None
        or (_among(rows[name].stream, streams) and _among(rows[name].entrant, entrants))
    ]


def known_status(folder: Path, fingerprint: str, signature: Signature) -> Status | None:
    """Return the status of a sound result as the index on the disk has it; reads no result file.

    Returns:
        None where the index does not know this very file, or where it is damaged.
    """
    for row in _on_disk(folder / FILE, "WHERE fingerprint = ?", fingerprint):
        if row.signature == signature:
            return row.status
    return None


def up_to_date(folder: Path, *, anew: bool = False) -> dict[str, IndexRow]:
    """Return a row for every result file, and leave an index on the disk that says the same.

    Args:
        folder: of the store.
        anew: read all files, whatever an index says.
    """
    there = scan(folder)
    known = {} if anew else {row.fingerprint: row for row in _on_disk(folder / FILE)}
    rows = {
        name: known[name]
        for name, signature in there.items()
        if name in known and known[name].signature == signature
    }
    stale = {name: signature for name, signature in there.items() if name not in rows}
    if anew or stale or len(known) > len(rows):
        rows |= {row.fingerprint: row for row in read_rows(folder, stale)}
        _save(rows, folder / FILE)
    return rows


def rows_on_disk(folder: Path) -> dict[str, IndexRow]:
    """Return the sound rows of the index as it lies there, up to date or not."""
    return {row.fingerprint: row for row in _on_disk(folder / FILE)}


def _found(row: IndexRow) -> Found:
    record = None if row.record is None else Record.model_validate_json(row.record)
    return Found(row.fingerprint, record, row.problem)


def _among(name: str | None, names: Collection[str] | None) -> bool:
    return names is None or name in names


def _on_disk(path: Path, where: str = "", *values: str) -> list[IndexRow]:
    """Return the sound rows of an index; none where there is no index or it cannot be used.

    It is opened as a file that never changes: SQLite takes no lock and makes no file beside it.
    """
    if not path.is_file():
        return []  # a pipe would be waited for
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as index:
            index.execute("PRAGMA trusted_schema = OFF")  # views and triggers of others do nothing
            (version,) = index.execute("PRAGMA user_version").fetchone()
            schema = index.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
            if version != FORMAT or schema != [(statement,) for statement in _SCHEMA]:
                return []
            found = index.execute(f"SELECT * FROM results {where}", values)
            return [row for row in map(IndexRow.from_columns, found) if row is not None]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _log.debug("the index %s cannot be used: %s", path, error)
        return []


def _save(rows: dict[str, IndexRow], path: Path) -> None:
    if not path.parent.is_dir():
        return
    try:
        with temporary_beside(path) as temporary:
            _write(rows, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:  # a folder that we may only read, or a full disk
        _log.debug("the index %s was not written: %s", path, error)


def _write(rows: dict[str, IndexRow], path: Path) -> None:
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before it is whole
        index.execute("PRAGMA synchronous = OFF")
        for statement in _SCHEMA:
            index.execute(statement)
        index.execute(f"PRAGMA user_version = {FORMAT}")
        columns = (row.columns() for row in rows.values())
        index.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", columns)
