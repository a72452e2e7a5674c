"""How `plasticity-bench list` shows settings, and all that a published protocol fixes."""

from collections.abc import Container, Iterable, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..plugins.registry import LoadedStream, Published
from ..specs.describe import Setting, settings_of
from ..specs.spec import NetworkSpec, OptimizerSpec
from ..visible import visible

NOT_STATED = "not stated by the source"


def settings_table(settings: Iterable[Setting], not_stated: Container[str] = ()) -> RenderableType:
    """Return a table of settings, one a row; those that a source leaves open are marked."""
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", no_wrap=True, style="cyan")
    table.add_column("type")
    table.add_column("default", overflow="fold")
    table.add_column("meaning", ratio=1)
    for one in settings:
        mark = f"({NOT_STATED}) " if one.name in not_stated else ""
        texts = (one.type, one.default, mark + one.meaning)
        table.add_row(one.name, *(Text(visible(text)) for text in texts))
    return table if table.row_count else Text("It has no settings.")


def published(loaded: LoadedStream, about: Published) -> RenderableType:
    """Show a preset: its source, every number, what is tuned per method, published results."""
    tables = {
        "stream": settings_of(loaded.cls, loaded.settings),
        "network": settings_of(NetworkSpec, loaded.network),
        "optimizer": settings_of(OptimizerSpec, loaded.optimizer),
    }
    parts: list[RenderableType] = [
        Text(f"Source: {about.paper}."),
        Text(about.notes),
        Text(f"What is {NOT_STATED} is marked so, and is our choice. This preset never changes."),
    ]
    for part, settings in tables.items():
        left_open = _left_open(part, about.not_stated)
        parts += [Text(f"\n{part}", style="bold"), settings_table(settings, left_open)]
    parts += _facts("tuned by the source, per method", about.tuned)
    parts += _facts("published results", about.published)
    return Group(*parts)


def _left_open(part: str, names: Iterable[str]) -> set[str]:
    """Return the settings of one part that are left open, by their own names."""
    split = [name.rpartition(".") for name in names]
    return {name for owner, _, name in split if (owner or "stream") == part}


def _facts(title: str, facts: Mapping[str, str]) -> list[RenderableType]:
    if not facts:
        return []
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="cyan", overflow="fold")
    table.add_column(ratio=1)
    for what, value in facts.items():
        table.add_row(Text(what), Text(value))
    return [Text(f"\n{title}", style="bold"), table]
