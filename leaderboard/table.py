"""A board as tables for the terminal and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite
from typing import Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .ranking import ALPHA, PROVISIONAL_BELOW, Board, Standing, StreamBoard
from .result import plain
from .statistics import CONFIDENCE, Interval


def tables(board: Board) -> Group:
    """Return one rich table for each stream, with notes on its marks; at home in 80 columns."""
    parts = [part for stream in board.streams for part in (_table(stream, board), _notes(stream))]
    return Group(*parts)


def as_json(board: Board) -> dict[str, Any]:
    """Return the board as plain JSON values; what is undefined is null."""
    content = plain(asdict(board))
    for stream, shown in zip(board.streams, content["streams"], strict=True):
        for standing, entry in zip(stream.standings, shown["standings"], strict=True):
            entry["values"] = {str(seed): value for seed, value in standing.values.items()}
            entry["lost"] = {str(seed): reason for seed, reason in standing.lost.items()}
            entry["significant"] = standing.significant
            entry["provisional"] = standing.provisional
    return dict(content)


def _table(stream: StreamBoard, board: Board) -> Table:
    table = Table(
        title=Text(f"{stream.stream}: {board.metric}, {board.better} is better", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("#", no_wrap=True)
    table.add_column("entrant", overflow="fold", min_width=14)
    table.add_column(f"mean ± {CONFIDENCE:.0%} CI", no_wrap=True)
    table.add_column(_difference_header(stream), no_wrap=True)
    table.add_column("seeds", no_wrap=True)
    table.add_column("updates", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for standing in stream.standings:
        table.add_row(*map(Text, _cells(standing)), style="bold" if standing.place == 1 else "")
    return table


def _difference_header(stream: StreamBoard) -> str:
    # The notes name the reference where its label is too long for a column.
    short = stream.reference is not None and len(stream.reference) <= 12
    return f"vs {stream.reference}" if short else "vs reference"


def _cells(standing: Standing) -> Iterator[str]:
    summary = standing.summary
    yield f"{standing.place or '-'}{'=' * standing.tied}"
    yield standing.entrant
    yield _number(summary.mean) + _half_width(summary.interval) if summary else "-"
    yield _difference(standing)
    yield _seeds(standing)
    yield "-" if standing.updates is None else _count(standing.updates)
    yield "-" if standing.seconds is None else _duration(standing.seconds)


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if abs(value) < 10 else f"{value:{sign},.1f}"


def _half_width(interval: Interval) -> str:
    return f" ±{_number(interval.half_width)}" if isfinite(interval.half_width) else ""


def _difference(standing: Standing) -> str:
    difference = standing.difference
    if difference is None:
        return "-"
    marks = "*" * standing.significant + "u" * (not difference.paired)
    return _number(difference.mean, "+") + _half_width(difference.interval) + marks


def _seeds(standing: Standing) -> str:
    count = len(standing.values)
    of_all = f"/{count + len(standing.lost)}" if standing.lost else ""
    return f"{count}{of_all}{'?' * standing.provisional}"


def _count(value: float) -> str:
    if value < 1e4:
        return f"{value:.0f}"
    return f"{value / 1e3:.1f}k" if value < 1e6 else f"{value / 1e6:.1f}M"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _notes(stream: StreamBoard) -> Padding:
    return Padding(Text("\n".join(_note_lines(stream)), style="dim"), (0, 0, 1, 0))


def _note_lines(stream: StreamBoard) -> Iterator[str]:
    standings = stream.standings
    differences = [s.difference for s in standings if s.difference is not None]
    if stream.reference is None:
        yield "No differences: the reference has no result on this stream."
    if any(s.significant for s in standings):
        yield (
            f"* differs from {stream.reference} at {ALPHA:.0%} "
            f"(t-test paired by seed, Holm over {stream.comparisons} comparisons)"
        )
    elif differences:
        yield f"Nobody differs from {stream.reference} at {ALPHA:.0%} (paired t-test, Holm)"
    if not all(difference.paired for difference in differences):
        yield "u unpaired (Welch's test): fewer than two seeds are shared"
    if any(s.tied for s in standings):
        yield f"= shares its place: not told apart from the best of its group at {ALPHA:.0%}"
    if any(s.provisional for s in standings):
        yield f"? provisional: fewer than {PROVISIONAL_BELOW} seeds"
    yield from (_lost_line(s) for s in standings if s.lost)
    for need in sorted({need for s in standings for need in s.needs}):
        yield f"needs {need}: {', '.join(s.entrant for s in standings if need in s.needs)}"


def _lost_line(standing: Standing) -> str:
    seeds = ", ".join(f"seed {seed} {reason}" for seed, reason in sorted(standing.lost.items()))
    return f"! {standing.entrant}: {seeds}; not averaged, stands below who lose fewer"
