"""Rows from strangers: what views take from them is there, and metrics are what follows from them.

Rows have no schema of their own. So what is made of rows later is made of them once here, where a
result can still be refused, and not first in a page that then cannot be built any more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isclose, isnan
from pathlib import Path
from typing import Any

from ...harness.metrics.summary import summarise
from ...harness.names import LONGEST_NAME
from ...harness.plugins.sources import RESULTS_VERSION
from ...harness.row import Row
from ..curves.integration_study import QUESTIONS, cohorts_in, pace
from ..curves.lines import (
    PARITY_QUANTITIES,
    accuracy_over_steps,
    accuracy_over_tasks,
    alive_over_steps,
    parity_by_age,
)
from ..curves.over_time import edit_steps, over_time
from ..store.journal import Journal
from ..store.result import Result
from .hostile import Refused, check_name

LARGEST = 1e100
"""Numbers beyond are no measurements, and their squares could not be added up."""
COUNTS = frozenset({"task", "step", "age", "birth", "newborns", "updates"})
"""Fields of rows that are whole numbers from 0 on."""
LARGEST_COUNT = 2**53
"""Beyond this a float is not any whole number."""
MOST_TASKS = 5_000
"""As in the longest streams that were published; the trend over tasks takes the square of that."""
_RELATIVE = 1e-6  # other versions of libraries may add up in another order


def check_rows(result: Result, where: str) -> None:
    """Refuse a result whose rows or metrics are not such as a run writes.

    Args:
        result: whose hashes are right.
        where: how the reason names it.

    Raises:
        Refused: it is of another results version, a number is none that a run measures, a field is
            missing or of another type, or the metrics of a run that is done are not those that its
            rows give.
    """
    if result.results_version != RESULTS_VERSION:
        raise Refused(
            f"{where} is of results version {result.results_version}, whose metrics cannot be "
            f"checked here, where it is {RESULTS_VERSION}"
        )
    _check_numbers(result.metrics, f"{where}, in its metrics,")
    measured = _measured(result, where)
    if measured is not None:
        _check_metrics(result.metrics, measured, where)


def drawable(
    results: Iterable[Result], folder: Path, report: Callable[[str], None]
) -> Iterator[Result]:
    """Yield results of a store as views can be made of them: some without their rows.

    What a run of the store wrote, or an import checked, is as it is. Whoever puts a file into the
    folder by hand makes its hashes fit whatever its rows are, and no view may end by them.

    Args:
        results: of the store.
        folder: of the store, whose journal says where a result came from.
        report: called with one message for each result whose rows are left out.
    """
    written = Journal.read(folder)
    for result in results:
        try:
            if {entry.origin for entry in written.matching(result)} <= {"adopted"}:
                _measured(result, "it")
        except Refused as error:
            report(f"not drawn: {folder / result.fingerprint}.json: {error}.")
            yield result.model_copy(update={"rows": []})
        else:
            yield result


def _measured(result: Result, where: str) -> Mapping[str, float | None] | None:
    """Return the metrics that rows give, once all is made of them that views make.

    Returns:
        None for a run that is not done.

    Raises:
        Refused: the rows are not such as a run writes.
    """
    for number, row in enumerate(result.rows):
        _check_row(row, f"row {number} of {where}")
    if result.status != "done":
        return None
    tasks = sum(row["kind"] == "task" for row in result.rows)
    if tasks > MOST_TASKS:
        raise Refused(f"{where} has {tasks:,} tasks, and {MOST_TASKS:,} are allowed")
    try:
        measured = summarise(result.rows)
        _draw(result)
    except Exception as error:  # whatever a missing field or one of another type makes of it
        reason = ascii(f"{type(error).__name__}: {error}")[1:-1][:LONGEST_NAME]
        raise Refused(f"{where} has rows that no run writes ({reason})") from error
    return measured


def _check_row(row: Row, what: str) -> None:
    kind = row.get("kind")
    if not isinstance(kind, str):
        raise Refused(f"{what} does not say of which kind it is")
    for name in row:
        check_name(name, f"a name in {what}")
    _check_numbers(row, what)
    for name in COUNTS & row.keys():
        value = row[name]
        if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
            raise Refused(f"{what} has no whole number from 0 on as its {name}")


def _check_numbers(fields: Mapping[str, Any], what: str) -> None:
    for number in _numbers(fields.values()):
        if not -LARGEST <= number <= LARGEST:
            raise Refused(f"{what} has a number that no run measures")


def _numbers(values: Iterable[Any]) -> Iterator[float]:
    for value in values:
        if isinstance(value, int | float):
            yield value
        elif isinstance(value, list):
            yield from _numbers(value)


def _draw(result: Result) -> None:
    """Make what views make of rows."""
    accuracy_over_tasks([result])
    accuracy_over_steps([result])
    alive_over_steps([result])
    for quantity in PARITY_QUANTITIES:
        parity_by_age([result], quantity)
    over_time([result])
    edit_steps([result])
    for cohort in cohorts_in([result]):
        pace([cohort], QUESTIONS[0], horizon=1)


def _check_metrics(
    reported: Mapping[str, float | None], measured: Mapping[str, float | None], where: str
) -> None:
    for name, value in measured.items():
        if not _same(reported.get(name), value):
            raise Refused(f"{where} has another {name} than its rows give")


def _same(reported: float | None, measured: float | None) -> bool:
    if measured is None or isnan(measured):
        return reported is None
    return reported is not None and isclose(reported, measured, rel_tol=_RELATIVE, abs_tol=1e-12)
