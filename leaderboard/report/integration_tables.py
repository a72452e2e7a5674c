"""Tables of newborn integration in Markdown: times, tests between entrants, parity and factors."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np

from ...harness.metrics.summary import FACTORS, INTEGRATION_QUANTITIES, PARITIES
from ...harness.metrics.table import INTEGRATION_RHOS
from ...harness.visible import in_markdown
from ..curves.integration_study import Cohort, Pace, Study, pace
from ..statistics.inference import CONFIDENCE
from ..statistics.numbers import p_number
from .pace_tests import PaceTest, pace_tests
from .pictures import file_stem
from .styles import in_order

Groups = Mapping[str, Sequence[Cohort]]
"""Cohorts by the name of their line in a table."""


def integration_tables(first_column: str, groups: Groups, horizon: float) -> Iterator[str]:
    """Yield a table of integration times for each quantity, one line a group of cohorts.

    Args:
        first_column: what the groups are.
        groups: none of them empty.
        horizon: updates up to which means are taken.
    """
    if not groups:
        return
    columns = ("median", f"mean to {horizon:,.0f}", "not seen to", "overshoot")
    heads = [f"{rho:g}: {column}" for rho in INTEGRATION_RHOS for column in columns]
    for name in INTEGRATION_QUANTITIES:
        yield f"| {name}: {first_column} | cohorts | {' | '.join(heads)} |"
        yield "|---|---|" + "---|" * len(heads)
        for group, cohorts in groups.items():
            paces = [pace(cohorts, (name, rho), horizon) for rho in INTEGRATION_RHOS]
            cells = " | ".join(cell for one in paces for cell in _pace_cells(one))
            yield f"| {in_markdown(group)} | {len(cohorts)} | {cells} |"
        yield ""


def integration_rules(horizon: float) -> str:
    """Say how the numbers of `integration_tables` are defined."""
    return (
        "Integration time in updates. A cohort (the newborns of one edit in one layer; those of "
        "under 8 units pooled over seeds) has integrated when 5 measurements in a row reach a "
        "share rho of parity, 0.5 or 0.8. Median: Kaplan-Meier. Mean: area under the Kaplan-Meier "
        f"curve up to {horizon:,.0f} updates, the longest age to which every run of every entrant "
        "could follow at least one of its cohorts; with ≤ an upper bound, where a group was "
        "followed less far. Not seen to: share of cohorts that were not seen to integrate before "
        "the next edit in their layer, their death or the end of the run cut them off. Overshoot: "
        "share of cohorts with a measurement above 1 / rho.\n"
    )


def _pace_cells(one: Pace) -> tuple[str, str, str, str]:
    median = "not reached" if one.median is None else f"{one.median:,.0f}"
    mean = "-" if one.mean is None else f"{'≤ ' if one.bounded else ''}{one.mean:,.0f}"
    return median, mean, f"{one.censored:.0%}", f"{one.overshooting:.0%}"


def comparison_tables(study: Study) -> Iterator[str]:
    """Yield a table of tests between every two entrants for each quantity and share of parity."""
    if len(study.entrants) < 2:
        return
    yield (
        "Every two entrants compared. Log-rank: standard normal, above 0 where the first "
        "integrates sooner; it takes cohorts as independent, which those of one run are not, so "
        "its p is too small where few seeds have many cohorts. Difference: mean integration time "
        f"up to {study.horizon:,.0f} updates, each run's own cohorts averaged first, paired by "
        f"seed where seeds are shared, with its {CONFIDENCE:.0%} interval; below 0 where the first "
        "integrates sooner. p: Holm-corrected over the lines of a table.\n"
    )
    for name, rho in [(n, r) for n in INTEGRATION_QUANTITIES for r in INTEGRATION_RHOS]:
        yield f"| {name}, rho {rho:g} | log-rank | p | difference | runs | p |"
        yield "|---|---|---|---|---|---|"
        yield from (_test_line(test) for test in pace_tests(study, (name, rho)))
        yield ""


def _test_line(test: PaceTest) -> str:
    rank = "-" if test.log_rank is None else f"{test.log_rank.statistic:+z.2f}"
    difference, runs = "-", "-"
    if test.difference is not None:
        low, high = test.difference.interval.low, test.difference.interval.high
        paired = "" if test.difference.paired else " (not paired)"
        limits = "" if isnan(low) else f" [{low:+z,.0f}, {high:+z,.0f}]"
        difference = f"{test.difference.mean:+z,.0f}{limits}{paired}"
        runs = str(test.difference.count)
    cells = (rank, _p(test.p_log_rank), difference, runs, _p(test.p_difference))
    return f"| {in_markdown(test.first)} and {in_markdown(test.second)} | {' | '.join(cells)} |"


def _p(value: float) -> str:
    return "-" if isnan(value) else p_number(value)


def parity_table(first_column: str, groups: Groups) -> Iterator[str]:
    """Yield a table of parity at birth and over the cycle, with its factors.

    Two lines a group: the cohorts' ratios at age 0, and their means over all ages at which they
    were followed.
    """
    if not groups:
        return
    names = (*PARITIES, *FACTORS)
    heads = " | ".join(name.replace("_", " ") for name in names)
    yield (
        "Newborns over incumbents; 1 is parity. Median over cohorts, and quartiles. At birth: at "
        "age 0. Cycle: each cohort's mean over the updates from its birth until it was followed "
        "no more. Gradient parity is about the product of its three factors gate rate, outgoing "
        "norm and alignment.\n"
    )
    yield f"| {first_column} | when | {heads} |"
    yield "|---|---|" + "---|" * len(names)
    for group, cohorts in groups.items():
        for when, number in (("at birth", ratio_at_birth), ("cycle", ratio_over_cycle)):
            values = [[number(cohort, name) for cohort in cohorts] for name in names]
            yield f"| {in_markdown(group)} | {when} | {' | '.join(map(_spread, values))} |"
    yield ""


def ratio_at_birth(cohort: Cohort, name: str) -> float | None:
    """Return a cohort's newborn-to-incumbent ratio at age 0; None where it was not measured."""
    first = cohort.rows[0]
    value: float | None = first.get(name) if first["age"] == 0 else None
    return value


def ratio_over_cycle(cohort: Cohort, name: str) -> float | None:
    """Return a cohort's mean ratio over the updates that it was followed; None without any.

    Measurements are dense in the first updates and sparse later; the area under the lines between
    them over the time that they span makes an update count the same at every age.
    """
    known = [(row["age"], row[name]) for row in cohort.rows if row.get(name) is not None]
    if not known:
        return None
    ages, ratios = np.array(known, dtype=np.float64).T
    if ages[-1] == ages[0]:
        return float(ratios[0])
    return float(np.trapezoid(ratios, ages) / (ages[-1] - ages[0]))


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and value == value]
    if not known:
        return "-"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]" if len(known) > 1 else f"{middle:.2f}"


def newborn_tables(stream: str, study: Study, folder: Path) -> Iterator[str]:
    """Yield a stream's tables of newborns, by entrant; write those of the tests to a page apart."""
    if not study.entrants:
        return
    by_label = {one.label: one.cohorts for one in study.entrants}
    by_entrant = {label: by_label[label] for label in in_order(by_label)}
    yield integration_rules(study.horizon)
    yield from integration_tables("entrant", by_entrant, study.horizon)
    if len(study.entrants) > 1:
        name = f"{file_stem(stream)}-integration-tests.md"
        head = [
            f"# Integration time on {in_markdown(stream)}: tests\n",
            "[Back to the report](report.md)\n",
        ]
        (folder / name).write_text("\n".join([*head, *comparison_tables(study)]), encoding="utf-8")
        yield f"Tests between every two entrants: [log-rank, and paired by seed]({name}).\n"
    yield from parity_table("entrant", by_entrant)
