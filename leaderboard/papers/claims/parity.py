"""Parities over seeds: their means and intervals, and how sure it is on which side they lie.

A parity is newborns over incumbents. It is averaged and tested as the newborns' share N / (N + O),
half of which is parity: a mean of ratios would be ruled by the largest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan

from ....harness.metrics.cohorts import mean_parity
from ...statistics.inference import ALPHA, FEWEST_SEEDS, Difference, Interval, holm, moments
from .tests import Judgement, beyond, equivalence, paired

Parities = Mapping[int, float]
"""By seed: finite, at least 0."""


@dataclass(frozen=True)
class Part:
    """One thing that a claim says about one place, and what the seeds say about it."""

    words: str
    """Where it is, and the number with its interval."""
    confirmed: float
    """p-value of its being otherwise; NaN where there are too few seeds."""
    refuted: float
    """p-value of its being so; NaN where there are too few seeds."""


def judged(parts: Sequence[Part]) -> tuple[list[Judgement], list[str]]:
    """Judge the parts of a claim that is confirmed by all and refuted by one: Holm over those."""
    refuted = holm([part.refuted for part in parts])
    found: list[Judgement] = [
        _judgement(part.confirmed, p) for part, p in zip(parts, refuted, strict=True)
    ]
    return found, [f"{part.words}: {one}" for part, one in zip(parts, found, strict=True)]


def _judgement(confirmed: float, refuted: float) -> Judgement:
    if confirmed < ALPHA:
        return "confirmed"
    return "refuted" if refuted < ALPHA else "not decided"


def newborn_share(parity: float) -> float:
    """Return the newborns' share of what newborns and incumbents have, in [0, 1)."""
    return parity / (1 + parity)


def below(words: str, values: Parities, edge: float = 1.0) -> Part:
    """Ask whether a parity is below an edge."""
    return _side(words, values, edge, -1)


def above(words: str, values: Parities, edge: float = 1.0) -> Part:
    """Ask whether a parity is above an edge."""
    return _side(words, values, edge, 1)


def near_one(words: str, values: Parities, edge: float) -> Part:
    """Ask whether a parity lies between an edge below 1 and its reciprocal.

    In shares the two are as far from a half.
    """
    shares, half = _shares(values), dict.fromkeys(values, 0.5)
    margin = 0.5 - newborn_share(edge)
    equal = equivalence(shares, half, margin)
    apart = beyond(shares, half, margin)
    return Part(f"{words} {shown(values)}", nan if equal is None else equal, apart)


def rising(words: str, slopes: Mapping[int, float]) -> Part:
    """Ask whether the slope of log parity on log age is above 0."""
    if len(slopes) < FEWEST_SEEDS:
        return Part(f"{words}: fewer than {FEWEST_SEEDS} seeds", nan, nan)
    found = moments([*slopes.values()])
    interval = found.interval()
    text = (
        f"{words} {found.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}], "
        f"times {2**found.mean:.2f} from an age to twice that age"
    )
    return Part(text, *_two_ways(found.mean, found.p_value(), 1))


def minus_one(values: Parities) -> Difference | None:
    """Return how far the mean share is from that of parity 1; None with too few seeds."""
    return minus(values, dict.fromkeys(values, 1.0))


def minus(values: Parities, others: Parities) -> Difference | None:
    """Return the paired difference of shares; None with too few seeds in common."""
    return paired(_shares(values), _shares(others))


def shown(values: Parities) -> str:
    """Write a mean parity with its 95 % t interval, both of shares."""
    mean = mean_parity([*values.values()])
    if mean is None or len(values) < FEWEST_SEEDS:
        return f"of fewer than {FEWEST_SEEDS} seeds"
    interval = interval_of(values)
    return f"{mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def interval_of(values: Parities) -> Interval:
    """Return the 95 % t interval of a mean parity over two seeds or more, made of shares."""
    found = moments([*_shares(values).values()]).interval()
    return Interval(_parity(found.low), _parity(found.high))


def _parity(share: float) -> float:
    """Return the parity of a share; limits of an interval may be outside of [0, 1]."""
    return inf if share >= 1 else max(0.0, share) / (1 - max(0.0, share))


def _shares(values: Parities) -> dict[int, float]:
    return {seed: newborn_share(value) for seed, value in values.items()}


def _side(words: str, values: Parities, edge: float, wanted: int) -> Part:
    found = minus(values, dict.fromkeys(values, edge))
    text = f"{words} {shown(values)}"
    if found is None or isnan(found.p):
        return Part(text, nan, nan)
    return Part(text, *_two_ways(found.mean, found.p, wanted))


def _two_ways(mean: float, p: float, wanted: int) -> tuple[float, float]:
    """Return the p-values of a claimed direction being wrong, and of its being right."""
    return (p, 1.0) if mean * wanted > 0 else (1.0, p)
