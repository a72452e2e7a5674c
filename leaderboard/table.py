"""A board as tables for the terminal and as JSON for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .board import (
    ALPHA,
    BESIDE,
    HEADLINE_FROM,
    PROVISIONAL_BELOW,
    Board,
    Overall,
    OverallStanding,
    Rank,
    Standing,
    StreamBoard,
)
from .names import visible
from .numbers import count, duration, estimate, number
from .result import plain
from .statistics import CONFIDENCE

WIDE = 130
"""From this many columns on, a table also shows ACC and TAA, tuning trials, needs and trust."""

Placed = Standing | OverallStanding


def tables(board: Board, width: int = 80) -> Group:
    """Return the board as rich tables with notes on their marks, at home in 80 columns."""
    wide = width >= WIDE
    parts: list[RenderableType] = []
    for stream in board.streams:
        parts += [_stream_table(stream, board, wide), _dim(_stream_notes(stream, board, wide))]
    if board.overall:
        parts += [
            _overall_table(board.overall, board, wide),
            _dim([*_overall_notes(board.overall, wide), *_absent_notes(board)]),
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
    table = _table(f"{stream.stream}: {board.metric}, {direction}")
    seeds = wide or not _even(stream.standings)
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
            standing.entrant,
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


def _updates_notes(standings: Sequence[Placed]) -> Iterator[str]:
    """Say how many updates were made: most make equally many, so it needs no column."""
    by_number: dict[str, list[str]] = {}
    for standing in standings:
        if standing.cost.updates is not None:
            by_number.setdefault(count(standing.cost.updates), []).append(standing.entrant)
    if len(by_number) == 1:
        yield f"{next(iter(by_number))} updates for everybody"
    elif by_number:
        half = sum(map(len, by_number.values())) / 2
        named = {n: "most" if len(who) > half else ", ".join(who) for n, who in by_number.items()}
        yield f"updates: {'; '.join(f'{number} for {who}' for number, who in named.items())}"


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
    marks = "*" * standing.significant + "u" * (not difference.paired)
    return estimate(difference.mean, difference.interval, sign="+") + marks


def _beside(standing: Standing, name: str) -> str:
    return number(standing.beside[name]) if name in standing.beside else "-"


def _even(standings: Sequence[Placed]) -> bool:
    """Tell whether all have a value from the same number of seeds, and nobody lost or lacks one."""
    covered = [standing.coverage for standing in standings]
    return all(one.done == one.asked == covered[0].done for one in covered)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _dim(lines: Iterator[str] | Sequence[str]) -> Padding:
    return Padding(Text("\n".join(map(visible, lines)), style="dim"), (0, 0, 1, 0))


def _stream_notes(stream: StreamBoard, board: Board, wide: bool) -> Iterator[str]:
    standings = stream.standings
    if not wide and _even(standings):
        yield f"{standings[0].coverage.done} of {standings[0].coverage.asked} seeds for everybody"
    differences = [s.difference for s in standings if s.difference is not None]
    if stream.reference is None:
        yield "No differences: the reference has no result on this stream."
    if any(s.significant for s in standings):
        yield (
            f"* differs from {stream.reference} at {ALPHA:.0%} "
            f"(t-test paired by seed, Holm over {_plural(stream.comparisons, 'comparison')})"
        )
    elif differences:
        yield f"Nobody differs from {stream.reference} at {ALPHA:.0%} (paired t-test, Holm)"
    if not all(difference.paired for difference in differences):
        yield "u unpaired (Welch's test): fewer than two seeds are shared"
    yield from _rank_notes(standings, len(stream.pairs))
    if not_run := [s.entrant for s in standings if not s.coverage.done and not s.coverage.lost]:
        yield f"not run yet: {', '.join(not_run)}"
    yield from (_lost_line(s, stream.worst, board.metric) for s in standings if s.lost)
    if not wide:
        yield from _cost_notes(standings)


def _rank_notes(standings: Sequence[Placed], tests: int) -> Iterator[str]:
    placed = [s.rank for s in standings if s.rank]
    if any(rank.low < rank.high for rank in placed):
        yield (
            f"(1-3) ranks that the data allow at {ALPHA:.0%}, Holm over {_plural(tests, 'pair')}; "
            "a place is shared where they cannot tell apart"
        )
    if any(s.provisional for s in standings):
        yield f"? provisional: fewer than {PROVISIONAL_BELOW} seeds"


def _cost_notes(standings: Sequence[Placed]) -> Iterator[str]:
    yield from _updates_notes(standings)
    for need in sorted({need for s in standings for need in s.needs}):
        yield f"needs {need}: {', '.join(s.entrant for s in standings if need in s.needs)}"
    trials = {s.entrant: s.cost.tuning_trials or 0 for s in standings if s.cost.tuning_trials}
    if trials:
        others = ", others none" if len(trials) < len(standings) else ""
        named = ", ".join(f"{name} {count(spent)}" for name, spent in trials.items())
        yield f"tuning trials: {named}{others}"
    levels = {s.trust for s in standings}
    if len(levels) == 1:
        yield f"trust: all {levels.pop()}"
        return
    for level in ("reproduced", "verified"):
        if trusted := [s.entrant for s in standings if s.trust == level]:
            yield f"{level}: {', '.join(trusted)}"


def _lost_line(standing: Standing, worst: float | None, metric: str) -> str:
    seeds = ", ".join(f"seed {seed} {reason}" for seed, reason in sorted(standing.lost.items()))
    if worst is None or standing.summary is None:
        return f"! {standing.entrant}: {seeds}; without a value"
    return f"! {standing.entrant}: {seeds}; counted as the worst {metric}, {number(worst)}"


def _absent_notes(board: Board) -> Iterator[str]:
    """Say what the score counts of a stream on which somebody has no place."""
    for placed in board.overall.standings if board.overall else ():
        absent = [
            stream.stream
            for stream in board.streams
            if not any(s.rank and s.entrant == placed.entrant for s in stream.standings)
        ]
        if absent:
            yield f"! {placed.entrant}: nothing to rank on {', '.join(absent)}; counted as 0 there"


def _overall_notes(overall: Overall, wide: bool) -> Iterator[str]:
    yield (
        "Score: mean over streams, 0 is the worst anchor and 1 the best; stratified Welch interval."
    )
    yield from _rank_notes(overall.standings, len(overall.pairs))
    if all(s.least_seeds < HEADLINE_FROM for s in overall.standings):
        yield f"IQM without interval: below {HEADLINE_FROM} seeds bootstraps promise too much"
    else:
        for standing in overall.standings:
            low, high = standing.iqm.interval.low, standing.iqm.interval.high
            if isfinite(low) and standing.least_seeds >= HEADLINE_FROM:
                yield f"IQM of {standing.entrant}: {number(low)} to {number(high)}"
    if not wide:
        yield from _updates_notes(overall.standings)
