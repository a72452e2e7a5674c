"""Putting results of another store into this one, without ever losing or mixing any."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...harness.errors import BenchError
from ...harness.reading import read_file
from . import journal
from .files import create_file, replace_file
from .journal import Journal, Origin
from .result import Record, Result
from .result_file import DamagedResult, parsed, read_result, scan
from .result_store import ResultStore

Outcome = Literal["added", "replaced", "same", "kept", "conflict"]
"""Same: it is here; kept: what is here is as good; conflict: what is here is another outcome."""


@dataclass
class Merged:
    """What a merge did; running it again changes nothing."""

    added: int = 0
    """Results that were not here."""
    replaced: int = 0
    """Results here that had failed or were damaged, where the other store's run had ended."""
    kept: int = 0
    """Results that are here as well, or are failed ones of runs that ended here."""
    journals: int = 0
    """Files of the other journal that are new here, or longer."""
    conflicts: list[str] = field(default_factory=list)
    """One message for each run with other outputs here, which stay as they are."""
    damaged: list[str] = field(default_factory=list)
    """One message for each file of the other store that was left out."""

    def count(self, outcome: Outcome) -> None:
        """Count what became of one result."""
        match outcome:
            case "added":
                self.added += 1
            case "replaced":
                self.replaced += 1
            case "same" | "kept":
                self.kept += 1
            case "conflict":
                pass  # these have messages of their own


def merge(store: ResultStore, source: Path) -> Merged:
    """Take the results, the journal and the attestations of another store into this one.

    The other store is trusted as this one: what its journal calls its own runs are own runs here.

    Raises:
        BenchError: there is no such folder, or it is this store.
    """
    if not source.is_dir():
        raise BenchError(f"there is no folder {source}. Name the folder of the other results.")
    if source.resolve() == store.folder.resolve():
        raise BenchError(f"{source} is this very store. Name the folder of the other results.")
    merged, theirs = Merged(), Journal.read(source)
    taken: list[Record] = []
    for name in sorted(scan(source)):
        record = _merge_file(store, source / f"{name}.json", theirs, merged)
        taken += [record] if record is not None else []
    _merge_journals(store.folder, theirs, source, merged)
    write_down(store, taken, "adopted")
    for path in sorted((source / "attestations").glob("*.json")):
        try:
            create_file(store.folder / "attestations" / path.name, read_file(path))
        except OSError as error:
            merged.damaged.append(f"left out: {path} cannot be read: {error.strerror}.")
    return merged


def put(store: ResultStore, result: Result, content: bytes) -> Outcome:
    """Put a checked result file into a store where it is better than what is there.

    A run that ended is better than one that failed or is damaged; everything else stays.
    The caller writes it down in the journal afterwards.
    """
    path = store.path(result.fingerprint)
    if create_file(path, content):
        return "added"
    try:
        here = read_result(path)
    except (DamagedResult, FileNotFoundError):
        here = None
    if here is not None and here.hashes.outputs == result.hashes.outputs:
        return "same"
    if result.status != "failed" and (here is None or here.status == "failed"):
        replace_file(path, content)
        return "replaced"
    if here is None or result.status == "failed" or _same_but_for_time(here, result):
        return "kept"
    return "conflict"


def _same_but_for_time(one: Result, other: Result) -> bool:
    """Tell whether a run that was made twice came out the same; how long it took may differ."""

    def outcome(result: Result) -> tuple[object, ...]:
        metrics = {name: value for name, value in result.metrics.items() if name != "seconds"}
        return result.status, metrics, result.rows

    return outcome(one) == outcome(other)


def write_down(store: ResultStore, records: Sequence[Record], origin: Origin) -> None:
    """Write down results that were put into a store, as far as its journal does not have them."""
    ours = Journal.read(store.folder)
    unknown = [record for record in records if not ours.matching(record)]
    if unknown:
        journal.append(store.folder, unknown, origin)


def difference(store: ResultStore, result: Result) -> str:
    """Say how a result differs from the one of the same run that the store has."""
    here = store.read(result.fingerprint)
    names = sorted(here.metrics.keys() | result.metrics.keys())
    differing = [name for name in names if here.metrics.get(name) != result.metrics.get(name)]
    in_what = f"metrics {', '.join(differing[:5])}" if differing else "rows"
    spec = result.spec
    return (
        f"{spec.entrant.name} on {spec.stream.name}, seed {spec.seed} "
        f"({result.fingerprint[:12]}) has other outputs here, in {in_what}; what is here stays."
    )


def _merge_file(store: ResultStore, path: Path, theirs: Journal, merged: Merged) -> Record | None:
    """Take one result file; return its record if it is in this store now."""
    try:
        content = read_file(path)
        result = parsed(content, path)
    except FileNotFoundError:
        return None
    except (OSError, DamagedResult) as error:
        merged.damaged.append(f"left out: {error}")
        return None
    if theirs.contradicts(result):
        merged.damaged.append(f"left out: {path} {journal.CONTRADICTED}")
        return None
    outcome = put(store, result, content)
    merged.count(outcome)
    if outcome == "conflict":
        merged.conflicts.append(difference(store, result))
    return result.record if outcome in ("added", "replaced", "same") else None


def _merge_journals(folder: Path, theirs: Journal, source: Path, merged: Merged) -> None:
    for chain in theirs.chains:
        path = source / "journal" / chain.name
        if chain.problem is not None:
            merged.damaged.append(f"left out: {path} was changed: {chain.problem}.")
            continue
        lines = b"".join(line + b"\n" for line in journal.whole_lines(path))
        target = folder / "journal" / chain.name
        if not lines:
            continue
        if create_file(target, lines):
            merged.journals += 1
            continue
        here = read_file(target)
        if lines.startswith(here) and len(lines) > len(here):
            replace_file(target, lines)
            merged.journals += 1
        elif not here.startswith(lines):
            merged.conflicts.append(f"{target} has other entries than {path}; what is here stays.")
