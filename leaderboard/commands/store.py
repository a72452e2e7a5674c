"""Commands that look after a folder of results: `plasticity-bench store ...`."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...harness.commands.options import FAILED, Json, Results
from ...harness.errors import BenchError
from ...harness.plural import plural
from ...harness.visible import tell
from .found import store_of

if TYPE_CHECKING:
    from ..store.result_store import ResultStore
    from ..store.upkeep import Problem


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check, repair and merge folders of results.",
)


@app.command()
def rebuild(results: Results = None, json_: Json = False) -> None:
    """Read all results again and make the index anew.

    Sound results that the journal does not have, because they were copied here or their writer was
    killed, are taken into it as adopted: they count as self-reported. What the journal says already
    is never changed. Temporary files that killed runs left behind are removed after an hour.
    """
    from ..store import upkeep

    rebuilt = upkeep.rebuild(_named(results))
    if json_:
        typer.echo(json.dumps(asdict(rebuilt), indent=1))
        return
    _tell(rebuilt.problems)
    tell(
        f"{plural(rebuilt.results, 'result is', 'results are')} in the index, "
        f"{plural(len(rebuilt.problems), 'file is', 'files are')} damaged; "
        f"{plural(rebuilt.adopted, 'was', 'were')} new to the journal; "
        f"{plural(rebuilt.removed, 'old temporary file')} removed."
    )


@app.command()
def verify(results: Results = None, json_: Json = False) -> None:
    """Recompute every hash, and hold the results against the journal; exit 1 if anything is wrong.

    Named are files that are truncated, tampered with, under a wrong name, or other than the
    journal says; results that the journal does not have, or that are gone; and breaks in its chain.
    """
    from ..store import upkeep

    verification = upkeep.verify(_named(results))
    if json_:
        typer.echo(json.dumps(asdict(verification), indent=1))
    else:
        _tell(verification.problems)
        tell(
            f"{plural(verification.results, 'result')}, "
            f"{plural(verification.entries, 'entry', 'entries')} in the journal, "
            f"{plural(len(verification.problems), 'problem')}. Head: {verification.head or 'none'}"
        )
    if verification.problems:
        raise typer.Exit(FAILED)


@app.command()
def merge(
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="Another folder of results, of your own.")
    ],
    results: Results = None,
    json_: Json = False,
) -> None:
    """Take the results and the journal of another folder in; may be done again at any time.

    A run that ended takes the place of one that failed. Where both have other outputs of the same
    run, what is here stays and the run is named. For results of others use import.
    """
    from ..store.merge import merge as merge_stores

    merged = merge_stores(store_of(results), source)
    if json_:
        typer.echo(json.dumps(asdict(merged), indent=1))
    else:
        for message in [*merged.damaged, *merged.conflicts]:
            tell(message, err=True)
        tell(
            f"{plural(merged.added, 'result')} added, {merged.replaced} took the place of "
            f"{'a failed one' if merged.replaced == 1 else 'failed ones'}, "
            f"{plural(merged.kept, 'was', 'were')} here; "
            f"{plural(len(merged.conflicts), 'conflict')}, "
            f"{plural(len(merged.damaged), 'damaged file')} left out; "
            f"{plural(merged.journals, 'journal')} taken in."
        )
    if merged.conflicts or merged.damaged:
        raise typer.Exit(FAILED)


def _named(results: Path | None) -> "ResultStore":
    """Return the store; one that was named must be there: a mistyped folder is no sound one."""
    if results is not None and not results.is_dir():
        raise BenchError(f"there is no folder {results}. Name that of the results with --results.")
    return store_of(results)


def _tell(problems: "Iterable[Problem]") -> None:
    for problem in problems:
        tell(f"{problem.kind}: {problem.message}", err=True)
