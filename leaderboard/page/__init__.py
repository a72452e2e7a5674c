"""The board as one HTML file that needs no network, and the same data as JSON beside it.

It is made by `data` and `html`; `serve` shows it while results arrive. Charts are drawn by
Observable Plot on d3, both carried inside the file: they draw SVG, which prints well; they write
every name as text, so that no name becomes markup; and they never evaluate text as code, so that
the page can forbid all scripts but its own.

May import: harness/metrics, leaderboard/board, leaderboard/curves, leaderboard/report,
            leaderboard/statistics, leaderboard/store, leaderboard/trust.

For others:
    serve: FOLLOW, PageServer
"""

from .data import page_data
from .html import Page, render, write

__all__ = ["Page", "page_data", "render", "write"]
