"""Reading `leaderboard/reproductions/*.toml`, and files like them: one paper each.

    paper = "Authors year, title"
    seeds = "0:10"

    [margins]
    wt_acc = { points = 0.5, why = "smaller gaps are read as ties" }

    [tables.table3]
    title = "Winning tickets"
    origin = "Table 3"

    [tables.table3.rows.mnist-iid]
    stream = "lillo2026/iid-mnist"
    claims = ["C1"]

    [tables.table3.rows.mnist-iid.scales]
    half = { set = { stream = { passes = 50 } } }
    smoke = { stream = "iid-digits(passes=5)" }

    [tables.table3.rows.mnist-iid.variants]
    batch-128 = { about = "as the preset says" }

    [[tables.table3.rows.mnist-iid.entrants]]
    method = "Grow"
    entrant = "grow(compactness={c})+winning-ticket"
    compactness = [0.2, 0.3]
    printed = { wt_acc = ["95.39 ± .13", "95.96 ± .07"], delta_wt_cycle = "-1.2 .. -0.2" }

A number is "95.39 ± .13", "95.39", or a range "10.9 .. 12.2" that stands for its middle; a list has
one for each compactness, "-" where none is printed; a single one is of each, or of their mean where
`mean = true`. Intervals are over as many seeds as `seeds` names. Every metric that is printed and
judged has a margin: by how much two values may differ and still mean the same.

Settings in `set` go by stream, network, optimizer or a strategy's name and win over those in an
entrant's words: the row's, then the entrant's, the variant's, those of its `methods` (by method),
the scale's. There "{tasks}" and "{passes}" are those of the stream. `controls` of a table join
every row of it. `elsewhere` of a row or a variant says by claim how the setting differs from the
one that the claim is about; it is not judged there.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import JsonValue

from ...harness.errors import BenchError, unknown_name
from ...harness.names import checked_name
from ...harness.reading import read_file
from ...harness.specs.named_code import AVALANCHE, named_code, named_place
from ...harness.specs.spec import StreamSpec, build_settings
from ...harness.specs.suite import EntrantRequest, parse_entrant, parse_seeds, parse_stream
from ...harness.specs.toml_text import parsed_toml
from ...harness.visible import visible
from .paper import SCALES, WINDOWED, Changes, Entry, Margin, Paper, Printed, Row, Scale, Table

Number = str | float
Numbers = dict[str, Number | list[Number]]
Set = dict[str, dict[str, JsonValue]]

REMEDY = "Correct the file."


@dataclass(frozen=True, kw_only=True)
class _File:
    paper: str
    seeds: str
    tables: dict[str, dict[str, JsonValue]]
    margins: dict[str, dict[str, JsonValue]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Table:
    title: str
    origin: str
    rows: dict[str, dict[str, JsonValue]]
    controls: list[dict[str, JsonValue]] = field(default_factory=list)
    """Entrants without numbers that join every row."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    stream: str
    entrants: list[dict[str, JsonValue]]
    scales: dict[str, dict[str, JsonValue]]
    metrics: list[str] = field(default_factory=list)
    variants: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    set: Set = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class _Entrant:
    method: str
    entrant: str
    compactness: list[float] = field(default_factory=list)
    printed: Numbers = field(default_factory=dict)
    half_width_at_most: float | None = None
    """A bound on the intervals that is printed for all of them at once."""
    mean: bool = False
    """Whether the numbers are means over all of `compactness`."""
    set: Set = field(default_factory=dict)
    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class _Changes:
    about: str = ""
    stream: str | None = None
    set: Set = field(default_factory=dict)
    append: dict[str, str] = field(default_factory=dict)
    methods: dict[str, Set] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)


def paper_names() -> list[str]:
    """Return the names of the papers that come with the project."""
    found = [file.name for file in _folder().iterdir()]
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load_paper(name: str) -> Paper:
    """Return a paper by its name, or from the path of a `.toml` file.

    Raises:
        BenchError: there is no such paper or file, or it says something that is not allowed.
    """
    if name in paper_names():
        return read_paper((_folder() / f"{name}.toml").read_text(encoding="utf-8"), name)
    path = Path(name)
    if path.suffix != ".toml":
        remedy = "See them: plasticity-bench reproduce list; or give the path of a .toml file."
        raise unknown_name("paper", name, paper_names(), remedy)
    try:
        paper = read_paper(read_file(path).decode("utf-8"), path.stem)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BenchError(f"the paper {name} cannot be read: {reason}. Check its path.") from error
    _check_code(paper, name)
    return paper


def _check_code(paper: Paper, where: str) -> None:
    """Refuse a file whose streams name code, or places on this machine, in any of their settings.

    Raises:
        BenchError: says what it names.
    """
    rows = [row for table in paper.tables.values() for row in table.rows.values()]
    for row in rows:
        changes = [*row.variants.values(), *row.scales.values()]
        targets = [row.settings, *(one.settings for one in changes)]
        targets += [one.settings for one in row.entries]
        targets += [own for one in changes for own in one.methods.values()]
        streams = [row.stream, *(one.stream for one in changes if one.stream is not None)]
        streams += [StreamSpec(AVALANCHE, one.get("stream", {})) for one in targets]
        for stream in streams:
            found = named_code(stream) or named_place(stream)
            if found:
                raise BenchError(
                    f"a stream of row {visible(row.name)} of the paper {where} names {found}, and "
                    "nothing that a file names is executed. Run it yourself: "
                    "plasticity-bench run --stream STREAM"
                )


def read_paper(text: str, name: str) -> Paper:
    """Read the text of a paper's file; `name` names it.

    Raises:
        BenchError: it is not TOML, or says something that is not allowed.
    """
    content = parsed_toml(text, f"the paper {name}", REMEDY)
    file = build_settings(_File, content, f"paper {name}", remedy=REMEDY)
    parse_seeds(file.seeds)
    tables = {
        table: _table(table, entry, f"table {name}/{table}") for table, entry in file.tables.items()
    }
    return Paper(name, file.paper, file.seeds, tables, _margins(file.margins, tables, name))


def _margins(
    content: Mapping[str, Mapping[str, JsonValue]], tables: Mapping[str, Table], name: str
) -> dict[str, Margin]:
    """Read the margins of a paper: of every metric that it prints, and of others that are shown."""
    rows = [row for table in tables.values() for row in table.rows.values()]
    printed = {metric for row in rows for entry in row.entries for metric in entry.printed}
    shown = {metric for row in rows for metric in row.metrics}
    found = {}
    for metric, settings in content.items():
        if metric not in shown:
            raise unknown_name(f"metric of paper {name} named", metric, shown, REMEDY)
        what = f"the margin of {metric} in paper {name}"
        margin = build_settings(Margin, settings, what, remedy=REMEDY)
        if margin.points <= 0 or not margin.why.strip():
            raise BenchError(f"{what} needs points above 0 and a reason in why. {REMEDY}")
        found[metric] = margin
    for metric in sorted(printed - found.keys() - WINDOWED):
        raise BenchError(
            f"paper {name} prints {metric} and has no margin for it. Add to [margins]: "
            f'{metric} = {{ points = 1.0, why = "..." }}'
        )
    return found


def _table(name: str, content: Mapping[str, JsonValue], what: str) -> Table:
    checked_name(name, f"the name of {what}", REMEDY)
    table = build_settings(_Table, content, what, remedy=REMEDY)
    rows = {
        row: _row(row, entry, table.controls, f"row {row} of {what}")
        for row, entry in table.rows.items()
    }
    return Table(name, table.title, table.origin, rows)


def _row(name: str, content: Mapping[str, JsonValue], controls: Sequence[Any], what: str) -> Row:
    row = build_settings(_Row, content, what, remedy=REMEDY)
    for named in (name, *row.variants):
        checked_name(named, f"a name in {what}", REMEDY)
    for scale in row.scales:
        if scale not in SCALES:
            raise unknown_name(f"scale of {what} named", scale, SCALES, REMEDY)
    asked = [
        *(
            (build_settings(_Entrant, one, f"an entrant of {what}", remedy=REMEDY), False)
            for one in row.entrants
        ),
        *(
            (build_settings(_Entrant, one, f"a control of {what}", remedy=REMEDY), True)
            for one in controls
        ),
    ]
    entries = [entry for one, control in asked for entry in _entries(one, control, what)]
    variants = {key: _changes(one, what) for key, one in row.variants.items()}
    _check_names(row, variants, {entry.method for entry in entries}, what)
    printed = dict.fromkeys(metric for entry in entries for metric in entry.printed)
    return Row(
        name=name,
        stream=parse_stream(row.stream),
        entries=tuple(entries),
        metrics=tuple(dict.fromkeys([*printed, *row.metrics])),
        variants=variants or {"preset": Changes()},
        scales={scale: _changes(row.scales.get(scale, {}), what) for scale in get_args(Scale)},
        settings=row.set,
        claims=tuple(row.claims),
        notes=row.notes,
        elsewhere=row.elsewhere,
    )


def _check_names(
    row: _Row, variants: Mapping[str, Changes], methods: Collection[str], what: str
) -> None:
    """Refuse a claim or a method that the row does not have."""
    for named in (row.elsewhere, *(one.elsewhere for one in variants.values())):
        for claim in named:
            if claim not in row.claims:
                raise unknown_name(f"claim of {what} named", claim, row.claims, REMEDY)
    for one in variants.values():
        for method in one.methods:
            if method not in methods:
                raise unknown_name(f"method of {what} named", method, methods, REMEDY)


def _changes(content: Mapping[str, JsonValue], what: str) -> Changes:
    found = build_settings(_Changes, content, f"a change of {what}", remedy=REMEDY)
    stream = None if found.stream is None else parse_stream(found.stream)
    return Changes(found.about, stream, found.set, found.append, found.methods, found.elsewhere)


def _entries(one: _Entrant, control: bool, what: str) -> Iterator[Entry]:
    checked_name(one.method, f"a method of {what}", REMEDY)
    shares: list[float | None] = [*one.compactness] or [None]
    requests = [parse_entrant(one.entrant.replace("{c}", f"{share}")) for share in shares]
    if not 0 < one.width <= 1:
        raise BenchError(
            f"width = {one.width} of {one.method} in {what} is not in (0, 1]. {REMEDY}"
        )
    groups: list[tuple[float | None, tuple[EntrantRequest, ...]]]
    if one.mean:
        groups = [(None, tuple(requests))]
    else:
        groups = [(share, (each,)) for share, each in zip(shares, requests, strict=True)]
    for number, (share, entrants) in enumerate(groups):
        yield Entry(
            method=one.method,
            compactness=share,
            entrants=entrants,
            printed={
                metric: _printed(text, metric, one)
                for metric, values in one.printed.items()
                for text in [_pick(values, number, len(groups), metric, what)]
                if text != "-"
            },
            settings=one.set,
            width=one.width,
            control=control,
        )


def _pick(values: Number | list[Number], number: int, count: int, metric: str, what: str) -> Number:
    if not isinstance(values, list):
        return values
    if len(values) != count:
        raise BenchError(
            f"{metric} in {what} has {len(values)} numbers for {count} values of compactness. "
            "Give one for each, or a single one for all."
        )
    return values[number]


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")


def _parts(text: Number, sign: str) -> list[float] | None:
    """Return the numbers on both sides of a sign; None where it is written otherwise."""
    parts = [part.strip() for part in str(text).split(sign)]
    if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    return [float(part) for part in parts]


def _printed(text: Number, metric: str, one: _Entrant) -> Printed:
    if (found := _parts(text, "±")) is not None:
        return Printed(found[0], found[1], "printed")
    if (found := _parts(text, "..")) is not None:
        return Printed(sum(found) / 2, abs(found[1] - found[0]) / 2, "range")
    if not _NUMBER.fullmatch(str(text)):
        raise BenchError(
            f"cannot read the number '{text}' of {one.method}, {metric}. "
            "Write 95.39 ± .13, 95.39, or a range 10.9 .. 12.2."
        )
    if one.half_width_at_most is not None:
        return Printed(float(text), one.half_width_at_most, "bound")
    return Printed(float(text), None, "alone")


def _folder() -> Any:
    return files(f"{__name__.split('.')[0]}.leaderboard") / "reproductions"
