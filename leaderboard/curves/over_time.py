"""What develops over a run, by update: plain arrays for the panels of an explanation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...harness.row import Row
from ..statistics.inference import Curve
from ..store.result import Result
from .lines import alive_steps, levels, smoothing_window

Points = tuple[Curve, Curve]
"""Updates and values: two arrays of (points,)."""


@dataclass(frozen=True)
class Trace:
    """One quantity over updates: a curve for each run and their mean."""

    name: str
    """What sets it apart in its panel: a layer, a quantity; empty if it is alone."""
    runs: Sequence[Points]
    mean: Points
    """At the updates at which all runs were measured; of steps, at all of them."""
    steps: bool = False
    """Whether values hold until the next one."""


@dataclass(frozen=True)
class Panel:
    """The traces that share a vertical axis."""

    title: str
    traces: Sequence[Trace]


def over_time(runs: Sequence[Result]) -> list[Panel]:
    """Return what there is to show of one entrant's runs by update; panels without data are out."""
    tasks = max((len(_rows(run, "task")) for run in runs), default=0)
    window = smoothing_window(tasks)
    averaged = f", mean of {window} tasks" if window > 1 else ""
    what = f"online accuracy{averaged}" if tasks > 2 else "test accuracy on tasks seen"
    layers = layer_names(runs)
    panels = [
        Panel(what, _one("", runs, lambda run: _accuracy(run, window, tasks > 2))),
        Panel("alive units by layer", _alive(runs, layers)),
        Panel("dormant units, share by layer", _health(runs, layers, "dormant")),
        Panel("effective rank by layer", _health(runs, layers, "effective_rank")),
        Panel(
            "weight norm, and distance from start (dashed)",
            [
                *_one("weight norm", runs, lambda run: _field(run, "weights", "weight_norm")),
                *_one("distance", runs, lambda run: _field(run, "weights", "distance_from_init")),
            ],
        ),
        Panel("gradient norm", _one("", runs, lambda run: _field(run, "weights", "gradient_norm"))),
        Panel("cost so far: alive units x updates", _one("", runs, alive_unit_steps)),
    ]
    return [panel for panel in panels if panel.traces]


def layer_names(runs: Iterable[Result]) -> list[str]:
    """Return the hidden layers in their order; without measurements of health, by number."""
    for run in runs:
        names = list(dict.fromkeys(row["layer"] for row in _rows(run, "health")))
        widths = next((row["alive"] for row in _rows(run, "task") if "alive" in row), names)
        if len(names) == len(widths):
            return names
        return [f"layer {number}" for number in range(len(widths))]
    return []


def edit_steps(runs: Iterable[Result]) -> Mapping[str, list[int]]:
    """Return by kind of edit the updates after which any run had one, ascending.

    "restart" is a rewind or a reset of all weights at once.
    """
    found: dict[str, set[int]] = {}
    for run in runs:
        for row in _rows(run, "edit"):
            found.setdefault(row["edit"], set()).add(row["step"])
        for row in _rows(run, "restart"):
            found.setdefault("restart", set()).add(row["step"])
    return {kind: sorted(steps) for kind, steps in sorted(found.items())}


def newborn_ratio(cohorts: Iterable[Sequence[Mapping[str, Any]]], quantity: str) -> Points:
    """Return the median ratio over cohorts by update, with a gap (NaN) before every birth."""
    births: dict[int, dict[int, list[float]]] = {}
    for curve in cohorts:
        for row in curve:
            if row.get(quantity) is not None:
                at = births.setdefault(row["birth"], {})
                at.setdefault(row["birth"] + row["age"], []).append(row[quantity])
    x: list[float] = []
    y: list[float] = []
    for birth in sorted(births):
        x.append(birth)
        y.append(np.nan)
        for step in sorted(births[birth]):
            x.append(step)
            y.append(float(np.median(births[birth][step])))
    return np.array(x), np.array(y)


def alive_unit_steps(run: Result) -> Points | None:
    """Return alive hidden units added up over updates: what the run has cost so far."""
    counts = alive_steps(run.rows)
    if not counts:
        return None
    x = np.array(sorted(counts), dtype=np.float64)
    spent = np.diff(x) * levels(counts, x)[:-1]
    return x, np.concatenate([[0.0], spent.cumsum()])


def _alive(runs: Sequence[Result], layers: Sequence[str]) -> list[Trace]:
    traces = []
    for number, layer in enumerate(layers):
        counts = [c for run in runs if (c := alive_steps(run.rows, layer, number))]
        if not counts:
            continue
        x = np.array(sorted(set().union(*counts)), dtype=np.float64)
        curves = [(x, levels(count, x)) for count in counts]
        mean = np.mean([y for _, y in curves], axis=0)
        traces.append(Trace(layer, curves, (x, mean), steps=True))
    return traces


def _health(runs: Sequence[Result], layers: Sequence[str], name: str) -> list[Trace]:
    return [
        trace
        for layer in layers
        for trace in _one(layer, runs, partial(_field, kind="health", name=name, layer=layer))
    ]


def _one(
    name: str, runs: Sequence[Result], curve: Callable[[Result], Points | None]
) -> list[Trace]:
    """Return the trace of the runs that have the curve, in a list; empty if none has it."""
    found = [points for run in runs if (points := curve(run)) is not None and len(points[0])]
    if not found:
        return []
    values = [dict(zip(x.tolist(), y.tolist(), strict=True)) for x, y in found]
    shared = sorted(set.intersection(*map(set, values)))
    mean = [fmean(one[at] for one in values) for at in shared]
    return [Trace(name, found, (np.array(shared), np.array(mean)))]


def _accuracy(run: Result, window: int, by_task: bool) -> Points | None:
    """Return online accuracy at the end of the tasks that it is averaged over, or by checkpoint."""
    if not by_task:
        return _field(run, "checkpoint", "accuracy")
    points = _field(run, "task", "online_accuracy")
    if points is None or len(points[0]) < window:
        return None
    return points[0][window - 1 :], sliding_window_view(points[1], window).mean(axis=1)


def _field(run: Result, kind: str, name: str, layer: str | None = None) -> Points | None:
    known = [
        (row["step"], row[name])
        for row in _rows(run, kind)
        if row.get(name) is not None and (layer is None or row["layer"] == layer)
    ]
    if not known:
        return None
    x, y = np.array(known, dtype=np.float64).T
    return x, y


def _rows(run: Result, kind: str) -> list[Row]:
    return [row for row in run.rows if row["kind"] == kind]
