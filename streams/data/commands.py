"""The commands `data ...`: what data sets are here, and how to have others."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...harness.commands.options import FAILED, Data, Json
from ...harness.errors import BenchError
from ...harness.places import default_data_dir
from ...harness.visible import tell

if TYPE_CHECKING:
    from rich.table import Table

    from .manage import Status

Tell = Callable[[str], None]
Pictures = Annotated[
    Path | None, typer.Option("--folder", help="Your own pictures, for the source image-folder.")
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What data sets are here, and how to have others.",
)


@app.command()
def where(data: Data = None) -> None:
    """Say for every source of samples where its files are, or what is missing."""
    tell("\n".join(where_lines(data or default_data_dir())))


@app.command()
def status(data: Data = None, folder: Pictures = None, json_: Json = False) -> None:
    """Check every source of samples: here, cached (prepared), not here, or damaged."""
    if not show_status(data or default_data_dir(), folder, json_):
        raise typer.Exit(FAILED)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Sources, as mnist; see data status.")],
    data: Data = None,
    folder: Pictures = None,
) -> None:
    """Download sources that are not here or damaged, check them, and prepare their caches."""
    complain = partial(tell, err=True)
    if not fetch_all(names, data or default_data_dir(), folder, tell, complain):
        raise typer.Exit(FAILED)


def show_status(data_dir: Path, folder: Path | None, as_data: bool) -> bool:
    """Check every source and print what was found; say whether none is damaged.

    Args:
        data_dir: where data sets are kept.
        folder: the user's pictures, for image-folder.
        as_data: whether to print JSON for programs.
    """
    from rich.console import Console

    from . import manage
    from .sources import READERS

    found = [manage.status(name, data_dir, folder) for name in READERS]
    if as_data:
        print(json.dumps(as_json(found), indent=1))
    else:
        Console().print(table(found))
        tell("\n".join(notes(found)))
    return all(one.state != "damaged" for one in found)


def as_json(found: "Sequence[Status]") -> list[dict[str, Any]]:
    """Return what was found for programs."""
    return [
        {
            "name": status.name,
            "state": status.state,
            "place": None if status.place is None else str(status.place),
            "train": None if status.counts is None else status.counts.train,
            "test": None if status.counts is None else status.counts.test,
            "classes": None if status.counts is None else status.counts.classes,
            "bytes": status.size,
            "reason": status.reason,
            "to_do": status.to_do,
        }
        for status in found
    ]


def table(found: "Sequence[Status]") -> "Table":
    """Draw one row per source."""
    from rich.table import Table

    drawn = Table()
    drawn.add_column("source")
    drawn.add_column("state")
    for heading in ("train", "test", "classes", "MB"):
        drawn.add_column(heading, justify="right")
    for status in found:
        counts = ["", "", ""] if status.counts is None else [f"{n:,}" for n in status.counts]
        size = "" if status.size is None else f"{status.size / 1e6:,.1f}"
        drawn.add_row(status.name, status.state, *counts, size)
    return drawn


def notes(found: "Sequence[Status]") -> list[str]:
    """Say what is wrong and what to do, source by source."""
    return [
        f"{status.name}: {f'{status.reason} {status.to_do}'.strip()}"
        for status in found
        if status.reason or status.to_do
    ]


def where_lines(data_dir: Path) -> list[str]:
    """Say for every source where its files are, or what is missing."""
    from . import sources

    lines = [f"data sets are kept in {data_dir}"]
    for source in sources.READERS:
        place = sources.where(source, data_dir)
        found = str(place) if place else f"not there. {sources.missing(source, data_dir)}"
        lines.append(f"{source}: {found}")
    return lines


def fetch_all(
    names: Sequence[str], data_dir: Path, folder: Path | None, tell: Tell, complain: Tell
) -> bool:
    """Fetch and prepare sources, one after the other; say whether all went well.

    Args:
        names: of the sources; all are checked before the first is fetched.
        data_dir: where data sets are kept.
        folder: the user's pictures, for image-folder.
        tell: told how it goes.
        complain: told what failed; the others go on.

    Raises:
        BenchError: a name that is no source.
    """
    from . import manage
    from .sources import reader_of

    for name in names:
        reader_of(name, data_dir, folder)
    well = True
    for name in names:
        try:
            status = manage.fetch(name, data_dir, folder, partial(_tell_of, tell, name))
        except BenchError as error:
            complain(f"{name}: failed: {error}")
            well = False
            continue
        assert status.counts is not None, "what was fetched is whole"
        train, test, classes = status.counts
        tell(f"{name}: ready, {train:,} train and {test:,} test samples of {classes} classes")
    return well


def _tell_of(tell: Tell, name: str, text: str) -> None:
    tell(f"{name}: {text}")
