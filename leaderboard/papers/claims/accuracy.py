"""Claims about accuracies: C1, C2, C5 and C7."""

from collections.abc import Sequence

from ...statistics import Difference
from ..measured import Measured
from .tests import (
    ALPHA,
    DEFAULT_MARGIN,
    ClaimVerdict,
    Judgement,
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
SHIFTS = (
    *("permuted-mnist", "random-label-mnist", "random-label-cifar"),
    *("five-plus-one-cifar", "continual-imagenet", "split-cifar100"),
)


def no_gap_in_small_mlps(results: Sequence[Measured]) -> ClaimVerdict:
    """C1: tickets of Grow and Prune are equivalent at every compactness."""
    parts, numbers, missing = _equal_tickets(results, COMPACTNESSES)
    return ClaimVerdict(
        "C1",
        "Small MLPs show no stable gap between Grow and Prune: ticket ACC and TAA are equal.",
        decide(parts, missing),
        "Equal: two one-sided paired t-tests at 5 % against a margin of twice the widest interval "
        "that the row prints (1 point without any); refuted where the difference is beyond the "
        "margin and its 95 % interval excludes it.",
        tuple(numbers),
        tuple(missing),
    )


def _equal_tickets(
    results: Sequence[Measured], wanted: Sequence[float]
) -> tuple[list[Judgement], list[str], list[str]]:
    parts: list[Judgement] = []
    numbers, missing = [], []
    for row in rows_of(results) or ["any row"]:
        grow, prune = (by_compactness(results, row, name) for name in ("Grow", "Prune"))
        for c in wanted:
            for metric in ("wt_acc", "wt_taa"):
                where = f"{row}{share(c)} {metric}"
                if c not in grow or c not in prune:
                    missing.append(f"{where}: Grow and Prune")
                    continue
                one, other = grow[c].values(metric), prune[c].values(metric)
                margin = grow[c].margin or DEFAULT_MARGIN
                p, found = equivalence(one, other, margin), paired(one, other)
                if p is None or found is None:
                    missing.append(f"{where}: 3 shared seeds of Grow and Prune")
                    continue
                parts.append(_equal(p, found, margin))
                numbers.append(
                    f"{where}: {points(found)}, margin {100 * margin:.2f}, p = {p:.2g}: {parts[-1]}"
                )
    return parts, numbers, missing


def _equal(p: float, found: Difference, margin: float) -> Judgement:
    if p < ALPHA:
        return "confirmed"
    beyond = found.interval.low > margin or found.interval.high < -margin
    return "refuted" if beyond else "not decided"


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
    for row in wanted:
        found_any = False
        for c, prune in by_compactness(results, row, "Prune").items():
            grow = by_compactness(results, row, "Grow").get(c)
            smooth = by_compactness(results, row, "Grow+RSL").get(c)
            if grow is None or smooth is None:
                continue
            for where, one, other in _shift_tests(row, prune, grow, smooth):
                found = paired(one, other)
                if found is not None:
                    found_any = True
                    differences.append((f"{row}{share(c)}: {where}", 1, found))
        if not found_any:
            missing.append(f"{row}: 3 shared seeds of Prune, Grow and Grow+RSL")
    parts, numbers = _signs(differences, "")
    return ClaimVerdict(
        "C7",
        "Under repeated shift Prune > Grow; Grow+RSL closes most of the gap, and wins on "
        "Split-CIFAR100.",
        decide(parts, missing),
        "Paired t-tests of TAOA by seed, Holm-corrected, at 5 %, at every compactness measured: "
        "Prune minus Grow, Grow+RSL minus the middle of the gap, Prune minus Grow+RSL (on "
        "Split-CIFAR100 the other way round).",
        tuple(numbers),
        tuple(missing),
    )


def _shift_tests(
    row: str, prune: Measured, grow: Measured, smooth: Measured
) -> list[tuple[str, dict[int, float], dict[int, float]]]:
    p, g, s = (one.values("taoa") for one in (prune, grow, smooth))
    middle = {seed: (p[seed] + g[seed]) / 2 for seed in p.keys() & g.keys()}
    tests = [("Prune minus Grow", p, g), ("Grow+RSL minus the middle of the gap", s, middle)]
    if row == "split-cifar100":
        return [*tests, ("Grow+RSL minus Prune", s, p)]
    return [*tests, ("Prune minus Grow+RSL", p, s)]
