"""What a prepared cache says about itself."""

import hashlib
import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from .reader import Arrays

FORMAT: Literal[1] = 1
"""Raised when the files of the cache, or what is read into them, change."""
LISTED = 100
"""A manifest lists up to so many source files."""


class ArrayFile(BaseModel):
    """One array of the cache."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, ...]
    dtype: str
    size: int
    """Of the whole file, in bytes."""
    sha256: str
    """Of the whole file."""


class SourceFile(BaseModel):
    """One file that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    """In bytes."""
    changed: int
    """When, in nanoseconds since 1970."""


class Manifest(BaseModel):
    """What the cache of one source holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str
    place: str
    """The folder in which the source was found."""
    source_count: int
    """Number of files that were read."""
    sources: tuple[SourceFile, ...]
    """Those files, where there are at most 100."""
    classes: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    """See `Samples.digest`."""
    arrays: dict[str, ArrayFile]
    """By field of `Arrays`."""


class Stamp(NamedTuple):
    """What tells whether a file has changed."""

    path: str
    size: int
    changed: int


def stamp(path: Path | str) -> Stamp:
    """Stamp a file as it is now."""
    status = os.stat(path)
    return Stamp(str(path), status.st_size, status.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(arrays: Arrays) -> str:
    """Return the SHA-256 over types, shapes and values: the same wherever the samples are."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
