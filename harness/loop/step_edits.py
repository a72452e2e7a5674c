"""Edits that strategies make within updates, as sparse rewiring does: added up by task."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ..engine.edits import Event
from ..row import Row

Kind = tuple[int, str, str, str]
"""Replica, layer, kind of edit and rule."""


class StepEdits:
    """Counts of a task's edits within updates: they may be as many as there are updates."""

    def __init__(self) -> None:
        self.edits: Counter[Kind] = Counter()
        self.units: Counter[Kind] = Counter()
        self.weights: Counter[Kind] = Counter()

    def add(self, events: Iterable[Event]) -> None:
        """Add edits to the counts."""
        for event in events:
            kind = event.replica, event.layer, event.edit, event.rule
            self.edits[kind] += 1
            self.units[kind] += len(event.units)
            self.weights[kind] += event.reinitialised_weights

    def rows(self, place: Mapping[str, int]) -> Iterator[tuple[int, Row]]:
        """Yield a row for each replica, layer and kind, and start to count anew.

        Args:
            place: "task" and "step".
        """
        for kind, count in self.edits.items():
            replica, layer, edit, rule = kind
            counts = {
                "edits": count,
                "units": self.units[kind],
                "reinitialised_weights": self.weights[kind],
            }
            what = {"layer": layer, "edit": edit, "rule": rule}
            yield replica, {"kind": "step-edits", **place, **what, **counts}
        for counter in (self.edits, self.units, self.weights):
            counter.clear()
