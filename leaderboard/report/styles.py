"""How entrants look in all figures of a report, and how a line with its band is drawn."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, product
from math import ceil
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ...harness.fingerprint import canonical
from ...harness.visible import visible
from ..board.grouping import EntrantRuns
from ..curves.lines import Line
from ..store.result import Result

Style = Mapping[str, Any]
"""Colour and dash of one line, as matplotlib takes them."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart with any colour vision (Okabe and Ito 2008, "Color Universal Design")."""

DASHES = ("-", "--", "-.", ":")

_SCALES = ("viridis", "plasma", "cividis")
"""Colours in an order, for entrants that differ in the number of their edits only."""


def styles(entrants: Iterable[EntrantRuns[Result]]) -> dict[str, Style]:
    """Give every entrant one look, the same in all figures of a report.

    Entrants that differ in nothing but their number of edits (the setting `events`) are coloured
    on one scale, light to dark in the order of that number.
    """
    known = list(entrants)
    names = {entrant.label: entrant.name for entrant in known}
    scaled = _scaled(known)
    looks = cycle(product(DASHES, COLOURS))
    black = cycle(DASHES)
    return {
        label: scaled[label]
        if label in scaled
        else {"color": "black", "linestyle": next(black)}
        if names[label] == "dense"
        else dict(zip(("linestyle", "color"), next(looks), strict=True))
        for label in sorted(names)
    }


def _scaled(entrants: Sequence[EntrantRuns[Result]]) -> dict[str, Style]:
    families: dict[bytes, dict[str, int]] = defaultdict(dict)
    for entrant in entrants:
        spec = entrant.runs[0].spec.entrant
        events = [s.settings.get("events") for s in spec.strategies]
        number = next((n for n in events if isinstance(n, int)), None)
        if number is not None:
            rest = [{**s.settings, "name": s.name, "events": None} for s in spec.strategies]
            families[canonical([rest, spec.network, spec.optimizer])][entrant.label] = number
    found: dict[str, Style] = {}
    scales = cycle(zip(_SCALES, DASHES, strict=False))
    for numbers in families.values():
        ordered = sorted(set(numbers.values()))
        if len(ordered) > 1:
            scale, dash = next(scales)
            for label, number in numbers.items():
                position = 0.85 * (1 - ordered.index(number) / (len(ordered) - 1))
                colour = to_hex(mpl.colormaps[scale](position))
                found[label] = {"color": colour, "linestyle": dash}
    return found


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels so that numbers in them ascend: events=5 before events=10."""

    def key(label: str) -> list[tuple[int, float, str]]:
        parts = re.split(r"(\d+(?:\.\d+)?)", label)
        return [(0, float(p), "") if n % 2 else (1, 0.0, p) for n, p in enumerate(parts)]

    return sorted(labels, key=key)


def drawn(label: str) -> str:
    """Return a label as a figure shows it.

    For matplotlib what is between dollars is a formula, and what begins with a low line is left
    out of a legend.
    """
    text = visible(label).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def draw_line(axes: Axes, label: str, line: Line, style: Style) -> None:
    """Draw a line and its band; a single point as a point with its interval."""
    axes.plot(line.x, line.middle, label=drawn(label), **style)
    if len(line.x) == 1:  # a single point has neither line nor band to be seen by
        axes.plot(line.x, line.middle, "o", color=style["color"])
        axes.vlines(line.x, line.low, line.high, color=style["color"])
    step: Literal["post"] | None = "post" if style.get("drawstyle") == "steps-post" else None
    axes.fill_between(
        line.x, line.low, line.high, step=step, color=style["color"], alpha=0.15, linewidth=0
    )


_ROWS_THAT_FIT, _ROW_INCHES = 3, 0.22
"""Rows of a legend below which axes have room enough, and what each further one takes."""


def legend(figure: Figure, axes: Axes) -> None:
    """Put the legend of some axes under the figure, which grows where it has many rows."""
    handles, labels = axes.get_legend_handles_labels()
    fitting = max(1, int(figure.get_figwidth() * 13) // (max(map(len, labels)) + 7))
    columns = ceil(len(labels) / ceil(len(labels) / fitting))
    rows = ceil(len(labels) / columns)
    figure.set_figheight(figure.get_figheight() + _ROW_INCHES * max(0, rows - _ROWS_THAT_FIT))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=3
    )


def age_axis(axes: Axes) -> None:
    """Make x an age in updates: linear from 0 to 1, logarithmic above, so that 0 has a place."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=-0.2)  # what falls at birth is not hidden by the axis


def ratio_axis(axes: Axes) -> None:
    """Make y logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
