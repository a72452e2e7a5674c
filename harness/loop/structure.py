"""How many units a run has alive over its course: rehearsed before it, or read from its rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from ..specs.spec import NetworkSpec, RunSpec
from .run import StackedRun

Counts = tuple[int, ...]
"""Alive units of every editable layer, from the input on."""

Edit = tuple[int, int, int]
"""An update, the number of an editable layer from 0, and how many units were edited there."""


@dataclass(frozen=True)
class Structure:
    """What is left of an entrant's structure when its weights are forgotten."""

    final: Counts
    """Alive units of every editable layer at the end."""
    average: tuple[float, ...]
    """Alive units of every editable layer, mean over all updates."""
    edited: Counts
    """Units of every editable layer that were switched on, switched off or rewritten, in all."""
    moments: int
    """Updates after which there were edits."""

    @classmethod
    def of(cls, counts: Mapping[int, Counts], updates: int, edits: Iterable[Edit]) -> "Structure":
        """Sum up a course.

        Args:
            counts: alive units from each update on, 0 among them, ascending.
            updates: of the whole run, above the last of them.
            edits: when, in which layer and of how many units.
        """
        edges = [*counts, updates]
        layers = range(len(counts[0]))
        spans = [(counts[start], end - start) for start, end in pairwise(edges)]
        average = [sum(alive[i] * span for alive, span in spans) / updates for i in layers]
        all_edits = list(edits)
        edited = [sum(units for _, layer, units in all_edits if layer == i) for i in layers]
        moments = len({update for update, _, _ in all_edits})
        return cls(list(counts.values())[-1], tuple(average), tuple(edited), moments)

    def edited_share(self) -> float:
        """Return how many units one edit moves, over those alive at the end; mean over layers."""
        pairs = zip(self.edited, self.final, strict=True)
        return fmean(units / max(1, alive) for units, alive in pairs) / max(1, self.moments)


def rehearse(spec: RunSpec, data_dir: Path) -> Structure:
    """Make the edits of a run without its training, to know how many units they leave alive.

    Exact wherever numbers follow a schedule and a budget. Where they depend on what is learnt, or
    edits are made within updates, it is what an untrained network gives.

    Args:
        spec: of a run in the stack.
        data_dir: where data sets are cached.

    Raises:
        BenchError: as a run itself.
    """
    run = StackedRun([spec], data_dir, measured=False)
    run.trial_batches(1)  # brings the first task in, on whose samples units are scored
    counts: dict[int, Counts] = {}
    edits: list[Edit] = []
    names = editable_layers(spec.entrant.network)
    told = 0
    for update in chain([0], _rehearsed(run)):
        counts[update] = _alive(run)
        ledger = run.learner.net.ledger
        edits += [(update, names.index(e.layer), len(e.units)) for e in ledger[told:] if e.units]
        told = len(ledger)
    return Structure.of(counts, run.plan.total_updates, edits)


def _rehearsed(run: StackedRun) -> Iterator[int]:
    """Go through all moments at which structure may change; yield each after its edits."""
    learner, progress = run.learner, run.progress
    starts = run.plan.task_starts()
    for task, (start, updates) in enumerate(zip(starts, run.plan.task_updates, strict=True)):
        progress.task, progress.update = task, start
        if task > 0:  # the first one has begun
            learner.call("begin_task")
            learner.call_scheduled_edits()
            yield start
        for moment in sorted(m for m in learner.edits if start < m < start + updates):
            progress.update = moment
            learner.call_scheduled_edits()
            yield moment
        progress.update = start + updates
        if learner.acts_in("end_task") and task + 1 < run.plan.tasks:
            learner.call("end_task")
            yield start + updates


def _alive(run: StackedRun) -> Counts:
    return tuple(int(layer.alive[0].sum()) for layer in run.learner.net.hidden)


def structure_of(network: NetworkSpec, rows: Sequence[Mapping[str, Any]]) -> Structure | None:
    """Read the structure of a run from its rows; None without a row of a task.

    Args:
        network: as the entrant has it.
        rows: in the order in which they were written.
    """
    names = editable_layers(network)
    changes: dict[int, list[int]] = {0: [0] * len(names)}
    now, offset, last = [0] * len(names), None, 0
    edits: list[Edit] = []
    for row in rows:
        if row["kind"] == "edit" and row.get("layer") in names:
            sign = {"grow": 1, "prune": -1}.get(row["edit"], 0)
            layer = names.index(row["layer"])
            now[layer] += sign * len(row["units"])
            changes[row["step"]] = [*now]
            edits += [(row["step"], layer, len(row["units"]))] if row["units"] else []
        elif row["kind"] == "task":
            last = row["step"]
            if offset is None:
                offset = [alive - change for alive, change in zip(row["alive"], now, strict=True)]
    if offset is None:
        return None
    base = offset
    counts = {
        step: tuple(b + change for b, change in zip(base, change_, strict=True))
        for step, change_ in changes.items()
        if step < last
    }
    return Structure.of(counts, last, edits)


def editable_layers(network: NetworkSpec) -> list[str]:
    """Return the names of the layers whose units strategies may edit, from the input on."""
    trunk = network.channels if network.kind == "convnet" and network.edit_trunk else ()
    return [
        *(f"conv{number + 1}" for number in range(len(trunk))),
        *(f"fc{number + 1}" for number in range(len(network.hidden))),
    ]
