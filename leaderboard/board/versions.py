"""Results of one entrant that were made with different code: which are shown, which left out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ...harness.plugins.sources import RESULTS_VERSION, code_of
from ..store.journal import Journal, newest
from ..store.result import Record
from .standings import OtherCode


@dataclass(frozen=True)
class Current:
    """What is shown of some results, and what is to be said of the others."""

    records: list[Record] = field(default_factory=list)
    """In the order of their fingerprints."""
    other_code: OtherCode = field(default_factory=OtherCode)


class Versions:
    """Tells versions of the code of entrants apart, for the results of one store.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._installed: dict[tuple[tuple[str, ...], str], bytes | None] = {}

    def all(self, records: Iterable[Record]) -> Current:
        """Keep all results, and say which are of other code."""
        kept = sorted(records, key=lambda record: record.fingerprint)
        return Current(kept, OtherCode(runs=self._of_other_code(kept)))

    def current(self, records: Iterable[Record], others: Iterable[Record] = ()) -> Current:
        """Keep the results of one version of the code of every entrant on every stream.

        Of every stream it is one edition, results of one results version on the same samples, so
        that no result that somebody imports changes what others score. Where there are several it
        is one that has results made here, then that of the installed results version, then the
        newest, then the one with most results.

        Of the code it is the version that is installed here. Where that has no result, or the
        entrant is not here, it is the one that was written down last, those made here before those
        imported; what the journal does not know comes before what it knows. Versions are never
        mixed: a seed that only another one has is missing. Of an entrant that is not here, other
        settings are another entrant.

        Args:
            records: of which one version is kept.
            others: further ones that are only counted.
        """
        listed, elsewhere = self._one_edition(records)
        groups: dict[bytes, list[Record]] = defaultdict(list)
        for record in listed:
            groups[self._line(record)].append(record)
        left_out = Counter(record.spec.entrant.name for record in others)
        kept: list[Record] = []
        shown: dict[str, dict[str, int]] = defaultdict(dict)
        for group in groups.values():
            chosen = self._chosen(group)
            spec = chosen[0].spec
            kept += chosen
            left_out[spec.entrant.name] += len(group) - len(chosen)
            is_unknown = len(chosen) < len(group) and self._here(chosen[0]) is None
            if is_unknown or self.is_other_code(chosen[0]):
                streams = shown[spec.entrant.name]
                streams[spec.stream.name] = streams.get(spec.stream.name, 0) + len(chosen)
        kept.sort(key=lambda record: record.fingerprint)
        return Current(
            kept,
            OtherCode(
                left_out=dict(sorted((+left_out).items())),
                shown=dict(sorted(shown.items())),
                runs=self._of_other_code(kept),
                elsewhere=dict(sorted(elsewhere.items())),
            ),
        )

    def _one_edition(self, records: Iterable[Record]) -> tuple[list[Record], Counter[str]]:
        """Return the results of one edition of every stream, and how many are of others."""
        streams: dict[bytes, dict[tuple[int, str], list[Record]]] = {}
        for record in records:
            editions = streams.setdefault(canonical(record.spec.stream.model_dump()), {})
            editions.setdefault(edition(record), []).append(record)
        kept: list[Record] = []
        elsewhere: Counter[str] = Counter()
        for editions in streams.values():
            chosen = max(editions, key=lambda one: self._standing(one, editions[one]))
            if len(editions) > 1:
                elsewhere.update(
                    record.spec.entrant.name
                    for one, found in editions.items()
                    for record in found
                    if one != chosen
                )
            kept += editions[chosen]
        return kept, elsewhere

    def _standing(self, one: tuple[int, str], found: Sequence[Record]) -> tuple[Any, ...]:
        version, _ = one
        own = sum(map(self._made_here, found))
        known = version if version <= RESULTS_VERSION else -1
        return own > 0, known == RESULTS_VERSION, known, own, len(found), one

    def _made_here(self, record: Record) -> bool:
        """Tell whether a result was made here, or put into the folder by hand: not imported."""
        origins = {entry.origin for entry in self._journal.matching(record)}
        return origins != {"imported"}

    def is_other_code(self, record: Record) -> bool:
        """Tell whether a result's entrant is here, with other code than made it."""
        return self._here(record) not in (None, _version(record))

    def _of_other_code(self, records: Iterable[Record]) -> tuple[str, ...]:
        return tuple(record.fingerprint for record in records if self.is_other_code(record))

    def _line(self, record: Record) -> bytes:
        """Return what results share that are compared with each other, but for the code."""
        spec = record.spec.model_dump()
        made = [record.sources.data, lineage(spec).decode()]
        is_here = self._here(record) is not None
        return canonical(made if is_here else [*made, spec["entrant"]["strategies"]])

    def _chosen(self, group: Sequence[Record]) -> list[Record]:
        versions: dict[bytes, list[Record]] = defaultdict(list)
        for record in group:
            versions[_version(record)].append(record)
        here = self._here(group[0])
        if here is not None and here in versions:
            return versions[here]
        if len(versions) == 1:
            return [*group]
        last = max(versions, key=lambda one: (*self._written(versions[one]), one))
        return versions[last]

    def _here(self, record: Record) -> bytes | None:
        """Return the version that is installed here; None where the entrant is not."""
        names = tuple(strategy.name for strategy in record.spec.entrant.strategies)
        key = names, record.spec.stream.name
        if key not in self._installed:
            try:
                self._installed[key] = canonical([RESULTS_VERSION, code_of(*key)])
            except BenchError:
                self._installed[key] = None
        return self._installed[key]

    def _written(self, records: Sequence[Record]) -> tuple[bool, str, int]:
        """Return whether some were made here, when the last was written down, how many they are."""
        known = [entry for record in records for entry in self._journal.matching(record)]
        own = any(map(self._made_here, records))
        return own, newest(known) if known else "", len(records)

    @cached_property
    def _journal(self) -> Journal:
        return Journal.read(self.folder)


def edition(record: Record) -> tuple[int, str]:
    """Return what results must share to be on one board: results version and hash of samples."""
    return record.results_version, record.sources.data


def lineage(spec: Mapping[str, Any]) -> bytes:
    """Return what a run shares with those of the same entrant by other code, and of other seeds.

    Settings of its strategies are not in it: other code may have had others, or other defaults.

    Args:
        spec: as `RunSpec.as_json` gives it.
    """
    entrant = spec["entrant"]
    strategies = [strategy["name"] for strategy in entrant["strategies"]]
    parts = (spec["stream"], entrant["name"], strategies, entrant["network"], entrant["optimizer"])
    return canonical(parts)


def _version(record: Record) -> bytes:
    return canonical([record.results_version, record.sources.code])
