"""The rows of a run as W&B's history: few metric names, one step for each row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

Row = Mapping[str, Any]
Step = dict[str, float]

TASK, UPDATE = "at/task", "at/update"
"""Horizontal axes: the task, and the updates made so far."""
SECTIONS = {"task": "task", "checkpoint": "test", "weights": "weights", "health": "health"}
"""Kinds of rows that have curves, and the section that their metrics are shown in."""
MOST_STEPS = 100_000
"""W&B advises against more points of one metric; what is beyond is in the result file only."""

_NOT_MEASURED = {"kind", "task", "step", "layer", "scored"}


class Steps:
    """Makes steps of rows as they come; the same rows give the same steps.

    Rows of several layers at one moment become one step, their mean. Lists, as of units by layer,
    become their sum. What is undefined is left out, and so are rows of kinds without curves.
    """

    def __init__(self) -> None:
        self._open: list[Row] = []
        self._made = 0

    def add(self, row: Row) -> Iterator[Step]:
        """Yield the step that is complete because of this row, if one is."""
        if row["kind"] not in SECTIONS:
            return
        if not (self._open and _together(self._open[0], row)):
            yield from self.end()
        self._open.append(row)

    def end(self) -> Iterator[Step]:
        """Yield the step that was waiting for more rows."""
        if self._open and self._made < MOST_STEPS:
            self._made += 1
            yield _step(self._open)
        self._open = []


def history(rows: Iterable[Row]) -> Iterator[Step]:
    """Yield the steps of a run's history in order; see `Steps`."""
    steps = Steps()
    for row in rows:
        yield from steps.add(row)
    yield from steps.end()


def left_out(rows: Iterable[Row]) -> dict[str, int]:
    """Count the rows of kinds that have no curve, by kind."""
    return dict(Counter(row["kind"] for row in rows if row["kind"] not in SECTIONS))


def _together(first: Row, second: Row) -> bool:
    """Say whether two rows are of layers that were measured at one moment."""
    if first.get("layer") is None or second.get("layer") is None:
        return False
    return all(first.get(name) == second.get(name) for name in ("kind", "task", "step"))


def _step(rows: list[Row]) -> Step:
    first = rows[0]
    places = {TASK: first.get("task"), UPDATE: first.get("step")}
    step = {axis: float(place) for axis, place in places.items() if place is not None}
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            number = None if name in _NOT_MEASURED else _number(name, value)
            if number is not None:
                values.setdefault(f"{SECTIONS[row['kind']]}/{name}", []).append(number)
    return step | {name: sum(found) / len(found) for name, found in values.items()}


def _number(name: str, value: Any) -> float | None:
    if name == "alive" and isinstance(value, list):
        return float(sum(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)
