"""A row of the index, and how result files become rows: by several processes where it pays."""

import hashlib
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.specs.fingerprint import canonical, digest
from .result import Record, Status
from .result_file import Damage, DamagedResult, Signature, read_result

FORMAT = int(digest(Record.model_json_schema())[:7], 16)
"""Of the index: another kind of record makes another one, and old ones are made anew."""
WORTH_PROCESSES = 1000
"""Files from which on the start of worker processes is the smaller part of the time."""
_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What is known of one result file: its record, or the problem with it."""

    fingerprint: str
    signature: Signature
    """Of the file when it was read."""
    damage: Damage | None = None
    problem: str | None = None
    """As `DamagedResult.what`."""
    stream: str | None = None
    entrant: str | None = None
    status: Status | None = None
    record: str | None = None
    """The record as canonical JSON; None where the file is damaged."""

    def columns(self) -> tuple[Any, ...]:
        """Return the row as the index holds it, with a hash of the whole at its end."""
        values = self._values()
        return (*values, _seal(values))

    @classmethod
    def from_columns(cls, columns: Sequence[Any]) -> "IndexRow | None":
        """Return the row that the index holds; None where it is not as it was written."""
        *values, seal = columns
        if seal != _seal(values):
            return None
        fingerprint, size, mtime_ns, ctime_ns, *others = values
        return cls(fingerprint, Signature(size, mtime_ns, ctime_ns), *others)

    def _values(self) -> tuple[Any, ...]:
        one = self.signature
        names = (self.damage, self.problem, self.stream, self.entrant, self.status, self.record)
        return (self.fingerprint, one.size, one.mtime_ns, one.ctime_ns, *names)


def _seal(values: Sequence[Any]) -> str:
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()


def read_rows(folder: Path, files: Mapping[str, Signature]) -> Iterator[IndexRow]:
    """Read and check result files; what is deleted meanwhile is left out.

    Args:
        folder: of the store.
        files: fingerprints, and the signature of each file from before this call: a file that has
            changed since gives itself away the next time.
    """
    todo = list(files.items())
    # A process that belongs to a pool may not have processes of its own.
    if len(todo) < WORTH_PROCESSES or multiprocessing.current_process().daemon:
        yield from _read_part(folder, todo)
        return
    from joblib import Parallel, cpu_count, delayed  # type: ignore[import-untyped]

    parts = [todo[start : start + _AT_A_TIME] for start in range(0, len(todo), _AT_A_TIME)]
    run: Any = Parallel(n_jobs=cpu_count(), return_as="generator")
    for rows in run(delayed(_read_part)(folder, part) for part in parts):
        yield from rows


def _read_part(folder: Path, files: Sequence[tuple[str, Signature]]) -> list[IndexRow]:
    rows = [_read_row(folder / f"{name}.json", signature) for name, signature in files]
    return [row for row in rows if row is not None]


def _read_row(path: Path, signature: Signature) -> IndexRow | None:
    try:
        result = read_result(path)
    except FileNotFoundError:
        return None
    except DamagedResult as error:
        return IndexRow(path.stem, signature, error.damage, _storable(error.what))
    record = result.model_dump(exclude={"rows"}, exclude_unset=True)
    return IndexRow(
        result.fingerprint,
        signature,
        stream=result.spec.stream.name,
        entrant=result.spec.entrant.name,
        status=result.status,
        record=canonical(record).decode(),
    )


def _storable(text: str) -> str:
    """Return the text without what UTF-8 has no place for."""
    return text.encode(errors="replace").decode()
