"""The commands `leaderboard` and `compare`: who stands where, and two entrants side by side."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ...harness.commands.options import (
    Entrants,
    Json,
    Results,
    Seeds,
    Sets,
    Streams,
    SuiteName,
    Trust,
)
from ...harness.errors import BenchError
from ...harness.visible import tell
from .found import Against, AllVersions, By, UsualOnly, board_of, find, store_of, tell_other_code
from .page import build, serve

if TYPE_CHECKING:
    from ..board.standings import Board
    from .found import Found


class _ShowByDefault(TyperGroup):
    """Takes what is not a command of its own for the arguments of `show`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ShowByDefault,
    add_completion=False,
    help=(
        "Rank the entrants of a suite; `leaderboard [SUITE]` is `leaderboard show [SUITE]`, whose "
        "options are in `leaderboard show --help`."
    ),
)


@app.command("show")
def show(
    suite: SuiteName = "quick",
    by: By = None,
    against: Against = None,
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
    usual_only: UsualOnly = False,
    json_: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every number as CSV.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print a table for a paper.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it in Markdown.")] = False,
    parquet: Annotated[
        Path | None, typer.Option(help="Write every number to a Parquet file.")
    ] = None,
) -> None:
    """Rank the entrants of a suite: places with their ranges, intervals, differences, cost.

    Entrants in the store that the suite does not name are shown too, on its streams and seeds. Of
    an entrant whose code has changed, what the code that is installed here made is shown.
    """
    from rich.console import Console

    from ...harness.commands.selection import Selection
    from ..board import exports
    from ..board.table import as_json, tables

    printers: dict[str, Callable[[Board], str]] = {
        "--csv": exports.csv,
        "--latex": exports.latex,
        "--markdown": exports.markdown,
    }
    given = {"--json": json_, "--csv": csv, "--latex": latex, "--markdown": markdown}
    chosen = [name for name, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise BenchError(f"{' and '.join(chosen)} cannot be printed at once. Choose one.")
    selection = Selection(suite, stream, entrant, seeds, set_, trust)
    found = find(selection, store_of(results), all_versions=all_versions, usual_only=usual_only)
    board = board_of(found, by, against)
    if parquet:
        exports.parquet(board, parquet)
    if chosen == ["--json"]:
        typer.echo(json.dumps({**as_json(board), "missing_runs": found.missing}, indent=1))
    elif chosen:
        typer.echo(printers[chosen[0]](board), nl=False)
    else:
        console = Console()
        console.print(tables(board, console.width))
        found.tell_missing()
    tell_other_code(found.other_code)


def compare(
    first: Annotated[str, typer.Argument(help="An entrant on the board.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    suite: Annotated[str, typer.Option(help="A suite's name, or its file.")] = "quick",
    by: By = None,
    stream: Streams = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
    usual_only: UsualOnly = False,
    json_: Json = False,
) -> None:
    """Compare two entrants stream by stream, paired by seed, and say it in words."""
    from dataclasses import asdict

    from ...harness.commands.selection import Selection
    from ..board.comparison import comparison
    from ..board.comparison_words import not_run, sentences
    from ..store.result import plain

    selection = Selection(suite, stream, (), seeds, set_, trust)
    found = find(selection, store_of(results), all_versions=all_versions, usual_only=usual_only)
    board = board_of(found, by, None)
    _refuse_absent(found, board, (first, second))
    compared = comparison(board, first, second)
    # What was asked for goes by its name, whatever its label adds to that.
    without = {
        name.partition(" [")[0] if seeds else name
        for stream in compared.streams
        for name, seeds in stream.missing.items()
    }
    run = found.command_for(sorted(without)) if without else None
    if json_:
        content = {**asdict(compared), "run": run, "other_code": asdict(found.other_code)}
        typer.echo(json.dumps(plain(content), indent=1))
    else:
        tell("\n".join(sentences(compared)))
        if without:
            tell(f"{not_run(compared)}{f' Run it: {run}' if run else ''}", err=True)
    tell_other_code(found.other_code)


def _refuse_absent(found: "Found", board: "Board", names: tuple[str, str]) -> None:
    """Say how to run who could be on the board and has no run there at all."""
    labels = {one.entrant for stream in board.streams for one in stream.standings}
    absent = [
        name for name in names if name not in labels | {one.partition(" [")[0] for one in labels}
    ]
    run = found.command_for(absent) if absent else None
    if run:
        have = "has" if len(absent) == 1 else "have"
        who = " and ".join(f"'{name}'" for name in absent)
        raise BenchError(f"{who} {have} no run on the board. Run it: {run}")


app.command()(build)
app.command()(serve)
