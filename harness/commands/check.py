"""What `plasticity-bench check` does: show of every law whether a stream keeps it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..checks.stream import Verdict, check_stream
from ..plugins.registry import load_stream
from ..plugins.resolve import parse_overrides
from ..specs.spec import build_settings
from ..specs.suite import parse_seeds, parse_stream


def check(text: str, seeds: str, settings: Sequence[str], data_dir: Path) -> list[Verdict]:
    """Check a stream as it is written on the command line, for example permuted-digits(tasks=5).

    Args:
        text: a stream.
        seeds: as "0:2".
        settings: as "stream.tasks=5".
        data_dir: where data sets are kept.

    Raises:
        BenchError: there is no such stream or setting, or its data set is not there.
    """
    asked = parse_stream(text)
    loaded = load_stream(asked.name)
    overrides = parse_overrides(settings).get("stream", {})
    made = {**loaded.settings, **asked.settings, **overrides}
    stream = build_settings(loaded.cls, made, f"stream {asked.name}")
    return check_stream(stream, data_dir, parse_seeds(seeds))


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print one line for every law, and what is wrong below those that do not hold."""
    for verdict in verdicts:
        word, style = ("passed", "green") if verdict.holds else ("FAILED", "bold red")
        console.print(Text(word, style=style), Text(verdict.law))
        if verdict.failure is not None:
            console.print(Text(f"       {verdict.failure}"))
    failed = sum(not verdict.holds for verdict in verdicts)
    console.print(f"{len(verdicts) - failed} laws hold, {failed} do not.")
