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
from .found import Against, AllVersions, By, UsualOnly, board_of, find, store_of, tell_older
from .page import build, serve

if TYPE_CHECKING:
    from ..board.standings import Board


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
    tell_older(found.older)


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
    from ..board.comparison import comparison, sentences
    from ..store.result import plain

    selection = Selection(suite, stream, (), seeds, set_, trust)
    found = find(selection, store_of(results), all_versions=all_versions, usual_only=usual_only)
    compared = comparison(board_of(found, by, None), first, second)
    if json_:
        content = {**asdict(compared), "older_code": asdict(found.older)}
        typer.echo(json.dumps(plain(content), indent=1))
    else:
        typer.echo("\n".join(sentences(compared)))
    tell_older(found.older)


app.command()(build)
app.command()(serve)
