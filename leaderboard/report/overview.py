"""The first part of a report: the board as a table, and mean ranks over streams."""

from pathlib import Path

from ...harness.visible import in_markdown
from ..board.exports import markdown
from ..board.standings import LEAST_STREAMS, Board
from ..board.table_notes import other_code_notes
from .critical_difference import CAPTION, diagram
from .pictures import Picture, file_stem, saved


def overview(board: Board, folder: Path) -> str:
    """Return the board as a table, and mean ranks over streams where there are enough."""
    parts = [f"## The board by {in_markdown(board.metric)}", "", markdown(board)]
    parts += [f"{in_markdown(note)}.\n" for note in other_code_notes(board.other_code)]
    figure = diagram(board.overall) if board.overall else None
    if figure:
        picture = Picture("ranks", "Mean ranks over streams", figure, CAPTION)
        parts.append(saved(picture, folder, file_stem(board.suite)))
    elif len(board.streams) > 1:
        parts.append(f"Mean ranks over streams are tested from {LEAST_STREAMS} streams on.\n")
    return "\n".join(parts)
