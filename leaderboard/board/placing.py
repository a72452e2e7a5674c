"""Places and rank intervals from pairwise tests: shared where the data cannot tell apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import isnan

from ..statistics import power
from ..statistics.inference import ALPHA, Difference, holm
from .standings import Pair, Rank

Verdicts = set[tuple[str, str]]
"""Two labels, where the first is significantly better than the second."""


def pairs(labels: Sequence[str], differences: Sequence[Difference]) -> tuple[Pair, ...]:
    """Return every two entrants with their difference, Holm-corrected over all of them.

    Args:
        labels: of the entrants.
        differences: first minus second, in the order of `itertools.combinations(labels, 2)`.
    """
    corrected = holm([difference.p for difference in differences])
    return tuple(
        Pair(first, second, difference, p)
        for (first, second), difference, p in zip(
            combinations(labels, 2), differences, corrected, strict=True
        )
    )


def ranks(
    labels: Sequence[str], compared: Sequence[Pair], sign: float, lost: Mapping[str, int]
) -> list[Rank]:
    """Return the rank of every entrant.

    An entrant's rank lies between 1 + the number of those who are significantly better, and the
    number of all minus those who are significantly worse (at `ALPHA`, Holm-corrected over all
    pairs). Places: the best entrant opens the first group; going down, an entrant joins the group
    until one is told apart from somebody in it; that one opens the next group. A place is 1 + the
    number of entrants in better groups. Who has lost more runs than another and has not the better
    mean stands below it, whatever the tests say: a lost run never helps. Where the seeds that two
    share say the opposite of their means (one has other seeds besides), the data contradict
    themselves: the two are not told apart.

    Args:
        labels: of the entrants, best first.
        compared: every two of them, the better one first.
        sign: 1 where higher is better, -1 where lower is.
        lost: runs that everybody has lost.
    """
    better = _verdicts(compared, sign)
    better |= {(one, other) for one, other in combinations(labels, 2) if lost[one] < lost[other]}
    groups: list[list[str]] = []
    for label in labels:
        if groups and not any(_apart(better, label, other) for other in groups[-1]):
            groups[-1].append(label)
        else:
            groups.append([label])
    found = []
    before = 0
    for group in groups:
        for label in group:
            low = 1 + sum((other, label) in better for other in labels)
            high = len(labels) - sum((label, other) in better for other in labels)
            found.append(Rank(before + 1, low, high, tied=len(group) > 1))
        before += len(group)
    return found


def detectable(
    labels: Sequence[str], places: Sequence[Rank | None], compared: Sequence[Pair]
) -> dict[str, float]:
    """Return what differences shared places may hide, see `Standing.detectable`.

    Holm's first test is at `ALPHA` over the number of tests; that level is taken for all.

    Args:
        labels: of the entrants, best first.
        places: in the same order.
        compared: every two of them.
    """
    turned = between(compared)
    tests = sum(not isnan(pair.difference.p) for pair in compared)
    found: dict[str, float] = {}
    for label, place in zip(labels, places, strict=True):
        mates = [
            other
            for other, its in zip(labels, places, strict=True)
            if place and its and other != label and its.place == place.place
        ]
        if mates and tests:
            # The next one is where it would be told apart first.
            nearest = min(mates, key=lambda other: abs(labels.index(other) - labels.index(label)))
            tested = turned[label, nearest].difference
            smallest = power.detectable(tested, ALPHA / tests)
            if smallest is not None and not isnan(tested.p):
                found[label] = smallest
    return found


def between(compared: Sequence[Pair]) -> dict[tuple[str, str], Pair]:
    """Return the pairs by both orders of their labels, turned round where need be."""
    found = {}
    for pair in compared:
        found[pair.first, pair.second] = pair
        found[pair.second, pair.first] = _turned(pair)
    return found


def _turned(pair: Pair) -> Pair:
    one = pair.difference
    # Taken from zero and not negated: nothing turned round is nothing, and not -0.
    interval = replace(one.interval, low=0.0 - one.interval.high, high=0.0 - one.interval.low)
    turned = replace(one, mean=0.0 - one.mean, interval=interval, effect_size=0.0 - one.effect_size)
    return Pair(pair.second, pair.first, turned, pair.p_holm)


def _verdicts(compared: Sequence[Pair], sign: float) -> Verdicts:
    # The first of a pair has the better mean; a test that says the opposite is no verdict.
    return {
        (pair.first, pair.second)
        for pair in compared
        if pair.p_holm < ALPHA and sign * pair.difference.mean > 0
    }


def _apart(better: Verdicts, one: str, other: str) -> bool:
    return (one, other) in better or (other, one) in better
