"""How far results may be trusted, and taking submitted ones in.

Runs that a store made itself are its owner's own: nobody else has made them again. What
came out of an archive, or was found in the folder by `store rebuild`, is self-reported until an
attestation that was imported speaks for exactly these outputs. One that speaks against them makes
them self-reported, whoever made them.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from ...harness.errors import BenchError
from ...harness.names import alike
from ...harness.plugins.registry import strategy_taken_for
from ..board.standings import Trust
from ..store.files import create_file
from ..store.index import up_to_date
from ..store.journal import Journal
from ..store.merge import Merged, difference, put, write_down
from ..store.result import Record
from ..store.result_file import parsed
from ..store.result_store import ResultStore
from .archive import Archive
from .archive_reading import read_archive
from .attestation import Attestation, as_file, attestations, read_attestation

LEVELS: tuple[Trust, ...] = get_args(Trust)
"""From the lowest to the highest."""


def trust_levels(store: ResultStore) -> Callable[[Sequence[Record]], Trust]:
    """Return what tells the level of some results of the store: that of the least trusted.

    Journal and attestations are read once, now. No results at all are self-reported.
    """
    written = Journal.read(store.folder)
    attested: dict[tuple[str, str], list[Trust]] = {}
    for attestation in attestations(store.folder):
        for result in attestation.results.items():
            attested.setdefault(result, []).append(attestation.level)

    def of_one(record: Record) -> Trust:
        levels = attested.get((record.fingerprint, record.hashes.outputs), [])
        if "self-reported" in levels:  # somebody made it again, and it did not agree
            return "self-reported"
        own = any(entry.origin == "run" for entry in written.matching(record))
        ours: Trust = "own" if own else "self-reported"
        return LEVELS[max(map(LEVELS.index, [*levels, ours]))]

    def of_all(records: Sequence[Record]) -> Trust:
        return LEVELS[min((LEVELS.index(of_one(record)) for record in records), default=0)]

    return of_all


def import_archive(
    store: ResultStore, path: Path, attestation: Path | None = None
) -> tuple[Archive, Merged]:
    """Take the results of an archive into a store; doing it again changes nothing.

    Args:
        store: that gets them.
        path: of the archive.
        attestation: a file of `verify` about this very archive, from somebody who is trusted.

    Raises:
        BenchError: the archive is refused, or the attestation is not one, or not of this archive.
    """
    archive = read_archive(path)
    _check_alike(store, archive, path)
    given = None if attestation is None else _of_archive(read_attestation(attestation), archive)
    merged, taken = Merged(), []
    for record in archive.records:
        content = archive.contents[record.fingerprint]
        result = parsed(content, store.path(record.fingerprint))
        outcome = put(store, result, content)
        merged.count(outcome)
        if outcome == "conflict":
            merged.conflicts.append(difference(store, result))
        elif outcome != "kept":
            taken.append(record)
    write_down(store, taken, "imported")
    if given is not None:
        content = as_file(given)
        create_file(
            store.folder / "attestations" / f"{hashlib.sha256(content).hexdigest()}.json", content
        )
    return archive, merged


def _check_alike(store: ResultStore, archive: Archive, path: Path) -> None:
    """Refuse an entrant whose name readers would take for another's, or for a strategy's.

    Raises:
        BenchError: an entrant of the store, or a strategy of which it is not, has such a name.
    """
    name = archive.manifest.entrant
    there = {row.entrant for row in up_to_date(store.folder).values() if row.entrant is not None}
    own = {one.name for record in archive.records for one in record.spec.entrant.strategies}
    entrant = next((one for one in sorted(there - {name}) if alike(one) == alike(name)), None)
    strategy = strategy_taken_for(name, own)
    for what, other in (
        ("an entrant here", entrant),
        ("a strategy that it does not have", strategy),
    ):
        if other is not None:
            raise BenchError(
                f"the archive {path} is refused: its entrant is called '{name}', which readers "
                f"take for {what}, '{other}'. Ask whoever made it for another name."
            )


def _of_archive(attestation: Attestation, archive: Archive) -> Attestation:
    outputs = {record.fingerprint: record.hashes.outputs for record in archive.records}
    if attestation.archive != archive.digest or attestation.results != outputs:
        raise BenchError(
            f"the attestation is of another archive, {attestation.archive[:12]}, and this one is "
            f"{archive.digest[:12]}. Verify this one: plasticity-bench verify ARCHIVE"
        )
    return attestation
