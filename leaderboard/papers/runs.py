"""From a paper's rows to runs: what was chosen, and every run with all its settings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue

from ...harness.errors import BenchError, unknown_name
from ...harness.plugins.resolve import resolve, resolved_stream
from ...harness.specs.grammar import Settings
from ...harness.specs.spec import RunSpec, StrategySpec, StreamSpec
from ...harness.specs.suite import EntrantRequest, Suite, parse_entrant
from .paper import Changes, Entry, Paper, Row, Scale, Table, Targets
from .paper_file import load_paper

SEE = "See them: plasticity-bench reproduce list"
ALL = "all"
"""What chooses every variant of a row."""


@dataclass(frozen=True)
class Chosen:
    """A row of a paper in one of its variants."""

    paper: Paper
    table: Table
    row: Row
    variant: str

    @property
    def label(self) -> str:
        """Table and row, and the variant where it is not the default."""
        name = f"{self.table.name}/{self.row.name}"
        return name if self.is_default else f"{name} ({self.variant})"

    @property
    def is_default(self) -> bool:
        """Whether the variant is the row's first."""
        return self.variant == next(iter(self.row.variants))


@dataclass(frozen=True)
class Case:
    """An entry of a row with its runs."""

    chosen: Chosen
    entry: Entry
    specs: tuple[tuple[RunSpec, ...], ...]
    """For each of the entry's entrants one run a seed."""

    @property
    def runs(self) -> Iterator[RunSpec]:
        """All of its runs."""
        return (run for runs in self.specs for run in runs)


def choose(target: str, rows: Sequence[str] = (), variant: str | None = None) -> list[Chosen]:
    """Return the rows that a command means.

    Args:
        target: PAPER, or PAPER/TABLE; a paper is a name or the path of a `.toml` file.
        rows: names of rows; none takes all of the table.
        variant: a name, "all", or None for the first of each row. Rows that do not have it keep
            to their first, but one has to have it.

    Raises:
        BenchError: a name is not there.
    """
    paper, table = _target(target)
    tables = [table] if table else list(paper.tables.values())
    found = [(one, row) for one in tables for row in one.rows.values()]
    known = {row.name for _, row in found}
    for name in rows:
        if name not in known:
            raise unknown_name(f"row of {target}", name, known, SEE)
    found = [(one, row) for one, row in found if not rows or row.name in rows]
    variants = {name for _, row in found for name in row.variants}
    if variant not in (None, ALL, *variants):
        raise unknown_name(f"variant of {target}", str(variant), {ALL, *variants}, SEE)
    return [Chosen(paper, one, row, name) for one, row in found for name in _variants(row, variant)]


def _variants(row: Row, asked: str | None) -> list[str]:
    if asked == ALL:
        return list(row.variants)
    return [asked] if asked is not None and asked in row.variants else [next(iter(row.variants))]


def _target(target: str) -> tuple[Paper, Table | None]:
    head, end, rest = target.partition(".toml")
    if not end:
        head, _, rest = target.partition("/")
    paper, name = load_paper(head + end), rest.strip("/")
    if not name:
        return paper, None
    if name not in paper.tables:
        raise unknown_name(f"table of {head}", name, paper.tables, SEE)
    return paper, paper.tables[name]


def cases(
    chosen: Iterable[Chosen],
    scale: Scale,
    seeds: Sequence[int],
    compactness: Sequence[float] = (),
    methods: Sequence[str] = (),
) -> list[Case]:
    """Return every entry of the rows with its runs at a scale.

    Args:
        chosen: rows in their variants.
        scale: of the runs.
        seeds: of the runs.
        compactness: entries of other compactness are left out, and means over several; none
            leaves all.
        methods: entries of other methods are left out; none leaves all.

    Raises:
        BenchError: a name or a setting is not there; the message says in which row.
    """
    return [
        Case(
            one,
            entry,
            tuple(_specs(one, entry, request, scale, seeds) for request in entry.entrants),
        )
        for one, entry in _entries(list(chosen), compactness, methods)
    ]


def _entries(
    chosen: Sequence[Chosen], compactness: Sequence[float], methods: Sequence[str]
) -> Iterator[tuple[Chosen, Entry]]:
    every = [(one, entry) for one in chosen for entry in one.row.entries]
    named = {entry.method for _, entry in every}
    for method in methods:
        if method not in named:
            raise unknown_name("method of these rows named", method, named, "Choose among them.")
    every = [(one, entry) for one, entry in every if not methods or entry.method in methods]
    known = {entry.compactness for _, entry in every if entry.compactness is not None}
    for asked in compactness:
        if asked not in known:
            there = ", ".join(f"{share:g}" for share in sorted(known)) or "none"
            raise BenchError(f"no entry has the compactness {asked:g}. There is: {there}. {SEE}")
    for one, entry in every:
        alone = entry.compactness is None and len(entry.entrants) == 1
        if not compactness or alone or entry.compactness in compactness:
            yield one, entry


def _specs(
    one: Chosen, entry: Entry, request: EntrantRequest, scale: Scale, seeds: Sequence[int]
) -> tuple[RunSpec, ...]:
    try:
        return tuple(run_specs(one.row, one.variant, scale, entry, request, seeds))
    except BenchError as error:
        raise BenchError(f"{one.label}, {entry.label}: {error}") from error


def run_specs(
    row: Row,
    variant: str,
    scale: Scale,
    entry: Entry,
    request: EntrantRequest,
    seeds: Sequence[int],
) -> list[RunSpec]:
    """Return the runs of one entrant, with every setting resolved as `run` would.

    Settings win in this order: scale, the variant's for the method, variant, entry, row, the
    entrant's words, the stream's.
    """
    changes = (row.variants[variant], row.scales[scale])
    own = changes[0].methods.get(entry.method, {})
    layers = [row.settings, entry.settings, changes[0].settings, own, changes[1].settings]
    base = next((c.stream for c in reversed(changes) if c.stream is not None), row.stream)
    asked = StreamSpec(base.name, {**base.settings, **_merged(layers, "stream")})
    stream = _filled_stream(asked)
    asked_sets = {target: _merged(layers, target) for target in _targets(layers)}
    named = any(_names(value) for one in asked_sets.values() for value in one.values())
    sets = _filled(asked_sets, resolved_stream(stream).settings if named else {})
    made = EntrantRequest(
        None,
        tuple(
            StrategySpec(strategy.name, {**strategy.settings, **sets.get(strategy.name, {})})
            for strategy in [*request.strategies, *_appended(request, changes)]
        ),
        {**request.network, **sets.get("network", {})},
        {**request.optimizer, **sets.get("optimizer", {})},
    )
    runs = _resolved(stream, made, seeds)
    if entry.width == 1:
        return runs
    widths = runs[0].entrant.network.hidden
    hidden: list[JsonValue] = [max(1, round(entry.width * units)) for units in widths]
    # The name is that of the same control by `run --controls`, so that they share results.
    name = f"{runs[0].entrant.name} {'-'.join(map(str, hidden))}"
    sized = replace(made, name=name, network={**made.network, "hidden": hidden})
    return _resolved(stream, sized, seeds)


def _resolved(stream: StreamSpec, entrant: EntrantRequest, seeds: Sequence[int]) -> list[RunSpec]:
    return resolve(Suite("a row of a paper", "", (stream,), (entrant,), tuple(seeds)))


def _appended(request: EntrantRequest, changes: Iterable[Changes]) -> Iterator[StrategySpec]:
    names = {strategy.name for strategy in request.strategies}
    for change in changes:
        for name, words in change.append.items():
            if name in names:
                yield from parse_entrant(words).strategies


def _targets(layers: Sequence[Targets]) -> set[str]:
    return {target for layer in layers for target in layer} - {"stream"}


def _merged(layers: Sequence[Targets], target: str) -> dict[str, JsonValue]:
    return {name: value for layer in layers for name, value in layer.get(target, {}).items()}


def _filled_stream(asked: StreamSpec) -> StreamSpec:
    """Put the stream's own numbers where its settings name them."""
    if not any(map(_names, asked.settings.values())):
        return asked
    plain = {name: value for name, value in asked.settings.items() if not _names(value)}
    known = resolved_stream(StreamSpec(asked.name, plain)).settings
    return StreamSpec(asked.name, _filled({"stream": dict(asked.settings)}, known)["stream"])


def _names(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{") and value.endswith("}")


def _filled(targets: Mapping[str, Settings], known: Settings) -> dict[str, dict[str, JsonValue]]:
    """Replace "{tasks}" and its like by settings of the stream."""
    return {
        target: {
            name: _value(str(value).strip("{}"), known) if _names(value) else value
            for name, value in settings.items()
        }
        for target, settings in targets.items()
    }


def _value(name: str, known: Settings) -> JsonValue:
    if name not in known:
        raise unknown_name(
            "setting of the stream named in braces", name, known, "Correct the file."
        )
    return known[name]
