"""Claims of the study (C1 to C8): each a pure function from results to a verdict.

A claim that lacks results says what is missing.

May import: harness/execution, harness/metrics, harness/plugins, harness/specs, leaderboard/report,
            leaderboard/statistics, leaderboard/store.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..measured import Measured
from .accuracy import more_events_lower_taa, prune_wins_under_shift
from .newborns import selection_leaves_deficit, slow_to_integrate, starved_at_birth
from .ranks import parity_predicts_taa
from .tests import ClaimVerdict
from .tickets import convolutions_split_cycle_and_ticket, no_gap_in_small_mlps

__all__ = ["CLAIMS", "Claim", "ClaimVerdict", "judged"]

Claim = Callable[[Sequence[Measured]], ClaimVerdict]

CLAIMS: Mapping[str, Claim] = {
    "C1": no_gap_in_small_mlps,
    "C2": convolutions_split_cycle_and_ticket,
    "C3": starved_at_birth,
    "C4": slow_to_integrate,
    "C5": more_events_lower_taa,
    "C6": parity_predicts_taa,
    "C7": prune_wins_under_shift,
    "C8": selection_leaves_deficit,
}
"""By the names that rows of a paper list."""


def judged(name: str, results: Sequence[Measured]) -> ClaimVerdict:
    """Judge a claim on the rows whose setting is the one that it is about.

    Where none is, its numbers say what holds in another setting, and nothing of the claim. Nothing
    is decided where runs went wrong, for survivors are not a sample.
    """
    meant = [one for one in results if name not in one.elsewhere]
    others = [one for one in results if name in one.elsewhere]
    found = CLAIMS[name](meant or others)
    wrong = [line for one in meant or others for line in one.wrong]
    if wrong:
        found = replace(found, verdict="not decided", missing=(*wrong, *found.missing))
    if not others:
        return found
    settings = dict.fromkeys(f"{one.row}: {one.elsewhere[name]}" for one in others)
    premise = f"The setting is the study's: it is not on {'; '.join(settings)}. {found.premise}"
    if not meant:
        return replace(found, verdict="premise does not hold", premise=premise)
    beside = CLAIMS[name](others).numbers
    return replace(found, premise=premise, numbers=(*found.numbers, *beside))
