"""What the command `list` shows: names by kind, and every setting of one name."""

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import BenchError, unknown_name
from ..plugins import registry as plugins
from ..plugins.registry import AVALANCHE, OURS, PLURALS, Kind
from ..specs.describe import settings_of
from ..specs.grammar import Settings, format_value
from ..specs.spec import NetworkSpec, OptimizerSpec, build_settings, canonical_name
from ..specs.suite import load_suite, suite_names
from .published import published, settings_table

if TYPE_CHECKING:
    from ..engine.strategy import Strategy
    from ..modules.single_learner import SingleLearner

_ENGINE = f"{__name__.split('.')[0]}.harness.engine"
SPECS: dict[str, type] = {"network": NetworkSpec, "optimizer": OptimizerSpec}


@dataclass(frozen=True)
class Entry:
    """A name with one line about it."""

    name: str
    description: str
    package: str = OURS


def entries() -> dict[str, list[Entry]]:
    """Return everything that can be named, by kind; nothing heavy is imported."""
    return {
        **{PLURALS[kind]: _provided(kind) for kind in PLURALS},
        "suites": [Entry(name, load_suite(name).description) for name in suite_names()],
        "settings": [
            Entry("network", "Settings for --set network.NAME=VALUE."),
            Entry("optimizer", "Settings for --set optimizer.NAME=VALUE."),
        ],
        "activations": _activations(),
    }


def show(kind: str | None, name: str | None, console: Console) -> None:
    """Print the names of all kinds or of one, or all about one name.

    Args:
        kind: for example "streams"; a name where it is of no kind; None shows every kind.
        name: of that kind.
        console: where to.

    Raises:
        BenchError: nothing has that name.
    """
    known = entries()
    if kind is None or (kind in known and name is None):
        chosen = known if kind is None else {title: known[title] for title in _shown_with(kind)}
        for title, listed in chosen.items():
            console.print(_names_table(title, listed))
        return
    if kind in known:
        is_benchmark = kind == "streams" and str(name).startswith(AVALANCHE)
        found = str(name) if is_benchmark else _one_of(kind, str(name), known[kind])
        console.print(_about(kind, found))
        return
    console.print(*_about_all(kind, known), sep="\n")


def _shown_with(kind: str) -> list[str]:
    """Return the kinds that are shown where one is asked for: learners are entrants as well."""
    return ["strategies", "learners"] if kind == "strategies" else [kind]


def _about_all(name: str, known: dict[str, list[Entry]]) -> list[RenderableType]:
    named = {kind: [entry.name for entry in listed] for kind, listed in known.items()}
    found = [kind for kind, names in named.items() if name in {*names, *_without_version(names)}]
    if not found and name.startswith(AVALANCHE):
        return [_about("streams", name)]
    if not found:
        names = [*known, *(entry.name for listed in known.values() for entry in listed)]
        near = get_close_matches(name, names, n=1)
        guess = f"; did you mean '{near[0]}'?" if near else "."
        kinds = f"The kinds are: {', '.join(known)}."
        raise BenchError(
            f"nothing is called '{name}'{guess} {kinds} List all: plasticity-bench list"
        )
    return [_about(kind, name) for kind in found]


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
    return [
        Entry(provider.name, provider.description, provider.distribution)
        for provider in plugins.providers(kind)
    ]


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
    description = plugins.first_line(f"{_ENGINE}.activations:{ast.unparse(cls)}")
    return Entry(ast.literal_eval(key), description)


def _about(kind: str, name: str) -> RenderableType:
    """Show all about one name; its plug-in is imported for this."""
    about: dict[str, Callable[[str], RenderableType]] = {
        "strategies": _about_strategy,
        "learners": _about_learner,
        "streams": _about_stream,
        "metrics": _about_metric,
        "suites": _about_suite,
        "settings": lambda name: settings_table(settings_of(SPECS[name])),
        "activations": _about_activation,
    }
    return Group(Text(f"{name} ({kind})", style="bold"), about[kind](name), Text())


def _about_strategy(name: str) -> RenderableType:
    return _about_entrant(plugins.load_strategy(name))


def _about_learner(name: str) -> RenderableType:
    return _about_entrant(plugins.load_learner(name))


def _about_entrant(cls: "type[Strategy] | type[SingleLearner]") -> RenderableType:
    needs = f"Needs to be told: {', '.join(sorted(cls.needs)) or 'nothing'}."
    return Group(Text(_doc(cls)), Text(needs), settings_table(settings_of(cls)))


def _about_stream(name: str) -> RenderableType:
    loaded = plugins.load_stream(name)
    made = build_settings(loaded.cls, loaded.settings, f"stream {loaded.name}")
    tells = f"Tells: {', '.join(sorted(made.told)) or 'nothing'}."
    if loaded.about is not None:
        return Group(Text(_doc(loaded.cls)), Text(tells), published(loaded, loaded.about))
    learner = [f"Usual {part}: {_line(getattr(loaded, part))}" for part in SPECS]
    return Group(
        Text(_doc(loaded.cls)),
        Text("\n".join([tells, *learner])),
        settings_table(settings_of(loaded.cls, loaded.settings)),
    )


def _about_activation(name: str) -> RenderableType:
    from ..engine.activations import ACTIVATIONS

    cls = ACTIVATIONS[name]
    return Group(Text(_doc(cls)), settings_table(settings_of(cls)))


def _about_metric(name: str) -> RenderableType:
    metric = plugins.load("metric", name)
    known = {part.name: getattr(metric, part.name) for part in fields(metric)}
    return Text("\n".join(f"{key}: {value}" for key, value in known.items() if value is not None))


def _about_suite(name: str) -> RenderableType:
    suite = load_suite(name)
    entrants = [entrant.name or canonical_name(entrant.strategies) for entrant in suite.entrants]
    lines = {
        "streams": ", ".join(stream.name for stream in suite.streams),
        "entrants": ", ".join(entrants),
        "seeds": ", ".join(map(str, suite.seeds)),
        "ranked by": suite.metric,
    }
    text = "\n".join(f"{key}: {value}" for key, value in lines.items())
    return Text(f"{suite.description}\n{text}")


def _names_table(title: str, listed: Iterable[Entry]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("name", no_wrap=True, style="cyan")
    table.add_column("what it is")
    table.add_column("", no_wrap=True)
    for entry in listed:
        package = "" if entry.package == OURS else f"from {entry.package}"
        table.add_row(entry.name, Text(entry.description), package)
    return table


def _doc(cls: type) -> str:
    """Return the docstring with each paragraph on one line, for the terminal to wrap."""
    paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _line(settings: Settings) -> str:
    return ", ".join(f"{key}={format_value(value)}" for key, value in settings.items()) or "default"
