"""What `submit` packs: one entrant's results that were made with the code installed here."""

from collections.abc import Callable, Sequence

from ...harness.errors import BenchError
from ...harness.execution.environment import environment
from ...harness.plugins.registry import load_entrant
from ...harness.plugins.sources import RESULTS_VERSION, code_of
from ...harness.specs.fingerprint import canonical
from ...harness.specs.spec import RunSpec, source_modules
from ..store.result_store import ResultStore
from .archive import pack
from .archive_reading import checked_archive

_MACHINE = frozenset({"system", "machine", "threads", "device"})
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
    classes = {one.name: load_entrant(one.name) for one in entrant.strategies}
    asked = {canonical(run.as_json()) for run in runs}
    found = [
        record
        for record in store.records(entrants={entrant.name}, report=report)
        if canonical(record.spec.model_dump()) in asked
    ]
    code = code_of(classes)
    records = [
        record
        for record in found
        if record.sources.code == code and record.results_version == RESULTS_VERSION
    ]
    if len(records) < len(found):
        report(
            f"left out: {len(found) - len(records)} results that were made with other code than "
            "is installed here. Run them again to submit them."
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
        asked=len(asked),
        versions={name: value for name, value in packages if name not in _MACHINE},
        records=records,
        contents=contents,
        sources={name: source_modules(cls) for name, cls in classes.items()},
    )
    checked_archive(content, "to be written")
    return content
