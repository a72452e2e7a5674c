"""The command `reproduce`: a paper's tables run here, printed beside measured."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...harness.commands.options import FAILED, INTERRUPTED, Data, Json, Results, Seeds
from ...harness.errors import BenchError, unknown_name
from ...harness.places import default_data_dir
from ...harness.plural import plural
from ...harness.visible import tell
from .found import results_of, store_of, tell_other_code

if TYPE_CHECKING:
    from ...harness.execution.jobs import Job
    from ..papers.runs import Case, Chosen


def reproduce(
    target: Annotated[
        str, typer.Argument(help="PAPER/TABLE as lillo2026/table3, a paper alone, or list.")
    ] = "list",
    rows: Annotated[
        str | None, typer.Option(help="Rows of the table, with commas between; else all.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="paper: as printed; half: shorter; smoke: does it run at all.")
    ] = "paper",
    variant: Annotated[
        str | None, typer.Option(help="A variant of the rows, or all; else the first of each.")
    ] = None,
    compactness: Annotated[
        str | None, typer.Option(help="Only these, with commas between, as 0.2,0.5; else all.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Only this method, as the report calls it; again for more."),
    ] = None,
    seeds: Seeds = None,
    only_report: Annotated[
        bool, typer.Option("--only-report", help="Run nothing: report what there is.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("reproduction"),
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time; else one per core.")
    ] = None,
    results: Results = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Run what is missing of a paper's table, and print its numbers beside those measured."""
    from ...harness.specs.suite import parse_seeds
    from ..papers.paper import SCALES, Scale
    from ..papers.runs import cases, choose

    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES, "Choose one of them.")
    known: Scale = next(one for one in SCALES if one == scale)
    data_dir = data or default_data_dir()
    names = [name.strip() for name in rows.split(",")] if rows else []
    if target == "list":
        _list(names, data_dir, workers, results, json_)
        return
    chosen = choose(target, names, variant)
    shares = _shares(compactness) if compactness else ()
    asked = cases(chosen, known, parse_seeds(seeds or chosen[0].paper.seeds), shares, method or ())
    jobs = [] if only_report else _run(asked, data_dir, workers, results)
    said = [("rows", rows), ("variant", variant), ("compactness", compactness)]
    said += [*(("method", one) for one in method or ()), ("seeds", seeds)]
    command = _command(target, known, said)
    _report(chosen[0], known, command, asked, jobs, out, results, json_)


def _command(target: str, scale: str, said: Iterable[tuple[str, str | None]]) -> str:
    """Return the command by which anybody makes the same table."""
    asked = [word for name, value in said if value for word in (f"--{name}", value)]
    scaled = [] if scale == "paper" else ["--scale", scale]
    return shlex.join(["plasticity-bench", "reproduce", target, *asked, *scaled])


def _shares(text: str) -> list[float]:
    """Read what `--compactness` says."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BenchError(
            f"--compactness '{text}' is not a list of numbers. Write it as 0.2,0.5."
        ) from None


def _run(
    asked: "Sequence[Case]", data_dir: Path, workers: int | None, results: Path | None
) -> "list[Job]":
    from rich.console import Console

    from ...harness.commands.progress import progress_bar, summary
    from ...harness.execution.execute import execute
    from ...harness.execution.jobs import prepare

    store = store_of(results)
    jobs = prepare(dict.fromkeys(run for case in asked for run in case.runs), data_dir)
    _tell_times(asked, jobs, data_dir, workers, results)
    with progress_bar(Console(stderr=True)) as progress:
        outcome = execute(jobs, store, data_dir=data_dir, workers=workers, progress=progress)
    tell("\n".join(summary(outcome)), err=True)
    if outcome.interrupted:
        tell("stopped: the same command goes on with what is left.", err=True)
        raise typer.Exit(INTERRUPTED)
    return jobs


def _tell_times(
    asked: "Sequence[Case]",
    jobs: "Sequence[Job]",
    data_dir: Path,
    workers: int | None,
    results: Path | None,
) -> None:
    from ...harness.execution.times import at_a_time, estimates
    from ..papers.times import known_seconds
    from ..statistics.numbers import duration

    store = store_of(results)
    todo = [job for job in jobs if not store.has(job.fingerprint)]
    if not todo:
        tell("All runs are done already.", err=True)
        return
    streams = {job.run.stream.name for job in todo}
    known = known_seconds(store.records(streams=streams))
    found = dict(zip([job.run for job in todo], estimates(todo, known, data_dir), strict=True))
    at_once = min(at_a_time(workers), len(todo))
    for one in dict.fromkeys(case.chosen for case in asked):
        runs = {run for case in asked if case.chosen == one for run in case.runs if run in found}
        seconds = sum(found[run].seconds for run in runs) / at_once
        tried = sum(found[run].source == "trial" for run in runs)
        tell(
            f"{one.label}: {plural(len(runs), 'run')} to make, about {duration(seconds)} on "
            f"{plural(at_once, 'worker')} ({len(runs) - tried} estimated from results of the same "
            f"shape, {tried} from a short trial, without evaluation).",
            err=True,
        )
    total = sum(one.seconds for one in found.values()) / at_once
    tell(f"In all {plural(len(todo), 'run')}, about {duration(total)}.", err=True)


def _report(
    first: "Chosen",
    scale: Any,
    command: str,
    asked: "Sequence[Case]",
    jobs: "Sequence[Job]",
    out: Path,
    results: Path | None,
    json_: bool,
) -> None:
    from rich.console import Console

    from ..board.versions import Versions
    from ..board.wanted import Wanted
    from ..papers import report
    from ..papers.measured import by_spec, measured

    store = store_of(results)
    known = frozenset(job.fingerprint for job in jobs)
    runs = [run for case in asked for run in case.runs]
    records = store.records(
        fingerprints=known or None,
        streams={run.stream.name for run in runs},
        entrants={run.entrant.name for run in runs},
    )
    wanted = Wanted.of([run.as_json() for run in runs], guests=False)
    taken = Versions(store.folder).current(filter(wanted.has, records))
    tell_other_code(taken.other_code, hint="")
    found = by_spec(results_of(store, {one.fingerprint for one in taken.records}))
    made = report.report_of(
        f"{first.paper.name}: {first.paper.source}",
        command,
        scale,
        [(case, measured(case, found, known)) for case in asked],
    )
    page = report.write(made, out)
    if json_:
        typer.echo(json.dumps({**report.as_json(made), "page": str(page)}, indent=1))
    else:
        Console().print(report.terminal(made))
        tell(f"The report is {page}.")
    if any(row.wrong for row in made.rows):
        raise typer.Exit(FAILED)


def _list(
    names: Sequence[str], data_dir: Path, workers: int | None, results: Path | None, json_: bool
) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from ..papers.paper import SCALES

    lines = _listed(names, data_dir, workers, results)
    if json_:
        typer.echo(json.dumps(lines, indent=1))
        return
    table = Table(Column("table", no_wrap=True), Column("row", no_wrap=True))
    shown = ("numbers", "claims", *SCALES)
    for name in shown:
        table.add_column(name)
    for line in lines:
        # Names are whole, as they are typed.
        table.add_row(*line["row"].split(" "), *(str(line[name]) for name in shown))
    Console().print(table)
    tell(
        "Times are for all seeds that are printed, from results in the store; unknown: it has none "
        "of that shape; no NAME: that data set is not here. Before it runs anything, reproduce "
        "tells how long that will take.\n"
        "Go on with: plasticity-bench reproduce PAPER/TABLE --rows ROW --scale smoke"
    )


def _listed(
    names: Sequence[str], data_dir: Path, workers: int | None, results: Path | None
) -> list[dict[str, Any]]:
    """Return a line for every row of every paper that has one of some names, or for every row."""
    from ..papers.paper import SCALES
    from ..papers.paper_file import paper_names
    from ..papers.runs import choose
    from ..papers.times import row_times

    every = [one for name in paper_names() for one in choose(name)]
    known = {one.row.name for one in every}
    for name in names:
        if name not in known:
            raise unknown_name("row", name, known, "See all: plasticity-bench reproduce list")
    found = [one for one in every if not names or one.row.name in names]
    times = row_times(found, store_of(results), data_dir, workers)
    return [
        {
            "row": f"{one.paper.name}/{one.table.name} {one.row.name}",
            "from": one.table.origin,
            "numbers": one.row.numbers,
            "claims": ", ".join(one.row.claims) or "-",
            "variants": ", ".join(one.row.variants),
            **{scale: times[one, scale] for scale in SCALES},
        }
        for one in found
    ]
