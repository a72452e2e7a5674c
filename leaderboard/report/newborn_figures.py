"""Figures of newborns that compare entrants: ratios by age, and shares not yet integrated."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...harness.metrics.integration import IntegrationTime, kaplan_meier
from ...harness.metrics.summary import INTEGRATION_QUANTITIES
from ...harness.metrics.table import INTEGRATION_RHOS
from ..curves.integration_study import Study
from ..curves.lines import PARITY_QUANTITIES, Line, ratio_by_age
from .styles import Style, age_axis, draw_line, drawn, in_order, legend, ratio_axis

Panel = TypeVar("Panel")

LOWEST_RATIO = 1e-4
"""Smaller ratios, zero among them, are drawn here: a logarithmic axis has no place for them."""


def parity_figure(title: str, study: Study, styles: Mapping[str, Style]) -> Figure:
    """Draw newborn-to-incumbent ratios by age: a panel for each quantity, a line an entrant."""
    cohorts = {one.label: [cohort.rows for cohort in one.cohorts] for one in study.entrants}

    def draw(axes: Axes, quantity: str) -> None:
        axes.set_title(quantity.replace("_", " "), fontsize=10)
        axes.axhline(1, color="0.4", linewidth=1)
        for label in in_order(cohorts):
            line = ratio_by_age(cohorts[label], quantity)
            if line is not None:
                draw_line(axes, label, floored(line), styles[label])
        ratio_axis(axes)

    figure = _panels(2, 2, PARITY_QUANTITIES, draw)
    figure.suptitle(f"{drawn(title)}: newborn parity by age", fontsize=11)
    figure.supylabel("newborns / incumbents", fontsize=10)
    return figure


def survival_figure(title: str, study: Study, styles: Mapping[str, Style]) -> Figure:
    """Draw the share of cohorts not yet integrated by age: a column a quantity, a row a rho."""
    entrants = {one.label: one for one in study.entrants}
    questions = [(name, rho) for rho in INTEGRATION_RHOS for name in INTEGRATION_QUANTITIES]

    def draw(axes: Axes, question: tuple[str, float]) -> None:
        axes.set_title(f"{question[0]}, rho = {question[1]:g}", fontsize=10)
        for label in in_order(entrants):
            times = [cohort.times[question] for cohort in entrants[label].cohorts]
            draw_survival(axes, label, times, styles[label])
        axes.set_ylim(-0.03, 1.03)

    figure = _panels(len(INTEGRATION_RHOS), len(INTEGRATION_QUANTITIES), questions, draw)
    figure.suptitle(f"{drawn(title)}: cohorts not yet integrated", fontsize=11)
    figure.supylabel("share of cohorts", fontsize=10)
    return figure


def draw_survival(axes: Axes, label: str, times: Sequence[IntegrationTime], style: Style) -> None:
    """Draw a Kaplan-Meier curve with a tick at every age at which a cohort was censored."""
    curve = kaplan_meier(times)
    ages = np.array([0.0, *curve.ages])
    shares = np.array([1.0, *curve.not_integrated])
    axes.step(ages, shares, where="post", label=drawn(label), **style)
    cut = np.unique([time.age for time in times if not time.observed and time.candidates])
    levels = shares[np.searchsorted(ages, cut, side="right") - 1]
    axes.plot(cut, levels, "|", color=style["color"], markersize=7, markeredgewidth=1)


def floored(line: Line) -> Line:
    """Return a line of ratios without those too small for a logarithmic axis."""
    return Line(line.x, *(part.clip(LOWEST_RATIO) for part in (line.middle, line.low, line.high)))


def _panels(
    rows: int, columns: int, panels: Sequence[Panel], draw: Callable[[Axes, Panel], None]
) -> Figure:
    figure = Figure(figsize=(1.2 + 3.3 * columns, 1.6 + 2.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=True):
        draw(axes, panel)
    for axes in grid.flat:  # after all are drawn: they share an axis that this fixes
        age_axis(axes)
    for axes in grid[-1]:
        axes.set_xlabel("age in updates")
    longest = max(grid.flat, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    legend(figure, longest)
    return figure
