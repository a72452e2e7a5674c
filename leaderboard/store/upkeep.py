"""What keeps a store in order: everything checked again, and what is derived made anew."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal

from ...harness.plural import plural
from . import index, journal
from .files import remove_abandoned
from .index_row import IndexRow, read_rows
from .journal import Journal
from .result import Record
from .result_file import REMEDY, Damage, scan
from .result_store import ResultStore

Kind = Damage | Literal["changed", "missing", "not in the journal", "broken chain", "wrong index"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a store."""

    kind: Kind
    where: str
    """Path of the file."""
    message: str
    """What is wrong and what to do, with the path in front."""


@dataclass(frozen=True)
class Verification:
    """What came of checking a whole store."""

    results: int
    """Result files, sound or not."""
    entries: int
    """Entries of the journal."""
    head: str | None
    """See `ResultStore.head`."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did."""

    results: int
    """Sound results that the new index has."""
    adopted: int
    """Results that no journal had; now it says that they were found."""
    removed: int
    """Temporary files of killed processes."""
    problems: tuple[Problem, ...]
    """Files that are damaged; they are left as they are."""


def verify(store: ResultStore) -> Verification:
    """Recompute every hash of a store and hold the results against the journal, both ways."""
    folder = store.folder
    before, known = Journal.read(folder), index.rows_on_disk(folder)
    there = scan(folder)
    rows = {row.fingerprint: row for row in read_rows(folder, there)}
    after = Journal.read(folder)  # again: others may be writing, and write results down afterwards
    problems = [
        *(Problem("broken chain", str(path), message) for path, message in before.breaks(folder)),
        *(problem for row in rows.values() for problem in _of_result(store, row, after)),
        *_missing(store, before, there),
        *_of_index(store, known, rows),
    ]
    entries = sum(len(chain.entries) for chain in after.chains)
    return Verification(len(rows), entries, after.head, tuple(problems))


def rebuild(store: ResultStore) -> Rebuilt:
    """Read all results again and make the index anew; write down results that nobody has.

    Results whose journal says otherwise are left as they are, for `verify` to name. Temporary files
    of killed processes go once they are old.
    """
    removed = remove_abandoned(store.folder)
    rows = index.up_to_date(store.folder, anew=True)
    written = Journal.read(store.folder)
    records = [record for record in map(_record, rows.values()) if record is not None]
    unknown = [
        record
        for record in records
        if not written.matching(record) and not written.contradicts(record)
    ]
    if unknown:
        journal.append(store.folder, unknown, "adopted")
    problems = tuple(problem for row in rows.values() for problem in _damage(store, row))
    return Rebuilt(len(records), len(unknown), removed, problems)


def _record(row: IndexRow) -> Record | None:
    return None if row.record is None else Record.model_validate_json(row.record)


def _damage(store: ResultStore, row: IndexRow) -> Iterator[Problem]:
    if row.damage is not None:
        path = store.path(row.fingerprint)
        yield Problem(row.damage, str(path), f"{path} {row.problem} {REMEDY}")


def _of_result(store: ResultStore, row: IndexRow, written: Journal) -> Iterator[Problem]:
    yield from _damage(store, row)
    path, record = store.path(row.fingerprint), _record(row)
    if record is None:
        return
    if written.contradicts(record):
        yield Problem("changed", str(path), f"{path} {journal.CONTRADICTED} {REMEDY}")
    elif not written.matching(record):
        yield Problem(
            "not in the journal",
            str(path),
            f"{path} is sound, but not in the journal: it was copied here, or its writer was "
            "killed. Take it in: plasticity-bench store rebuild",
        )


def _missing(store: ResultStore, written: Journal, there: Container[str]) -> Iterator[Problem]:
    for fingerprint in sorted(written.by_fingerprint):
        if fingerprint not in there:
            path = store.path(fingerprint)
            yield Problem(
                "missing",
                str(path),
                f"{path} is gone, but the journal says that it was written. Restore it from a "
                "copy, or run it again.",
            )


def _of_index(
    store: ResultStore, known: dict[str, IndexRow], rows: dict[str, IndexRow]
) -> Iterator[Problem]:
    wrong = [
        name
        for name, row in rows.items()
        if name in known and known[name].signature == row.signature and known[name] != row
    ]
    if wrong:
        path = store.folder / index.FILE
        yield Problem(
            "wrong index",
            str(path),
            f"{path} differs from the files in {plural(len(wrong), 'result')}, first in "
            f"{wrong[0][:12]}. Make it anew: plasticity-bench store rebuild",
        )
