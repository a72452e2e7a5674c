"""How fast the engine is beside its alternatives: `plasticity-bench speed`.

All run in one process and one thread. They take turns, so that a machine that slows down slows them
all, and medians over the turns count.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console, Group
from rich.progress import track as show_progress
from rich.table import Table

from ..execution.environment import environment
from ..plural import plural
from .contestants import (
    BARE,
    BATCH,
    DENSE,
    FEED,
    GROW,
    MEASURED,
    NAIVE,
    PLAIN,
    PLAIN_ADAM,
    REPLICAS,
    RUN_TASKS,
    STACKED,
    STACKED_ADAM,
    WIDTHS,
    Contestant,
    Track,
    contestants,
    mnist_files,
)

LONG_STREAM = 800
"""Tasks of the stream that is drawn against the clock."""

DATA = {True: "MNIST", False: "a synthetic set of MNIST's shape: random pixels and labels"}


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of two medians."""

    over: str
    """The contestant whose time is divided ..."""
    under: str
    """... by this one's."""
    bound: float
    at_least: bool = False
    """Whether the bound is the least, and not the most, that the ratio may be."""

    def is_met(self, ratio: float) -> bool:
        """Tell whether a ratio keeps the bound."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    @property
    def name(self) -> str:
        """The ratio in words."""
        return f"{self.over} / {self.under}"

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


GOALS = (
    Goal(NAIVE, STACKED, 15, at_least=True),
    Goal(PLAIN_ADAM, STACKED_ADAM, 3, at_least=True),
    Goal(PLAIN, STACKED, 2, at_least=True),
    Goal(STACKED, BARE, 2),
    Goal(FEED, STACKED, 0.1),
    Goal(f"{DENSE}{MEASURED}", DENSE, 1.15),
    Goal(f"{GROW}{MEASURED}", GROW, 1.15),
    Goal(GROW, DENSE, 1.1),
    Goal("run: prune", DENSE, 1.1),
    Goal("run: shrink-perturb", DENSE, 1.1),
)


@dataclass(frozen=True)
class Report:
    """What was measured, and on what."""

    data: str
    machine: Mapping[str, Any]
    microseconds: Mapping[str, Sequence[float]]
    """Per replica and update, of every turn that counts, by contestant."""
    stream_seconds: float
    """To draw all tasks of a long stream for one seed, median over the turns."""
    view_seconds: float
    """To make all training experiences of its Avalanche view, one after the other."""

    def ratios(self) -> list[tuple[Goal, float]]:
        """Return every goal with the ratio of medians that it is about."""
        middle = {name: median(values) for name, values in self.microseconds.items()}
        return [(goal, middle[goal.over] / middle[goal.under]) for goal in GOALS]


def measure(data_dir: Path | None, repeats: int, updates: int, console: Console) -> Report:
    """Let every contestant take its turns.

    Args:
        data_dir: where MNIST is; None trains on a synthetic set of the same shape.
        repeats: turns of each contestant that count, after one to warm up.
        updates: updates of one turn; a task has that many batches.
        console: shows the progress, on a terminal only.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with mnist_files(data_dir) as folder:
            track = Track.of(folder, updates)
            field = contestants(track)
            microseconds = take_turns(field, repeats, console)
            stream_seconds = median(seconds_to_draw(track, LONG_STREAM) for _ in range(repeats))
            view_seconds = median(seconds_to_show(track, LONG_STREAM) for _ in range(repeats))
    finally:
        torch.set_num_threads(threads)
    machine = {**environment("cpu"), "cores": os.cpu_count(), "threads": 1}
    about = DATA[data_dir is not None], machine
    return Report(*about, microseconds, stream_seconds, view_seconds)


def take_turns(
    field: Sequence[Contestant], repeats: int, console: Console
) -> dict[str, list[float]]:
    """Return the microseconds per replica and update of each turn, the first one left out."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in field}
    turns = [*field] * (1 + repeats)
    hidden = not console.is_terminal
    for contestant in show_progress(
        turns, "taking turns", console=console, transient=True, disable=hidden
    ):
        started = time.perf_counter()
        contestant.turn()
        seconds = time.perf_counter() - started
        times[contestant.name].append(1e6 * seconds / contestant.replica_updates)
    return {name: values[1:] for name, values in times.items()}


def seconds_to_draw(track: Track, tasks: int) -> float:
    """Return the seconds to draw a stream of that many tasks, one after the other."""
    stream = replace(track.stream, tasks=tasks)
    started = time.perf_counter()
    for _ in stream.task_sequence(track.samples, 0):
        pass
    return time.perf_counter() - started


def seconds_to_show(track: Track, tasks: int) -> float:
    """Make all training experiences of a stream's Avalanche view, one after the other."""
    stream = replace(track.stream, tasks=tasks)
    started = time.perf_counter()
    for _ in stream.benchmark(0, track.folder).streams["train"]:
        pass
    return time.perf_counter() - started


def tables(report: Report) -> Group:
    """Show the time of every contestant, and which goals are met."""
    machine = report.machine
    about = (
        f"Microseconds per replica and update; permuted MNIST, MLP {'-'.join(map(str, WIDTHS))}, "
        f"batch {BATCH}, on {report.data}. 1 thread of {plural(machine['cores'], 'core')}, "
        f"torch {machine['torch']}."
    )
    drawn = (
        f"A stream of {LONG_STREAM} tasks is drawn in {report.stream_seconds:.2f} s, "
        f"as Avalanche's experiences in {report.view_seconds:.2f} s."
    )
    return Group(about, _times(report), _verdicts(report), FOOTNOTE, drawn)


FOOTNOTE = (
    f"A run is {RUN_TASKS} tasks with adam x {REPLICAS}, from its start to its end. Measured runs "
    "test the accuracy after every task and follow newborn units and the network's health. In so "
    "short a run edits and measurements come far more often than in a long one, so these ratios "
    "are upper bounds. Grow and prune train their alive part alone; dense is alive in full width."
)


def _times(report: Report) -> Table:
    table = Table("contestant")
    for title in ("median", "lowest", "highest"):
        table.add_column(title, justify="right")
    for name, values in report.microseconds.items():
        numbers = (median(values), min(values), max(values))
        table.add_row(name, *(f"{number:,.1f}" for number in numbers))
    return table


def _verdicts(report: Report) -> Table:
    table = Table("goal: ratio of medians", "is", "wanted", "")
    for goal, ratio in report.ratios():
        verdict = "met" if goal.is_met(ratio) else "missed"
        table.add_row(goal.name, f"{ratio:.2f}", goal.wanted, verdict)
    return table


def as_json(report: Report) -> dict[str, Any]:
    """Return the same numbers as plain values."""
    return {
        "data": report.data,
        f"seconds_to_draw_{LONG_STREAM}_tasks": report.stream_seconds,
        f"seconds_to_show_avalanche_{LONG_STREAM}_tasks": report.view_seconds,
        "machine": dict(report.machine),
        "contestants": {
            name: {"median": median(values), "lowest": min(values), "highest": max(values)}
            for name, values in report.microseconds.items()
        },
        "goals": [
            {"goal": goal.name, "ratio": ratio, "wanted": goal.wanted, "met": goal.is_met(ratio)}
            for goal, ratio in report.ratios()
        ],
    }
