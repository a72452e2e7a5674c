"""Result files: named by fingerprint, read and checked as a whole, or named as damaged."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...harness.errors import BenchError
from ...harness.reading import read_file
from .result import Result, checked

Damage = Literal["unreadable", "truncated", "tampered", "misnamed"]

REMEDY = "Delete the file and run it again."
_NAME = re.compile(r"[0-9a-f]{64}\Z")
_FILE_NAME = re.compile(r"[0-9a-f]{64}\.json\Z")


class DamagedResult(BenchError):
    """A result file that must not be averaged."""

    def __init__(self, path: Path, damage: Damage, what: str) -> None:
        super().__init__(f"{path} {what} {REMEDY}")
        self.damage: Damage = damage
        self.what = what
        """The message without the path in front and the remedy behind."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells without reading it that a file is still the same one."""

    size: int
    mtime_ns: int
    ctime_ns: int
    """Also changes where somebody sets the time of change back."""

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Return that of a file whose status was asked for."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def valid_fingerprint(fingerprint: str) -> str:
    """Return the fingerprint. It becomes a file name: nothing else may, least of all "../".

    Raises:
        BenchError: it is not one.
    """
    if not _NAME.match(fingerprint):
        raise BenchError(f"'{fingerprint}' is not a fingerprint: it has 64 hexadecimal digits.")
    return fingerprint


def scan(folder: Path) -> dict[str, Signature]:
    """Return fingerprint and signature of every result file of a folder; empty where it is not."""
    return {name: Signature.of(status) for name, status in _entries(folder)}


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _FILE_NAME.match(entry.name):
                    try:
                        yield entry.name.removesuffix(".json"), entry.stat()
                    except FileNotFoundError:  # deleted since, or a link to nothing
                        continue
                    except OSError:  # as a link to itself: reading it says what is wrong
                        yield entry.name.removesuffix(".json"), entry.stat(follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return


def read_result(path: Path) -> Result:
    """Read and check a result file.

    Raises:
        FileNotFoundError: there is none.
        DamagedResult: it cannot be read, is not whole, or was changed.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
        raise DamagedResult(path, "unreadable", what) from error
    return parsed(content, path)


def parsed(content: bytes, path: Path) -> Result:
    """Return the result that a file holds.

    Args:
        content: of the file.
        path: of the file; its stem has to be the fingerprint.

    Raises:
        DamagedResult: it is not whole, or was changed.
    """
    try:
        result = checked(json.loads(content), str(path))
    except (ValueError, RecursionError) as error:
        what = f"is truncated or not JSON: {error}."
        raise DamagedResult(path, "truncated", what) from error
    except BenchError as error:
        what = str(error).removeprefix(f"{path} ")
        raise DamagedResult(path, "tampered", what) from error
    if result.fingerprint != path.stem:
        what = f"holds another run, {result.fingerprint[:12]}."
        raise DamagedResult(path, "misnamed", what)
    return result
