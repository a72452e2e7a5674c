"""The report of a reproduction: numbers, fits, claims and controls, and its forms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from ...harness.visible import in_markdown, visible
from ..report.pictures import Picture, file_stem, look, saved
from ..statistics.numbers import p_text
from ..store.result import plain
from . import claims, controls, verdicts
from .claims import ClaimVerdict
from .claims.tests import points
from .controls import Why, why
from .figures import printed_and_measured, prune_or_rewind
from .measured import Measured
from .paper import Margin, Scale, metric_title, metric_unit
from .protocol import protocol_of
from .runs import Case, Chosen
from .verdicts import Cell, cell, fit_sentence, fits, judged
from .words import OTHER_PROTOCOL, p_values, shown

Place = tuple[str, str]
"""Where a number stands in its row: entry and metric."""


@dataclass(frozen=True)
class RowReport:
    """One row in one variant."""

    chosen: Chosen
    cells: Mapping[Place, Cell]
    """By what it is of."""
    protocol: str
    """How near the runs are to the printed protocol; see `protocol_of`."""
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
    margins: Mapping[str, Margin]
    """By metric, of those that are held against printed numbers."""
    fits: Mapping[str, str]
    """By row with several variants, which is nearest to what is printed."""
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
    cells = _judged(found, scale)
    reports = tuple(
        RowReport(
            chosen,
            cells[chosen],
            protocol_of(entries[0][0], scale),
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
        _margins(reports),
        _fits(reports) if scale == "paper" else {},
        tuple(_claims(kept)),
        tuple(why([one for case, one in kept if _has_controls(case)])),
        tuple(one for _, one in kept),
    )


def _judged(
    found: Sequence[tuple[Case, Measured]], scale: Scale
) -> dict[Chosen, dict[Place, Cell]]:
    """Return the cells of every row, those of all rows and variants of a table judged together."""
    tables: dict[str, dict[tuple[Chosen, Place], Cell]] = {}
    for case, one in found:
        made = tables.setdefault(case.chosen.table.name, {})
        for metric, each in _cells(case, one, scale):
            made[case.chosen, (case.entry.label, metric)] = each
    cells: dict[Chosen, dict[Place, Cell]] = {case.chosen: {} for case, _ in found}
    for made in tables.values():
        for (chosen, place), each in judged(made).items():
            cells[chosen][place] = each
    return cells


def _cells(case: Case, one: Measured, scale: Scale) -> Iterator[tuple[str, Cell]]:
    chosen, printed, lost = case.chosen, case.entry.printed, len(one.wrong)
    for metric in chosen.row.metrics:
        values = one.values(metric)
        if metric in printed or values or not printed:
            each = cell(metric, printed.get(metric), values, chosen.paper, scale, lost=lost)
            yield metric, each


def _margins(reports: Sequence[RowReport]) -> dict[str, Margin]:
    """Return the margins by which numbers of the report are held against printed ones."""
    return {
        metric: row.chosen.paper.margins[metric]
        for row in reports
        for (_, metric), one in row.cells.items()
        if one.difference is not None
    }


def _has_controls(case: Case) -> bool:
    return any(entry.control for entry in case.chosen.row.entries)


def _claims(found: Sequence[tuple[Case, Measured]]) -> Iterator[ClaimVerdict]:
    for name in claims.CLAIMS:
        results = [one for case, one in found if name in case.chosen.row.claims]
        if results:
            yield claims.judged(name, results)


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
    """Say what a scale other than the paper's cannot tell; nothing of the paper's."""
    if scale == "paper":
        return ""
    end = "all it shows is that everything runs" if scale == "smoke" else "claims are of this scale"
    return (
        f"At the scale '{scale}' this is NOT the printed protocol: no result is held against a "
        f"printed number, and {end}."
    )


_HEADINGS = ("entry", "printed", "measured", "seeds", "difference", "verdict")


def _lines(row: RowReport, scale: Scale) -> Iterator[tuple[str, ...]]:
    for (entry, metric), one in row.cells.items():
        what = f"{metric_title(metric)}, {metric_unit(metric)}"
        yield entry, what, *shown(one, scale), p_values(one)


def _margin_words(report: Report) -> Iterator[str]:
    for metric, margin in report.margins.items():
        yield f"Margin of {metric_title(metric)}: ±{margin.points:g} points, {margin.why}."


def terminal(report: Report) -> Group:
    """Return the report as rich shows it."""
    head = (
        f"{report.title}. {warning(report.scale)}".strip(),
        verdicts.RULE,
        *_margin_words(report),
    )
    parts: list[Any] = [*map(_text, head)]
    for row in report.rows:
        said = _text(f"{row.chosen.label}: {row.protocol}")
        parts += [said, *_tables(row, report.scale), *map(_text, row.wrong)]
    parts += [_text(f"{name}: {sentence}") for name, sentence in report.fits.items()]
    parts += [_text(line) for one in report.claims for line in _claim(report, one)]
    parts += [_text(one.sentence) for one in report.why]
    return Group(*parts)


def _text(text: str) -> Text:
    """Return a text as rich shows it: brackets in it are no markup."""
    return Text(visible(text))


def _tables(row: RowReport, scale: Scale) -> Iterator[RichTable]:
    """Yield one table a metric: entries and numbers stay whole in a narrow terminal."""
    for metric in dict.fromkeys(metric for _, metric in row.cells):
        title = f"{row.chosen.label}: {metric_title(metric)}, {metric_unit(metric)}"
        table = RichTable(title=_text(title), box=SIMPLE, pad_edge=False)
        for name in _HEADINGS:
            table.add_column(name, no_wrap=name in ("printed", "measured"))
        for (entry, known), one in row.cells.items():
            if known == metric:
                printed, *others = map(visible, shown(one, scale))
                # Words about a number go below it, which keeps the column narrow.
                cells = (visible(entry), printed.replace(" (", "\n("), *others)
                table.add_row(*map(Text, cells))
        yield table


def _at(report: Report) -> str:
    """Say the scale behind what is judged at another than the paper's."""
    return "" if report.scale == "paper" else f" at {report.scale} scale"


def _claim(report: Report, one: ClaimVerdict) -> Iterator[str]:
    yield f"{one.name}{_at(report)} {one.verdict}: {one.text}"
    yield f"Premise: {one.premise} {_missing(one)}".strip()


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
    yield f"# {in_markdown(report.title)}\n\n    {visible(report.command)}\n"
    yield from (f"{line}\n" for line in (warning(report.scale), verdicts.RULE) if line)
    if report.margins:
        yield from (f"* {in_markdown(line)}" for line in _margin_words(report))
        yield ""
    for row in report.rows:
        yield from _section(row, folder, report.scale)
    for name, line in report.fits.items():
        yield f"**Which variant is nearest, {in_markdown(name)}.** {in_markdown(line)}\n"
    if report.claims:
        yield "## Claims\n"
    for one in report.claims:
        head, text, premise, test = map(
            in_markdown,
            (f"{one.name}{_at(report)}: {one.verdict}", one.text, one.premise, one.test),
        )
        yield f"### {head}\n\n{text}\n"
        yield f"Premise: {premise}\n\nTest: {test}\n"
        yield from (f"* {in_markdown(line)}" for line in one.numbers)
        yield from (f"* to run: {in_markdown(line)}" for line in one.missing)
        yield ""
    yield from _why(report, folder)


def _section(row: RowReport, folder: Path, scale: Scale) -> Iterator[str]:
    chosen = row.chosen
    about = chosen.row.variants[chosen.variant].about
    origin = f"{chosen.table.title} ({chosen.table.origin}). {chosen.row.notes}"
    variant = f"Variant {chosen.variant}: {about or 'as the preset'}. {row.protocol}"
    yield f"## {in_markdown(chosen.label)}\n\n{in_markdown(origin)}\n"
    yield f"{in_markdown(variant)}\n"
    if all(one.mean is None for one in row.cells.values()):
        yield "No run of it is done.\n"
        return
    entry, *others = _HEADINGS
    tested = any(one.comparison for one in row.cells.values())
    headings = (entry, "metric", *others, *(["p equivalent, different"] * tested))
    yield f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}"
    for line in _lines(row, scale):
        yield f"| {' | '.join(map(in_markdown, line[: len(headings)]))} |"
    yield ""
    yield from (f"* {in_markdown(line)}" for line in row.wrong)
    with look():
        printed = "printed" if scale == "paper" else f"printed, {OTHER_PROTOCOL}"
        figure = printed_and_measured(chosen.label, row.cells, printed)
        if figure is not None:
            caption = f"Squares: {printed}; dots: measured, mean and 95 % t interval over seeds."
            picture = Picture("printed", "Printed and measured", figure, caption)
            yield "\n" + saved(picture, folder, file_stem(chosen.label))


def _why(report: Report, folder: Path) -> Iterator[str]:
    if not report.why:
        return
    yield f"## Does Prune win because it prunes, or because it rewinds?\n\n{controls.RULE}\n"
    for one in report.why:
        yield f"* {in_markdown(one.sentence)}"
        for (base, other), found in one.differences.items():
            line = f"{base} minus {other}: {points(found)}, {p_text(found.p)}"
            yield f"  * {in_markdown(line)}"
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
        "margins": {metric: asdict(margin) for metric, margin in report.margins.items()},
        "rows": [
            {
                "row": row.chosen.label,
                "variant": row.chosen.variant,
                "protocol": row.protocol,
                "cells": [
                    plain({"entry": entry, **asdict(one), "half_width": one.half_width})
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
