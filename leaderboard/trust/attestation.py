"""Attestations: what came of making runs of an archive again, in a file of its own."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ...harness.errors import BenchError
from ...harness.execution.environment import environment
from ...harness.fingerprint import canonical
from ...harness.reading import read_file
from ..board.standings import Trust
from . import hostile
from .archive import Archive
from .hostile import Refused
from .reproduction import Check

VERIFIED_FROM = 3
"""Runs that have to agree before results count as verified."""

_log = logging.getLogger(__name__)


class Attestation(BaseModel):
    """Who reads it has to trust whoever gives it: it is not signed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    archive: str
    """SHA-256 of the archive."""
    entrant: str
    suite: str
    metric: str
    chosen_with: int
    """Seed of the choice of the runs."""
    date: str
    """UTC, ISO 8601."""
    checked: list[Check]
    results: dict[str, str]
    """Hash of outputs of every result in the archive, by fingerprint: what it speaks for."""
    environment: dict[str, str | int]
    """Versions and the kind of machine that the runs were made again with."""
    level: Trust
    """What follows from the checks, see `level_of`."""

    @model_validator(mode="after")
    def _follows(self) -> "Attestation":
        if self.level != level_of(self.checked):
            raise ValueError("its level does not follow from its checks")
        strangers = {check.fingerprint for check in self.checked} - self.results.keys()
        if strangers or len({check.fingerprint for check in self.checked}) < len(self.checked):
            raise ValueError("its checks are not of its results, once each")
        return self


def level_of(checks: Sequence[Check]) -> Trust:
    """Say how far results are to be trusted of which some were made again.

    Verified from `VERIFIED_FROM` runs on that all agree, reproduced from one on; one that does not
    agree leaves all of them self-reported.
    """
    if not checks or not all(check.agrees for check in checks):
        return "self-reported"
    return "verified" if len(checks) >= VERIFIED_FROM else "reproduced"


def attest(
    archive: Archive,
    checks: Sequence[Check],
    *,
    metric: str,
    chosen_with: int,
    device: str,
) -> Attestation:
    """Return the attestation of runs that were made again just now."""
    return Attestation(
        format=1,
        archive=archive.digest,
        entrant=archive.manifest.entrant,
        suite=archive.manifest.suite,
        metric=metric,
        chosen_with=chosen_with,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        checked=list(checks),
        results={record.fingerprint: record.hashes.outputs for record in archive.records},
        environment=environment(device),
        level=level_of(checks),
    )


def as_file(attestation: Attestation) -> bytes:
    """Return the content of its file."""
    return canonical(attestation.model_dump()) + b"\n"


def read_attestation(path: Path) -> Attestation:
    """Read a file.

    Raises:
        BenchError: it is not an attestation.
    """
    try:
        content = read_file(path, hostile.MOST_BYTES)
    except OSError as error:
        raise BenchError(f"the attestation {path} cannot be read: {error.strerror}.") from error
    try:
        return Attestation.model_validate(hostile.parsed(content, "it"))
    except Refused as error:
        raise BenchError(f"the attestation {path} is refused: {error}.") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise BenchError(f"{path} is not an attestation: {problem}.") from error


def attestations(folder: Path) -> Iterable[Attestation]:
    """Yield the attestations that were imported into a store; others are logged and left out."""
    for path in sorted((folder / "attestations").glob("*.json")):
        try:
            yield read_attestation(path)
        except BenchError as error:
            _log.warning("left out: %s", error)
