"""Reading an archive from a stranger: sound and about one entrant, or refused with a reason."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ...harness.plural import plural
from ...harness.reading import read_file
from ...harness.seeds import LARGEST_SEED
from ...harness.specs.source_code import Link, Source
from ..store.result import Record, checked
from . import hostile
from .archive import MANIFEST, MEMBER, SETTINGS, Archive, Manifest, module_of, settings
from .archive_rows import check_rows
from .hostile import Refused, check_name

MOST_NEEDS = 20
"""Things that one entrant may have to be told; a board has a line for each."""


def read_archive(path: Path) -> Archive:
    """Return what is in an archive, if all of it is as `submit` writes it. Nothing in it is run.

    Raises:
        BenchError: it cannot be read, or is refused; the message says why.
    """
    try:
        content = read_file(path, hostile.MOST_BYTES)
    except OSError as error:
        raise BenchError(f"the archive {path} cannot be read: {error.strerror}.") from error
    return checked_archive(content, str(path))


def checked_archive(content: bytes, where: str) -> Archive:
    """Return what is in the bytes of an archive, as `read_archive`; `where` names it in errors."""
    try:
        return _archive(content)
    except Refused as error:
        raise BenchError(f"the archive {where} is refused: {error}.") from error


def _archive(content: bytes) -> Archive:
    files = hostile.unpacked(content, MEMBER)
    manifest = _manifest(files)
    _check_files(files, manifest)
    codes = {
        name: _code(files, paths, manifest.classes.get(name), manifest.links.get(name, []))
        for name, paths in manifest.sources.items()
    }
    contents = {
        name.removeprefix("results/").removesuffix(".json"): text
        for name, text in sorted(files.items())
        if name.startswith("results/")
    }
    if not contents:
        raise Refused("it has no results")
    records = tuple(_record(name, text) for name, text in contents.items())
    for record in records:
        _check_record(record, manifest, codes)
    if files[SETTINGS] != canonical(settings(records)) + b"\n":
        raise Refused(f"{SETTINGS} does not have the settings of its results")
    if len(records) > manifest.asked:
        raise Refused(f"it has {plural(len(records), 'result')} of {plural(manifest.asked, 'run')}")
    return Archive(hashlib.sha256(content).hexdigest(), manifest, records, contents)


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    for name in (MANIFEST, SETTINGS):
        if name not in files:
            raise Refused(f"it has no {name}")
    try:
        manifest = Manifest.model_validate(hostile.parsed(files[MANIFEST], MANIFEST))
    except ValidationError as error:
        raise Refused(f"{MANIFEST} is not a manifest: {_first_problem(error)}") from error
    check_name(manifest.entrant, "the entrant's name")
    check_name(manifest.suite, "the suite's name")
    for name in (*manifest.sources, *manifest.versions):
        check_name(name, f"a name in {MANIFEST}")
    return manifest


def _check_files(files: Mapping[str, bytes], manifest: Manifest) -> None:
    listed, there = set(manifest.files), set(files) - {MANIFEST}
    for name in sorted(there - listed):
        raise Refused(f"{name} is not in the manifest")
    for name in sorted(listed - there):
        raise Refused(f"{ascii(name)[:100]} is in the manifest, but not in the archive")
    for name, digest in sorted(manifest.files.items()):
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise Refused(f"{name} was changed: its hash is not the one in the manifest")
    sources = [name for paths in manifest.sources.values() for name in paths]
    for name in sorted(there):
        if name.startswith("sources/") and name not in sources:
            raise Refused(f"{name} is the source of no strategy")


def _code(
    files: Mapping[str, bytes], paths: list[str], cls: str | None, links: list[list[Link]]
) -> str:
    """Return the hash of a strategy's source; see `Manifest.classes`."""
    try:
        texts = {path: files[path].decode() for path in paths}
    except (KeyError, UnicodeDecodeError) as error:
        raise Refused(f"the source of a strategy is not there as text: {error}") from error
    if cls is None:
        return hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()
    modules = {module_of(path): text for path, text in texts.items()}
    if len(modules) < len(texts):
        raise Refused("the source of a strategy has two files of one module")
    return hostile.code_digest(Source(cls, modules, links))


def _record(fingerprint: str, content: bytes) -> Record:
    name = f"results/{fingerprint}.json"
    try:
        result = checked(hostile.parsed(content, name), name)
    except BenchError as error:
        raise Refused(str(error).removesuffix(".")) from error
    if result.fingerprint != fingerprint:
        raise Refused(f"{name} holds another run, {result.fingerprint[:12]}")
    check_rows(result, name)
    return result.record


def _check_record(record: Record, manifest: Manifest, codes: Mapping[str, str]) -> None:
    spec, where = record.spec, f"results/{record.fingerprint}.json"
    if spec.entrant.name != manifest.entrant:
        raise Refused(f"{where} is of another entrant than the manifest's")
    for name in _names(record):
        check_name(name, f"a name in {where}")
    if not 0 <= spec.seed <= LARGEST_SEED:
        raise Refused(f"{where} has a seed that no run has")
    if len(record.needs) > MOST_NEEDS:
        raise Refused(f"{where} has {len(record.needs):,} needs, and {MOST_NEEDS} are allowed")
    named = {strategy.name for strategy in spec.entrant.strategies}
    if named != record.sources.strategies.keys():
        raise Refused(f"{where} does not have the hash of the source of each of its strategies")
    for name, code in record.sources.strategies.items():
        if codes.get(name) != code:
            raise Refused(f"{where} was made with source of {name} that is not in the archive")


def _names(record: Record) -> list[str]:
    spec = record.spec
    parts: list[Any] = [spec.stream.name, *spec.stream.settings, *record.metrics, *record.needs]
    for strategy in spec.entrant.strategies:
        parts += [strategy.name, *strategy.settings]
    parts += [*spec.entrant.network, *spec.entrant.optimizer, *record.environment]
    return [*parts, *record.sources.strategies, *record.sources.versions]


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:50] for part in problem["loc"]) or "the whole"
    return f"{ascii(place)[1:-1]}: {problem['msg']}"
