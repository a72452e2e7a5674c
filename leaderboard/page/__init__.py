"""The board as one HTML file that needs no network, and the same data as JSON beside it.

Charts are drawn by Observable Plot on d3, both carried inside the file (0.5 MB; Plotly would be
4.7 MB). They draw SVG, which prints well and follows the page's colours; they write every name as
text, so that no name becomes markup; and they never evaluate text as code, so that the page can
forbid all scripts but its own.
"""

from .data import page_data
from .html import Page, render, write

__all__ = ["Page", "page_data", "render", "write"]
