"""The commands `leaderboard` and `compare`, and which results a selection of runs means."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ...harness.commands.options import Entrants, Json, Results, Seeds, Sets, Streams, SuiteName
from ...harness.errors import BenchError, unknown_name

if TYPE_CHECKING:
    from ...harness.commands.selection import Selection
    from ..board.standings import Board
    from ..store.result import Record
    from ..store.result_store import ResultStore

By = Annotated[str | None, typer.Option(help="Metric to rank by; else the suite's.")]
Against = Annotated[
    str | None, typer.Option(help="Entrant that differences are taken to; else dense.")
]


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
    help=(
        "Rank the entrants of a suite; `leaderboard [SUITE]` is `leaderboard show [SUITE]`, whose "
        "options are in `leaderboard show --help`."
    ),
)


@dataclass(frozen=True)
class Found:
    """The results that a selection means."""

    selection: "Selection"
    store: "ResultStore"
    records: "list[Record]"
    specs: list[dict[str, Any]]
    """Of the runs selected, whether they have a result or not."""
    missing: int
    """Runs selected that have no result."""

    @property
    def fingerprints(self) -> list[str]:
        """Names of the results."""
        return [record.fingerprint for record in self.records]

    def tell_missing(self) -> None:
        """Say how many runs have no result, and how to have them."""
        if self.missing:
            again = f"plasticity-bench run {self.selection.words()}"
            typer.echo(f"{self.missing} runs have no result yet: {again}", err=True)


def store_of(folder: Path | None) -> "ResultStore":
    """Return the store in a folder, or in the default one."""
    from ..store.result_store import ResultStore, default_folder

    return ResultStore(folder or default_folder())


def find(selection: "Selection", store: "ResultStore") -> Found:
    """Return the results of the runs selected, and of guests: entrants that the suite has not.

    Guests are shown on the same streams and seeds, under names that the suite does not have,
    unless entrants or settings were asked for by options. Results are found by their specs: their
    fingerprints would need the data sets to be here.

    Raises:
        BenchError: there is none.
    """
    from ...harness.specs.fingerprint import canonical
    from ..board.ranking import stream_key

    specs = [run.as_json() for run in selection.runs()]
    asked = {canonical(spec) for spec in specs}
    names = {spec["entrant"]["name"] for spec in specs}
    streams = {stream_key(spec["stream"]) for spec in specs}
    seeds = {spec["seed"] for spec in specs}
    guests = not selection.entrants and not selection.settings
    found, there = [], set()
    for record in store.records(
        streams={spec["stream"]["name"] for spec in specs},
        entrants=None if guests else names,
        report=lambda message: typer.echo(message, err=True),
    ):
        spec = record.spec.model_dump()
        key = canonical(spec)
        if key in asked:
            there.add(key)
            found.append(record)
        elif (
            record.spec.entrant.name not in names
            and record.spec.seed in seeds
            and stream_key(spec["stream"]) in streams
        ):
            found.append(record)
    if not found:
        raise BenchError(
            f"no results of {selection.words()} in {store.folder}. "
            f"Run it first: plasticity-bench run {selection.words()}"
        )
    return Found(selection, store, found, specs, len(asked - there))


def board_of(found: Found, by: str | None, against: str | None) -> "Board":
    """Return the board of the results found.

    Raises:
        BenchError: the metric or the reference is not there.
    """
    from ...harness.plugins.resolve import entrant_name, parse_overrides, resolved_stream
    from ..board.ranking import Question, rank, stream_key
    from ..trust.admission import trust_levels

    suite = found.selection.chosen()
    sets = parse_overrides(found.selection.settings)
    metric = by or suite.metric
    question = Question(
        suite=suite.name,
        metric=metric,
        reference=against or "dense",
        specs=found.specs,
        anchors={
            stream_key({"name": spec.name, "settings": dict(spec.settings)}): anchors
            for stream, anchors in suite.anchors.items()
            if metric == suite.metric
            for spec in [resolved_stream(stream, sets)]
        },
        tuning_trials={
            entrant_name(entrant, sets): trials
            for entrant in suite.entrants
            for trials in [
                suite.tuning_trials if entrant.tuning_trials is None else entrant.tuning_trials
            ]
            if trials is not None
        },
        trust=trust_levels(found.store),
        head=found.store.head(),
    )
    board = rank(found.records, question)
    if against:
        _check_reference(board, against)
    return board


@app.command("show")
def show(
    suite: SuiteName = "quick",
    by: By = None,
    against: Against = None,
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    results: Results = None,
    json_: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every number as CSV.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print a table for a paper.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it in Markdown.")] = False,
    parquet: Annotated[
        Path | None, typer.Option(help="Write every number to a Parquet file.")
    ] = None,
) -> None:
    """Rank the entrants of a suite: places with their ranges, intervals, differences, cost.

    Entrants in the store that the suite does not name are shown too, on its streams and seeds.
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
    found = find(Selection(suite, stream, entrant, seeds, set_), store_of(results))
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


def compare(
    first: Annotated[str, typer.Argument(help="An entrant on the board.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    suite: Annotated[str, typer.Option(help="A suite's name, or its file.")] = "quick",
    by: By = None,
    stream: Streams = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    results: Results = None,
    json_: Json = False,
) -> None:
    """Compare two entrants stream by stream, paired by seed, and say it in words."""
    from dataclasses import asdict

    from ...harness.commands.selection import Selection
    from ..board.comparison import comparison, sentences
    from ..store.result import plain

    found = find(Selection(suite, stream, (), seeds, set_), store_of(results))
    compared = comparison(board_of(found, by, None), first, second)
    if json_:
        typer.echo(json.dumps(plain(asdict(compared)), indent=1))
    else:
        typer.echo("\n".join(sentences(compared)))


def _check_reference(board: "Board", against: str) -> None:
    labels = {one.entrant for stream in board.streams for one in stream.standings}
    names = {label.partition(" [")[0] for label in labels}
    if against not in labels | names:
        raise unknown_name("entrant on the board", against, labels, "Compare with one of these.")
