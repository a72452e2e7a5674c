"""Curves of a stream's entrants, thinned to as many points as a page can show."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...harness.metrics import integration
from ...harness.metrics.summary import INTEGRATION_QUANTITIES, integration_times
from ..board.grouping import StreamRuns
from ..curves.lines import (
    PARITY_QUANTITIES,
    Line,
    accuracy_over_steps,
    accuracy_over_tasks,
    cohorts_of,
    parity_by_age,
    smoothing_window,
)
from ..store.result import Result

MOST_POINTS = 50
"""Of a learning curve on the page; more could not be seen."""
MOST_AGES = 30
"""Of a curve over ages, of which each entrant has ten."""
RHOS = (0.5, 0.8)
"""Shares of parity that count as integrated."""

Json = dict[str, Any]
Named = dict[str, Json]
"""By the entrant's label."""


def learning_curves(stream: StreamRuns[Result]) -> Json | None:
    """Return online accuracy by task, or test accuracy by update where tasks are few and long.

    Returns:
        What the axes show, and for each label a line of x, y, low and high; None without any.
    """
    tasks = max((_tasks(run) for entrant in stream.entrants for run in entrant.runs), default=0)
    window = smoothing_window(tasks)
    if tasks > 2:
        averaged = f", mean of {window} tasks" if window > 1 else ""
        axes = {"x": "task, from 0", "y": f"online accuracy{averaged}"}
        lines = _lines(stream, lambda runs: accuracy_over_tasks(runs, window))
    else:
        axes = {"x": "updates", "y": "test accuracy on tasks seen"}
        lines = _lines(stream, accuracy_over_steps)
    return {**axes, "lines": lines} if lines else None


def parity(stream: StreamRuns[Result]) -> dict[str, Named]:
    """Return newborn-to-incumbent ratios by age: a line for each quantity and label."""
    found = {
        quantity: _lines(stream, partial(_parity, quantity=quantity), MOST_AGES)
        for quantity in PARITY_QUANTITIES
    }
    return {quantity: lines for quantity, lines in found.items() if lines}


def survival(stream: StreamRuns[Result]) -> list[Json]:
    """Return the share of cohorts not yet integrated by age (Kaplan-Meier).

    Returns:
        One entry for each quantity and share of parity that any entrant has newborns for; its
        lines have steps x and y, the number of cohorts, their median (None: not reached) and the
        share of them that was censored.
    """
    cohorts = {entrant.label: cohorts_of(entrant.done) for entrant in stream.entrants}
    entries = []
    for quantity in INTEGRATION_QUANTITIES:
        for rho in RHOS:
            times = {
                label: integration_times(found, quantity, rho)
                for label, found in cohorts.items()
                if found
            }
            lines = {label: line for label, known in times.items() if (line := _steps(known))}
            if lines:
                entries.append({"quantity": quantity, "rho": rho, "lines": lines})
    return entries


def thinned(count: int, most: int) -> list[int]:
    """Return the positions of at most `most` of `count` points: evenly, with both ends."""
    if count <= most:
        return list(range(count))
    return [int(at) for at in np.linspace(0, count - 1, most).round()]


def _lines(
    stream: StreamRuns[Result],
    curve: Callable[[Sequence[Result]], Line | None],
    most: int = MOST_POINTS,
) -> Named:
    found = {entrant.label: curve(entrant.done) for entrant in stream.entrants}
    return {label: _line(line, most) for label, line in found.items() if line is not None}


def _line(line: Line, most: int) -> Json:
    kept = thinned(len(line.x), most)
    parts = {"x": line.x, "y": line.middle, "low": line.low, "high": line.high}
    if np.isnan(line.low).all():  # a single seed has no band
        parts = {"x": line.x, "y": line.middle}
    return {name: values[kept].tolist() for name, values in parts.items()}


def _steps(times: Sequence[integration.IntegrationTime]) -> Json | None:
    curve = integration.kaplan_meier(times)
    if not len(curve.ages):
        return None
    kept = thinned(len(curve.ages), MOST_AGES)
    return {
        "x": [0.0, *curve.ages[kept].tolist()],
        "y": [1.0, *curve.not_integrated[kept].tolist()],
        "cohorts": len(times),
        "median": integration.median_time(times),
        "censored": integration.censored_share(times),
    }


def _parity(runs: Sequence[Result], quantity: str) -> Line | None:
    return parity_by_age(runs, quantity)


def _tasks(run: Result) -> int:
    return sum(row["kind"] == "task" for row in run.rows)
