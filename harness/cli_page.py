"""What `plasticity-bench leaderboard build` and `leaderboard serve` do."""

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..leaderboard.board import Board
    from ..leaderboard.page import Page
    from ..leaderboard.result import Result


def build(board: "Board", results: Iterable["Result"], out: Path) -> Path:
    """Write the page of a board and its data into a folder; return the path of the page.

    Args:
        board: the ranking.
        results: those that it was made from, with their rows.
        out: made if it is not there.

    Raises:
        BenchError: the folder cannot be written to.
    """
    from ..leaderboard.page import write

    return write(page(board, results), out)


def page(board: "Board", results: Iterable["Result"]) -> "Page":
    """Return the page of a board as it is now."""
    from datetime import UTC, datetime

    from ..leaderboard.page import page_data, render

    return render(page_data(board, results, datetime.now(UTC)))


def serve(
    select: Callable[[], tuple["Board", Iterable["Result"]]],
    version: Callable[[], Hashable],
    host: str,
    port: int,
    say: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted from the keyboard.

    Args:
        select: returns the board and its results as they are at that moment.
        version: cheap, and equal as long as the results are the same.
        host: address to listen at.
        port: 0 takes any that is free.
        say: called with where the page is.

    Raises:
        BenchError: nothing can listen there.
    """
    from ..leaderboard.serve import PageServer

    with PageServer(lambda: page(*select()), version, host, port) as server:
        say(f"The board is at {server.url} and follows the results; stop it with Ctrl-C.")
        if not server.loopback:
            say("Everyone who reaches this machine can read it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped.")
