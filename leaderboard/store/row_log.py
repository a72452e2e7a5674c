"""The log of a run that goes on: one row a line, and a torn last line where it was killed."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ...harness.reading import read_file
from ...harness.row import Row
from .result import plain

_REMEDY = "Delete the file and run it again."


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows, one line each; first drop a line torn by a killed run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(path)
    with path.open("a", encoding="utf-8", newline="\n", buffering=1) as log:
        for row in rows:
            log.write(canonical(plain(row)).decode() + "\n")


def read_rows(path: Path) -> list[Row]:
    """Return the rows, without a torn last line; empty where there is no log.

    Raises:
        BenchError: a line that was written whole is not JSON.
    """
    if not path.exists():
        return []
    try:
        whole_lines = read_file(path).split(b"\n")[:-1]
    except OSError as error:
        reason = error.strerror or error
        raise BenchError(f"the log {path} cannot be read: {reason}. {_REMEDY}") from error
    return [_parsed_row(line, path, number) for number, line in enumerate(whole_lines, 1)]


def _parsed_row(line: bytes, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
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
