"""The command `speed`: how fast the engine is beside its alternatives."""

import json
from typing import Annotated

import typer

from ..places import default_data_dir
from .options import Data, Json


def speed(
    data: Data = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each that count.")] = 5,
    updates: Annotated[
        int, typer.Option(min=1, max=3750, help="Updates of one turn, which is one task.")
    ] = 625,
    json_: Json = False,
) -> None:
    """Time the engine beside Avalanche, a plain PyTorch loop and bare products: some minutes."""
    from rich.console import Console

    from ..plugins.registry import load_stream
    from ..specs.spec import build_settings
    from ..speed.measure import as_json, measure, tables

    folder = data or default_data_dir()
    loaded = load_stream("permuted-mnist")
    stream = build_settings(loaded.cls, loaded.settings, "stream permuted-mnist")
    found = folder if stream.is_here(folder) else None
    report = measure(found, repeats, updates, Console(stderr=True))
    if json_:
        typer.echo(json.dumps(as_json(report), indent=1))
    else:
        Console().print(tables(report))
