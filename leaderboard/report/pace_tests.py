"""Tests between entrants of how fast their newborns integrate."""

from dataclasses import dataclass
from itertools import combinations

from ...harness.metrics.integration import LogRank, log_rank, restricted_mean
from ..curves.integration_study import EntrantStudy, Key, Study
from ..statistics.inference import Difference, compare, holm


@dataclass(frozen=True)
class PaceTest:
    """Two entrants compared in how fast their newborns integrate."""

    first: str
    second: str
    log_rank: LogRank | None
    """Over cohorts, as if they were independent; None where undefined."""
    p_log_rank: float
    """Holm-corrected over all pairs; NaN where it was not tested."""
    difference: Difference | None
    """Of the runs' restricted means, paired by seed: first minus second, in updates."""
    p_difference: float
    """Holm-corrected over all pairs; NaN where it was not tested."""


def pace_tests(study: Study, question: tuple[str, float]) -> list[PaceTest]:
    """Compare every two entrants by one quantity at one share of parity.

    The log-rank test takes cohorts as independent, which those of one run are not; so the runs'
    restricted means are compared beside it (`statistics.compare`), where a run counts once.
    """
    pairs = list(combinations(study.entrants, 2))
    ranks = [
        log_rank(*([c.times[question] for c in one.cohorts] for one in pair)) for pair in pairs
    ]
    means = {one.label: run_means(one, question, study.horizon) for one in study.entrants}
    differences = [
        compare(means[a.label], means[b.label]) if means[a.label] and means[b.label] else None
        for a, b in pairs
    ]
    return [
        PaceTest(a.label, b.label, rank, p_rank, difference, p_difference)
        for (a, b), rank, p_rank, difference, p_difference in zip(
            pairs,
            ranks,
            holm([_p(rank) for rank in ranks]),
            differences,
            holm([_p(difference) for difference in differences]),
            strict=True,
        )
    ]


def run_means(
    entrant: EntrantStudy, question: tuple[str, float], horizon: float
) -> dict[Key, float]:
    """Return the restricted mean integration time of each run alone, in updates."""
    if not horizon > 0:
        return {}
    found = {
        key: restricted_mean([cohort.times[question] for cohort in cohorts], horizon)
        for key, cohorts in entrant.by_run.items()
    }
    return {key: mean for key, mean in found.items() if mean is not None}


def _p(test: LogRank | Difference | None) -> float:
    return float("nan") if test is None else test.p
