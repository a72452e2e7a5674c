"""What a run's numbers depend on beside its settings and the samples: all code that computes them.

Whoever names a run, submits it, makes it again or tells which results are current asks here.
"""

from collections.abc import Iterable

from ..modules.single_learner import SingleLearner
from ..specs.code_shape import PACKAGE
from ..specs.named_code import AVALANCHE
from ..specs.source_code import source_digest
from .engine_code import changed_engine
from .registry import load_entrant, load_stream

RESULTS_VERSION = 2
"""Raised when a change of the engine may change numbers: it is part of every fingerprint. The tests
hold the engine's numbers against golden ones of this version."""

Code = dict[str, str | dict[str, str]]
"""What tells the code that a run was made with from any other."""


def code_of(names: Iterable[str], stream: str) -> Code:
    """Return what tells the code that is installed here from any other: part of the fingerprint.

    Args:
        names: of an entrant's strategies, or of its learner.
        stream: name of the stream.

    Returns:
        `strategies`, the SHA-256 of what each one's code does, by name; where a library's code is
        the learner, `versions`, the library's version by package; where the stream is a plug-in,
        `stream`, the SHA-256 of what its code does; and where the engine is not that of the results
        version, `engine`, the same of that.

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
    code: Code = {"strategies": {name: source_digest(cls) for name, cls in classes.items()}}
    more: dict[str, str | dict[str, str] | None] = {
        "versions": versions,
        "stream": _stream_code(stream),
        "engine": changed_engine(),
    }
    return code | {name: value for name, value in more.items() if value}


def _stream_code(name: str) -> str | None:
    """Return the SHA-256 of a plug-in stream's source; None of ours, which are the engine's.

    Any Avalanche benchmark is of our class, and a user's own goes into the hash of its samples. It
    is not imported for this: the name may be one of somebody else's result.
    """
    if name.startswith(AVALANCHE):
        return None
    cls = load_stream(name).cls
    is_ours = cls.__module__.partition(".")[0] == PACKAGE
    return None if is_ours else source_digest(cls)
