"""Every stream that has a name: families over sources, and protocols as papers published them.

All of them are tables in TOML files of one format. `built_in/` has a file for each family and
`presets/` one for each paper. A file begins with the family's `title`, a name and one line about
it, or with the `paper`, authors, year and title. Every table below is a stream:

    [permuted-mnist]
    family = "permuted:Permuted"    # its class, from `families/`
    summary = "one line for the list of streams"
    stream = { source = "mnist" }   # the settings that differ from the class's defaults
    network = { kind = "mlp" }      # what an entrant has here unless it names another
    optimizer = { name = "adam" }

    [permuted-cifar10]
    like = "permuted-mnist"         # has all that this one above it has, but for
    summary = "a line of its own"
    stream.source = "cifar10"       # what it says itself, setting by setting

The text "null" of a setting, at any depth, is the null of the command line, for which TOML has no
word; dates and times, nan and inf, for which the command line has none, are refused. A stream's
name has letters, digits, ".", "_" and "-", and perhaps "@" and a version at its end. A paper's
streams must have a version. They also have `notes` and `not_stated`, the settings that the paper
leaves open and that therefore are our defaults: `pixels` of the stream, `network.init`,
`optimizer.lr`; and they may keep what it published: settings `tuned` per method, and `published`
results to set a run beside. A preset never changes: a correction is a new version beside the old
one, `kumar2024/permuted-mnist@2`, and the name without a version is the newest.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, time
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import JsonValue

from ..harness.errors import BenchError, unknown_name
from ..harness.plugins.registry import Published
from ..harness.specs.spec import NetworkSpec, OptimizerSpec, build_settings
from ..harness.specs.toml_text import parsed_toml

Settings = Mapping[str, Any]
S = TypeVar("S", bound="_Stream")
REMEDY = "Correct the file."
_NAME = re.compile(r"[A-Za-z0-9._-]+(@[0-9]+)?")
_FAMILY = re.compile(r"(\w+):(\w+)")
_LEARNER = frozenset(
    [f"network.{one.name}" for one in fields(NetworkSpec)]
    + [f"optimizer.{one.name}" for one in fields(OptimizerSpec)]
)
_AUTHORS_YEAR = re.compile(r"(.+?) (\d{4}), ")


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """A stream with a name: its class, its settings, and what an entrant has on it by default."""

    family: str
    """Where the stream class is, `module:Class`; nothing is imported to list the names."""
    settings: Settings
    """The settings that differ from the class's defaults."""
    summary: str
    """One line for the list of streams."""
    network: Settings
    """The network that an entrant has here unless it names another: kind and hidden widths."""
    optimizer: Settings
    """The optimiser that an entrant has here unless it names another."""
    group: str
    """What it is listed under: the title of its family, or the authors of its protocol."""
    about: Published | None = None
    """What a paper says, where the name stands for a published protocol."""


@dataclass(frozen=True, kw_only=True)
class _Family:
    """The head of a family's file."""

    title: str


@dataclass(frozen=True, kw_only=True)
class _Paper:
    """The head of a paper's file."""

    paper: str


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """A table of a family's file, with all that it has from the one it is like."""

    family: str
    summary: str
    stream: dict[str, JsonValue]
    network: dict[str, JsonValue]
    optimizer: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class _Protocol(_Stream):
    """A table of a paper's file."""

    notes: str
    not_stated: list[str]
    tuned: dict[str, str] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)


@cache  # asked for with every name that is looked up
def built_in() -> Mapping[str, BuiltIn]:
    """Return every family over every source, `<family>-<source>`, and more shifts over digits.

    Raises:
        BenchError: as `read_families`.
    """
    return read_families(_texts("built_in"))


@cache
def presets() -> Mapping[str, BuiltIn]:
    """Return every published protocol by its full name, `<paper>/<stream>@<version>`.

    Raises:
        BenchError: as `read_protocols`.
    """
    papers = [read_protocols(text, name) for name, text in _texts("presets").items()]
    return {name: entry for paper in papers for name, entry in paper.items()}


def _texts(folder: str) -> dict[str, str]:
    """Return the texts of a folder's files by their names without the suffix, sorted."""
    found = [file for file in (files(__package__) / folder).iterdir() if _stem(file.name)]
    return {
        _stem(file.name): file.read_text(encoding="utf-8")
        for file in sorted(found, key=lambda file: file.name)
    }


def _stem(name: str) -> str:
    return name.rpartition(".toml")[0]


def read_families(texts: Mapping[str, str]) -> dict[str, BuiltIn]:
    """Read families' files: texts by their names.

    Raises:
        BenchError: a file is not TOML, or has no stream; a key is missing, not known or has a value
            that it cannot have; a name has signs that no name has; a stream is like none above it;
            or two files have a stream of one name.
    """
    found: dict[str, BuiltIn] = {}
    home: dict[str, str] = {}
    for name, text in texts.items():
        where = f"streams/built_in/{name}.toml"
        for stream, entry in _read_family(text, where).items():
            if stream in found:
                raise BenchError(
                    f"the stream '{stream}' is in {home[stream]} and in {where}. Rename one."
                )
            found[stream], home[stream] = entry, where
    return found


def _read_family(text: str, where: str) -> dict[str, BuiltIn]:
    head, tables = _parts(text, where)
    family = build_settings(_Family, head, where, remedy=REMEDY)
    return {
        name: _entry(_checked(_Stream, table, f"[{name}] of {where}"), family.title)
        for name, table in tables.items()
    }


def read_protocols(text: str, paper: str) -> dict[str, BuiltIn]:
    """Read the text of a paper's file; the file's name is the first part of its streams' names.

    Raises:
        BenchError: as `read_families`; `paper` does not begin with authors and a year; or a name
            has no version.
    """
    where = f"streams/presets/{paper}.toml"
    head, tables = _parts(text, where)
    source = build_settings(_Paper, head, where, remedy=REMEDY).paper
    group = f"Published protocols: {_short(source, where)}"
    return {
        f"{paper}/{name}": _entry(protocol, group, _published(protocol, source))
        for name, table in tables.items()
        for protocol in [_checked_protocol(table, name, where)]
    }


def _parts(text: str, where: str) -> tuple[Settings, dict[str, Settings]]:
    """Return the head of a file, and its tables with all that they have from others."""
    content = parsed_toml(text, where, REMEDY)
    _refuse_values(content, where)
    head = {name: value for name, value in content.items() if not isinstance(value, dict)}
    tables: dict[str, Settings] = {}
    for name in content:
        if name not in head:
            _check_name(name, where)
            tables[name] = _with_model(content[name], name, tables, where)
    if not tables:
        raise BenchError(f"{where} has no stream. {REMEDY}")
    return head, tables


def _refuse_values(content: Settings, where: str) -> None:
    """Refuse what TOML can say and the command line cannot."""
    for key, value in _leaves(content):
        if isinstance(value, date | time):
            raise BenchError(f"{key} of {where} is a date or a time: {value}. {REMEDY}")
        if isinstance(value, float) and not math.isfinite(value):
            raise BenchError(f"{key} of {where} is no finite number: {value}. {REMEDY}")


def _leaves(value: Any, *keys: str) -> Iterator[tuple[str, Any]]:
    """Yield the values in tables and lists with the keys that lead to them."""
    if not isinstance(value, dict | list):
        yield ".".join(keys), value
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(part, *keys, str(key))


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise BenchError(
            f"{where} has a stream named {name!a}. A name has letters, digits, '.', '_' and "
            f"'-', and perhaps '@' and a version at its end. {REMEDY}"
        )


def _with_model(table: Settings, name: str, above: Mapping[str, Settings], where: str) -> Settings:
    """Put a table over the one that it is like: the settings of its parts one by one."""
    if "like" not in table:
        return table
    model = str(table["like"])
    if model not in above:
        raise unknown_name(f"table above [{name}] in {where} named", model, above, REMEDY)
    own = {key: value for key, value in table.items() if key != "like"}
    inherited = {key: value for key, value in above[model].items() if key != "summary"}
    return {**inherited, **{key: _over(inherited.get(key), value) for key, value in own.items()}}


def _over(inherited: Any, own: Any) -> Any:
    both = isinstance(inherited, dict) and isinstance(own, dict)
    return {**inherited, **own} if both else own


def _checked(cls: type[S], table: Settings, what: str) -> S:
    made = build_settings(cls, table, what, remedy=REMEDY)
    build_settings(NetworkSpec, _with_nulls(made.network), f"network of {what}", remedy=REMEDY)
    build_settings(
        OptimizerSpec, _with_nulls(made.optimizer), f"optimizer of {what}", remedy=REMEDY
    )
    if not made.summary.strip() or not made.summary.isprintable():
        raise BenchError(f"summary of {what} is not one line of text: {made.summary!a}. {REMEDY}")
    if not _is_family(made.family):
        raise BenchError(
            f"family of {what} is no module:Class of streams/families: {made.family!a}. {REMEDY}"
        )
    return made


def _checked_protocol(table: Settings, name: str, where: str) -> _Protocol:
    what = f"[{name}] of {where}"
    if "@" not in name:
        raise BenchError(f"{what} has no version. Name it '{name}@1'.")
    protocol = _checked(_Protocol, table, what)
    for entry in protocol.not_stated:
        # What is no learner's setting is one of the stream, whose class is not imported here.
        if entry not in _LEARNER and not entry.isidentifier():
            raise unknown_name(f"setting in not_stated of {what} named", entry, _LEARNER, REMEDY)
    return protocol


@cache  # named by dozens of streams
def _is_family(name: str) -> bool:
    """Tell from a module's text whether it has a class, for importing it would load torch."""
    found = _FAMILY.fullmatch(name)
    if found is None:
        return False
    file = files(__package__) / "families" / f"{found[1]}.py"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return re.search(rf"^class {found[2]}\b", text, re.MULTILINE) is not None


def _entry(table: _Stream, group: str, about: Published | None = None) -> BuiltIn:
    return BuiltIn(
        family=f"{__package__}.families.{table.family}",
        settings=_with_nulls(table.stream),
        summary=table.summary,
        network=_with_nulls(table.network),
        optimizer=_with_nulls(table.optimizer),
        group=group,
        about=about,
    )


def _with_nulls(value: Any) -> Any:
    """Put null for the text "null", however deep in settings that is."""
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_nulls(part) for part in value]
    return None if value == "null" else value


def _published(table: _Protocol, source: str) -> Published:
    return Published(
        paper=source,
        notes=table.notes,
        not_stated=frozenset(table.not_stated),
        tuned=table.tuned,
        published=table.published,
    )


def _short(source: str, where: str) -> str:
    """Name a paper as texts do: Lillo and Cheney 2026; Kumar et al. 2024 for three and more."""
    found = _AUTHORS_YEAR.match(source)
    if found is None:
        raise BenchError(f"paper of {where} does not begin with authors and a year. {REMEDY}")
    authors, year = found.groups()
    first, several, _ = authors.partition(", ")
    return f"{first} et al. {year}" if several else f"{authors} {year}"
