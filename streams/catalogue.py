"""Protocols as papers have published them, each frozen under a name and a version of its own.

One file per paper in `presets/` holds every number that the paper states, names the settings that
it does not state and that therefore are our defaults, and keeps what it published: settings tuned
per method, and results to set a run beside. A preset never changes: a correction is a new version
beside the old one, `kumar2024/permuted-mnist@2`, and the name without a version is the newest.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ..harness.plugins.registry import Published
from . import BuiltIn


@cache  # asked for with every name that is looked up
def presets() -> dict[str, BuiltIn]:
    """Return every preset by its full name, `<paper>/<stream>@<version>`."""
    return dict(sorted(_read_all()))


def _read_all() -> Iterator[tuple[str, BuiltIn]]:
    folder = files(__package__) / "presets"
    for file in folder.iterdir():
        paper, dot, _ = file.name.rpartition(".toml")
        if dot:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            source = content.pop("paper")
            for name, table in content.items():
                yield f"{paper}/{name}", _preset(source, table)


def _preset(source: str, table: Mapping[str, Any]) -> BuiltIn:
    return BuiltIn(
        family=f"{__package__}.families.{table['family']}",
        settings=table["stream"],
        summary=table["summary"],
        network=table["network"],
        optimizer=table["optimizer"],
        about=Published(
            paper=source,
            notes=table["notes"],
            not_stated=frozenset(table["not_stated"]),
            tuned=table.get("tuned", {}),
            published=table.get("published", {}),
        ),
    )
