"""Which results a selection of runs means, and the board of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...harness.errors import BenchError, unknown_name
from ...harness.plural import plural
from ...harness.visible import tell

if TYPE_CHECKING:
    from ...harness.commands.selection import Selection
    from ..board.standings import Board, OtherCode
    from ..store.result import Record, Result
    from ..store.result_store import ResultStore

By = Annotated[str | None, typer.Option(help="Metric to rank by; else the suite's.")]
Against = Annotated[
    str | None, typer.Option(help="Entrant that differences are taken to; else dense.")
]


ALL_VERSIONS = "--all-versions"
AllVersions = Annotated[
    bool,
    typer.Option(
        ALL_VERSIONS,
        help="Show results of other code as well: under the entrant's name and a hash of the code.",
    ),
]


UsualOnly = Annotated[
    bool,
    typer.Option(
        "--usual-only",
        help="Leave out entrants whose network or optimizer is not the usual one of the stream.",
    ),
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
    """Runs selected that have no result, or only one that is not known to be of the code here."""
    usual: dict[bytes, dict[str, Any]]
    """Settings of the usual learner by stream; see `Question.usual`."""
    other_code: "OtherCode"
    """Results of other code that were left out, or are shown for want of others."""

    @property
    def fingerprints(self) -> list[str]:
        """Names of the results."""
        return [record.fingerprint for record in self.records]

    def tell_missing(self) -> None:
        """Say how many runs have no result, and how to have them."""
        if self.missing:
            which = "by the code installed here" if self.other_code.runs else "yet"
            runs = plural(self.missing, "run has", "runs have")
            again = f"plasticity-bench run {self.selection.words()}"
            tell(f"{runs} no result {which}: {again}", err=True)

    def command_for(self, names: Sequence[str]) -> str | None:
        """Return the command that makes the selected runs of some entrants.

        It names them where an option can: an entrant that the suite has under a name of its own is
        made with the whole suite. None where neither says what it is.
        """
        alone = replace(self.selection, entrants=tuple(names))
        known = {spec["entrant"]["name"] for spec in self.specs}
        try:
            runs = alone.runs()
        except BenchError:  # a name that is no entrant as one is typed
            runs = []
        is_typed = {run.entrant.name for run in runs} == set(names)
        if is_typed and all(r.as_json() in self.specs for r in runs if r.entrant.name in known):
            return f"plasticity-bench run {alone.words()}"
        return f"plasticity-bench run {self.selection.words()}" if known >= set(names) else None


def tell_other_code(other: "OtherCode", hint: str = f"{ALL_VERSIONS} shows it") -> None:
    """Say in one line which results of other code there are, if any.

    Args:
        other: those left out, and those shown.
        hint: what can be done about those left out.
    """
    from ..board.table_notes import other_code_notes

    line = "; ".join(other_code_notes(other))
    if line:
        ending = f" ({hint})" if (other.left_out or other.elsewhere) and hint else ""
        tell(f"{line}{ending}", err=True)


def store_of(folder: Path | None) -> "ResultStore":
    """Return the store in a folder, or in the default one."""
    from ..store.result_store import ResultStore, default_folder

    return ResultStore(folder or default_folder())


def results_of(store: "ResultStore", fingerprints: Collection[str]) -> "Iterator[Result]":
    """Yield results with their rows; rows that no view can be made of are left out, and named."""
    from ..trust.archive_rows import drawable

    results = store.results(fingerprints=fingerprints)
    return drawable(results, store.folder, lambda message: tell(message, err=True))


def find(
    selection: "Selection",
    store: "ResultStore",
    *,
    all_versions: bool = False,
    usual_only: bool = False,
) -> Found:
    """Return the results of the runs selected, and of guests: entrants that the suite has not.

    Guests are shown on the same streams and seeds, under names that the suite does not have,
    unless entrants or settings were asked for by options. Results are found by their specs: their
    fingerprints would need the data sets to be here. Of several versions of an entrant's code one
    is taken, see `Versions.current`.

    Args:
        selection: the runs.
        store: where the results are.
        all_versions: take results of other code as well.
        usual_only: leave out those of learners that are not the usual ones of their streams.

    Raises:
        BenchError: there is none.
    """
    from ...harness.fingerprint import canonical
    from ..board.ranking import unusual_settings
    from ..board.versions import Versions
    from ..board.wanted import Wanted

    specs = [run.as_json() for run in selection.runs()]
    wanted = Wanted.of(specs, guests=not selection.entrants and not selection.settings)
    records = store.records(
        streams=wanted.stream_names,
        entrants=None if wanted.guests else wanted.names,
        report=lambda message: tell(message, err=True),
    )
    versions = Versions(store.folder)
    usual = _usual(selection)
    found, others = [], []
    for record in records:
        if usual_only and unusual_settings(record, usual):
            continue
        if wanted.has(record):
            found.append(record)
        elif wanted.had(record) and versions.is_other_code(record):
            others.append(record)
    taken = versions.all([*found, *others]) if all_versions else versions.current(found, others)
    if not taken.records:
        but = f", but {len(others)} of other code, which {ALL_VERSIONS} shows" if others else ""
        raise BenchError(
            f"no results of {selection.words()} in {store.folder}{but}. "
            f"Run it first: plasticity-bench run {selection.words()}"
        )
    there = {
        canonical(record.spec.model_dump())
        for record in taken.records
        if not versions.is_other_code(record)
    }
    missing = len(wanted.asked - there)
    return Found(selection, store, taken.records, specs, missing, usual, taken.other_code)


def _usual(selection: "Selection") -> dict[bytes, dict[str, Any]]:
    from ..board.ranking import stream_key

    return {
        stream_key(run["stream"]): {
            f"{part}.{name}": value
            for part in ("network", "optimizer")
            for name, value in run["entrant"][part].items()
        }
        for run in (spec.as_json() for spec in selection.usual())
    }


def board_of(found: Found, by: str | None, against: str | None) -> "Board":
    """Return the board of the results found.

    Raises:
        BenchError: the metric or the reference is not there.
    """
    from ...harness.plugins.resolve import (
        entrant_name,
        parse_overrides,
        resolved_stream,
        stream_metric,
    )
    from ...harness.specs.spec import StreamSpec
    from ..board.ranking import Question, rank, stream_key
    from ..trust.admission import trust_levels

    suite = found.selection.chosen()
    sets = parse_overrides(found.selection.settings)
    metric = suite.metric if by is None else by
    declared = found.selection.declared()
    question = Question(
        suite=suite.name,
        metric=metric,
        metrics={
            stream_key(run["stream"]): stream_metric(StreamSpec(**run["stream"]))
            for run in found.specs
        },
        reference="dense" if against is None else against,
        specs=found.specs,
        anchors={
            stream_key({"name": spec.name, "settings": dict(spec.settings)}): anchors
            for stream, anchors in suite.anchors.items()
            if metric == suite.metric
            for spec in [resolved_stream(stream, sets)]
        },
        tuning_trials={
            entrant_name(entrant, sets): trials
            for entrant in declared.entrants  # who is asked for by an option declares nothing
            for trials in [
                declared.tuning_trials if entrant.tuning_trials is None else entrant.tuning_trials
            ]
            if trials is not None
        },
        trust=trust_levels(found.store),
        head=found.store.head(),
        run=f"plasticity-bench run {found.selection.words()}",
        usual=found.usual,
        other_code=found.other_code,
    )
    board = rank(found.records, question)
    if against is not None:
        _check_reference(board, against)
    return board


def _check_reference(board: "Board", against: str) -> None:
    labels = {one.entrant for stream in board.streams for one in stream.standings}
    names = {label.partition(" [")[0] for label in labels}
    if against not in labels | names:
        raise unknown_name("entrant on the board", against, labels, "Compare with one of these.")
