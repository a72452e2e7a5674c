"""A board as tables for the terminal and as JSON for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...harness.visible import visible
from ..statistics.inference import CONFIDENCE
from ..statistics.numbers import count, duration, estimate, number
from ..store.result import plain
from .standings import BESIDE, Board, Overall, Rank, Standing, StreamBoard
from .table_notes import Placed, even, incomplete_notes, overall_notes, stream_notes

WIDE = 130
"""From this many columns on, a table also shows ACC and TAA, tuning trials, needs and trust."""


def tables(board: Board, width: int = 80) -> Group:
    """Return the board as rich tables with notes on their marks, at home in 80 columns."""
    wide = width >= WIDE
    parts: list[RenderableType] = []
    for stream in board.streams:
        parts += [_stream_table(stream, board, wide), _dim(stream_notes(stream, board, wide))]
    if board.overall:
        parts += [
            _overall_table(board.overall, board, wide),
            _dim(
                [
                    *overall_notes(board.overall, wide),
                    *incomplete_notes(board.overall.incomplete, board.overall.run),
                ]
            ),
        ]
    elif len(board.streams) > 1:
        parts.append(_dim([f"No board over streams: {board.no_overall}."]))
    parts += [_dim([f"Not run yet: {name}"]) for name in board.not_run]
    return Group(*parts)


def as_json(board: Board) -> dict[str, Any]:
    """Return the board as plain JSON values; what is undefined is null."""
    content = plain(asdict(board))
    for stream, shown in zip(board.streams, content["streams"], strict=True):
        for standing, entry in zip(stream.standings, shown["standings"], strict=True):
            for name in ("values", "lost", "runs"):
                entry[name] = {str(seed): value for seed, value in entry[name].items()}
            entry["significant"] = standing.significant
            entry["provisional"] = standing.provisional
    if board.overall:
        for placed, entry in zip(
            board.overall.standings, content["overall"]["standings"], strict=True
        ):
            entry["provisional"] = placed.provisional
    return dict(content)


def rank_text(rank: Rank | None) -> str:
    """Return the place, and behind it the ranks that the tests allow, as "2 (1-4)"."""
    if rank is None:
        return "-"
    return str(rank.place) if rank.low == rank.high else f"{rank.place} ({rank.low}-{rank.high})"


def seeds_text(placed: Placed) -> str:
    """Return the runs with a value, of how many where some are lost or missing, as "4/5?"."""
    covered = placed.coverage
    of_all = f"/{covered.asked}" if covered.done < covered.asked else ""
    return f"{covered.done}{of_all}{'?' * placed.provisional}"


def _stream_table(stream: StreamBoard, board: Board, wide: bool) -> Table:
    direction = "for information" if board.better == "diagnostic" else f"{board.better} is better"
    table = _table(f"{stream.stream}: {stream.metric}, {direction}")
    seeds = wide or not even(stream.standings)
    names = [f"mean ± {CONFIDENCE:.0%} CI", _difference_header(stream), *(["seeds"] * seeds)]
    beside = [name for name in BESIDE if any(name in s.beside for s in stream.standings)]
    _columns(table, *names, *(beside if wide else ()))
    _cost_columns(table, wide)
    for standing in stream.standings:
        if not standing.coverage.done and not standing.coverage.lost:
            continue  # the notes name it
        summary = standing.summary
        cells = [
            rank_text(standing.rank),
            f"{standing.entrant}{' ~' * bool(standing.environment)}",
            estimate(summary.mean, summary.interval) if summary else "-",
            _difference(standing),
            *([seeds_text(standing)] * seeds),
            *(_beside(standing, name) for name in beside if wide),
            *_cost_cells(standing, wide),
        ]
        table.add_row(*map(_text, cells), style=_style(standing.rank))
    return table


def _overall_table(overall: Overall, board: Board, wide: bool) -> Table:
    table = _table(f"all {len(board.streams)} streams: mean of normalised {board.metric}")
    _columns(table, f"score ± {CONFIDENCE:.0%} CI", "IQM", "runs")
    _cost_columns(table, wide)
    for standing in overall.standings:
        cells = [
            rank_text(standing.rank),
            standing.entrant,
            estimate(standing.score.value, standing.score.interval),
            number(standing.iqm.value),
            seeds_text(standing),
            *_cost_cells(standing, wide),
        ]
        table.add_row(*map(_text, cells), style=_style(standing.rank))
    return table


def _table(title: str) -> Table:
    return Table(
        title=Text(visible(title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )


def _columns(table: Table, *names: str) -> None:
    table.add_column("#", no_wrap=True)
    table.add_column("entrant", overflow="fold", min_width=10)
    for name in names:
        table.add_column(_text(name), no_wrap=True)


def _text(cell: str) -> Text:
    return Text(visible(cell))


def _cost_columns(table: Table, wide: bool) -> None:
    for name in (*(["updates"] * wide), "FLOPs", "time", *(["trials"] * wide)):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("needs")
        table.add_column("trust", no_wrap=True)


def _cost_cells(placed: Placed, wide: bool) -> Iterator[str]:
    cost = placed.cost
    if wide:
        yield _shown(cost.updates)
    yield _shown(cost.flops)
    yield "-" if cost.seconds is None else duration(cost.seconds)
    if wide:
        yield _shown(cost.tuning_trials)
        yield ", ".join(placed.needs) or "-"
        yield placed.trust


def _shown(value: float | None) -> str:
    return "-" if value is None else count(value)


def _style(rank: Rank | None) -> str:
    return "bold" if rank and rank.place == 1 else ""


def _difference_header(stream: StreamBoard) -> str:
    # The notes name the reference where its label is too long for a column.
    short = stream.reference is not None and len(stream.reference) <= 12
    return f"vs {stream.reference}" if short else "vs reference"


def _difference(standing: Standing) -> str:
    difference = standing.difference
    if difference is None:
        return "-"
    marks = "*" * standing.significant + "u" * (not difference.paired) + "e" * difference.ended
    return estimate(difference.mean, difference.interval, sign="+") + marks


def _beside(standing: Standing, name: str) -> str:
    return number(standing.beside[name]) if name in standing.beside else "-"


def _dim(lines: Iterator[str] | Sequence[str]) -> Padding:
    return Padding(Text("\n".join(map(visible, lines)), style="dim"), (0, 0, 1, 0))
