"""The command `run`: trains what is not done yet, and keeps the results."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...harness.commands.options import (
    FAILED,
    INTERRUPTED,
    Data,
    Device,
    Entrants,
    Json,
    Results,
    Seeds,
    Sets,
    Streams,
    SuiteName,
    Timeout,
    Trust,
    Workers,
)
from ...harness.places import default_data_dir
from ...harness.plural import plural
from ...harness.visible import tell
from .found import store_of
from .publish import Wandb, live_curves

if TYPE_CHECKING:
    from ...harness.commands.selection import Selection


def run(
    suite: SuiteName = "quick",
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    workers: Workers = None,
    device: Device = "cpu",
    timeout: Timeout = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Run the controls of every entrant that changes its structure as well: what is it "
            "about it that acts? The report says what each shows.",
        ),
    ] = False,
    wandb: Wandb = None,
    results: Results = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Run a suite, or the streams and entrants given; what is done already is not run again."""
    from rich.console import Console

    from ...harness.commands.progress import as_json, progress_bar, summary
    from ...harness.commands.selection import Selection
    from ...harness.execution.execute import execute
    from ...harness.execution.jobs import prepare

    selection = Selection(suite, stream, entrant, seeds, set_, trust)
    store, data_dir = store_of(results), data or default_data_dir()
    runs = selection.runs()
    if controls:
        from ...harness.loop.controls import with_controls

        runs = with_controls(runs, data_dir)
    jobs = prepare(runs, data_dir)
    with live_curves(wandb, jobs, store), progress_bar(Console(stderr=True)) as progress:
        outcome = execute(
            jobs,
            store,
            data_dir=data_dir,
            workers=workers,
            device=device,
            timeout=timeout,
            progress=progress,
        )
    tell(json.dumps(as_json(outcome), indent=1) if json_ else "\n".join(summary(outcome)))
    if outcome.interrupted:
        left = len(jobs) - len(outcome.ends) - len(outcome.kept)
        tell(
            f"stopped: {plural(left, 'run is', 'runs are')} left; the same command goes on.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED)
    if not json_:
        shown = "report" if controls else "leaderboard"
        command = _next_command(shown, selection, results)
        tell(f"Results are in {store.folder}. Next: {command}")
    if outcome.ended("failed"):
        raise typer.Exit(FAILED)


def _next_command(command: str, selection: "Selection", results: Path | None) -> str:
    folder = "" if results is None else f" --results {shlex.quote(str(results))}"
    return f"plasticity-bench {command} {selection.words()}{folder}"
