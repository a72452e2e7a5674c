"""The commands `leaderboard build` and `leaderboard serve`: the board as a page."""

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...harness.commands.options import Entrants, Results, Seeds, Sets, Streams, SuiteName, Trust
from ...harness.visible import tell
from .found import (
    Against,
    AllVersions,
    By,
    Found,
    UsualOnly,
    board_of,
    find,
    results_of,
    store_of,
    tell_other_code,
)

if TYPE_CHECKING:
    from ..board.standings import Board
    from ..page import Page
    from ..store.result import Result

Out = Annotated[Path, typer.Option(help="Folder for index.html and board.json.")]
Host = Annotated[
    str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines read the page.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")]


def build(
    suite: SuiteName = "quick",
    by: By = None,
    against: Against = None,
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
    usual_only: UsualOnly = False,
    out: Out = Path("board"),
) -> None:
    """Write the board as one HTML file that needs no network, and its data beside it."""
    from ...harness.commands.selection import Selection
    from ..page import write

    selection = Selection(suite, stream, entrant, seeds, set_, trust)
    found = find(selection, store_of(results), all_versions=all_versions, usual_only=usual_only)
    path = write(page_of(found, board_of(found, by, against)), out)
    tell(f"The page is {path}, {path.stat().st_size / 1e6:.1f} MB.")
    found.tell_missing()
    tell_other_code(found.other_code)


def serve(
    suite: SuiteName = "quick",
    by: By = None,
    against: Against = None,
    stream: Streams = [],  # noqa: B006
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
    usual_only: UsualOnly = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Show the page in a browser while results arrive: read-only, on this machine alone."""
    from ...harness.commands.selection import Selection
    from ..page.serve import FOLLOW, PageServer

    selection, store = Selection(suite, stream, entrant, seeds, set_, trust), store_of(results)
    selection.runs()  # what is asked for wrongly is said here, not to every browser

    def make() -> "Page":
        found = find(selection, store, all_versions=all_versions, usual_only=usual_only)
        return page_of(found, board_of(found, by, against), FOLLOW)

    with PageServer(make, lambda: state_of(store.folder), host, port) as server:
        tell(f"The board is at {server.url} and follows the results; Ctrl-C stops it.")
        if not server.loopback:
            tell("Everyone who reaches this machine can read it.", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell("stopped.")


def page_of(
    found: Found,
    board: "Board",
    follow: float | None = None,
    shown: "Callable[[Result], Result] | None" = None,
) -> "Page":
    """Return the page of the board of the results found.

    Args:
        found: the results.
        board: of them.
        follow: see `render`.
        shown: what is shown of a result; None shows it as it is.
    """
    from datetime import UTC, datetime

    from ..page import page_data, render

    results = results_of(found.store, found.fingerprints)
    chosen = results if shown is None else map(shown, results)
    return render(page_data(board, chosen, datetime.now(UTC)), follow)


def state_of(folder: Path) -> Hashable:
    """Return what changes with the results, the journal and what was verified; cheap to ask.

    The rows of runs that go on are left out: a page shows what is done.
    """
    return frozenset(
        (path, changed)
        for part in (folder, folder / "journal", folder / "attestations")
        for path, changed in _files(part)
    )


def _files(folder: Path) -> list[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.path, entry.stat().st_mtime_ns)
                for entry in entries
                if entry.name.endswith((".json", ".jsonl"))
            ]
    except FileNotFoundError:  # nothing of the kind yet, or a file replaced at this moment
        return []
