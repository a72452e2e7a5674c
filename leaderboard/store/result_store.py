"""The local store: one immutable JSON file for every run, and a log of rows while it goes on."""

import gc
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ...harness.row import Row
from . import index, journal, row_log
from .files import create_file, replace_file, temporary_beside, write_synced
from .result import Record, Result, checked, sealed
from .result_file import (
    REMEDY,
    DamagedResult,
    Signature,
    read_result,
    valid_fingerprint,
)

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Return the folder of results: PLASTICITY_BENCH_RESULTS, or ./results where it is not set."""
    return Path(os.environ.get("PLASTICITY_BENCH_RESULTS") or "results")


@dataclass(frozen=True)
class ResultStore:
    """A folder of result files named by fingerprint, with logs under `logs/`.

    Only JSON is ever believed. Files are written whole or not at all and nothing is ever locked,
    so that many processes may write to one store at the same time, also over a network, and be
    killed at any moment. What was written is also written down in a journal (see `journal`); an
    index (see `index`) makes thousands of results quick to ask for.
    """

    folder: Path
    """Made at the first write."""

    def path(self, fingerprint: str) -> Path:
        """Return where the result of a run is or would be."""
        return self.folder / f"{valid_fingerprint(fingerprint)}.json"

    def log_path(self, fingerprint: str) -> Path:
        """Return where the rows of a run go while it lasts."""
        return self.folder / "logs" / f"{valid_fingerprint(fingerprint)}.jsonl"

    def has(self, fingerprint: str) -> bool:
        """Say whether the run has ended by itself, done or diverged, and need not be tried again.

        What failed or is damaged may be tried again.
        """
        try:
            signature = Signature.of(self.path(fingerprint).stat())
        except OSError:
            return False
        known = index.known_status(self.folder, fingerprint, signature)
        if known is not None:
            return known != "failed"
        return _ended(self._sound(fingerprint))

    def check(self) -> None:
        """Write a file and take it away, to know before any training that results can be kept.

        Raises:
            BenchError: they cannot.
        """
        try:
            for part in (self.folder, self.folder / "journal", self.folder / "logs"):
                with temporary_beside(part / "check") as temporary:
                    write_synced(temporary, b"")
        except OSError as error:
            raise BenchError(
                f"results cannot be written to {part}: {error.strerror}. "
                "Name another folder with --results."
            ) from error

    def head(self) -> str | None:
        """Return a hash over all that was ever written; None for a store that has no journal."""
        return journal.Journal.read(self.folder).head

    def write(self, result: Mapping[str, Any]) -> Path:
        """Write a result and write it down; both are on the disk when this returns.

        One that is done or diverged already is kept, and a failed one replaces nothing: so no
        other process can lose what it has reported.

        Args:
            result: the fields of `Result`; `hashes` are filled in here, and numbers that are not
                finite become null.

        Returns:
            The path of the result file.

        Raises:
            BenchError: the result is not whole, or its fingerprint is not that of its spec.
        """
        content = sealed(result)
        new = checked(content, "the result to be written")
        path = self.path(new.fingerprint)
        text = canonical(content) + b"\n"
        if not create_file(path, text):
            kept = self._sound(new.fingerprint)
            if _ended(kept) or new.status == "failed":
                self._write_down_late(kept, new)
                return path
            replace_file(path, text)
        journal.append(self.folder, [new], "run")
        return path

    def read(self, fingerprint: str) -> Result:
        """Return the result of a run.

        Raises:
            BenchError: there is none, or the file is truncated or changed.
        """
        try:
            return read_result(self.path(fingerprint))
        except FileNotFoundError as error:
            raise BenchError(
                f"no result {fingerprint[:12]} in {self.folder}. Run it first, "
                f"or name another folder of results."
            ) from error

    def records(
        self,
        *,
        fingerprints: Collection[str] | None = None,
        streams: Collection[str] | None = None,
        entrants: Collection[str] | None = None,
        report: Callable[[str], None] = _log.warning,
    ) -> Iterator[Record]:
        """Yield what boards are made of, in the order of the fingerprints, from the index.

        Args:
            fingerprints: only these runs, as far as they are there; None takes all.
            streams: only runs on streams of these names.
            entrants: only runs of entrants of these names.
            report: called with one message for each file left out because it is damaged, or is
                not what was written down when the result was put into the store; and for each
                file of the journal that was changed, where nothing can be held against results.
        """
        with _collector_paused():
            written = journal.Journal.read(self.folder)
            chosen = index.records(
                self.folder, fingerprints=fingerprints, streams=streams, entrants=entrants
            )
        for _, message in written.breaks(self.folder):
            report(message)
        for found in chosen:
            path = self.path(found.fingerprint)
            if found.record is None:
                report(f"left out: {path} {found.problem} {REMEDY}")
            elif written.contradicts(found.record):
                report(f"left out: {path} {journal.CONTRADICTED} {REMEDY}")
            else:
                yield found.record

    def results(
        self,
        *,
        fingerprints: Collection[str] | None = None,
        streams: Collection[str] | None = None,
        entrants: Collection[str] | None = None,
        report: Callable[[str], None] = _log.warning,
    ) -> Iterator[Result]:
        """Yield whole results, as `records` does; with their rows, which takes longer."""
        for record in self.records(
            fingerprints=fingerprints, streams=streams, entrants=entrants, report=report
        ):
            try:
                yield self.read(record.fingerprint)
            except BenchError as error:  # it was changed since the index was asked
                report(f"left out: {error}")

    def append_rows(self, fingerprint: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows to the run's log, one line each; first drop a line torn by a killed run."""
        row_log.append_rows(self.log_path(fingerprint), rows)

    def clear_log(self, fingerprint: str) -> None:
        """Forget the rows of an earlier attempt at a run."""
        self.log_path(fingerprint).unlink(missing_ok=True)

    def read_rows(self, fingerprint: str) -> list[Row]:
        """Return the rows of the run's log, without a torn last line; empty where there is no log.

        Raises:
            BenchError: a line that was written whole is not JSON.
        """
        return row_log.read_rows(self.log_path(fingerprint))

    def _sound(self, fingerprint: str) -> Result | None:
        try:
            return read_result(self.path(fingerprint))
        except (DamagedResult, FileNotFoundError):
            return None

    def _write_down_late(self, kept: Result | None, new: Result) -> None:
        """Write down what is there and was not, if its writer was killed in between."""
        if kept is None:
            return
        written = journal.Journal.read(self.folder)
        if not written.matching(kept) and not written.contradicts(kept):
            same = kept.hashes.outputs == new.hashes.outputs
            journal.append(self.folder, [kept], "run" if same else "adopted")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Let many thousand objects be made, none in a cycle, without looking for cycles in them.

    It takes half of the time that they take otherwise.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _ended(result: Result | None) -> bool:
    return result is not None and result.status != "failed"
