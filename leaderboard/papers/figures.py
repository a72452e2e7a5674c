"""Figures: printed beside measured numbers, and Prune beside its controls."""

from collections.abc import Mapping, Sequence
from math import ceil, isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report.styles import drawn
from ..statistics.inference import summarise
from .controls import CONTROLS, METRIC
from .measured import Measured
from .paper import PERCENT, metric_title, metric_unit
from .verdicts import Cell

PRINTED, MEASURED, CONTROL = "#D55E00", "#0072B2", "#009E73"
"""Told apart with any colour vision (Okabe and Ito 2008)."""


def printed_and_measured(
    title: str, cells: Mapping[tuple[str, str], Cell], printed: str = "printed"
) -> Figure | None:
    """Draw a row: one panel a metric, printed and measured with 95 % intervals.

    Args:
        title: above all panels.
        cells: (entry, metric) -> cell.
        printed: what the legend calls the printed numbers.

    Returns:
        None where nothing is measured.
    """
    known = {key: one for key, one in cells.items() if one.mean is not None or one.printed}
    if all(one.mean is None for one in known.values()):
        return None
    metrics = list(dict.fromkeys(metric for _, metric in known))
    entries = {m: [entry for entry, metric in known if metric == m] for m in metrics}
    tallest = max(map(len, entries.values()))
    columns = min(3, len(metrics))
    rows = ceil(len(metrics) / columns)
    size = (2.2 + 3.2 * columns, rows * (1.2 + 0.24 * tallest))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(drawn(title), fontsize=11)
    flat = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, metric in zip(flat, metrics, strict=False):
        _panel(axes, metric, {entry: known[entry, metric] for entry in entries[metric]}, printed)
    for axes in flat[len(metrics) :]:
        axes.remove()
    handles, labels = flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _panel(axes: Axes, metric: str, cells: Mapping[str, Cell], printed: str) -> None:
    for shift, colour, sign, label in (
        (-0.15, PRINTED, "s", printed),
        (0.15, MEASURED, "o", "measured"),
    ):
        bars = [_printed(one) if label == printed else _measured(one) for one in cells.values()]
        found = [(place + shift, *bar) for place, bar in enumerate(bars) if bar is not None]
        places, values, below, above = ([row[column] for row in found] for column in range(4))
        axes.errorbar(
            values, places, xerr=[below, above], fmt=sign, color=colour, markersize=4, label=label
        )
    _name(axes, list(cells), f"{metric_title(metric)}, {metric_unit(metric)}")


def _printed(one: Cell) -> tuple[float, float, float] | None:
    """Return a printed number and how far its bar goes down and up."""
    if one.printed is None:
        return None
    half = one.printed.shown_half_width or 0.0
    return one.printed.value, half, half


def _measured(one: Cell) -> tuple[float, float, float] | None:
    """Return a measured mean and how far its bar goes down and up; without end it is not drawn."""
    if one.mean is None:
        return None
    if one.interval is None or not isfinite(one.interval.half_width):
        return one.mean, 0.0, 0.0
    return one.mean, one.mean - one.interval.low, one.interval.high - one.mean


def _name(axes: Axes, names: Sequence[str], label: str) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label)


def prune_or_rewind(results: Sequence[Measured]) -> Figure | None:
    """Draw Prune beside its controls, one panel a stream: does it win because it rewinds?

    Args:
        results: of continual rows; entries with several compactnesses are shown at 20 %.

    Returns:
        None where no control is measured.
    """
    order = ("Prune", *CONTROLS, "Dense", "Grow")
    streams: dict[str, dict[str, Measured]] = {}
    for one in results:
        if one.method in order and one.compactness in (None, 0.2) and one.values(METRIC):
            streams.setdefault(one.row, {})[one.method] = one
    streams = {row: found for row, found in streams.items() if found.keys() & set(CONTROLS)}
    if not streams:
        return None
    columns = min(3, len(streams))
    rows = ceil(len(streams) / columns)
    figure = Figure(figsize=(1.5 + 3.4 * columns, 3.2 * rows), layout="constrained")
    flat = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (row, found) in zip(flat, streams.items(), strict=False):
        names = [name for name in order if name in found]
        for place, name in enumerate(names):
            summary = summarise([PERCENT * v for v in found[name].values(METRIC).values()])
            half = summary.interval.half_width if summary.count > 1 else 0.0
            colour = CONTROL if name in CONTROLS else MEASURED
            axes.errorbar([summary.mean], [place], xerr=[half], fmt="o", color=colour)
        axes.set_title(row, fontsize=10)
        _name(axes, names, f"{metric_title(METRIC)}, %, with 95 % intervals")
    for axes in flat[len(streams) :]:
        axes.remove()
    return figure
