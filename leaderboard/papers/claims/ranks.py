"""The claim that newborns' early gradient parity ranks methods: C6."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...statistics.inference import ALPHA, FEWEST_SEEDS, Interval
from ...statistics.numbers import p_text
from ..measured import Measured
from .parity import newborn_share
from .tests import ClaimVerdict, Judgement, decide, rows_of

EARLY, TAA, TICKET = WANTED = ("parity_gradient_early", "taa", "wt_acc")
FEWEST_METHODS = 5
RESAMPLES = 2000

Values = NDArray[np.float64]


def parity_predicts_taa(results: Sequence[Measured]) -> ClaimVerdict:
    """C6: early gradient parity ranks methods as cycle TAA does, and not as ticket ACC does."""
    parts: list[Judgement] = []
    premises: list[str] = []
    numbers: list[str] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        strata, same = _strata([one for one in results if one.row == row and _has_all(one)])
        if not strata:
            missing.append(
                f"{row}: {FEWEST_METHODS} methods that differ at one compactness, with parity, TAA "
                "and tickets at 3 seeds"
            )
            continue
        tables = [table for stratum in strata for table in stratum]
        differ = all(_differ([table[:, column] for table in tables]) for column in (0, 1))
        premises.append(f"{row} {'holds' if differ else 'not shown'}")
        ranks = _ranks(strata) if differ else None
        parts.append(ranks.judgement if ranks else "not decided")
        told = str(ranks) if ranks else "no correlation without differences"
        numbers.append(f"{row}, {len(tables)} entries{same}: {told}: {parts[-1]}")
    return ClaimVerdict(
        "C6",
        "Early gradient parity predicts cycle TAA across methods; ticket ACC does not follow.",
        "Methods differ, both in early gradient parity and in TAA, by more than their seeds do "
        f"(analysis of variance at 5 %): {'; '.join(premises) or 'not measured'}.",
        decide(parts, missing),
        "Spearman correlations over methods, ranked at each compactness by themselves and taken "
        "together: a larger network is better and has other parities whatever the method; runs "
        "that are the same to the last bit count once. Confirmed: that with TAA is above 0 "
        "by a permutation test at 5 % and by its interval, and above that with ticket ACC by the "
        "interval of their difference; refuted: by both that with TAA is below 0, or that with "
        f"ticket ACC above. 95 % intervals of {RESAMPLES} bootstraps over the seeds of these "
        "methods.",
        tuple(numbers),
        tuple(missing),
    )


@dataclass(frozen=True)
class _Ranks:
    """How early gradient parity ranks entries, beside how TAA and ticket ACC do."""

    taa: float
    """Spearman's correlation."""
    taa_interval: Interval
    taa_p: float
    """Of a permutation test of its not being above 0."""
    taa_p_below: float
    """The same of its not being below 0."""
    ticket: float
    ticket_interval: Interval
    ticket_p: float
    difference: Interval
    """Of the correlation with TAA minus that with ticket ACC."""

    @property
    def judgement(self) -> Judgement:
        """What they say about the claim."""
        ticket_follows = self.ticket_p < ALPHA and self.ticket_interval.low > 0
        falls = self.taa_p_below < ALPHA and self.taa_interval.high < 0
        if falls or ticket_follows:
            return "refuted"
        follows = self.taa_p < ALPHA and self.taa_interval.low > 0
        return "confirmed" if follows and self.difference.low > 0 else "not decided"

    def __str__(self) -> str:
        return (
            f"Spearman with TAA {self.taa:.2f} {_limits(self.taa_interval)}, {p_text(self.taa_p)} "
            f"(printed .88); with ticket ACC {self.ticket:.2f} {_limits(self.ticket_interval)}, "
            f"{p_text(self.ticket_p)}; their difference {_limits(self.difference)}"
        )


def _limits(interval: Interval) -> str:
    return f"[{interval.low:.2f}, {interval.high:.2f}]"


def _strata(entries: Sequence[Measured]) -> tuple[list[list[Values]], str]:
    """Return the tables of distinct methods at each compactness that has enough of them.

    And, in brackets, which methods are the same as others: two names of one run are no two methods.
    """
    strata: list[list[Values]] = []
    same: list[str] = []
    for compactness in dict.fromkeys(one.compactness for one in entries):
        distinct: dict[bytes, str] = {}
        tables: list[Values] = []
        for one in (entry for entry in entries if entry.compactness == compactness):
            table = _table(one)
            first = distinct.setdefault(table.tobytes(), one.label)
            if first == one.label:
                tables.append(table)
            else:
                same.append(f"{one.label} is the same as {first}")
        if len(tables) >= FEWEST_METHODS:
            strata.append(tables)
    return strata, f" ({'; '.join(same)})" if same else ""


def _shared(one: Measured) -> list[int]:
    return sorted(set.intersection(*({*one.values(name)} for name in WANTED)))


def _has_all(one: Measured) -> bool:
    return len(_shared(one)) >= FEWEST_SEEDS


def _table(one: Measured) -> Values:
    """Return (seeds, 3): the newborns' share of early gradient, TAA and ticket ACC."""
    early, taa, ticket = (one.values(name) for name in WANTED)
    return np.array([[newborn_share(early[s]), taa[s], ticket[s]] for s in _shared(one)])


def _differ(groups: Sequence[Values]) -> bool:
    """Tell whether means differ by more than their seeds do."""
    if all(len(set(group.tolist())) == 1 for group in groups):
        return len({float(group[0]) for group in groups}) > 1
    return bool(stats.f_oneway(*groups).pvalue < ALPHA)


def _ranks(strata: Sequence[Sequence[Values]]) -> _Ranks:
    generator = np.random.default_rng(0)
    means = [np.array([table.mean(0) for table in tables]) for tables in strata]
    rhos = _correlations(means)
    drawn = np.array(
        [
            _correlations([_resampled(tables, generator) for tables in strata])
            for _ in range(RESAMPLES)
        ]
    )
    shuffled = np.array(
        [
            _correlations(
                [np.column_stack([generator.permutation(m[:, 0]), m[:, 1:]]) for m in means]
            )
            for _ in range(RESAMPLES)
        ]
    )
    p_above = (1 + (shuffled >= rhos - 1e-12).sum(0)) / (1 + RESAMPLES)
    p_below = (1 + (shuffled <= rhos + 1e-12).sum(0)) / (1 + RESAMPLES)
    return _Ranks(
        float(rhos[0]),
        _quantiles(drawn[:, 0]),
        float(p_above[0]),
        float(p_below[0]),
        float(rhos[1]),
        _quantiles(drawn[:, 1]),
        float(p_above[1]),
        _quantiles(drawn[:, 0] - drawn[:, 1]),
    )


def _resampled(tables: Sequence[Values], generator: np.random.Generator) -> Values:
    """Return the means of seeds drawn with replacement, the same for all three numbers."""
    return np.array([t[generator.integers(0, len(t), len(t))].mean(0) for t in tables])


def _correlations(strata: Sequence[Values]) -> Values:
    """Return Spearman's correlation of the first column with each other one; 0 for a constant.

    Ranks are those within a stratum, less their mean.
    """
    ranks = np.concatenate([stats.rankdata(m, axis=0) - (len(m) + 1) / 2 for m in strata])
    norms = np.sqrt((ranks**2).sum(0))
    products = norms[0] * norms[1:]
    constant = products == 0
    found: Values = np.where(constant, 0.0, ranks[:, 0] @ ranks[:, 1:] / (products + constant))
    return found


def _quantiles(values: Values) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
