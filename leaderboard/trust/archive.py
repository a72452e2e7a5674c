"""Submitted archives: one entrant's results, settings and the source of its strategies.

An archive is a zip file whose bytes depend on its content alone. Everything in it is text: JSON in
the one form that `canonical` writes, and source that is there to be read and is never run.

    manifest.json              who, of which suite, with which versions; SHA-256 of all other files
    settings.json              every setting of the entrant on every stream
    results/FINGERPRINT.json   as in the store
    sources/SHA-256/000-MODULE.py   of one strategy; the hash is over what they do, in this order,
                                    and which of them use which
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...harness.fingerprint import canonical
from ...harness.specs.code_shape import plain
from ...harness.specs.source_code import Link, Source
from ..store.result import Record

MANIFEST = "manifest.json"
SETTINGS = "settings.json"
MEMBER = re.compile(
    r"manifest\.json|settings\.json|results/[0-9a-f]{64}\.json"
    r"|sources/[0-9a-f]{64}/[0-9]{3}-[A-Za-z0-9_.]{1,150}\.py"
)
"""What a file of an archive may be called."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows
_READABLE = 0o644 << 16


class Manifest(BaseModel):
    """What an archive says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    entrant: str
    suite: str
    asked: int = Field(ge=1)
    """Runs that the suite asks of the entrant; those without a result are not in the archive."""
    versions: dict[str, str]
    """Of what the archive was made with, by package."""
    sources: dict[str, list[str]]
    """The files with the source of each strategy, in order."""
    classes: dict[str, str] = Field(default_factory=dict)
    """The class that each strategy is in its source. Archives from before the hash of a source was
    over what it does do not say it: there it is over the texts as they lie."""
    links: dict[str, list[list[Link]]] = Field(default_factory=dict)
    """For every file of a source, what of which of its files that one uses; see `Source.links`."""
    files: dict[str, str]
    """SHA-256 of every file but this one."""


@dataclass(frozen=True)
class Archive:
    """An archive that was found to be sound."""

    digest: str
    """SHA-256 of the file."""
    manifest: Manifest
    records: tuple[Record, ...]
    """Of one entrant, in the order of the fingerprints."""
    contents: Mapping[str, bytes]
    """Result files by fingerprint."""


def pack(
    *,
    entrant: str,
    suite: str,
    asked: int,
    versions: Mapping[str, str],
    records: Sequence[Record],
    contents: Mapping[str, bytes],
    sources: Mapping[str, Source],
) -> bytes:
    """Return the bytes of an archive.

    Args:
        entrant: whose results these are.
        suite: that they belong to.
        asked: runs that it asks for.
        versions: by package.
        records: of the results.
        contents: their files, by fingerprint.
        sources: by strategy.
    """
    files = {f"results/{name}.json": content for name, content in contents.items()}
    files[SETTINGS] = canonical(settings(records)) + b"\n"
    listed: dict[str, list[str]] = {}
    for strategy, source in sources.items():
        texts = _source_files(source)
        files |= texts
        listed[strategy] = list(texts)
    manifest = Manifest(
        format=1,
        entrant=entrant,
        suite=suite,
        asked=asked,
        versions=dict(versions),
        sources=listed,
        classes={strategy: source.cls for strategy, source in sources.items()},
        links={name: [list(used) for used in source.links] for name, source in sources.items()},
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    files[MANIFEST] = canonical(manifest.model_dump()) + b"\n"
    return _zipped(sorted(files.items()))


def settings(records: Iterable[Record]) -> list[Any]:
    """Return every setting of the entrant on every stream, once each."""
    found = {
        canonical(part): part
        for record in records
        for part in [record.spec.model_dump(include={"stream", "entrant"})]
    }
    return [part for _, part in sorted(found.items())]


def _source_files(source: Source) -> dict[str, bytes]:
    folder = f"sources/{source.digest}"
    return {
        f"{folder}/{number:03}-{plain(module)[:150]}.py": text.encode()
        for number, (module, text) in enumerate(source.modules.items())
    }


def module_of(path: str) -> str:
    """Return the name of the module that a file of a source holds."""
    return path.rpartition("/")[2].removesuffix(".py").partition("-")[2]


def _zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # the same on all systems
            info.external_attr = _READABLE
            archive.writestr(info, content)
    return stream.getvalue()
