"""Claims about accuracies: C1, C2, C5 and C7."""

from collections.abc import Sequence
from itertools import product
from statistics import fmean

from ...statistics.inference import Difference, holm
from ..measured import Measured
from .tests import (
    ALPHA,
    DEFAULT_MARGIN,
    ClaimVerdict,
    Judgement,
    beyond,
    by_compactness,
    corrected,
    decide,
    equivalence,
    paired,
    points,
    rows_of,
    share,
    sign,
    welch,
)

COMPACTNESSES = (0.2, 0.3, 0.4, 0.5)
EVENTS = (5, 10, 20)
LAST_SHIFT = "split-cifar100"
SHIFTS = (
    *("permuted-mnist", "random-label-mnist", "random-label-cifar"),
    *("five-plus-one-cifar", "continual-imagenet", LAST_SHIFT),
)


def no_gap_in_small_mlps(results: Sequence[Measured]) -> ClaimVerdict:
    """C1: tickets of Grow and Prune are equivalent at every compactness."""
    parts, numbers, missing = _equal_tickets(results, COMPACTNESSES)
    return ClaimVerdict(
        "C1",
        "Small MLPs show no stable gap between Grow and Prune: ticket ACC and TAA are equal.",
        "The network is a small MLP: holds, as the rows say.",
        decide(parts, missing),
        "Equal: two one-sided paired t-tests at 5 % against a margin of twice the widest interval "
        "that the row prints (1 point without any), at every compactness; refuted where a "
        "difference is beyond the margin (t-test, Holm-corrected over all of them, at 5 %).",
        tuple(numbers),
        tuple(missing),
    )


def _equal_tickets(
    results: Sequence[Measured], wanted: Sequence[float]
) -> tuple[list[Judgement], list[str], list[str]]:
    found: list[tuple[str, Difference, float, float, float]] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        grow, prune = (by_compactness(results, row, name) for name in ("Grow", "Prune"))
        for c, metric in product(wanted, ("wt_acc", "wt_taa")):
            where = f"{row}{share(c)} {metric}"
            if c not in grow or c not in prune:
                missing.append(f"{where}: Grow and Prune")
                continue
            one, other = grow[c].values(metric), prune[c].values(metric)
            margin = grow[c].margin or DEFAULT_MARGIN
            p, difference = equivalence(one, other, margin), paired(one, other)
            if p is None or difference is None:
                missing.append(f"{where}: 3 shared seeds of Grow and Prune")
            else:
                found.append((where, difference, margin, p, beyond(one, other, margin)))
    apart = holm([p for *_, p in found])
    parts: list[Judgement] = [_equal(p, q) for (*_, p, _), q in zip(found, apart, strict=True)]
    numbers = [
        f"{where}: {points(difference)}, margin {100 * margin:.2f}, equal p = {p:.2g}, beyond "
        f"Holm p = {q:.2g}: {part}"
        for (where, difference, margin, p, _), q, part in zip(found, apart, parts, strict=True)
    ]
    return parts, numbers, missing


def _equal(equal: float, apart: float) -> Judgement:
    if equal < ALPHA:
        return "confirmed"
    return "refuted" if apart < ALPHA else "not decided"


def convolutions_split_cycle_and_ticket(results: Sequence[Measured]) -> ClaimVerdict:
    """C2: Grow has the higher cycle ACC, Prune the higher cycle TAA, tickets are tied."""
    tests = [
        (f"{row}{share(c)} {metric}", wanted, row, c, metric)
        for row in rows_of(results) or ["any row"]
        for metric, wanted, at in (("acc", 1, COMPACTNESSES), ("taa", -1, COMPACTNESSES[:3]))
        for c in at
    ]
    differences: list[tuple[str, int, Difference]] = []
    missing: list[str] = []
    for where, wanted, row, c, metric in tests:
        grow = by_compactness(results, row, "Grow").get(c)
        prune = by_compactness(results, row, "Prune").get(c)
        found = welch(grow, prune, metric) if grow and prune else None
        if found is None:
            missing.append(f"{where}: 3 seeds of Grow and Prune")
        else:
            differences.append((where, wanted, found))
    parts, numbers = _signs(differences, "Grow minus Prune ")
    tied, more, lacking = _equal_tickets(results, COMPACTNESSES)
    return ClaimVerdict(
        "C2",
        "Behind a convolutional trunk Grow ends a cycle higher, Prune has the higher TAA at 20 to "
        "40 %, and tickets are tied.",
        "The network has a convolutional trunk: holds, as the rows say.",
        decide([*parts, *tied], [*missing, *lacking]),
        "Cycle: Welch's tests, Holm-corrected, at 5 %; tickets: equivalence as for C1.",
        (*numbers, *more),
        (*missing, *lacking),
    )


def _signs(
    differences: Sequence[tuple[str, int, Difference]], words: str
) -> tuple[list[Judgement], list[str]]:
    """Judge the direction of each difference, corrected for their number."""
    p_values = corrected([found for *_, found in differences])
    parts: list[Judgement] = [
        sign(found, p, wanted) for (_, wanted, found), p in zip(differences, p_values, strict=True)
    ]
    numbers = [
        f"{where}: {words}{points(found)}, Holm p = {p:.2g}: {part}"
        for (where, _, found), p, part in zip(differences, p_values, parts, strict=True)
    ]
    return parts, numbers


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
    parts, numbers = _signs(differences, "")
    return ClaimVerdict(
        "C5",
        "More growth events in the same horizon lower cycle TAA monotonically, and ACC less.",
        "The horizon is the same for 5, 10 and 20 events: holds, as the rows say.",
        decide(parts, missing),
        "Paired t-tests by seed, Holm-corrected, at 5 %.",
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
    parts, numbers = _signs(differences, "")
    return ClaimVerdict(
        "C7",
        "Under repeated shift Prune > Grow; Grow+RSL closes most of the gap, and wins on "
        "Split-CIFAR100.",
        "The streams shift: holds, as the rows say. That there is a gap to close is the claim's "
        "own first part.",
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
