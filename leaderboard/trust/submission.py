"""What `submit` packs: one entrant's results that were made with the code installed here."""

from collections.abc import Callable, Sequence

from ...harness.errors import BenchError
from ...harness.execution.environment import environment
from ...harness.plugins.registry import load_entrant
from ...harness.plugins.sources import RESULTS_VERSION, code_of
from ...harness.plural import plural
from ...harness.specs.source_code import source_of
from ...harness.specs.spec import RunSpec
from ..board.wanted import Wanted
from ..store.result import Record
from ..store.result_store import ResultStore
from .archive import pack
from .archive_reading import checked_archive

_MACHINE = frozenset({"system", "machine", "processor", "threads", "device"})
"""What `environment` says beside versions."""


def submission(
    runs: Sequence[RunSpec], store: ResultStore, suite: str, report: Callable[[str], None]
) -> bytes:
    """Return an archive of the results of some runs; the same results give the same bytes.

    Args:
        runs: of one entrant.
        store: where the results are.
        suite: that asks for the runs, as others find it.
        report: called with a message for each thing that is left out.

    Raises:
        BenchError: there are no results, or the archive would be refused for what is in it.
    """
    entrant = runs[0].entrant
    classes: dict[str, type] = {one.name: load_entrant(one.name) for one in entrant.strategies}
    wanted = Wanted.of([run.as_json() for run in runs], guests=False)
    codes = {run.stream.name: code_of(classes, run.stream.name) for run in runs}
    records, older = list[Record](), 0
    for record in store.records(entrants={entrant.name}, report=report):
        is_current = (
            record.sources.code == codes.get(record.spec.stream.name)
            and record.results_version == RESULTS_VERSION
        )
        if is_current and wanted.has(record):
            records.append(record)
        elif not is_current and wanted.had(record):
            older += 1
    if older:
        results = plural(older, "result that was", "results that were")
        report(
            f"left out: {results} made with other code than is installed here. "
            "They need their own source in the archive: submit them from where that is, or run "
            "them again. The command leaderboard shows them with --all-versions."
        )
    if not records:
        raise BenchError(
            f"no results of {entrant.name} in {store.folder}. Run it first, or name another folder."
        )
    contents = {one.fingerprint: store.path(one.fingerprint).read_bytes() for one in records}
    packages = environment("cpu").items()
    content = pack(
        entrant=entrant.name,
        suite=suite,
        asked=len(wanted.asked),
        versions={name: value for name, value in packages if name not in _MACHINE},
        records=records,
        contents=contents,
        sources={name: source_of(cls) for name, cls in classes.items()},
    )
    checked_archive(content, "to be written")
    return content
