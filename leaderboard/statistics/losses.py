"""Tests between entrants of which some runs were lost: a lost run is worse than any value.

What a lost run should count as has no right number. With the worst value of the metric in its place
one lost run makes the spread so large that an entrant far behind cannot be told apart any more: the
loss would help it. So losses are compared first and values second, as an order of outcomes.

Under the null hypothesis the runs of two entrants are exchangeable, so that given how many runs
were lost on a stream, whose they are is a draw without replacement. With K the losses of the one
who lost more, k as many as were seen, and p the one-sided p-value of the values of the runs that
ended, P(K > k) + P(K = k) p is one-sided exact for "this one is worse". Doubled, it is two-sided.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan, sqrt
from typing import TypeVar

import numpy as np
from scipy.stats import hypergeom

from .inference import (
    FEWEST_SEEDS,
    Difference,
    Moments,
    compare,
    difference_moments,
    known_from,
    stratified,
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Outcomes:
    """What the runs of one entrant on one stream came to."""

    values: Mapping[tuple[int, str], float]
    """Of the runs that ended, by what pairs them; see `inference.compare`."""
    counted: Mapping[tuple[int, str], float]
    """The same, with the worst case for every lost run: what means are over."""

    @property
    def lost(self) -> int:
        """Number of lost runs."""
        return len(self.counted) - len(self.values)


Pairs = Sequence[tuple[Outcomes, Outcomes]]
"""Two entrants on every stream; at least one."""


def difference(pairs: Pairs, better: int) -> Difference:
    """Compare the first entrant with the second by the mean over streams, losses first.

    With fewer than `FEWEST_SEEDS` seeds p is NaN.

    Where the one who lost more is behind in the values too, or neither lost more, the difference
    and its interval are over the runs that ended (`Difference.ended` says so where any was lost),
    and p is as this module says. Where the one who lost more is ahead in the values, losses and
    values contradict each other: then lost runs count as the worst case in difference, interval
    and p.

    Args:
        pairs: both entrants on every stream.
        better: 1 where higher values are better, -1 where lower ones are.

    Raises:
        ValueError: somebody has no run on a stream.
    """
    found = _difference(pairs, better)
    return found if found.count >= FEWEST_SEEDS else replace(found, p=nan)


def _difference(pairs: Pairs, better: int) -> Difference:
    counted = _mean([(first.counted, second.counted) for first, second in pairs])
    lost = sum(first.lost - second.lost for first, second in pairs)
    if not any(one.lost for pair in pairs for one in pair):
        return counted
    there = all(one.values for pair in pairs for one in pair)
    parts = [(first.values, second.values) for first, second in pairs] if there else []
    shown = replace(_mean(parts), ended=True) if parts else counted
    if lost == 0:
        return shown
    if parts and better * shown.mean * (1 if lost > 0 else -1) > 0:
        return counted
    # Two runs that ended have no interval of their own, but a part in this p.
    of_values = _moments(parts)[0].p_value() if parts else nan
    one_sided = 1.0 if isnan(of_values) else of_values / 2
    more, as_many = tail(pairs if lost > 0 else [(second, first) for first, second in pairs])
    p = min(1.0, 2 * (more + as_many * one_sided))
    return replace(shown, p=p, count=counted.count)


def tail(pairs: Pairs) -> tuple[float, float]:
    """Return how likely it is by chance alone that the first loses more, or as many, as it did.

    Runs on a stream are exchangeable between the two, given how many were lost there.

    Returns:
        P(K > k) and P(K = k) of the number K of the first one's losses over all streams.
    """
    chances = np.ones(1)
    for first, second in pairs:
        mine, theirs = len(first.counted), len(second.counted)
        lost = first.lost + second.lost
        own = hypergeom(mine + theirs, lost, mine).pmf(np.arange(mine + 1))
        chances = np.convolve(chances, own)
    seen = sum(first.lost for first, _ in pairs)
    return float(chances[seen + 1 :].sum()), float(chances[seen])


def _mean(parts: Sequence[tuple[Mapping[Key, float], Mapping[Key, float]]]) -> Difference:
    """Return the mean over streams of the differences; its count is that of the fewest seeds."""
    if len(parts) == 1:
        return compare(*parts[0])
    over_all, paired = _moments(parts)
    shared = min(len(first.keys() & second.keys()) for first, second in parts)
    spread = over_all.error * sqrt(len(parts) * shared) if paired else nan
    return Difference(
        count=shared,
        mean=over_all.mean,
        interval=known_from(shared, over_all),
        p=over_all.p_value() if shared >= FEWEST_SEEDS else nan,
        effect_size=over_all.mean / spread if spread else nan,
        paired=paired,
    )


def _moments(
    parts: Sequence[tuple[Mapping[Key, float], Mapping[Key, float]]],
) -> tuple[Moments, bool]:
    """Return the moments of the mean over streams, and whether all differences are paired."""
    found = [difference_moments(first, second) for first, second in parts]
    return stratified(one for one, _ in found), all(is_paired for _, is_paired in found)
