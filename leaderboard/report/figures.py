"""The report: figures of every stream, and one page that lists them with what they show."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ...harness.metrics.pooling import SMALLEST_COHORT
from ...harness.plural import plural
from ...harness.visible import in_code, in_markdown
from ..board.grouping import Marks, StreamRuns, grouped
from ..board.standings import Board
from ..curves.integration_study import Study, study_of
from ..curves.lines import (
    Line,
    accuracy_over_steps,
    accuracy_over_tasks,
    alive_over_steps,
    smoothing_window,
)
from ..statistics.inference import CONFIDENCE, FEWEST_SEEDS
from ..store.result import Result
from .controls_table import controls_table
from .explanation import explanations
from .integration_tables import newborn_tables
from .newborn_figures import LOWEST_RATIO, parity_figure, survival_figure
from .overview import overview
from .pictures import Picture, file_stem, look, saved
from .report_tables import plasticity_table
from .styles import Style, draw_line, drawn, in_order, legend, styles


def report(results: Iterable[Result], folder: Path, board: Board | None = None) -> Path:
    """Draw the figures of every stream as PNG and SVG, and write `report.md` that shows them.

    Every entrant of a stream has a page of its own beside it, `...-why.md`, that explains how it
    did; the tests of integration time between entrants have one a stream.

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
    marks = Marks() if board is None else Marks(board.other_code.runs, board.unusual)
    streams = grouped(results, marks)
    if not streams:
        raise BenchError("no results to report on. Run something first: plasticity-bench run quick")
    folder.mkdir(parents=True, exist_ok=True)
    looks = styles(entrant for stream in streams for entrant in stream.entrants)
    sections = [_section(stream, looks, folder) for stream in streams]
    page = folder / "report.md"
    first = [] if board is None else [overview(board, folder)]
    page.write_text("\n".join(["# Report", "", *first, *sections]), encoding="utf-8")
    return page


def _section(stream: StreamRuns[Result], looks: Mapping[str, Style], folder: Path) -> str:
    study = study_of(stream)
    with look():
        pictures = [
            *_draw_accuracy(stream, looks),
            *_draw_newborns(stream, study, looks),
            *_draw_alive(stream, looks),
        ]
        parts = [saved(picture, folder, file_stem(stream.label)) for picture in pictures]
        pages = list(explanations(stream, study, folder))
    tables = [
        *plasticity_table(stream),
        *controls_table(stream),
        *newborn_tables(stream.label, study, folder),
    ]
    return "\n".join(
        [f"## {in_markdown(stream.label)}", "", *_origin(stream), *pages, *tables, *parts]
    )


def _draw_accuracy(stream: StreamRuns[Result], looks: Mapping[str, Style]) -> Iterator[Picture]:
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
        _draw_lines(axes, lines, looks)
        legend(figure, axes)
        caption = (
            f"Line: mean over the runs that ended. Band: {CONFIDENCE:.0%} t interval, from "
            f"{FEWEST_SEEDS} seeds on."
        )
        yield Picture("accuracy", title, figure, f"{caption} {_seeds_text(stream)}")


def _draw_newborns(
    stream: StreamRuns[Result], study: Study, looks: Mapping[str, Style]
) -> Iterator[Picture]:
    if not study.entrants:
        return
    cohorts = ", ".join(f"{in_markdown(one.label)} {len(one.cohorts)}" for one in study.entrants)
    pooled = f"cohorts of all layers and seeds (under {SMALLEST_COHORT} units pooled over seeds)"
    shown = {one.label for one in study.entrants}
    counted = f"Cohorts: {cohorts}. {_seeds_text(stream, shown)}"
    yield Picture(
        "parity",
        "Newborn parity by age",
        parity_figure(stream.label, study, looks),
        f"Newborn-to-incumbent ratio by age: 1 is parity. Line: median over {pooled}; band: "
        "quartiles. A cohort counts until the next edit in its layer cuts it off; those born "
        "before the first update are left out; ratios under "
        f"{LOWEST_RATIO:g} are drawn there. {counted}",
    )
    yield Picture(
        "integration",
        "Cohorts not yet integrated",
        survival_figure(stream.label, study, looks),
        f"Kaplan-Meier curves over {pooled}: the share that has not reached rho of parity for 5 "
        f"measurements in a row. Tick: a cohort was cut off there. {counted}",
    )


def _draw_alive(stream: StreamRuns[Result], looks: Mapping[str, Style]) -> Iterator[Picture]:
    lines = _merged(_lines(stream, alive_over_steps))
    if not lines:
        return
    figure, axes = _figure(stream.label, "updates", "alive hidden units, all layers")
    for labels, line in lines.items():
        draw_line(axes, ", ".join(labels), line, {**looks[labels[0]], "drawstyle": "steps-post"})
    axes.set_ylim(bottom=0)
    legend(figure, axes)
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
    axes.set_title(drawn(title), fontsize=11, wrap=True)
    axes.set_xlabel(x)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # tasks and updates
    axes.set_ylabel(y)
    return figure, axes


def _draw_lines(axes: Axes, lines: Mapping[str, Line], looks: Mapping[str, Style]) -> None:
    for label in in_order(lines):
        draw_line(axes, label, lines[label], looks[label])


def _seeds_text(stream: StreamRuns[Result], shown: set[str] | None = None) -> str:
    """Say which seeds were drawn, of all entrants or of those shown."""
    entrants = [entrant for entrant in stream.entrants if shown is None or entrant.label in shown]
    return f"Seeds: {'; '.join(f'{in_markdown(e.label)} {_seed_list(e.done)}' for e in entrants)}."


def _seed_list(runs: Sequence[Result]) -> str:
    return ",".join(str(run.spec.seed) for run in runs) or "none"


def _origin(stream: StreamRuns[Result]) -> Iterator[str]:
    """Say what produced the figures, and which runs are in none of them."""
    runs = [run for entrant in stream.entrants for run in entrant.runs]
    first = runs[0]
    yield (
        f"{plural(len(runs), 'run')}. Stream {in_code(_json(first.spec.stream.settings))}, "
        f"data {first.sources.data[:12]}, results version {first.results_version}.\n"
    )
    for entrant in stream.entrants:
        asked = in_code(_json(entrant.runs[0].spec.entrant.model_dump()))
        yield f"* **{in_markdown(entrant.label)}**: {asked}"
    yield ""
    yield from sorted({f"Environment: {in_code(_json(run.environment))}\n" for run in runs})
    for entrant in stream.entrants:
        for run in entrant.runs:
            if run.status != "done":
                name = f"{entrant.label} seed {run.spec.seed}"
                yield in_markdown(f"Not drawn: {name}, {run.status}: {run.reason}") + "\n"


def _json(value: Any) -> str:
    return canonical(value).decode()
