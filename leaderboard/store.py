"""The local store: one immutable JSON file for every run, and a log of rows while it goes on."""

import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..harness.errors import BenchError
from .result import Record, Result, Row, canonical, checked, fingerprint, plain, sealed

__all__ = ["Result", "ResultStore", "Row", "default_folder", "fingerprint"]

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Return the folder of results: PLASTICITY_BENCH_RESULTS, or ./results where it is not set."""
    return Path(os.environ.get("PLASTICITY_BENCH_RESULTS") or "results")


@dataclass(frozen=True)
class ResultStore:
    """A folder of result files named by fingerprint, and of logs under `logs/`.

    Only JSON is ever read. Copying result files between folders merges stores. Files are written
    whole or not at all, so several processes may write to one store at the same time.
    """

    folder: Path
    """Made at the first write."""

    def path(self, fingerprint: str) -> Path:
        """Return where the result of a run is or would be."""
        return self.folder / f"{_valid(fingerprint)}.json"

    def log_path(self, fingerprint: str) -> Path:
        """Return where the rows of a run go while it lasts."""
        return self.folder / "logs" / f"{_valid(fingerprint)}.jsonl"

    def has(self, fingerprint: str) -> bool:
        """Say whether the run has ended by itself, done or diverged, and need not be tried again.

        What failed or is damaged may be tried again.
        """
        try:
            return self.path(fingerprint).exists() and self.read(fingerprint).status != "failed"
        except BenchError:
            return False

    def write(self, result: Mapping[str, Any]) -> Path:
        """Write a result; one that is done or diverged already is kept as it is.

        Args:
            result: the fields of `Result`; `hashes` are filled in here, and numbers that are not
                finite become null.

        Returns:
            The path of the result file.

        Raises:
            BenchError: the result is not whole, or its fingerprint is not that of its spec.
        """
        content = sealed(result)
        path = self.path(content["fingerprint"])
        if not self.has(content["fingerprint"]):
            _replace(path, canonical(content) + b"\n")
        return path

    def read(self, fingerprint: str) -> Result:
        """Return the result of a run.

        Raises:
            BenchError: there is none, or the file is truncated or changed.
        """
        path = self.path(fingerprint)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BenchError(
                f"no result {fingerprint[:12]} in {self.folder}. Run it first, "
                f"or name another folder of results."
            ) from error
        except (UnicodeDecodeError, OSError) as error:
            raise BenchError(f"{path} cannot be read: {error}. {_REMEDY}") from error
        return _parsed(text, path)

    def results(
        self,
        *,
        fingerprints: Collection[str] | None = None,
        streams: Collection[str] | None = None,
        entrants: Collection[str] | None = None,
        report: Callable[[str], None] = _log.warning,
    ) -> Iterator[Result]:
        """Yield the results in the order of their fingerprints.

        Args:
            fingerprints: only these runs, as far as they are there; None takes all.
            streams: only runs on streams of these names.
            entrants: only runs of entrants of these names.
            report: called with one message for each file left out because it is damaged.
        """
        for name in self._names() if fingerprints is None else sorted(fingerprints):
            if not self.path(name).exists():
                continue
            try:
                result = self.read(name)
            except BenchError as error:
                report(f"left out: {error}")
                continue
            if _among(result.spec.stream.name, streams) and _among(
                result.spec.entrant.name, entrants
            ):
                yield result

    def records(
        self,
        *,
        fingerprints: Collection[str] | None = None,
        streams: Collection[str] | None = None,
        entrants: Collection[str] | None = None,
        report: Callable[[str], None] = _log.warning,
    ) -> Iterator[Record]:
        """Yield what `results` yields, without the rows."""
        yield from self.results(
            fingerprints=fingerprints, streams=streams, entrants=entrants, report=report
        )

    def append_rows(self, fingerprint: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows to the run's log, one line each; first drop a line torn by a killed run."""
        path = self.log_path(fingerprint)
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(path)
        with path.open("a", encoding="utf-8", newline="\n", buffering=1) as log:
            for row in rows:
                log.write(canonical(plain(row)).decode() + "\n")

    def clear_log(self, fingerprint: str) -> None:
        """Forget the rows of an earlier attempt at a run."""
        self.log_path(fingerprint).unlink(missing_ok=True)

    def read_rows(self, fingerprint: str) -> list[Row]:
        """Return the rows of the run's log, without a torn last line; empty where there is no log.

        Raises:
            BenchError: a line that was written whole is not JSON.
        """
        path = self.log_path(fingerprint)
        if not path.exists():
            return []
        whole_lines = path.read_bytes().split(b"\n")[:-1]
        return [_parsed_row(line, path, number) for number, line in enumerate(whole_lines, 1)]

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json") if _NAME.match(path.stem))


_NAME = re.compile(r"[0-9a-f]{64}\Z")
_REMEDY = "Delete the file and run it again."


def _valid(fingerprint: str) -> str:
    # A fingerprint becomes a file name: nothing else may, least of all "../".
    if not _NAME.match(fingerprint):
        raise BenchError(f"'{fingerprint}' is not a fingerprint: it has 64 hexadecimal digits.")
    return fingerprint


def _among(name: str, names: Collection[str] | None) -> bool:
    return names is None or name in names


def _parsed(text: str, path: Path) -> Result:
    try:
        result = checked(json.loads(text), str(path))
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is truncated or not JSON: {error}. {_REMEDY}") from error
    except BenchError as error:
        raise BenchError(f"{error} {_REMEDY}") from error
    if result.fingerprint != path.stem:
        raise BenchError(f"{path} holds another run, {result.fingerprint[:12]}. {_REMEDY}")
    return result


def _parsed_row(line: bytes, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BenchError(f"{path}, line {number} is not JSON: {error}. {_REMEDY}") from error
    if not isinstance(row, dict):
        raise BenchError(f"{path}, line {number} is not a row of named values. {_REMEDY}")
    return row


def _drop_torn_line(path: Path) -> None:
    if not path.exists() or not (size := path.stat().st_size):
        return
    with path.open("r+b") as log:
        log.seek(size - 1)
        if log.read() != b"\n":
            log.seek(0)
            log.truncate(log.read().rfind(b"\n") + 1)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that after a crash there is the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and needs no such call
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
