"""The command `plasticity-bench`. What is heavy is imported when a command needs it."""

import errno
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..leaderboard.commands import board as cli_leaderboard
from ..leaderboard.commands import page as cli_page
from ..leaderboard.commands import publish as cli_publish
from ..leaderboard.commands import reproduce as cli_reproduce
from ..leaderboard.commands import store as cli_store
from ..leaderboard.commands import trust as cli_trust
from ..leaderboard.commands.board import board_of, find, store_of
from .commands.options import (
    Data,
    Entrants,
    Json,
    Pictures,
    Results,
    Seeds,
    Sets,
    Streams,
    SuiteName,
)
from .errors import BenchError

if TYPE_CHECKING:
    from .commands.selection import Selection

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit status where something failed, was asked for wrongly, or was stopped from the keyboard."""
_NO_PLACE = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EISDIR", "ENOTDIR", "EEXIST", "EROFS", "ENOSPC", "EDQUOT")
    if hasattr(errno, name)
}
"""What a place is wrong with, and not the program, where it cannot be written to."""


_USUAL_ORDER = (
    *("list", "run", "leaderboard", "compare", "report", "publish"),
    *("reproduce", "submit", "verify", "import", "check", "data", "store", "speed"),
)


class _Commands(TyperGroup):
    """Lists commands as they are used; shows a mistake as one message instead of a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=_USUAL_ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(MISUSED) from error
        except OSError as error:
            if error.errno not in _NO_PLACE:
                raise
            place = error.filename2 or error.filename or "the disk"
            typer.echo(
                f"error: cannot write to {place}: {error.strerror}. Name another place, or make "
                "room or rights there.",
                err=True,
            )
            raise typer.Exit(FAILED) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Does an idea keep a neural network able to learn? Run it against streams and baselines.",
)
data = typer.Typer(no_args_is_help=True, help="What data sets are here, and how to have others.")
app.add_typer(data, name="data")
app.add_typer(cli_store.store, name="store")
cli_trust.register(app)
app.add_typer(cli_leaderboard.app, name="leaderboard")
app.command()(cli_leaderboard.compare)
app.command()(cli_publish.publish)
app.command()(cli_reproduce.reproduce)
cli_leaderboard.app.command("build")(cli_page.build)
cli_leaderboard.app.command("serve")(cli_page.serve)


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="strategies, learners, streams, metrics, suites, settings, activations; or a name."
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="A name of that kind.")] = None,
) -> None:
    """List what there is, or every setting of one name with its type, default and meaning."""
    from rich.console import Console

    from .commands.list import show

    show(kind, name, Console())


@data.command("where")
def where(data: Data = None) -> None:
    """Say for every source of samples where its files are, or what is missing."""
    from ..streams.data.commands import where_lines

    typer.echo("\n".join(where_lines(data or _default_data_dir())))


@data.command("status")
def status(data: Data = None, folder: Pictures = None, json_: Json = False) -> None:
    """Check every source of samples: here, cached (prepared), not here, or damaged."""
    from ..streams.data.commands import show_status

    if not show_status(data or _default_data_dir(), folder, json_):
        raise typer.Exit(FAILED)


@data.command("fetch")
def fetch(
    names: Annotated[list[str], typer.Argument(help="Sources, as mnist; see data status.")],
    data: Data = None,
    folder: Pictures = None,
) -> None:
    """Download sources that are not here or damaged, check them, and prepare their caches."""
    from functools import partial

    from ..streams.data.commands import fetch_all

    complain = partial(typer.echo, err=True)
    if not fetch_all(names, data or _default_data_dir(), folder, typer.echo, complain):
        raise typer.Exit(FAILED)


@app.command()
def run(
    suite: SuiteName = "quick",
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    workers: Annotated[
        int | None,
        typer.Option(help="Processes at a time; else one per core. 1 runs in this process."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute, as cpu or cuda.")] = "cpu",
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Run the controls of every entrant that changes its structure as well: what is it "
            "about it that acts? The report says what each shows.",
        ),
    ] = False,
    wandb: cli_publish.Wandb = None,
    results: Results = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Run a suite, or the streams and entrants given; what is done already is not run again."""
    from rich.console import Console

    from .commands.selection import Selection, as_json, progress_bar, summary
    from .execution.execute import execute
    from .execution.jobs import prepare

    selection = Selection(suite, stream, entrant, seeds, set_)
    store, data_dir = store_of(results), data or _default_data_dir()
    runs = selection.runs()
    if controls:
        from .loop.controls import with_controls

        runs = with_controls(runs, data_dir)
    jobs = prepare(runs, data_dir)
    curves = cli_publish.live_curves(wandb, jobs, store)
    with curves, progress_bar(Console(stderr=True)) as progress:
        outcome = execute(
            jobs, store, data_dir=data_dir, workers=workers, device=device, progress=progress
        )
    typer.echo(json.dumps(as_json(outcome), indent=1) if json_ else "\n".join(summary(outcome)))
    if outcome.interrupted:
        left = len(jobs) - len(outcome.ends) - len(outcome.kept)
        typer.echo(f"stopped: {left} runs are left; the same command goes on with them.", err=True)
        raise typer.Exit(INTERRUPTED)
    if not json_:
        shown = "report" if controls else "leaderboard"
        command = _next_command(shown, selection, results)
        typer.echo(f"Results are in {store.folder}. Next: {command}")
    if outcome.ended("failed"):
        raise typer.Exit(FAILED)


@app.command()
def report(
    suite: SuiteName = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("report"),
    stream: Streams = [],  # noqa: B006
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    results: Results = None,
) -> None:
    """Draw a suite's results, compare integration times, explain every entrant on a page.

    Controls that were run beside the entrants are shown with what each of them shows.
    """
    from ..leaderboard.report import figures
    from ..leaderboard.report.controls_table import controls_beside
    from .commands.selection import Selection

    found = find(Selection(suite, stream, entrant, seeds, set_), store_of(results))
    runs = list(found.store.results(fingerprints=found.fingerprints))
    beside = controls_beside(runs, found.store.records())
    runs += found.store.results(fingerprints=beside)
    typer.echo(f"The report is {figures.report(runs, out, board_of(found, None, None))}.")
    found.tell_missing()


@app.command()
def check(
    stream: Annotated[
        str, typer.Argument(help="A stream, as permuted-digits or avalanche:SplitMNIST?...")
    ],
    seeds: Annotated[str, typer.Option(help="Seeds to check it with: 0:2 is 0 and 1.")] = "0:2",
    set_: Sets = [],  # noqa: B006
    data: Data = None,
) -> None:
    """Check that a stream is what it says: both views alike, reproducible, drawn as needed."""
    from rich.console import Console

    from .commands.check import check, show

    verdicts = check(stream, seeds, set_, data or _default_data_dir())
    show(verdicts, Console())
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(FAILED)


@app.command()
def speed(
    data: Data = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each that count.")] = 5,
    updates: Annotated[
        int, typer.Option(min=1, max=3750, help="Updates of one turn, which is one task.")
    ] = 625,
    json_: Json = False,
) -> None:
    """Time the engine beside Avalanche, a plain PyTorch loop and bare products: some minutes."""
    from rich.console import Console

    from ..streams.data.sources import where
    from .speed.measure import as_json, measure, tables

    folder = data or _default_data_dir()
    found = folder if where("mnist", folder) else None
    report = measure(found, repeats, updates, Console(stderr=True))
    if json_:
        typer.echo(json.dumps(as_json(report), indent=1))
    else:
        Console().print(tables(report))


def main() -> None:
    """Run the command line; its exit status is 0 done, 1 something failed, 2 wrong usage."""
    app(prog_name="plasticity-bench")


def _default_data_dir() -> Path:
    from ..streams.data.sources import default_data_dir

    return default_data_dir()


def _next_command(command: str, selection: "Selection", results: Path | None) -> str:
    folder = "" if results is None else f" --results {shlex.quote(str(results))}"
    return f"plasticity-bench {command} {selection.words()}{folder}"
