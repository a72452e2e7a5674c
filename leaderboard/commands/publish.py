"""The command `publish`: the board and its results on Weights & Biases."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ...harness.commands.options import Entrants, Results, Seeds, Sets, Streams, SuiteName, Trust
from ...harness.errors import unknown_name
from ...harness.plural import plural
from ...harness.visible import tell
from .found import AllVersions, By, board_of, find, store_of, tell_other_code
from .page import page_of

if TYPE_CHECKING:
    from ...harness.execution.jobs import Job
    from ..publish.job import Job as Publication
    from ..publish.publication import Outcome
    from ..store.result_store import ResultStore

DEFERRED = 75
"""Exit status where something is not published yet and should be tried again later."""
PROJECT = "plasticity-bench"


def publish(
    suite: SuiteName = "quick",
    entity: Annotated[
        str | None, typer.Option(help="W&B user or team; else $WANDB_ENTITY, else your own.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help=f"W&B project; else $WANDB_PROJECT, else {PROJECT}.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    deadline: Annotated[
        float, typer.Option(min=1, help="Seconds after which it stops, done or not.")
    ] = 3600,
    by: By = None,
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
) -> None:
    """Publish a suite's board and results to W&B: what is there already is not sent again.

    It may be stopped at any time, and goes on where it was. The account is the one of `wandb
    login`, or of $WANDB_API_KEY. Exit status 75: something is left for another time.
    """
    from ...harness.commands.selection import Selection
    from ..publish.connect import Deferred, connect
    from ..publish.publication import plan
    from ..publish.run_plan import with_clean_reason

    try:
        # First of all: a server that is down is known in a moment, the board takes longer.
        target, there = connect(_entity(entity), project_name(project))
        selection = Selection(suite, stream, entrant, seeds, set_, trust)
        found = find(selection, store_of(results), all_versions=all_versions)
        tell_other_code(found.other_code)
        board = board_of(found, by, None)
        page = page_of(found, board, shown=with_clean_reason)
        job = plan(board, found.store, found.fingerprints, page, target)
        _tell_plan(job, there)
        if not dry_run:
            _tell_outcome(_publish(job, deadline), job)
    except Deferred as reason:
        tell(f"deferred: {reason}. Nothing is lost: publish again later.", err=True)
        raise typer.Exit(DEFERRED) from None


Wandb = Annotated[
    str | None,
    typer.Option(help="Live curves on W&B: online, or offline for `wandb sync`; else none."),
]


@contextmanager
def live_curves(mode: str | None, jobs: "Sequence[Job]", store: "ResultStore") -> Iterator[None]:
    """Show live curves of runs while the context lasts; whatever fails, the runs go on.

    Raises:
        BenchError: there is no such mode.
    """
    if mode is None:
        yield
        return
    from ..publish.live import MODES, live

    if mode not in MODES:
        raise unknown_name("mode of --wandb", mode, MODES, "Leave it out for no live curves.")
    with live(
        MODES[mode],
        jobs,
        store,
        entity=os.environ.get("WANDB_ENTITY"),
        project=project_name(None),
        tell=lambda line: tell(line, err=True),
    ):
        yield


def project_name(chosen: str | None) -> str:
    """Return the W&B project to use."""
    return (os.environ.get("WANDB_PROJECT") or PROJECT) if chosen is None else chosen


def _entity(chosen: str | None) -> str | None:
    """Return the W&B entity to use; None for the account's own."""
    return (os.environ.get("WANDB_ENTITY") or None) if chosen is None else chosen


def _tell_plan(job: "Publication", there: bool) -> None:
    from ..publish.publication import to_do

    left = to_do(job)
    runs = sum(name.startswith("run-") for name in left)
    entries = sum(name.startswith("entry-") for name in left)
    board = "the board" if any(name.startswith("board-") for name in left) else "no board"
    parts = [plural(runs, "run"), plural(entries, "entry", "entries"), board]
    tell(f"To {job.target.words}: {', '.join(parts)}.")
    if job.page is None:
        tell("Without the HTML page: settings in it name folders of this machine.", err=True)
    if not there:
        tell(f"The project {job.target.project} is not there yet: the first run makes it.")


def _publish(job: "Publication", deadline: float) -> "Outcome":
    from rich.console import Console
    from rich.progress import Progress

    from ..publish.publication import publish

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("publishing", total=None)
        return publish(job, deadline, lambda done, of: bar.update(task, completed=done, total=of))


def _tell_outcome(outcome: "Outcome", job: "Publication") -> None:
    tell(f"{outcome.sent} published and read back, {outcome.kept} were there.")
    for problem in outcome.problems:
        tell(f"problem: {problem}", err=True)
    if not outcome.left:
        tell(f"The report is in {job.target.words}, under Reports.")
        return
    tell(f"deferred: {len(outcome.left)} are left. Nothing is lost: publish again later.", err=True)
    raise typer.Exit(DEFERRED)
