"""The journal: what was written into a store and when, one chain of hashes per writing process.

Every process appends to a file of its own, so that no lock is needed and none can be left behind.
Each line is canonical JSON and names the SHA-256 of the line before it: a line that is changed,
added or taken out later breaks the chain behind it, and `head` sums up the ends of all chains.
"""

import hashlib
import os
import re
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...harness.fingerprint import canonical
from ...harness.reading import read_file
from .files import sync_folder
from .result import Record, Status

Origin = Literal["run", "adopted", "imported"]
"""Written by a run of this store, found in the folder later, or out of a submitted archive."""

CONTRADICTED = "was changed: the journal says that other outputs were written."
"""What is wrong with a result whose own hashes fit, but that is not the one that was written."""

_FILE_NAME = re.compile(r"[0-9a-f]{32}\.jsonl\Z")


class Entry(BaseModel):
    """One line: a result was put into the store."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
    """UTC, ISO 8601 with microseconds, so that texts are in the order of times."""
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    outputs: str = Field(pattern="^[0-9a-f]{64}$")
    """The result's hash of outputs."""
    status: Status
    origin: Origin
    previous: str | None
    """SHA-256 of the line before; None on the first line of a file."""

    @property
    def ended(self) -> bool:
        """Whether the run ended by itself, so that its result stays for good."""
        return self.status != "failed"


@dataclass(frozen=True)
class Chain:
    """One file of the journal, as far as its chain holds."""

    name: str
    entries: tuple[Entry, ...]
    last: str | None
    """SHA-256 of the last whole line of the file, sound or not; None where there is none."""
    problem: str | None
    """Where the chain breaks; None where it is whole. A torn last line is no break."""


@dataclass(frozen=True)
class Journal:
    """All that was ever put into a store."""

    chains: tuple[Chain, ...] = ()
    by_fingerprint: dict[str, list[Entry]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Journal":
        """Read the journal of a store; empty where there is none."""
        chains = tuple(map(_read_chain, paths(folder)))
        entries: dict[str, list[Entry]] = {}
        for chain in chains:
            for entry in chain.entries:
                entries.setdefault(entry.fingerprint, []).append(entry)
        return cls(chains, entries)

    @property
    def head(self) -> str | None:
        """SHA-256 over the sorted ends of all chains; None where nothing was written yet."""
        lasts = sorted(chain.last for chain in self.chains if chain.last is not None)
        return hashlib.sha256("\n".join(lasts).encode()).hexdigest() if lasts else None

    def breaks(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """Yield the files of a store's journal whose chain is broken, and what to do about it."""
        for chain in self.chains:
            if chain.problem is not None:
                path = folder / "journal" / chain.name
                yield (
                    path,
                    f"{path} was changed: {chain.problem}, so what follows counts for nothing. "
                    "Restore the file from a copy.",
                )

    def entries(self, fingerprint: str) -> Sequence[Entry]:
        """Return everything written down about a run, in no order of time."""
        return self.by_fingerprint.get(fingerprint, [])

    def matching(self, record: Record) -> list[Entry]:
        """Return the entries about exactly these outputs."""
        outputs = record.hashes.outputs
        return [entry for entry in self.entries(record.fingerprint) if entry.outputs == outputs]

    def contradicts(self, record: Record) -> bool:
        """Tell whether other outputs than these were written: hashes can be made again.

        A failed run may be run again, and a file is in place before it is written down; so entries
        about failed attempts contradict nothing. Of two processes that made the same run at the
        same time both have written it down, and either one is as good.
        """
        ended = [entry for entry in self.entries(record.fingerprint) if entry.ended]
        matching = self.matching(record)
        if not ended or not matching:
            return bool(ended)
        # A failed one counts where it is the newer: somebody deleted the result and ran it again.
        return record.status == "failed" and newest(matching) < newest(ended)


def newest(entries: Iterable[Entry]) -> str:
    """Return the latest time of some entries, at least one."""
    return max(entry.time for entry in entries)


def paths(folder: Path) -> list[Path]:
    """Return the files of a store's journal."""
    found = (folder / "journal").glob("*.jsonl")
    return sorted(path for path in found if _FILE_NAME.match(path.name))


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file of the journal, without one torn at the end."""
    return read_file(path).split(b"\n")[:-1]


def append(folder: Path, records: Iterable[Record], origin: Origin) -> None:
    """Write down that results were put into a store; on the disk when this returns."""
    # A thread of a process has a file to itself: nobody ever waits for anybody.
    key = (os.getpid(), threading.get_ident(), str(folder.absolute()))
    writer = _writers.get(key)
    if writer is None or not writer.undisturbed():
        writer = _writers[key] = _Writer(folder / "journal" / f"{uuid.uuid4().hex}.jsonl")
    time = datetime.now(UTC).isoformat(timespec="microseconds")
    writer.append(
        {
            "time": time,
            "fingerprint": record.fingerprint,
            "outputs": record.hashes.outputs,
            "status": record.status,
            "origin": origin,
        }
        for record in records
    )


@dataclass
class _Writer:
    path: Path
    size: int = 0
    last: str | None = None

    def undisturbed(self) -> bool:
        """Tell whether the file ends with our last line, whole: a full disk may have torn it."""
        try:
            return self.path.stat().st_size == self.size
        except OSError:
            return False

    def append(self, entries: Iterable[Mapping[str, str]]) -> None:
        last, lines = self.last, []
        for entry in entries:
            line = canonical({**entry, "previous": last})
            last = hashlib.sha256(line).hexdigest()
            lines.append(line + b"\n")
        added = b"".join(lines)
        is_new = self.size == 0
        if is_new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(added)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.path.parent)
            sync_folder(self.path.parent.parent)
        self.size += len(added)
        self.last = last


_writers: dict[tuple[int, int, str], _Writer] = {}


def _read_chain(path: Path) -> Chain:
    try:
        return _chain(path.name, whole_lines(path))
    except OSError as error:
        return Chain(path.name, (), None, f"it cannot be read, {error.strerror or error}")


def _chain(name: str, lines: Iterable[bytes]) -> Chain:
    entries: list[Entry] = []
    last: str | None = None
    problem: str | None = None
    for number, line in enumerate(lines, 1):
        entry = _parsed(line)
        if entry is None:
            problem = problem or f"line {number} is not an entry"
        elif entry.previous != last:
            problem = problem or f"line {number} does not follow on the line before it"
        if problem is None and entry is not None:
            entries.append(entry)
        last = hashlib.sha256(line).hexdigest()
    return Chain(name, tuple(entries), last, problem)


def _parsed(line: bytes) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None
