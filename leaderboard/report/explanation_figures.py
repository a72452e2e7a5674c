"""Figures of one entrant's page: what develops over time, and its newborns by age."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...harness.metrics.summary import FACTORS, INTEGRATION_QUANTITIES
from ...harness.metrics.table import INTEGRATION_RHOS
from ..curves.integration_study import Cohort
from ..curves.lines import PARITY_QUANTITIES, ratio_by_age
from ..curves.over_time import Panel, Trace, newborn_ratio
from .newborn_figures import draw_survival, floored
from .styles import COLOURS, DASHES, age_axis, draw_line, drawn, ratio_axis

MOST_LINES = 12
"""More edits than this are marked by a rug at the foot of each panel instead of by lines."""

_EDITS = {
    "grow": "#009E73",
    "prune": "#D55E00",
    "reset": "#CC79A7",
    "rewire": "#56B4E9",
    "restart": "#E69F00",
}
_LAYERS = ("#0072B2", "#E69F00", "#7B3294", "#000000", "#8C510A", "#666666")
"""Apart from the colours of edits."""


def time_figure(
    title: str,
    panels: Sequence[Panel],
    layers: Sequence[str],
    edits: Mapping[str, Sequence[int]],
    cohorts: Sequence[Cohort],
) -> Figure:
    """Draw panels over one axis of updates: runs thin, their mean thick, edits marked."""
    count = len(panels) + bool(cohorts)
    rows = -(-count // 2)
    figure = Figure(figsize=(10.5, 1.5 + 1.75 * rows), layout="constrained")
    figure.suptitle(drawn(title), fontsize=11, wrap=True)
    grid = figure.subplots(rows, 2, sharex=True, squeeze=False)
    flat = list(grid.flat)
    for axes, panel in zip(flat, panels, strict=False):
        axes.set_title(panel.title, fontsize=9.5)
        for number, trace in enumerate(panel.traces):
            _draw_trace(axes, trace, *_look(trace, number, layers))
    if cohorts:
        _draw_ratios(flat[len(panels)], cohorts)
    for axes in flat[:count]:
        _mark(axes, edits)
    for axes in flat[count:]:
        axes.remove()
    for axes in flat[max(0, count - 2) : count]:
        axes.set_xlabel("updates")
        axes.tick_params(labelbottom=True)
    _legend(figure, layers, edits)
    return figure


def _look(trace: Trace, number: int, layers: Sequence[str]) -> tuple[str, str]:
    if trace.name in layers:
        place = layers.index(trace.name)
        dash = DASHES[place % len(DASHES)] if trace.steps else "-"  # steps often coincide
        return _LAYERS[place % len(_LAYERS)], dash
    return "black", DASHES[number % len(DASHES)]


def _draw_trace(axes: Axes, trace: Trace, colour: str, dash: str) -> None:
    drawstyle = "steps-post" if trace.steps else "default"
    alone = all(len(x) == 1 for x, _ in trace.runs)  # a single measurement draws no line
    marker = "o" if alone else ""
    if len(trace.runs) > 1:
        for x, y in trace.runs:
            axes.plot(
                x, y, color=colour, linewidth=0.6, alpha=0.4, drawstyle=drawstyle, marker=marker
            )
    axes.plot(
        *trace.mean, color=colour, linestyle=dash, linewidth=2, drawstyle=drawstyle, marker=marker
    )


def _draw_ratios(axes: Axes, cohorts: Sequence[Cohort]) -> None:
    axes.set_title("newborns / incumbents: gradient, and activation (dashed)", fontsize=9.5)
    axes.axhline(1, color="0.4", linewidth=1)
    rows = [cohort.rows for cohort in cohorts]
    for quantity, dash in (("gradient", "-"), ("activation", "--")):
        x, y = newborn_ratio(rows, quantity)
        axes.plot(x, y.clip(1e-4), color="black", linestyle=dash, linewidth=1.2)
    ratio_axis(axes)


def _mark(axes: Axes, edits: Mapping[str, Sequence[int]]) -> None:
    many = sum(map(len, edits.values())) > MOST_LINES
    for row, (kind, steps) in enumerate(edits.items()):
        colour = _EDITS.get(kind, "0.5")
        low, high = (0.05 * row, 0.05 * row + 0.04) if many else (0, 1)
        axes.vlines(
            steps,
            low,
            high,
            transform=axes.get_xaxis_transform(),
            color=colour,
            linewidth=0.9,
            linestyle="-" if many else ":",
            zorder=1,
        )


def _legend(figure: Figure, layers: Sequence[str], edits: Mapping[str, Sequence[int]]) -> None:
    shown = [
        Line2D([], [], color=_LAYERS[number % len(_LAYERS)], linewidth=2, label=layer)
        for number, layer in enumerate(layers)
    ]
    shown += [
        Line2D([], [], color=_EDITS.get(kind, "0.5"), linestyle=":", label=f"{kind} ({len(steps)})")
        for kind, steps in edits.items()
    ]
    if shown:
        figure.legend(handles=shown, loc="outside lower center", ncols=8, frameon=False)


def newborn_figure(title: str, cohorts: Sequence[Cohort]) -> Figure:
    """Draw one entrant's cohorts by age: parity, its three factors, share not yet integrated."""
    figure = Figure(figsize=(10.5, 3.9), layout="constrained")
    figure.suptitle(drawn(title), fontsize=11, wrap=True)
    parity, factors, survival = figure.subplots(1, 3)
    rows = [cohort.rows for cohort in cohorts]
    for axes, names, what in (
        (parity, PARITY_QUANTITIES, "newborns / incumbents"),
        (factors, FACTORS, "factors of gradient parity"),
    ):
        axes.set_title(what, fontsize=10)
        axes.axhline(1, color="0.4", linewidth=1)
        for number, name in enumerate(names):
            line = ratio_by_age(rows, name)
            if line is not None:
                style = {"color": COLOURS[number], "linestyle": DASHES[number]}
                draw_line(axes, name.replace("_", " "), floored(line), style)
        ratio_axis(axes)
    survival.set_title(
        f"not integrated: rho {INTEGRATION_RHOS[0]:g}, or {INTEGRATION_RHOS[1]:g} (dashed)",
        fontsize=10,
    )
    for name in INTEGRATION_QUANTITIES:
        for rho, dash in zip(INTEGRATION_RHOS, DASHES, strict=False):
            # The colour that the quantity has in the first panel.
            style = {"color": COLOURS[PARITY_QUANTITIES.index(name)], "linestyle": dash}
            label = name if dash == DASHES[0] else ""
            draw_survival(survival, label, [c.times[name, rho] for c in cohorts], style)
    survival.set_ylim(-0.03, 1.03)
    for axes in (parity, factors, survival):
        age_axis(axes)
        axes.set_xlabel("age in updates")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False, fontsize=8.5
            )
    return figure
