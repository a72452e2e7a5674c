"""Claims about winning tickets of Grow and Prune: C1 and C2."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ...statistics.inference import ALPHA, Difference, holm
from ...statistics.numbers import p_text
from ..measured import Measured
from .tests import (
    ClaimVerdict,
    Judgement,
    beyond,
    by_compactness,
    decide,
    equivalence,
    paired,
    points,
    rows_of,
    share,
    signs,
    welch,
)

COMPACTNESSES = (0.2, 0.3, 0.4, 0.5)
TICKET = ("wt_acc", "wt_taa")
LARGEST_GAP = 0.05
"""Share of accuracy that a ticket of Prune may be above its cycle where the cycle is trained after
its last rewind. Ours: the largest gap that the study prints is 4.15 points (CIFAR-100, 20 %)."""


def no_gap_in_small_mlps(results: Sequence[Measured]) -> ClaimVerdict:
    """C1: tickets of Grow and Prune are equivalent at every compactness."""
    premise, holds = _network(results, "mlp", "The network is an MLP")
    parts, numbers, missing = _equal_tickets(results)
    return ClaimVerdict(
        "C1",
        'The disadvantage of growing "is minor in small MLP benchmarks" (abstract): ticket ACC and '
        "TAA of Grow and Prune are equal at every compactness.",
        premise,
        decide(parts, missing) if holds else "premise does not hold",
        _TICKET_TEST,
        tuple(numbers),
        tuple(missing),
    )


_TICKET_TEST = (
    "Tickets are equal: two one-sided t-tests paired by seed, at 5 %, against the margins that the "
    "paper's file states, in every number at 20, 30, 40 and 50 %; refuted where a difference is "
    "beyond the margin (t-test at 5 %, Holm over all of them)."
)


@dataclass(frozen=True)
class _Ticket:
    """One number of tickets of Grow beside that of Prune."""

    where: str
    difference: Difference
    margin: float
    p_equal: float
    p_beyond: float

    def judgement(self, p_beyond: float) -> Judgement:
        """What it says, by its corrected p-value of being beyond the margin."""
        if self.p_equal < ALPHA:
            return "confirmed"
        return "refuted" if p_beyond < ALPHA else "not decided"


def _equal_tickets(
    results: Sequence[Measured],
) -> tuple[list[Judgement], list[str], list[str]]:
    found: list[_Ticket] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        grow, prune = (by_compactness(results, row, name) for name in ("Grow", "Prune"))
        for c, metric in product(COMPACTNESSES, TICKET):
            where = f"{row}{share(c)} {metric}"
            if c not in grow or c not in prune:
                missing.append(f"{where}: Grow and Prune")
                continue
            made = _ticket(where, grow[c], prune[c], metric)
            if isinstance(made, str):
                missing.append(made)
            else:
                found.append(made)
    apart = holm([one.p_beyond for one in found])
    parts = [one.judgement(p) for one, p in zip(found, apart, strict=True)]
    numbers = [
        f"{one.where}: {points(one.difference)}, margin {100 * one.margin:.2f}, equal "
        f"{p_text(one.p_equal)}, beyond Holm {p_text(p)}: {part}"
        for one, p, part in zip(found, apart, parts, strict=True)
    ]
    return parts, numbers, missing


def _ticket(where: str, grow: Measured, prune: Measured, metric: str) -> _Ticket | str:
    """Compare two entries, or say what is missing for it."""
    if metric not in grow.margins:
        return f"{where}: a margin in the paper's file"
    one, other, margin = grow.values(metric), prune.values(metric), grow.margins[metric]
    p, difference = equivalence(one, other, margin), paired(one, other)
    if p is None or difference is None:
        return f"{where}: 3 shared seeds of Grow and Prune"
    return _Ticket(where, difference, margin, p, beyond(one, other, margin))


def convolutions_split_cycle_and_ticket(results: Sequence[Measured]) -> ClaimVerdict:
    """C2: Grow has the higher cycle ACC, Prune the higher cycle TAA, tickets are tied.

    The abstract calls Prune stronger as well where the network is retrained; the study's own
    tables print tickets at most 0.42 points apart, to either side, and that is what is tested.
    """
    network, convolutional = _network(results, "convnet", "The network is a ConvNet")
    trained, starved, unsure = _trained_again(results)
    kept = [one for one in results if one.row not in starved]
    parts, numbers, missing = _cycles_and_tickets(kept)
    _, beside, _ = _cycles_and_tickets([one for one in results if one.row in starved])
    beside = [f"{line.rpartition(': ')[0]}: premise does not hold" for line in beside]
    holds = convolutional and (bool(kept) or not results)
    return ClaimVerdict(
        "C2",
        'Behind a convolutional trunk "Grow can achieve high final accuracy during the '
        "structural-editing procedure, while Prune is stronger when performance is averaged over "
        'the training trajectory" (abstract): Grow ends a cycle higher, Prune has the higher TAA '
        "at 20 to 40 %, and tickets are tied (tables).",
        f"{network} {trained}",
        decide(parts, [*unsure, *missing]) if holds else "premise does not hold",
        f"Cycle: Welch's tests, Holm-corrected, at 5 %. {_TICKET_TEST}",
        (*numbers, *beside),
        (*unsure, *missing) if holds else (),
    )


def _cycles_and_tickets(
    results: Sequence[Measured],
) -> tuple[list[Judgement], list[str], list[str]]:
    differences: list[tuple[str, int, Difference]] = []
    missing: list[str] = []
    for row in rows_of(results) or ["any row"]:
        grow, prune = (by_compactness(results, row, name) for name in ("Grow", "Prune"))
        for metric, wanted, c in _CYCLE:
            where = f"{row}{share(c)} {metric}"
            found = welch(grow[c], prune[c], metric) if c in grow and c in prune else None
            if found is None:
                missing.append(f"{where}: 3 seeds of Grow and Prune")
            else:
                differences.append((where, wanted, found))
    parts, numbers = signs(differences, "Grow minus Prune ")
    tied, more, lacking = _equal_tickets(results)
    return [*parts, *tied], [*numbers, *more], [*missing, *lacking]


_CYCLE = (
    *(("acc", 1, c) for c in COMPACTNESSES),
    *(("taa", -1, c) for c in COMPACTNESSES[:3]),
)
"""What Grow minus Prune is claimed to be: the metric, its sign, at which compactness."""


def _network(results: Sequence[Measured], kind: str, words: str) -> tuple[str, bool]:
    """Say whether all networks are of a kind, and whether they are."""
    if not results:
        return f"{words}: nothing is measured.", True
    others = sorted({one.row for one in results if one.network != kind})
    if others:
        return f"{words}: it is not on {', '.join(others)}.", False
    return f"{words}: holds.", True


def _trained_again(results: Sequence[Measured]) -> tuple[str, set[str], list[str]]:
    """Ask where Prune's cycle is trained after its last rewind.

    Returns:
        the premise in words; the rows where it surely is not; elsewhere, where it is not decided.
    """
    words: dict[tuple[str, str], str] = {}
    for row in rows_of(results):
        for c, one in by_compactness(results, row, "Prune").items():
            ticket, cycle = one.values("wt_acc"), one.values("acc")
            gap = paired(ticket, cycle)
            over = paired(ticket, {seed: value + LARGEST_GAP for seed, value in cycle.items()})
            if gap is not None and over is not None:
                side = "holds" if over.mean < 0 else "does not hold"
                word = side if over.p < ALPHA else "not decided"
                words[row, f"{row}{share(c)}"] = f"{points(gap)}: {word}"
    starved = {row for (row, _), word in words.items() if word.endswith("does not hold")}
    unsure = [
        f"{where}: more seeds of Prune, for the premise"
        for (row, where), word in words.items()
        if row not in starved and word.endswith("not decided")
    ]
    told = "; ".join(f"{where} {word}" for (_, where), word in words.items()) or "not measured"
    text = (
        "Prune's cycle is trained again after its last rewind, as the study's is: its ticket ends "
        f"less than {100 * LARGEST_GAP:g} points above it (t-test paired by seed, at 5 %): {told}."
    )
    return text, starved, unsure
