"""From rows to the curves that figures show: plain arrays, no drawing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...harness.metrics.pooling import pooled_curves
from ...harness.row import Row
from ..statistics.inference import Curve, band
from ..store.result import Result

PARITY_QUANTITIES = ("activation", "gradient", "incoming_gradient", "utility")
"""Fields of a cohort row that hold a newborn-to-incumbent ratio R; 1 is parity."""

SMOOTH_ABOVE = 100
"""Curves of more tasks than this are averaged over a window of tasks."""


@dataclass(frozen=True)
class Line:
    """A curve with a band around it: four arrays of (points,); NaN limits draw no band."""

    x: Curve
    middle: Curve
    low: Curve
    high: Curve


def smoothing_window(tasks: int) -> int:
    """Return how many tasks one shown point averages: 1 up to `SMOOTH_ABOVE`, then a fiftieth."""
    return 1 if tasks <= SMOOTH_ABOVE else ceil(tasks / 50)


def accuracy_over_tasks(runs: Sequence[Result], window: int = 1) -> Line | None:
    """Return online accuracy by task: mean and t interval over seeds.

    Each seed's curve is averaged over `window` successive tasks first, and only where the window
    is full, so no point rests on fewer tasks than it says; x is the middle of the window.

    Returns:
        None where the runs have fewer tasks in common than the window.
    """
    return _mean_line(runs, "task", "task", "online_accuracy", window)


def accuracy_over_steps(runs: Sequence[Result]) -> Line | None:
    """Return test accuracy on all tasks seen by step: mean and t interval over seeds."""
    return _mean_line(runs, "checkpoint", "step", "accuracy", 1)


def parity_by_age(runs: Iterable[Result], quantity: str) -> Line | None:
    """Return a newborn-to-incumbent ratio by age in updates: median and quartiles over cohorts.

    Cohorts are those of `cohorts_of`; each counts once at each age at which it was measured, and
    one that was cut off by the next edit counts up to there.

    Returns:
        None where no newborns were measured.
    """
    return ratio_by_age(cohorts_of(runs), quantity)


def ratio_by_age(cohorts: Iterable[Iterable[Mapping[str, Any]]], quantity: str) -> Line | None:
    """Return a field of cohorts' rows by age in updates: median and quartiles over cohorts.

    Returns:
        None where no row has a value.
    """
    ratios: dict[int, list[float]] = defaultdict(list)
    for row in chain.from_iterable(cohorts):
        if row.get(quantity) is not None:
            ratios[row["age"]].append(row[quantity])
    if not ratios:
        return None
    ages = sorted(ratios)
    low, middle, high = np.array([np.quantile(ratios[age], (0.25, 0.5, 0.75)) for age in ages]).T
    return Line(np.array(ages, dtype=np.float64), middle, low, high)


def cohorts_of(runs: Iterable[Result]) -> list[list[Mapping[str, Any]]]:
    """Return the parity curves of the cohorts that were born during training, small ones pooled.

    Cohorts born before the first update are left out: their incumbents are as new as they are.
    """
    return pooled_curves(
        [row for row in run.rows if row["kind"] == "cohort" and row["birth"] != 0] for run in runs
    )


def alive_over_steps(runs: Iterable[Result]) -> Line | None:
    """Return the alive hidden units of all layers by step: mean, least and most over seeds.

    The numbers jump where units were grown or pruned and are level between, as the edits say.

    Returns:
        None where no run has a row of a task.
    """
    counts = [steps for run in runs if (steps := alive_steps(run.rows))]
    if not counts:
        return None
    x = np.array(sorted(set().union(*counts)), dtype=np.float64)
    values = np.stack([levels(steps, x) for steps in counts])
    return Line(x, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def _mean_line(runs: Iterable[Result], kind: str, x: str, y: str, window: int) -> Line | None:
    by_seed = [
        {row[x]: np.nan if row[y] is None else row[y] for row in run.rows if row["kind"] == kind}
        for run in runs
        if run.rows  # those that no run writes were taken away
    ]
    shared = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
    if len(shared) < window:
        return None
    values = np.array([[seed[at] for at in shared] for seed in by_seed], dtype=np.float64)
    middle, low, high = band(sliding_window_view(values, window, axis=1).mean(axis=2))
    positions = sliding_window_view(np.array(shared, dtype=np.float64), window).mean(axis=1)
    return Line(positions, middle, low, high)


def alive_steps(rows: Sequence[Row], layer: str | None = None, position: int = 0) -> dict[int, int]:
    """Return the number of alive hidden units from each step on, empty without a row of a task.

    Edits give only changes; the first row of a task says what they add up to. Rows are in the
    order in which things happened, which settles the edits made at a task's own last step.

    Args:
        rows: of one run.
        layer: the units of this layer only; else of all.
        position: of that layer among the hidden ones.
    """
    grown, at_first_task, steps = 0, None, {0: 0}
    for row in rows:
        if row["kind"] == "edit" and layer in (None, row.get("layer")):
            grown += {"grow": 1, "prune": -1}.get(row["edit"], 0) * len(row["units"])
            steps[row["step"]] = grown
        elif row["kind"] == "task":
            counted = sum(row["alive"]) if layer is None else row["alive"][position]
            at_first_task = counted - grown if at_first_task is None else at_first_task
            steps[row["step"]] = grown
    if at_first_task is None:
        return {}
    return {step: at_first_task + change for step, change in steps.items()}


def levels(steps: dict[int, int], x: Curve) -> Curve:
    """Return the level that holds at each x: the one of the last step at or before it."""
    known = sorted(steps)
    found = np.searchsorted(known, x, side="right") - 1
    return np.array([steps[known[index]] for index in found], dtype=np.float64)
