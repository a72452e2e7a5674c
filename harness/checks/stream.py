"""Check that a stream keeps its promises: `check_stream`, for built-in ones and for anyone's."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..blame import raised
from ..errors import BenchError
from ..stream import Stream
from . import stream_laws as laws_of_streams
from .stream_laws import Case

Law = Callable[[Case], Iterator[str]]
"""Yields what is wrong, the first sentence of which is reported."""

LAWS: dict[str, Law] = {
    "both views have the same number of tasks": laws_of_streams.same_number_of_tasks,
    "both views show the same samples, labels and task ids": laws_of_streams.same_samples,
    "the same seed gives the same stream": laws_of_streams.same_again,
    "another seed gives another stream": laws_of_streams.seeds_differ,
    "starting late equals skipping": laws_of_streams.late_start,
    "drawing leaves global generators alone": laws_of_streams.generators_rest,
    "labels are outputs of the head": laws_of_streams.labels_fit,
    "indices are in range": laws_of_streams.indices_fit,
    "updates are positive multiples of the passes": laws_of_streams.updates_fit,
    "memory does not grow with the tasks": laws_of_streams.memory_rests,
    "a second process draws the same": laws_of_streams.same_elsewhere,
}
"""Every law by the words it is reported with."""


@dataclass(frozen=True)
class Verdict:
    """Whether one law holds."""

    law: str
    failure: str | None
    """What is wrong, one sentence; None where the law holds."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.failure is None


def check_stream(
    stream: Stream, data_dir: Path, seeds: Sequence[int] = (0, 1), laws: Sequence[str] | None = None
) -> list[Verdict]:
    """Check a stream against all laws of `LAWS`, or those named.

    Args:
        stream: any.
        data_dir: where data sets are kept.
        seeds: at least one; what seeds have to do with each other needs two.
        laws: some names of `LAWS`; None takes all.

    Raises:
        BenchError: its samples cannot be loaded, or there is no such law.
    """
    if not seeds:
        raise BenchError("a stream is checked for some seeds. Give at least one.")
    unknown = set(laws or ()) - set(LAWS)
    if unknown:
        raise BenchError(f"no law '{min(unknown)}'. There is: {'; '.join(LAWS)}.")
    case = Case(stream, data_dir, seeds)
    assert case.samples is not None  # loaded now: its errors are not those of a law
    return [Verdict(law, _failure(LAWS[law], case)) for law in laws or LAWS]


def _failure(law: Law, case: Case) -> str | None:
    try:
        return next(law(case), None)
    except BenchError as error:
        return f"it refuses: {error}"
    except Exception as error:  # whatever a stream's own code raises
        return f"it raises {raised(error, type(case.stream))}"
