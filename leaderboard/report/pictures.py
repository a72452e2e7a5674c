"""Figures of a report as files, and their part of its page."""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from ...harness.specs.fingerprint import digest


@dataclass(frozen=True)
class Picture:
    """A figure and what has to be said about it."""

    name: str
    title: str
    figure: Figure
    caption: str


def look() -> AbstractContextManager[None]:
    """Set matplotlib's defaults for a while, without touching anyone else's."""
    return mpl.rc_context(
        {
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.size": 10,
            "grid.alpha": 0.3,
            "lines.linewidth": 1.6,
            "svg.hashsalt": "plasticity-bench",  # the same results give the same bytes
        }
    )


def saved(picture: Picture, folder: Path, stem: str, *, vector: bool = True) -> str:
    """Write a picture as PNG and, unless `vector` is False, as SVG; return its part of the page."""
    name = f"{stem}-{picture.name}"
    picture.figure.savefig(folder / f"{name}.png", dpi=150)
    shown = f"### {picture.title}\n\n![{picture.title}]({name}.png)\n\n{picture.caption}"
    if not vector:
        return f"{shown}\n"
    (folder / f"{name}.svg").write_bytes(svg(picture.figure))
    return f"{shown} ([as SVG]({name}.svg))\n"


def svg(figure: Figure) -> bytes:
    """Return a figure as an SVG file: the same results give the same bytes."""
    drawn = BytesIO()
    with look():
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def file_stem(label: str) -> str:
    """Return a file name that says whose figure it is, whatever signs a label has."""
    simple = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60]
    # Labels that look alike as file names stay apart by a few digits of their hash.
    return simple if simple == label else f"{simple}-{digest(label)[:6]}"
