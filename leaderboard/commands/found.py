"""Which results a selection of runs means, and the board of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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


def _check_reference(board: "Board", against: str) -> None:
    labels = {one.entrant for stream in board.streams for one in stream.standings}
    names = {label.partition(" [")[0] for label in labels}
    if against not in labels | names:
        raise unknown_name("entrant on the board", against, labels, "Compare with one of these.")
