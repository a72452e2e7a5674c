"""What `submit` packs: one entrant's results that were made with the code installed here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...harness.errors import BenchError
from ...harness.execution.environment import environment
from ...harness.loop.run import RESULTS_VERSION
from ...harness.modules.single_learner import SingleLearner
from ...harness.plugins.registry import load_entrant
from ...harness.specs.spec import RunSpec, source_digest, source_modules
from ..store.result import Record, canonical
from ..store.result_store import ResultStore
from .archive import pack
from .archive_reading import checked_archive

_MACHINE = frozenset({"system", "machine", "threads", "device"})
"""What `environment` says beside versions."""
_Code = tuple[dict[str, str], dict[str, str], int]
"""Hashes of the strategies' source, versions of libraries, and the results version."""


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
    here = _installed(classes)
    records = [record for record in found if _made_with(record) == here]
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


def _made_with(record: Record) -> _Code:
    return record.sources.strategies, record.sources.versions, record.results_version


def _installed(classes: Mapping[str, Any]) -> _Code:
    code = {name: source_digest(cls) for name, cls in classes.items()}
    versions = {
        package: version
        for cls in classes.values()
        if issubclass(cls, SingleLearner)
        for package, version in cls.versions.items()
    }
    return code, versions, RESULTS_VERSION
