"""What a control's difference to its entrant shows, in words: by its kind and its direction."""

from collections.abc import Mapping
from math import isnan

from ..statistics.inference import ALPHA, FEWEST_SEEDS, Difference

SHOWS: Mapping[str, tuple[str, str]] = {
    "fresh per task": (
        "the entrant carries something over from task to task",
        "the entrant has lost plasticity",
    ),
    "full reset": (
        "its edits do more than to start anew at these moments would",
        "to start anew at these moments does more than its edits",
    ),
    "small dense": (
        "it does not reach this by its final size alone",
        "the final size from the start does more than the way to it",
    ),
    "equal capacity": (
        "its course of sizes gains something",
        "its course of sizes costs something",
    ),
    "no rewind": (
        "the rewind gains something",
        "the rewind costs something, and pruning alone does more",
    ),
    "rewind only": (
        "pruning gains something beside the rewind",
        "pruning costs something, and the rewind alone does more",
    ),
    "random turnover": (
        "fresh units chosen by chance do not serve as well",
        "fresh units chosen by chance serve better",
    ),
    "random-matched": (
        "its criterion chooses better than chance",
        "its criterion chooses worse than chance",
    ),
    "inverse-matched": (
        "its criterion tells units apart",
        "its criterion tells units apart, and is the wrong way round",
    ),
    "newborns never learn": (
        "what newborns learn gains something",
        "what newborns learn costs something",
    ),
}
"""By the kind of control: what is shown where the control is worse, and where it is better."""


def shown(kind: str, difference: Difference, p: float) -> str:
    """Return what the numbers of a control show: that it is not told apart shows nothing.

    Args:
        kind: of control.
        difference: control minus entrant, of a metric of which higher values are better.
        p: corrected.
    """
    if isnan(p):
        return f"not tested: it takes {FEWEST_SEEDS} seeds of both"
    if not p < ALPHA:
        return f"not decided: {difference.count} seeds do not tell the two apart"
    is_better = difference.mean > 0
    return f"the control is {'better' if is_better else 'worse'}: {SHOWS[kind][is_better]}"
