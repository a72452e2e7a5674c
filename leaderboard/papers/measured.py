"""What the store has of the runs of a row: values by seed, newborns' rows, runs that went wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean

from ...harness.fingerprint import canonical
from ...harness.metrics.summary import Row as RunRow
from ...harness.specs.spec import RunSpec
from ..store.result import Result
from .paper import PERCENT
from .runs import Case

DAMAGE = "{0}: seed {1} has results on different data; left out until it is run again here"


@dataclass(frozen=True)
class Measured:
    """The finished runs of one entry of a row."""

    row: str
    """Of the table, without its variant."""
    method: str
    compactness: float | None
    """Share in (0, 1]; None where the method has none."""
    metrics: Mapping[int, Mapping[str, float | None]] = field(hash=False)
    """By seed, as in results: shares and not per cent. Only runs that are done."""
    cohorts: Mapping[int, Sequence[RunRow]] = field(default_factory=dict, hash=False)
    """By seed, the rows of newborns."""
    wrong: tuple[str, ...] = ()
    """Runs that diverged or failed, and why."""
    margins: Mapping[str, float] = field(default_factory=dict, hash=False)
    """By metric, as shares: what two values may differ by and still mean the same."""
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By claim, how the setting differs from the one that the claim is about."""
    network: str = "mlp"
    """Kind of the network."""

    def values(self, metric: str) -> dict[int, float]:
        """Return a metric by seed, where it is defined and finite."""
        return {
            seed: value
            for seed, metrics in self.metrics.items()
            if (value := metrics.get(metric)) is not None and isfinite(value)
        }

    @property
    def label(self) -> str:
        """Method and compactness."""
        return self.method if self.compactness is None else f"{self.method} {self.compactness:.0%}"


def measured(
    case: Case, results: Mapping[bytes, Sequence[Result]], known: frozenset[str]
) -> Measured:
    """Return what is measured of an entry.

    Args:
        case: the entry with its runs.
        results: by canonical spec; see `by_spec`.
        known: fingerprints of the runs as the code and data here would make them; empty where the
            data are not here.
    """
    wrong: list[str] = []
    parts = [_by_seed(case, runs, results, known, wrong) for runs in case.specs]
    shared = set.intersection(*({*part} for part in parts))
    names = {name for part in parts for seed in shared for name in part[seed].metrics}
    row, variant = case.chosen.row, case.chosen.row.variants[case.chosen.variant]
    elsewhere = {**row.elsewhere, **variant.elsewhere}
    return Measured(
        row=case.chosen.row.name,
        method=case.entry.method,
        compactness=case.entry.compactness,
        metrics={
            seed: {name: _mean([part[seed].metrics.get(name) for part in parts]) for name in names}
            for seed in sorted(shared)
        },
        cohorts={
            seed: [row for part in parts for row in part[seed].rows if row["kind"] == "cohort"]
            for seed in sorted(shared)
        },
        wrong=tuple(wrong),
        margins={m: one.points / PERCENT for m, one in case.chosen.paper.margins.items()},
        elsewhere={claim: why for claim, why in elsewhere.items() if why},
        network=next(case.runs).entrant.network.kind,
    )


def by_spec(results: Iterable[Result]) -> dict[bytes, list[Result]]:
    """Sort results by what was run, whatever code and data it was run with."""
    found: dict[bytes, list[Result]] = {}
    for result in results:
        found.setdefault(canonical(result.spec.model_dump()), []).append(result)
    return found


def _by_seed(
    case: Case,
    runs: Sequence[RunSpec],
    results: Mapping[bytes, Sequence[Result]],
    known: frozenset[str],
    wrong: list[str],
) -> dict[int, Result]:
    found: dict[int, Result] = {}
    for run in runs:
        there = list(results.get(canonical(run.as_json()), ()))
        ours = [result for result in there if result.fingerprint in known]
        there = ours if known else there
        if len(there) > 1:
            wrong.append(DAMAGE.format(case.entry.label, there[0].spec.seed))
        elif there and there[0].status == "done":
            found[there[0].spec.seed] = there[0]
        elif there:
            one = there[0]
            wrong.append(f"{case.entry.label}: seed {one.spec.seed} {one.status}: {one.reason}")
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if len(there) == len(values) else None
