"""The command `check`: shows of every law whether a stream keeps it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..places import default_data_dir
from .options import FAILED, Data, Sets

if TYPE_CHECKING:
    from rich.console import Console

    from ..checks.stream import Verdict


def check(
    stream: Annotated[
        str, typer.Argument(help="A stream, as permuted-digits or avalanche:SplitMNIST?...")
    ],
    seeds: Annotated[str, typer.Option(help="Seeds to check it with: 0:2 is 0 and 1.")] = "0:2",
    set_: Sets = [],  # noqa: B006  (typer wants a list, and copies it)
    data: Data = None,
) -> None:
    """Check that a stream is what it says: both views alike, reproducible, drawn as needed."""
    from rich.console import Console

    verdicts = verdicts_on(stream, seeds, set_, data or default_data_dir())
    show(verdicts, Console())
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(FAILED)


def verdicts_on(text: str, seeds: str, settings: Sequence[str], data_dir: Path) -> "list[Verdict]":
    """Check a stream as it is written on the command line, for example permuted-digits(tasks=5).

    Args:
        text: a stream.
        seeds: as "0:2".
        settings: as "stream.tasks=5".
        data_dir: where data sets are kept.

    Raises:
        BenchError: there is no such stream or setting, or its data set is not there.
    """
    from ..checks.stream import check_stream
    from ..plugins.registry import load_stream
    from ..plugins.resolve import parse_overrides
    from ..specs.spec import build_settings
    from ..specs.suite import parse_seeds, parse_stream

    asked = parse_stream(text)
    loaded = load_stream(asked.name)
    overrides = parse_overrides(settings).get("stream", {})
    made = {**loaded.settings, **asked.settings, **overrides}
    stream = build_settings(loaded.cls, made, f"stream {asked.name}")
    return check_stream(stream, data_dir, parse_seeds(seeds))


def show(verdicts: "Sequence[Verdict]", console: "Console") -> None:
    """Print one line for every law, and what is wrong below those that do not hold."""
    from rich.text import Text

    for verdict in verdicts:
        word, style = ("passed", "green") if verdict.holds else ("FAILED", "bold red")
        console.print(Text(word, style=style), Text(verdict.law))
        if verdict.failure is not None:
            console.print(Text(f"       {verdict.failure}"))
    failed = sum(not verdict.holds for verdict in verdicts)
    console.print(f"{len(verdicts) - failed} laws hold, {failed} do not.")
