"""Claims about accuracies over events and streams: C5 and C7."""

from collections.abc import Sequence
from statistics import fmean

from ...statistics.inference import Difference
from ..measured import Measured
from .tests import ClaimVerdict, by_compactness, decide, paired, rows_of, signs

EVENTS = (5, 10, 20)
LAST_SHIFT = "split-cifar100"
SHIFTS = (
    *("permuted-mnist", "random-label-mnist", "random-label-cifar"),
    *("five-plus-one-cifar", "continual-imagenet", LAST_SHIFT),
)


def more_events_lower_taa(results: Sequence[Measured]) -> ClaimVerdict:
    """C5: TAA falls from 5 to 10 to 20 growth events, ACC less."""
    differences: list[tuple[str, int, Difference]] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        by_events = {
            events: one
            for events in EVENTS
            for one in results
            if one.row == row and one.method == f"Grow K={events}"
        }
        taa = {events: one.values("taa") for events, one in by_events.items()}
        acc = {events: one.values("acc") for events, one in by_events.items()}
        steps = [(f"{row}: TAA at K={a} minus K={b}", taa.get(a), taa.get(b)) for a, b in _PAIRS]
        steps.append((f"{row}: fall of TAA minus fall of ACC", _fall(taa), _fall(acc)))
        for where, one, other in steps:
            found = paired(one, other) if one and other else None
            if found is None:
                missing.append(f"{where}: 3 shared seeds")
            else:
                differences.append((where, 1, found))
    parts, numbers = signs(differences, "")
    return ClaimVerdict(
        "C5",
        "More growth events in the same horizon lower cycle TAA monotonically, and ACC less.",
        "The horizon is the same for 5, 10 and 20 events: holds, a row is one stream.",
        decide(parts, missing),
        "t-tests paired by seed, Holm-corrected, at 5 %: TAA at 5 minus 10 and at 10 minus 20 "
        "events, and its fall from 5 to 20 minus that of ACC. TAA is over the checkpoints that the "
        "variant names.",
        tuple(numbers),
        tuple(missing),
    )


_PAIRS = ((5, 10), (10, 20))


def _fall(values: dict[int, dict[int, float]]) -> dict[int, float] | None:
    first, last = values.get(EVENTS[0], {}), values.get(EVENTS[-1], {})
    return {seed: value - last[seed] for seed, value in first.items() if seed in last}


def prune_wins_under_shift(
    results: Sequence[Measured], wanted: Sequence[str] = SHIFTS
) -> ClaimVerdict:
    """C7: Prune > Grow under shift; RSL closes most of the gap, and wins on Split-CIFAR100."""
    differences: list[tuple[str, int, Difference]] = []
    missing: list[str] = []
    closed: dict[str, dict[int, float]] = {}
    for row in wanted:
        prune, grow, smooth = _means(results, row)
        first = paired(prune, grow)
        if first is not None:
            differences.append((f"{row}: Prune minus Grow", 1, first))
        if paired(smooth, prune) is None or paired(smooth, grow) is None:
            missing.append(f"{row}: 3 shared seeds of Prune, Grow and Grow+RSL")
            continue
        middle = {seed: (prune[seed] + grow[seed]) / 2 for seed in prune.keys() & grow.keys()}
        closed[row] = _minus(smooth, middle)
        if row == LAST_SHIFT:
            last = paired(smooth, prune)
            differences += [(f"{row}: Grow+RSL minus Prune", 1, last)] if last else []
    together = _together([closed[row] for row in wanted if row != LAST_SHIFT and row in closed])
    in_all = closed.keys() >= set(wanted)
    over_all = paired(together, dict.fromkeys(together, 0.0)) if in_all else None
    if over_all is not None:
        where = "Grow+RSL minus the middle of the gap, mean over streams"
        differences.append((where, 1, over_all))
    elif in_all:
        missing.append("3 seeds that all streams share")
    parts, numbers = signs(differences, "")
    return ClaimVerdict(
        "C7",
        "Under repeated shift Prune > Grow; Grow+RSL closes most of the gap, and wins on "
        "Split-CIFAR100.",
        "That there is a gap to close is the claim's own first part.",
        decide(parts, missing),
        "Paired t-tests of TAOA by seed, means over the compactnesses measured, Holm-corrected, at "
        "5 %: on every stream Prune minus Grow; in the mean over the streams but Split-CIFAR100, "
        "Grow+RSL minus the middle of the gap; on Split-CIFAR100, Grow+RSL minus Prune.",
        (*numbers, *(_middle(row, values) for row, values in closed.items())),
        tuple(missing),
    )


def _means(results: Sequence[Measured], row: str) -> list[dict[int, float]]:
    """Return TAOA of Prune, Grow and Grow+RSL by seed: means over the compactnesses of all three.

    Where Grow+RSL is not measured, those that Prune and Grow share.
    """
    found = [by_compactness(results, row, name) for name in ("Prune", "Grow", "Grow+RSL")]
    shared = set.intersection(*({*one} for one in found)) or found[0].keys() & found[1].keys()
    return [
        _together([one[c].values("taoa") for c in shared]) if one.keys() >= shared else {}
        for one in found
    ]


def _together(parts: Sequence[dict[int, float]]) -> dict[int, float]:
    """Return the mean over parts at every seed that all of them have."""
    seeds = set.intersection(*({*part} for part in parts)) if parts else set[int]()
    return {seed: fmean(part[seed] for part in parts) for seed in sorted(seeds)}


def _minus(first: dict[int, float], second: dict[int, float]) -> dict[int, float]:
    return {seed: value - second[seed] for seed, value in first.items() if seed in second}


def _middle(row: str, values: dict[int, float]) -> str:
    return (
        f"{row}: Grow+RSL is {100 * fmean(values.values()):+.2f} points from the middle of the gap"
    )
