"""A board as one flat table: CSV and Parquet with every number, LaTeX and Markdown to print."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ...harness.visible import in_markdown, visible
from ..statistics.numbers import estimate
from .standings import Board, OverallStanding, Standing, StreamBoard
from .table import rank_text, seeds_text

ALL_STREAMS = "(all streams)"
"""What stands as the stream in the rows over all streams."""


def frame(board: Board) -> pd.DataFrame:
    """Return one row for every entrant on every stream, and over all streams where there are any.

    Columns hold plain numbers, undefined ones missing; `mean` is the score over all streams in
    the rows called `ALL_STREAMS`.
    """
    return pd.DataFrame(list(_rows(board)))


def csv(board: Board) -> str:
    """Return every number as comma-separated values.

    A name that a spreadsheet would take for a formula has an apostrophe in front.
    """
    safe = frame(board).map(_no_formula)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def parquet(board: Board, path: Path) -> None:
    """Write every number as a Parquet file."""
    frame(board).to_parquet(path, index=False)


def latex(board: Board) -> str:
    """Return the printed table for a paper; names are escaped. Needs the package booktabs."""
    shown = _printed(board)
    style = shown.style.hide(axis="index").format(_latex_cell, escape="latex")
    style = style.format_index(_latex_cell, escape="latex", axis="columns")
    return str(style.to_latex(hrules=True, column_format="l" * len(shown.columns)))


def markdown(board: Board) -> str:
    """Return the printed table in Markdown; bars and markup in names are escaped."""
    shown = _printed(board).map(in_markdown).rename(columns=in_markdown)
    return str(shown.to_markdown(index=False, disable_numparse=True)) + "\n"


def _rows(board: Board) -> Iterator[dict[str, Any]]:
    for stream in board.streams:
        for standing in stream.standings:
            common = _common(board, stream.stream, stream.metric, standing)
            yield {**common, **_on_stream(stream, standing)}
    for placed in board.overall.standings if board.overall else ():
        yield {**_common(board, ALL_STREAMS, board.metric, placed), **_over_all(placed)}


def _common(
    board: Board, stream: str, metric: str, placed: Standing | OverallStanding
) -> dict[str, Any]:
    rank, cost, covered = placed.rank, placed.cost, placed.coverage
    return {
        "suite": board.suite,
        "stream": stream,
        "metric": metric,
        "entrant": placed.entrant,
        "place": rank.place if rank else None,
        "rank_low": rank.low if rank else None,
        "rank_high": rank.high if rank else None,
        "runs_done": covered.done,
        "runs_asked": covered.asked,
        "runs_diverged": covered.diverged,
        "runs_failed": covered.failed,
        "runs_undefined": covered.undefined,
        "runs_missing": covered.missing,
        "provisional": placed.provisional,
        "needs": ", ".join(placed.needs),
        "updates": cost.updates,
        "flops": cost.flops,
        "seconds": cost.seconds,
        "tuning_trials": cost.tuning_trials,
        "trust": placed.trust,
    }


def _on_stream(stream: StreamBoard, standing: Standing) -> Mapping[str, Any]:
    summary, difference = standing.summary, standing.difference
    return {
        "mean": summary.mean if summary else None,
        "sd": summary.sd if summary else None,
        "ci_low": summary.interval.low if summary else None,
        "ci_high": summary.interval.high if summary else None,
        "reference": stream.reference,
        "difference": difference.mean if difference else None,
        "difference_low": difference.interval.low if difference else None,
        "difference_high": difference.interval.high if difference else None,
        "p_holm": standing.p_holm,
        "effect_size": difference.effect_size if difference else None,
        "paired": difference.paired if difference else None,
        "difference_of_ended": difference.ended if difference else None,
        "environment": standing.environment,
        **standing.beside,
    }


def _over_all(placed: OverallStanding) -> Mapping[str, Any]:
    return {
        "mean": placed.score.value,
        "ci_low": placed.score.interval.low,
        "ci_high": placed.score.interval.high,
        "iqm": placed.iqm.value,
        "iqm_low": placed.iqm.interval.low,
        "iqm_high": placed.iqm.interval.high,
    }


def _printed(board: Board) -> pd.DataFrame:
    """Return one row an entrant and one column a stream, with rank and score over all in front."""
    columns: dict[str, dict[str, str]] = {}
    if board.overall:
        for placed in board.overall.standings:
            columns.setdefault("rank", {})[placed.entrant] = rank_text(placed.rank)
            columns.setdefault("score", {})[placed.entrant] = estimate(
                placed.score.value, placed.score.interval
            )
    for stream in board.streams:
        for standing in stream.standings:
            summary = standing.summary
            text = estimate(summary.mean, summary.interval) if summary else "-"
            if not board.overall:
                columns.setdefault("rank", {})[standing.entrant] = rank_text(standing.rank)
            if standing.coverage.done < standing.coverage.asked or standing.provisional:
                noun = "seed" if standing.coverage.asked == 1 else "seeds"
                text += f" ({seeds_text(standing)} {noun})"
            columns.setdefault(stream.stream, {})[standing.entrant] = text
    entrants = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [
        {"entrant": name, **{title: column.get(name, "-") for title, column in columns.items()}}
        for name in entrants
    ]
    return pd.DataFrame(rows, dtype=str)


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _latex_cell(escaped: object) -> str:
    text = visible(escaped)
    # After the end of a row LaTeX takes these for an option of the row's end.
    return f"{{}}{text}" if text.startswith(("[", "*")) else text
