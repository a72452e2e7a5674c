"""Commands about results of others: `submit`, `verify` and `import`."""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...harness.commands.options import (
    FAILED,
    Data,
    Json,
    Results,
    Seeds,
    Sets,
    Streams,
    SuiteName,
    Trust,
)
from ...harness.errors import BenchError
from ...harness.places import default_data_dir
from ...harness.plural import plural
from ...harness.visible import tell
from .found import store_of

if TYPE_CHECKING:
    from rich.table import Table

    from ...harness.commands.selection import Selection
    from ...harness.specs.spec import RunSpec
    from ...harness.specs.suite import Suite
    from ..store.result import Record
    from ..trust.reproduction import Check


ArchivePath = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A file that submit wrote.")]


def submit(
    out: Annotated[Path, typer.Option(help="The archive to write, as mine.zip.")],
    entrant: Annotated[
        str, typer.Option(help="The entrant: its name in the suite, or as run --entrant takes it.")
    ],
    suite: SuiteName = "quick",
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
) -> None:
    """Pack an entrant's results, settings and source into one archive that others can check."""
    from ...harness.commands.selection import Selection
    from ..store.files import replace_file
    from ..trust.archive_reading import checked_archive
    from ..trust.submission import submission

    runs, selection = _runs_of(entrant, Selection(suite, stream, (), seeds, set_, trust))

    report = partial(tell, err=True)
    content = submission(runs, store_of(results), selection.chosen().name, report)
    archive = checked_archive(content, str(out))
    replace_file(out, content)
    there, asked = len(archive.records), archive.manifest.asked
    tell(
        f"{out} has {plural(there, 'result')} of {archive.manifest.entrant}; "
        f"SHA-256 {archive.digest}."
    )
    if there < asked:
        lacking = plural(asked - there, f"of {plural(asked, 'run')} has", f"of {asked} runs have")
        report(f"{lacking} no result: run what is missing to submit all.")


def verify(
    archive: ArchivePath,
    runs: Annotated[int, typer.Option(min=1, help="Runs to make again.")] = 3,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the choice of runs; else one that nobody knows.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="The suite, or its file; else the one the archive names.")
    ] = None,
    trust: Trust = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time; else one per core.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute, as cpu or cuda.")] = "cpu",
    minutes: Annotated[
        float, typer.Option(min=0, help="What it may take; more is refused with an estimate.")
    ] = 60,
    gigabytes: Annotated[
        float, typer.Option(min=0, help="Memory it may take; more is refused with an estimate.")
    ] = 8,
    data: Data = None,
    json_: Json = False,
) -> None:
    """Check an archive, make runs chosen at random again, and attest what came of it.

    The runs are made with what is installed here: no code that the archive names or holds is ever
    run, no folder that it names is read, and nothing is downloaded for it. The metric and how far
    it may be off are the suite's. Writes ARCHIVE.verified.json: verified from three runs on that
    all agree, reproduced from one on. Exit status 1 if a run does not agree.
    """
    from rich.console import Console

    from ...harness.commands.progress import progress_bar
    from ...harness.execution.environment import environment
    from ...harness.plugins.resolve import stream_metric
    from ...harness.specs.spec import StreamSpec
    from ..board.environments import made_otherwise
    from ..store.files import replace_file
    from ..store.result_file import parsed
    from ..trust.archive_reading import read_archive
    from ..trust.attestation import as_file, attest
    from ..trust.reproduction import choose, reproduce
    from ..trust.work import Bounds

    checked = read_archive(archive)
    if not checked.manifest.classes:
        raise BenchError(
            f"{archive} is from before the hash of a strategy's code was over what it does, so "
            "nobody can say whether the code that is installed here is the same. Have the runs "
            "made and submitted again."
        )
    asked = _suite(suite or checked.manifest.suite, given=suite is not None, trust=trust)
    chosen_with = secrets.randbits(32) if seed is None else seed
    chosen = choose(checked.records, runs, chosen_with)
    if not chosen:
        raise BenchError("every run in the archive failed, so there is nothing to make again.")
    names = [record.fingerprint for record in chosen]

    def metric_of(record: "Record") -> str:
        stream = record.spec.stream
        return asked.metric or stream_metric(StreamSpec(stream.name, stream.settings))

    with progress_bar(Console(stderr=True)) as progress:
        checks = reproduce(
            [parsed(checked.contents[name], Path(f"{name}.json")) for name in names],
            checked.records,
            metric_of,
            _tolerance(asked),
            data_dir=data or default_data_dir(),
            workers=workers,
            device=device,
            progress=progress,
            bounds=Bounds(minutes, gigabytes, workers),
        )
    metrics = " / ".join(dict.fromkeys(map(metric_of, chosen)))
    attestation = attest(
        checked,
        checks,
        metric=metrics,
        chosen_with=chosen_with,
        device=device,
    )
    out = archive.with_name(f"{archive.name}.verified.json")
    replace_file(out, as_file(attestation))
    if json_:
        typer.echo(json.dumps(attestation.model_dump(), indent=1))
    else:
        Console().print(_table(checks, metrics))
        tell(
            f"{attestation.entrant} is {attestation.level}: {len(checks)} of "
            f"{plural(len(checked.records), 'run')} made again (choice {chosen_with}), "
            f"{plural(sum(check.agrees for check in checks), 'agrees', 'agree')}. "
            f"Attested in {out}."
        )
        otherwise = made_otherwise(chosen, environment(device))
        if otherwise:
            tell(f"The runs were made with {otherwise}: last bits may differ.", err=True)
    if not all(check.agrees for check in checks):
        raise typer.Exit(FAILED)


def import_(
    archive: ArchivePath,
    attestation: Annotated[
        Path | None,
        typer.Option(help="What verify wrote about this archive, from somebody you trust."),
    ] = None,
    results: Results = None,
    json_: Json = False,
) -> None:
    """Check an archive and take its results in: self-reported, unless an attestation says more."""
    from ..trust.admission import import_archive, trust_levels

    store = store_of(results)
    checked, merged = import_archive(store, archive, attestation)
    level = trust_levels(store)(checked.records)
    if json_:
        typer.echo(json.dumps({**asdict(merged), "trust": level}, indent=1))
    else:
        for message in merged.conflicts:
            tell(message, err=True)
        tell(
            f"{checked.manifest.entrant}: {plural(merged.added + merged.replaced, 'result')} "
            f"added, {plural(merged.kept, 'was', 'were')} here, "
            f"{plural(len(merged.conflicts), 'conflict')}; {level}."
        )
    if merged.conflicts:
        raise typer.Exit(FAILED)


def _tolerance(suite: "Suite") -> "Callable[[Record], float]":
    """Return how far the suite's metric may be off on the stream of a run."""
    from ...harness.plugins.resolve import resolved_stream
    from ..board.ranking import stream_key

    known = {
        stream_key({"name": spec.name, "settings": dict(spec.settings)}): tolerance
        for stream, tolerance in suite.tolerances.items()
        for spec in [resolved_stream(stream)]
    }
    return lambda record: known.get(stream_key(record.spec.stream.model_dump()), suite.tolerance)


def _runs_of(entrant: str, selection: "Selection") -> "tuple[list[RunSpec], Selection]":
    """Return the runs of the suite's entrant of that name, or else of the entrant so written."""
    from dataclasses import replace

    runs = [run for run in selection.runs() if run.entrant.name == entrant]
    if runs:
        return runs, selection
    written = replace(selection, entrants=(entrant,))
    return written.runs(), written


def _suite(name: str, *, given: bool, trust: bool) -> "Suite":
    from ...harness.specs.suite import load_suite, suite_names

    if not given and name not in suite_names():
        raise BenchError(
            f"the archive is of a suite '{name}' that does not come with the project. The "
            "tolerance is the suite's, so give its file: --suite FILE.toml"
        )
    return load_suite(name, trust=trust)


def _table(checks: "Sequence[Check]", metric: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("stream", overflow="fold")
    for heading in ("seed", f"{metric} reported", "made again", "deviation"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for check in checks:
        same = "equal to the last bit" if check.same_bits else f"within {check.tolerance:g}"
        numbers = (check.reported, check.measured, check.deviation)
        table.add_row(
            Text(check.stream),  # as text: a name in brackets is not a colour
            str(check.seed),
            *("undefined" if number is None else f"{number:.6g}" for number in numbers),
            Text(check.reason or same),
        )
    return table
