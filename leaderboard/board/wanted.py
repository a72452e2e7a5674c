"""Which results a selection of runs means, known by their specs alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...harness.fingerprint import canonical
from ..store.result import Record
from .ranking import stream_key
from .versions import lineage


@dataclass(frozen=True)
class Wanted:
    """Results of some runs, and of guests: entrants of other names on their streams and seeds."""

    asked: set[bytes]
    """The canonical specs of the runs."""
    lineages: set[bytes]
    """What results of the same entrants by other code have in common with them."""
    names: set[str]
    """Of the entrants."""
    streams: set[bytes]
    stream_names: set[str]
    seeds: set[int]
    guests: bool
    """Whether there are guests at all."""

    @classmethod
    def of(cls, specs: Iterable[Mapping[str, Any]], *, guests: bool) -> "Wanted":
        """Return what the specs of some runs mean, as `RunSpec.as_json` gives them."""
        runs = list(specs)
        return cls(
            asked={canonical(run) for run in runs},
            lineages={lineage(run) for run in runs},
            names={run["entrant"]["name"] for run in runs},
            streams={stream_key(run["stream"]) for run in runs},
            stream_names={run["stream"]["name"] for run in runs},
            seeds={run["seed"] for run in runs},
            guests=guests,
        )

    def has(self, record: Record) -> bool:
        """Tell whether a result is of one of the runs, or a guest's."""
        spec = record.spec.model_dump()
        if canonical(spec) in self.asked:
            return True
        is_guest = self.guests and record.spec.entrant.name not in self.names
        is_beside = spec["seed"] in self.seeds and stream_key(spec["stream"]) in self.streams
        return is_guest and is_beside

    def had(self, record: Record) -> bool:
        """Tell whether it may be of one of the runs as other code knew it: by other settings."""
        return record.spec.seed in self.seeds and lineage(record.spec.model_dump()) in self.lineages
