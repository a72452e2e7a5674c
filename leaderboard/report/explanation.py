"""A short page per entrant and stream: why it did well or badly, in words, figures and tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...harness.fingerprint import canonical
from ...harness.plural import plural
from ...harness.visible import in_code, in_markdown
from ..board.grouping import EntrantRuns, StreamRuns
from ..curves.integration_study import Cohort, Study, groups
from ..curves.over_time import edit_steps, layer_names, over_time
from ..store.result import Result
from .explanation_figures import newborn_figure, time_figure
from .explanation_words import sentences
from .integration_tables import integration_rules, integration_tables, parity_table
from .pictures import Picture, file_stem, saved

_RUN_METRICS = (
    "taoa",
    "acc",
    "plasticity_slope",
    "dormant",
    "effective_rank",
    "parity_gradient_early",
    "integration_time_gradient_0.5",
    "seconds",
)


def explanations(stream: StreamRuns[Result], study: Study, folder: Path) -> Iterator[str]:
    """Write a page for every entrant of a stream; yield the paragraph that links them."""
    links = [
        f"[{in_markdown(entrant.label)}]({_write(stream, entrant, study, folder)})"
        for entrant in stream.entrants
    ]
    yield f"Why each entrant did as it did: {', '.join(links)}.\n"


def _write(
    stream: StreamRuns[Result], entrant: EntrantRuns[Result], study: Study, folder: Path
) -> str:
    """Write one page and its figures; return its file name."""
    own = {one.label: one.cohorts for one in study.entrants}
    cohorts = own.get(entrant.label, ())
    stem = f"{file_stem(stream.label)}-{file_stem(entrant.label)}"
    title = f"{entrant.label} on {stream.label}"
    parts = [
        saved(picture, folder, stem, vector=False)  # many pages: an SVG doubles their time
        for picture in _pictures(title, entrant.done, cohorts)
    ]
    lines = [
        f"# {in_markdown(title)}\n",
        "[Back to the report](report.md)\n",
        *(f"* {sentence}" for sentence in sentences(stream, entrant, cohorts)),
        "",
        *parts,
        *_newborn_tables(cohorts, study.horizon),
        *_runs(entrant.runs),
    ]
    name = f"{stem}-why.md"
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return name


def _pictures(title: str, runs: Sequence[Result], cohorts: Sequence[Cohort]) -> Iterator[Picture]:
    panels = over_time(runs)
    if panels:
        figure = time_figure(title, panels, layer_names(runs), edit_steps(runs), cohorts)
        caption = (
            "Thick: mean over seeds; thin: each seed. Vertical lines, or ticks at the foot where "
            "they are many: edits (in brackets at how many updates). Dormant: mean |h| of at most "
            "a tenth of the layer's mean."
        )
        yield Picture("time", "Over time", figure, caption)
    if cohorts:
        caption = (
            f"{plural(len(cohorts), 'cohort')}. Line: median over cohorts, band: quartiles. Right: "
            "Kaplan-Meier; tick: a cohort was cut off there."
        )
        yield Picture("newborns", "Newborns by age", newborn_figure(title, cohorts), caption)


def _newborn_tables(cohorts: Sequence[Cohort], horizon: float) -> Iterator[str]:
    if cohorts:
        sorted_ = groups(cohorts)
        yield "## Newborns by layer and birth\n"
        yield integration_rules(horizon)
        yield from integration_tables("cohorts", sorted_, horizon)
        yield from parity_table("cohorts", sorted_)


def _runs(runs: Sequence[Result]) -> Iterator[str]:
    """Say what was run, seed by seed."""
    first = runs[0]
    yield "## Runs\n"
    yield f"| seed | status | {' | '.join(map(in_markdown, _RUN_METRICS))} |"
    yield "|---|---|" + "---|" * len(_RUN_METRICS)
    for run in runs:
        cells = " | ".join(_cell(run.metrics.get(name)) for name in _RUN_METRICS)
        yield f"| {run.spec.seed} | {run.status} | {cells} |"
    yield ""
    yield f"Entrant: {in_code(canonical(first.spec.entrant.model_dump()).decode())}\n"
    yield (
        f"Stream {in_markdown(first.spec.stream.name)}: "
        f"{in_code(canonical(first.spec.stream.settings).decode())}, "
        f"data {first.sources.data[:12]}, results version {first.results_version}.\n"
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
