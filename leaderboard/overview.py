"""The first part of a report: the board as a table, and mean ranks over streams."""

from pathlib import Path

from .board import ALPHA, Board
from .critical_difference import LEAST_STREAMS, diagram
from .exports import markdown
from .pictures import Picture, file_stem, saved


def overview(board: Board, folder: Path) -> str:
    """Return the board as a table, and mean ranks over streams where there are enough."""
    parts = [f"## The board by {board.metric}", "", markdown(board)]
    figure = diagram(board.overall) if board.overall else None
    if figure:
        caption = (
            "Bars join entrants whom Nemenyi's test does not tell apart "
            f"at {ALPHA:.0%}, streams as blocks."
        )
        picture = Picture("ranks", "Mean ranks over streams", figure, caption)
        parts.append(saved(picture, folder, file_stem(board.suite)))
    elif len(board.streams) > 1:
        parts.append(f"Mean ranks over streams are tested from {LEAST_STREAMS} streams on.\n")
    return "\n".join(parts)
