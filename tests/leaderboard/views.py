"""Everything that is shown of a store, and that none of it does harm."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

from rich.console import Console

from plasticity_bench.harness.commands.selection import Selection
from plasticity_bench.leaderboard.board import exports
from plasticity_bench.leaderboard.board.comparison import comparison
from plasticity_bench.leaderboard.board.comparison_words import sentences
from plasticity_bench.leaderboard.board.standings import Board
from plasticity_bench.leaderboard.board.table import as_json, tables
from plasticity_bench.leaderboard.commands.found import Found, board_of, find, tell_other_code
from plasticity_bench.leaderboard.commands.page import page_of
from plasticity_bench.leaderboard.commands.report import report
from plasticity_bench.leaderboard.store import upkeep
from plasticity_bench.leaderboard.store.result_store import ResultStore
from tests.fuzzing import check_shown, clean

STREAM, SEEDS = "permuted-digits(tasks=3,batch_size=200)", "0:2"
SELECTION = Selection("quick", (STREAM,), (), SEEDS)


def check_views(folder: Path, out: Path | None = None) -> None:
    """Make every view of a store: each is made and does no harm, or is refused cleanly.

    Args:
        folder: of the store.
        out: where a report is written to; None makes none, which takes seconds.
    """
    screen = io.StringIO()
    with redirect_stdout(screen), redirect_stderr(screen):
        for all_versions in (False, True):
            _check_boards(folder, all_versions)
        _check_upkeep(folder)
        if out is not None:
            _check_report(folder, out)
    check_shown(screen.getvalue(), markup=False)


def _check_boards(folder: Path, all_versions: bool) -> None:
    found = clean(lambda: find(SELECTION, ResultStore(folder), all_versions=all_versions))
    if found is None:
        return
    tell_other_code(found.other_code)
    board = clean(lambda: board_of(found, None, None))
    if board is not None:
        _check_board(board)
        _check_page(found, board)


def _check_board(board: Board) -> None:
    for width in (80, 200):
        shown = io.StringIO()
        Console(file=shown, width=width).print(tables(board, width))
        check_shown(shown.getvalue())
    json.dumps(as_json(board), allow_nan=False)
    check_shown(exports.csv(board), markup=False)
    check_shown(exports.latex(board), markup=False)
    check_shown(exports.markdown(board))
    exports.frame(board)
    labels = list(
        dict.fromkeys(one.entrant for stream in board.streams for one in stream.standings)
    )
    for label in labels[1:3]:
        compared = clean(partial(comparison, board, labels[0], label))
        if compared:
            for sentence in sentences(compared):
                check_shown(sentence, markup=False)


def _check_page(found: Found, board: Board) -> None:
    page = clean(lambda: page_of(found, board))
    if page is not None:
        text = page.html.decode()
        assert "<script>alert" not in text
        json.loads(page.data)


def _check_upkeep(folder: Path) -> None:
    for problem in upkeep.verify(ResultStore(folder)).problems:
        check_shown(problem.message, markup=False)


def _check_report(folder: Path, out: Path) -> None:
    clean(
        lambda: report(
            SELECTION.suite, out, [STREAM], [], SELECTION.seeds, [], False, folder, True, False
        )
    )
    for page in out.glob("**/*.md"):
        check_shown(page.read_text(encoding="utf-8"))
