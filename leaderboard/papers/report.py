"""The report of a reproduction: numbers, fits, claims and controls, and its forms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table as RichTable

from ..board.names import visible
from ..report.pictures import Picture, file_stem, look, saved
from ..store.result import plain
from . import controls, verdicts
from .claims import CLAIMS, ClaimVerdict, judged
from .claims.tests import points
from .controls import Why, why
from .figures import printed_and_measured, prune_or_rewind
from .measured import Measured
from .paper import Scale, metric_title, metric_unit
from .runs import Case, Chosen
from .verdicts import Cell, cell, fit_sentence, fits

MARKS = {"printed": "", "bound": " b", "range": " r", "substitute": " s"}
"""Behind a printed half-width: where it is from."""

MARKS_MEAN = (
    "Behind printed half-widths: b, only a bound is printed, for many numbers at once; r, half of "
    "a printed range; s, none is printed: the widest of the row stands in, 1 point where it has "
    "none."
)


@dataclass(frozen=True)
class RowReport:
    """One row in one variant."""

    chosen: Chosen
    cells: Mapping[tuple[str, str], Cell]
    """(entry, metric) -> cell."""
    wrong: tuple[str, ...]
    """Runs that diverged or failed, or could not be told apart."""


@dataclass(frozen=True)
class Report:
    """What came of a reproduction."""

    title: str
    command: str
    """By which it is made."""
    scale: Scale
    rows: tuple[RowReport, ...]
    fits: Mapping[str, str]
    """By row with several variants, which fits best."""
    claims: tuple[ClaimVerdict, ...]
    why: tuple[Why, ...]
    results: tuple[Measured, ...]
    """Of the variant of each row that claims are judged by: the first chosen."""


def report_of(
    title: str, command: str, scale: Scale, found: Sequence[tuple[Case, Measured]]
) -> Report:
    """Compare what is measured with what is printed, and judge the claims of the rows."""
    rows: dict[Chosen, list[tuple[Case, Measured]]] = {}
    for case, one in found:
        rows.setdefault(case.chosen, []).append((case, one))
    reports = tuple(
        RowReport(
            chosen,
            {
                (case.entry.label, metric): cell(
                    metric,
                    case.entry.printed.get(metric),
                    one.values(metric),
                    lost=len(one.wrong),
                )
                for case, one in entries
                for metric in chosen.row.metrics
                if metric in case.entry.printed or one.values(metric) or not case.entry.printed
            },
            tuple(line for _, one in entries for line in one.wrong),
        )
        for chosen, entries in rows.items()
    )
    first: dict[tuple[str, str], Chosen] = {}
    for chosen in rows:
        first.setdefault((chosen.table.name, chosen.row.name), chosen)
    kept = [(c, one) for chosen in first.values() for c, one in rows[chosen]]
    return Report(
        title,
        command,
        scale,
        reports,
        _fits(reports),
        tuple(_claims(kept)),
        tuple(why([one for case, one in kept if _has_controls(case)])),
        tuple(one for _, one in kept),
    )


def _has_controls(case: Case) -> bool:
    return any(entry.control for entry in case.chosen.row.entries)


def _claims(found: Sequence[tuple[Case, Measured]]) -> Iterator[ClaimVerdict]:
    for name in CLAIMS:
        results = [one for case, one in found if name in case.chosen.row.claims]
        if results:
            yield judged(name, results)


def _fits(reports: Sequence[RowReport]) -> dict[str, str]:
    variants: dict[str, dict[str, Mapping[tuple[str, str], Cell]]] = {}
    for one in reports:
        name = f"{one.chosen.table.name}/{one.chosen.row.name}"
        variants.setdefault(name, {})[one.chosen.variant] = one.cells
    return {
        name: fit_sentence(next(iter(cells)), fits(cells))
        for name, cells in variants.items()
        if len(cells) > 1
    }


def warning(scale: Scale) -> str:
    """Say what a scale other than the paper's cannot tell."""
    if scale == "paper":
        return "At the printed protocol, as far as it is stated."
    return (
        f"At the scale '{scale}' this is NOT the printed protocol: differences from printed "
        "numbers, and verdicts on them, only show that everything runs"
        + ("." if scale == "smoke" else " and point in a direction.")
    )


def shown(one: Cell) -> tuple[str, str, str, str, str]:
    """Write a cell: printed, measured, seeds, difference, verdict."""
    digits = 2 if metric_unit(one.metric) in ("%", "points") else 3
    printed = "-"
    if one.printed is not None:
        half = f"{one.printed.half_width:.2f}{MARKS[one.printed.source]}"
        printed = f"{one.printed.value:.2f} ±{half}"
    if one.mean is None:
        return printed, "-", "0", "-", one.verdict
    half = "" if one.half_width is None else f" ±{one.half_width:.{digits}f}"
    difference = "-" if one.difference is None else f"{one.difference:+.2f}"
    return printed, f"{one.mean:.{digits}f}{half}", str(one.count), difference, one.verdict


_HEADINGS = ("entry", "printed", "measured", "seeds", "difference", "verdict")


def _lines(row: RowReport) -> Iterator[tuple[str, ...]]:
    for (entry, metric), one in row.cells.items():
        yield entry, f"{metric_title(metric)}, {metric_unit(metric)}", *shown(one)


def terminal(report: Report) -> Group:
    """Return the report as rich shows it."""
    head = (f"{report.title}. {warning(report.scale)}", f"{verdicts.RULE} {MARKS_MEAN}")
    parts: list[Any] = [*map(visible, head)]
    for row in report.rows:
        parts += [*_tables(row), *map(visible, row.wrong)]
    parts += [visible(f"{name}: {sentence}") for name, sentence in report.fits.items()]
    parts += [
        visible(f"{one.name} {one.verdict}: {one.text} {_missing(one)}") for one in report.claims
    ]
    parts += [visible(one.sentence) for one in report.why]
    return Group(*parts)


def _tables(row: RowReport) -> Iterator[RichTable]:
    """Yield one table a metric: entries and numbers stay whole in a narrow terminal."""
    for metric in dict.fromkeys(metric for _, metric in row.cells):
        title = f"{row.chosen.label}: {metric_title(metric)}, {metric_unit(metric)}"
        table = RichTable(title=visible(title), box=SIMPLE, pad_edge=False)
        for name in _HEADINGS:
            table.add_column(name, no_wrap=name in ("printed", "measured"))
        for (entry, known), one in row.cells.items():
            if known == metric:
                table.add_row(*map(visible, (entry, *shown(one))))
        yield table


def _missing(one: ClaimVerdict) -> str:
    if not one.missing:
        return ""
    more = f" and {len(one.missing) - 3} more" if len(one.missing) > 3 else ""
    return f"To run: {'; '.join(one.missing[:3])}{more}."


def write(report: Report, folder: Path) -> Path:
    """Write `reproduction.md` with its figures; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "reproduction.md"
    page.write_text("\n".join(_page(report, folder)), encoding="utf-8")
    return page


def _page(report: Report, folder: Path) -> Iterator[str]:
    yield f"# {report.title}\n\n    {report.command}\n"
    yield f"{warning(report.scale)}\n\n{verdicts.RULE}\n"
    yield f"{MARKS_MEAN}\n"
    for row in report.rows:
        yield from _section(row, folder)
    yield from (f"**Which variant fits, {name}.** {line}\n" for name, line in report.fits.items())
    if report.claims:
        yield "## Claims\n"
    for one in report.claims:
        yield f"### {one.name}: {one.verdict}\n\n{one.text} {one.test}\n"
        yield from (f"* {line}" for line in one.numbers)
        yield from (f"* to run: {line}" for line in one.missing)
        yield ""
    yield from _why(report, folder)


def _section(row: RowReport, folder: Path) -> Iterator[str]:
    chosen = row.chosen
    about = chosen.row.variants[chosen.variant].about
    yield f"## {chosen.label}\n\n{chosen.table.title} ({chosen.table.origin}). {chosen.row.notes}\n"
    yield f"Variant {chosen.variant}: {about or 'as the preset'}.\n"
    if all(one.mean is None for one in row.cells.values()):
        yield "No run of it is done.\n"
        return
    entry, *others = _HEADINGS
    headings = (entry, "metric", *others)
    yield f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}"
    yield from (f"| {' | '.join(line)} |" for line in _lines(row))
    yield ""
    yield from (f"* {line}" for line in row.wrong)
    with look():
        figure = printed_and_measured(chosen.label, row.cells)
        if figure is not None:
            caption = "Squares: printed; dots: measured, mean and 95 % t interval over seeds."
            picture = Picture("printed", "Printed and measured", figure, caption)
            yield "\n" + saved(picture, folder, file_stem(chosen.label))


def _why(report: Report, folder: Path) -> Iterator[str]:
    if not report.why:
        return
    yield f"## Does Prune win because it prunes, or because it rewinds?\n\n{controls.RULE}\n"
    for one in report.why:
        yield f"* {one.sentence}"
        for (base, other), found in one.differences.items():
            yield f"  * {base} minus {other}: {points(found)}, p = {found.p:.2g}"
    yield ""
    with look():
        figure = prune_or_rewind(report.results)
        if figure is not None:
            caption = "Dots: mean over seeds with 95 % t interval; green: what the paper lacks."
            yield saved(Picture("why", "Prune and its controls", figure, caption), folder, "prune")


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain JSON values."""
    return {
        "title": report.title,
        "command": report.command,
        "scale": report.scale,
        "rule": verdicts.RULE,
        "rows": [
            {
                "row": row.chosen.label,
                "variant": row.chosen.variant,
                "cells": [
                    {"entry": entry, **plain(asdict(one)), "difference": one.difference}
                    for (entry, _), one in row.cells.items()
                ],
                "wrong": list(row.wrong),
            }
            for row in report.rows
        ],
        "fits": dict(report.fits),
        "claims": [plain(asdict(one)) for one in report.claims],
        "why": [
            {"row": one.row, "answer": one.answer, "sentence": one.sentence} for one in report.why
        ],
    }
