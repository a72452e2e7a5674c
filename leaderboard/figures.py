"""The report: figures of every stream, and one page that lists them with what they show."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle, product
from math import ceil
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..harness.errors import BenchError
from ..harness.metrics.pooling import SMALLEST_COHORT
from .board import Board
from .curves import (
    PARITY_QUANTITIES,
    Line,
    accuracy_over_steps,
    accuracy_over_tasks,
    alive_over_steps,
    cohorts_of,
    parity_by_age,
    smoothing_window,
)
from .grouping import EntrantRuns, StreamRuns, grouped
from .overview import overview
from .pictures import Picture, file_stem, look, saved
from .report_tables import integration_table, plasticity_table
from .result import Result, canonical
from .statistics import CONFIDENCE

Style = Mapping[str, Any]
"""Colour and dash of one line, as matplotlib takes them."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart with any colour vision (Okabe and Ito 2008, "Color Universal Design")."""

_DASHES = ("-", "--", "-.", ":")
_LOWEST_RATIO = 1e-4
"""Smaller ratios, zero among them, are drawn here: a logarithmic axis has no place for them."""


def report(results: Iterable[Result], folder: Path, board: Board | None = None) -> Path:
    """Draw the figures of every stream as PNG and SVG, and write `report.md` that shows them.

    Only runs that are done are drawn; the page names the others and why they are not done.

    Args:
        results: of any streams and entrants.
        folder: made if it is not there; figures of an earlier report of the same streams are
            replaced.
        board: shown first, as a table, and as a diagram where there are streams enough.

    Returns:
        The path of `report.md`.

    Raises:
        BenchError: there is no result.
    """
    streams = grouped(results)
    if not streams:
        raise BenchError("no results to report on. Run something first: plasticity-bench run quick")
    folder.mkdir(parents=True, exist_ok=True)
    styles = _styles(entrant for stream in streams for entrant in stream.entrants)
    sections = [_section(stream, styles, folder) for stream in streams]
    page = folder / "report.md"
    first = [] if board is None else [overview(board, folder)]
    page.write_text("\n".join(["# Report", "", *first, *sections]), encoding="utf-8")
    return page


def _styles(entrants: Iterable[EntrantRuns[Result]]) -> dict[str, Style]:
    """Give every entrant one look, the same in all figures of a report."""
    names = {entrant.label: entrant.name for entrant in entrants}
    looks = cycle(product(_DASHES, _COLOURS))
    black = cycle(_DASHES)
    return {
        label: {"color": "black", "linestyle": next(black)}
        if names[label] == "dense"
        else dict(zip(("linestyle", "color"), next(looks), strict=True))
        for label in sorted(names)
    }


def _section(stream: StreamRuns[Result], styles: Mapping[str, Style], folder: Path) -> str:
    with look():
        pictures = [
            *_draw_accuracy(stream, styles),
            *_draw_parity(stream),
            *_draw_alive(stream, styles),
        ]
        parts = [saved(picture, folder, file_stem(stream.label)) for picture in pictures]
    origin = [*_origin(stream), *plasticity_table(stream), *integration_table(stream)]
    return "\n".join([f"## {stream.label}", "", *origin, *parts])


def _draw_accuracy(stream: StreamRuns[Result], styles: Mapping[str, Style]) -> Iterator[Picture]:
    tasks = max(_task_count(run) for entrant in stream.entrants for run in entrant.runs)
    window = smoothing_window(tasks)
    if tasks > 2:
        lines = _lines(stream, lambda runs: accuracy_over_tasks(runs, window))
        averaged = f", mean of {window} tasks" if window > 1 else ""
        axis, title = ("task, from 0", f"online accuracy{averaged}"), "Online accuracy over tasks"
    else:  # one or two long tasks: what happens is within them
        lines = _lines(stream, accuracy_over_steps)
        axis, title = ("updates", "test accuracy on tasks seen"), "Test accuracy over updates"
    if lines:
        figure, axes = _figure(stream.label, *axis)
        _draw_lines(axes, lines, styles)
        _legend(figure, axes)
        caption = f"Line: mean over seeds. Band: {CONFIDENCE:.0%} t interval over seeds."
        yield Picture("accuracy", title, figure, f"{caption} {_seeds_text(stream)}")


def _draw_parity(stream: StreamRuns[Result]) -> Iterator[Picture]:
    # Colours tell quantities apart here, so entrants have a panel each.
    panels = {
        entrant.label: lines
        for entrant in stream.entrants
        if (lines := _parity_lines(entrant.done))
    }
    if not panels:
        return
    figure = _parity_figure(stream.label, panels)
    cohorts = ", ".join(
        f"{entrant.label} {len(cohorts_of(entrant.done))}"
        for entrant in stream.entrants
        if entrant.label in panels
    )
    caption = (
        "Newborn-to-incumbent ratio by age: 1 is parity. Line: median over cohorts of all layers "
        f"and seeds (under {SMALLEST_COHORT} units pooled over seeds); band: quartiles. "
        "A cohort counts until the next edit cuts it off; those born before the first update are "
        f"left out; ratios under {_LOWEST_RATIO:g} are drawn there. "
        f"Cohorts: {cohorts}."
    )
    yield Picture(
        "parity", "Newborn parity by age", figure, f"{caption} {_seeds_text(stream, set(panels))}"
    )


def _parity_lines(runs: Sequence[Result]) -> dict[str, Line]:
    found = {quantity: parity_by_age(runs, quantity) for quantity in PARITY_QUANTITIES}
    return {quantity: line for quantity, line in found.items() if line is not None}


def _parity_figure(title: str, panels: Mapping[str, Mapping[str, Line]]) -> Figure:
    columns = min(3, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(1.2 + 3.1 * max(columns, 2), 1.2 + 2.6 * rows), layout="constrained")
    figure.suptitle(f"{title}: newborn parity by age", fontsize=11)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = list(grid.flat)
    for axes, (label, lines) in zip(flat, panels.items(), strict=False):
        _draw_parity_panel(axes, label, lines)
    for axes in flat[len(panels) :]:
        axes.remove()
    for axes in flat[max(0, len(panels) - columns) : len(panels)]:  # the lowest of each column
        axes.set_xlabel("age in updates")
    figure.supylabel("newborns / incumbents", fontsize=10)
    _legend(figure, flat[0])
    return figure


def _draw_parity_panel(axes: Axes, label: str, lines: Mapping[str, Line]) -> None:
    axes.set_title(label, fontsize=10, wrap=True)
    axes.axhline(1, color="0.4", linewidth=1)
    for number, quantity in enumerate(PARITY_QUANTITIES):
        if quantity in lines:
            style = {"color": _COLOURS[number], "linestyle": _DASHES[number]}
            _draw_line(axes, quantity.replace("_", " "), _floored(lines[quantity]), style)
    axes.set_yscale("log")
    # Linear from age 0 to 1, logarithmic above: a measurement at birth has its place.
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=0)
    axes.tick_params(labelbottom=True)


def _floored(line: Line) -> Line:
    return Line(line.x, *(part.clip(_LOWEST_RATIO) for part in (line.middle, line.low, line.high)))


def _draw_alive(stream: StreamRuns[Result], styles: Mapping[str, Style]) -> Iterator[Picture]:
    lines = _merged(_lines(stream, alive_over_steps))
    if not lines:
        return
    figure, axes = _figure(stream.label, "updates", "alive hidden units, all layers")
    for labels, line in lines.items():
        _draw_line(axes, ", ".join(labels), line, {**styles[labels[0]], "drawstyle": "steps-post"})
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    caption = "Line: mean over seeds; band: least and most. Entrants that agree share a line."
    yield Picture("alive", "Alive units", figure, f"{caption} {_seeds_text(stream)}")


def _merged(lines: Mapping[str, Line]) -> dict[tuple[str, ...], Line]:
    """Gather the entrants whose curves are the same: only the last drawn would be seen."""
    same: dict[bytes, list[str]] = {}
    for label, line in lines.items():
        curve = b"".join(part.tobytes() for part in (line.x, line.middle, line.low, line.high))
        same.setdefault(curve, []).append(label)
    return {tuple(labels): lines[labels[0]] for labels in same.values()}


def _task_count(run: Result) -> int:
    return sum(row["kind"] == "task" for row in run.rows)


def _lines(
    stream: StreamRuns[Result], curve: Callable[[Sequence[Result]], Line | None]
) -> dict[str, Line]:
    found = {entrant.label: curve(entrant.done) for entrant in stream.entrants}
    return {label: line for label, line in found.items() if line is not None}


def _figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11, wrap=True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _draw_lines(axes: Axes, lines: Mapping[str, Line], styles: Mapping[str, Style]) -> None:
    for label, line in lines.items():
        _draw_line(axes, label, line, styles[label])


def _draw_line(axes: Axes, label: str, line: Line, style: Style) -> None:
    axes.plot(line.x, line.middle, label=label, **style)
    if len(line.x) == 1:  # a single point has neither line nor band to be seen by
        axes.plot(line.x, line.middle, "o", color=style["color"])
        axes.vlines(line.x, line.low, line.high, color=style["color"])
    step: Literal["post"] | None = "post" if style.get("drawstyle") == "steps-post" else None
    axes.fill_between(
        line.x, line.low, line.high, step=step, color=style["color"], alpha=0.15, linewidth=0
    )


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    fitting = max(1, int(figure.get_figwidth() * 13) // (max(map(len, labels)) + 7))
    columns = ceil(len(labels) / ceil(len(labels) / fitting))  # rows of equal length
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=3
    )


def _seeds_text(stream: StreamRuns[Result], shown: set[str] | None = None) -> str:
    """Say which seeds were drawn, of all entrants or of those shown."""
    entrants = [entrant for entrant in stream.entrants if shown is None or entrant.label in shown]
    return f"Seeds: {'; '.join(f'{e.label} {_seed_list(e.done)}' for e in entrants)}."


def _seed_list(runs: Sequence[Result]) -> str:
    return ",".join(str(run.spec.seed) for run in runs) or "none"


def _origin(stream: StreamRuns[Result]) -> Iterator[str]:
    """Say what produced the figures, and which runs are in none of them."""
    runs = [run for entrant in stream.entrants for run in entrant.runs]
    first = runs[0]
    yield (
        f"{len(runs)} runs. Stream `{_json(first.spec.stream.settings)}`, "
        f"data {first.sources.data[:12]}, results version {first.results_version}.\n"
    )
    for entrant in stream.entrants:
        yield f"* **{entrant.label}**: `{_json(entrant.runs[0].spec.entrant.model_dump())}`"
    yield ""
    yield from sorted({f"Environment: `{_json(run.environment)}`\n" for run in runs})
    for entrant in stream.entrants:
        for run in entrant.runs:
            if run.status != "done":
                name = f"{entrant.label} seed {run.spec.seed}"
                yield f"Not drawn: {name}, {run.status}: {run.reason}\n"


def _json(value: Any) -> str:
    return canonical(value).decode()
