"""What an entrant's numbers depend on beside its settings and the samples: its code, the engine's.

Whoever names a run, submits it, makes it again or tells which results are current asks here.
"""

from collections.abc import Iterable

from ..modules.single_learner import SingleLearner
from ..specs.source_code import source_digest
from .registry import load_entrant

RESULTS_VERSION = 1
"""Raised when a change of the engine may change numbers: it is part of every fingerprint."""


def code_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what tells the code that is installed here from any other: part of the fingerprint.

    Args:
        names: of an entrant's strategies, or of its learner.

    Returns:
        `strategies`, the SHA-256 of what each one's code does, by name; and, where a library's code
        is the learner, `versions`, the library's version by package.

    Raises:
        BenchError: a name is not installed here, or its source cannot be read.
    """
    classes = {name: load_entrant(name) for name in names}
    versions = {
        package: version
        for cls in classes.values()
        if issubclass(cls, SingleLearner)
        for package, version in cls.versions.items()
    }
    code = {"strategies": {name: source_digest(cls) for name, cls in classes.items()}}
    return {**code, "versions": versions} if versions else code
