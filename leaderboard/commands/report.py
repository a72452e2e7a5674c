"""The command `report`: a suite's results as figures, tests and a page for every entrant."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ...harness.commands.options import Entrants, Results, Seeds, Sets, Streams, SuiteName, Trust
from ...harness.visible import tell
from .found import (
    AllVersions,
    UsualOnly,
    board_of,
    find,
    results_of,
    store_of,
    tell_other_code,
)


def report(
    suite: SuiteName = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("report"),
    stream: Streams = [],  # noqa: B006  (typer wants a list, and copies it)
    entrant: Entrants = [],  # noqa: B006
    seeds: Seeds = None,
    set_: Sets = [],  # noqa: B006
    trust: Trust = False,
    results: Results = None,
    all_versions: AllVersions = False,
    usual_only: UsualOnly = False,
) -> None:
    """Draw a suite's results, compare integration times, explain every entrant on a page.

    Controls that were run beside the entrants are shown with what each of them shows.
    """
    from ...harness.commands.selection import Selection
    from ..board.versions import Versions
    from ..report import figures
    from ..report.controls_table import controls_beside

    selection = Selection(suite, stream, entrant, seeds, set_, trust)
    found = find(selection, store_of(results), all_versions=all_versions, usual_only=usual_only)
    runs = list(results_of(found.store, found.fingerprints))
    beside = controls_beside(runs, found.store.records())
    versions = Versions(found.store.folder)
    records = found.store.records(fingerprints=beside) if beside else ()
    controls = versions.all(records) if all_versions else versions.current(records)
    runs += results_of(found.store, {control.fingerprint for control in controls.records})
    found = replace(found, other_code=found.other_code + controls.other_code)
    tell(f"The report is {figures.report(runs, out, board_of(found, None, None))}.")
    found.tell_missing()
    tell_other_code(found.other_code)
