"""How far runs are while they go on, and what came of them, in words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..execution.execute import Advance, Outcome
from ..execution.worker import RunEnd
from ..plural import plural

SPEED_WINDOW = 600.0
"""Seconds over which the time left is estimated: stacks differ, so the average must be long."""


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Advance], None]]:
    """Show a bar with the time left while the context lasts, on a terminal only."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=SPEED_WINDOW,
        transient=True,
    )
    task = bar.add_task("starting", total=None)

    def show(advance: Advance) -> None:
        description = f"{advance.stacks_done} of {advance.stacks} stacks"
        bar.update(task, completed=advance.done, total=advance.total, description=description)

    with bar:
        yield show


def summary(outcome: Outcome) -> list[str]:
    """Say in lines how many runs ended how, and of those that went wrong which and why."""
    lines = [_done_text(outcome)]
    for status in ("diverged", "failed"):
        wrong: dict[tuple[str, str, str | None], list[int]] = {}
        for end in outcome.ended(status):
            key = (end.run.entrant.name, end.run.stream.name, end.reason)
            wrong.setdefault(key, []).append(end.run.seed)
        for (entrant, stream, reason), seeds in wrong.items():
            named = ", ".join(map(str, sorted(seeds)))
            lines.append(
                f"{status}: {entrant} on {stream}, seed{'s' * (len(seeds) > 1)} {named}: {reason}"
            )
    return lines


def _done_text(outcome: Outcome) -> str:
    done, before = len(outcome.ended("done")), len(outcome.kept)
    return f"{plural(done, 'run')} done, {plural(before, 'was', 'were')} done before."


def as_json(outcome: Outcome) -> list[dict[str, Any]]:
    """Return every run asked for that has an end, with how it ended."""
    kept = [RunEnd(job.run, job.fingerprint, "done", None) for job in outcome.kept]
    return [
        {
            "stream": end.run.stream.name,
            "entrant": end.run.entrant.name,
            "seed": end.run.seed,
            "fingerprint": end.fingerprint,
            "status": end.status,
            "reason": end.reason,
        }
        for end in [*kept, *outcome.ends]
    ]
