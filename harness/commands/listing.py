"""What the command `list` shows: names by kind and family, or all about one."""

import ast
import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from ..errors import BenchError, shortened, unknown_name
from ..plugins.docstrings import first_line
from ..plugins.registry import PLURALS, Kind, families, providers
from ..specs.named_code import AVALANCHE
from ..specs.suite import load_suite, suite_names
from ..visible import visible
from .about import about_name

_ENGINE = f"{__name__.split('.')[0]}.harness.engine"
_WIDEST_NAME = 44
"""Columns of names, at most: all of ours fit, and a longer one pushes out its own line alone."""
_UNBOUNDED = 1_000
"""Columns where nobody looks at a screen: a file or another program gets whole lines."""


@dataclass(frozen=True)
class Entry:
    """A name with one line about it."""

    name: str
    description: str
    family: str = ""
    """Title of what it is listed under, within its kind."""


def entries() -> dict[str, list[Entry]]:
    """Return everything that can be named, by kind and family; nothing heavy is loaded."""
    return {
        **{PLURALS[kind]: _provided(kind) for kind in PLURALS},
        "suites": [Entry(name, load_suite(name).description) for name in suite_names()],
        "settings": [
            Entry("network", "Settings for --set network.NAME=VALUE."),
            Entry("optimizer", "Settings for --set optimizer.NAME=VALUE."),
        ],
        "activations": _activations(),
    }


def show(kind: str | None, name: str | None, console: Console, *, trust: bool = False) -> None:
    """Print the names of all kinds or of one, or all about one name.

    Args:
        kind: for example "streams"; a name where it is of no kind; None shows every kind.
        name: of that kind; for suites the path of a file as well.
        console: where to.
        trust: see `load_suite`.

    Raises:
        BenchError: nothing has that name.
    """
    known = entries()
    if kind is None or (kind in known and name is None):
        chosen = known if kind is None else {title: known[title] for title in _shown_with(kind)}
        for title, listed in chosen.items():
            _print_names(title, listed, console)
        return
    if kind in known:
        found = str(name) if _is_open(kind, str(name)) else _one_of(kind, str(name), known[kind])
        console.print(about_name(kind, found, trust=trust))
        return
    console.print(*_about_all(kind, known, trust), sep="\n")


def _shown_with(kind: str) -> list[str]:
    """Return the kinds that are shown where one is asked for: learners are entrants as well."""
    return ["strategies", "learners"] if kind == "strategies" else [kind]


def _is_open(kind: str, name: str) -> bool:
    """Tell whether a name may be right without being listed: a benchmark's, or a suite's file."""
    return (kind == "streams" and name.startswith(AVALANCHE)) or (
        kind == "suites" and name.endswith(".toml")
    )


def _about_all(name: str, known: dict[str, list[Entry]], trust: bool) -> list[RenderableType]:
    named = {kind: [entry.name for entry in listed] for kind, listed in known.items()}
    found = [kind for kind, names in named.items() if name in {*names, *_without_version(names)}]
    found = found or [kind for kind in known if _is_open(kind, name)]
    if not found:
        names = [*known, *(entry.name for listed in known.values() for entry in listed)]
        near = get_close_matches(name, names, n=1)
        guess = f"; did you mean '{near[0]}'?" if near else "."
        kinds = f"The kinds are: {', '.join(known)}."
        raise BenchError(
            f"nothing is called '{shortened(name)}'{guess} {kinds} List all: plasticity-bench list"
        )
    return [about_name(kind, name, trust=trust) for kind in found]


def _one_of(kind: str, name: str, listed: Iterable[Entry]) -> str:
    names = [entry.name for entry in listed]
    if name not in names and name not in _without_version(names):
        raise unknown_name(
            f"name in {kind}", name, names, f"List all: plasticity-bench list {kind}"
        )
    return name


def _without_version(names: Iterable[str]) -> set[str]:
    return {name.rpartition("@")[0] for name in names} - {""}


def _provided(kind: Kind) -> list[Entry]:
    """Return the names of a kind: families in their own order, names within them sorted."""
    order = {family: place for place, family in enumerate(families(kind))}
    found = sorted(providers(kind), key=lambda one: order[one.family])
    return [Entry(one.name, one.description, one.family) for one in found]


def _activations() -> list[Entry]:
    """Read names and docstrings from the file: importing it would import torch."""
    file = Path(__file__).parent.with_name("engine") / "activations.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.AnnAssign(target=ast.Name("ACTIVATIONS"), value=ast.Dict(keys, classes)):
                return [_activation(*pair) for pair in zip(keys, classes, strict=True)]
    raise AssertionError("activations.py has no table ACTIVATIONS")


def _activation(key: ast.expr | None, cls: ast.expr) -> Entry:
    assert key is not None, "ACTIVATIONS unpacks another table"
    description = first_line(f"{_ENGINE}.activations:{ast.unparse(cls)}")
    return Entry(ast.literal_eval(key), description)


def _print_names(kind: str, listed: Iterable[Entry], console: Console) -> None:
    """Print the names of one kind, family by family: one line a name, cut where it has to be."""
    by_family: dict[str, list[Entry]] = {}
    for entry in listed:
        by_family.setdefault(entry.family, []).append(entry)
    seen = console.is_terminal or "COLUMNS" in os.environ
    width = console.width if seen else _UNBOUNDED
    console.print(Text(kind.upper(), style="bold"))
    for family, members in by_family.items():
        lines = [Text(visible(family), style="italic")] if family else []
        for line in [*lines, *_lines(members)]:
            line.truncate(width, overflow="ellipsis")
            console.print(line, soft_wrap=True)
    console.print()


def _lines(members: Iterable[Entry]) -> list[Text]:
    """Return a line for each name of a family, with the descriptions below each other."""
    shown = [(visible(entry.name), visible(entry.description)) for entry in members]
    widest = max((len(name) for name, _ in shown if len(name) <= _WIDEST_NAME), default=0)
    return [Text.assemble("  ", (name.ljust(widest), "cyan"), "  ", line) for name, line in shown]
