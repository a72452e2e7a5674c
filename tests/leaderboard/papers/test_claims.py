from collections.abc import Sequence

import pytest

from plasticity_bench.leaderboard.papers.claims import CLAIMS
from plasticity_bench.leaderboard.papers.claims.accuracy import COMPACTNESSES, SHIFTS
from plasticity_bench.leaderboard.papers.claims.tests import equivalence
from plasticity_bench.leaderboard.papers.measured import Measured

from .made import cohort, entry


def judged(name: str, results: Sequence[Measured]) -> str:
    return CLAIMS[name](results).verdict


@pytest.mark.parametrize("name", CLAIMS)
def test_without_results_nothing_is_decided_and_what_to_run_is_said(name: str) -> None:
    found = CLAIMS[name]([])
    assert found.name == name
    assert found.verdict == "not decided"
    assert found.missing


def test_equivalence_is_that_of_the_90_percent_interval() -> None:
    # differences 1, 2, 3: mean 2, error 1/sqrt(3), t(2; .95) = 2.91999, so 2 +- 1.68586
    first, second = {0: 1.0, 1: 2.0, 2: 3.0}, dict.fromkeys(range(3), 0.0)
    assert (equivalence(first, second, 3.6858) or 1) > 0.05 - 1e-4
    assert (equivalence(first, second, 3.70) or 1) < 0.05
    assert (equivalence(first, second, 3.67) or 1) > 0.05
    assert equivalence({0: 1.0}, {0: 1.0}, 1) is None


def tickets(difference: float, at: Sequence[float] = COMPACTNESSES) -> list[Measured]:
    return [
        entry(method, c, margin=0.003, wt_acc=0.95 + shift, wt_taa=0.93 + shift)
        for c in at
        for method, shift in (("Grow", difference), ("Prune", 0.0))
    ]


def test_c1_follows_the_difference_between_tickets() -> None:
    assert judged("C1", tickets(0.001)) == "confirmed"
    assert judged("C1", tickets(0.01)) == "refuted"
    some = CLAIMS["C1"](tickets(0.001, (0.2, 0.5)))
    assert some.verdict == "not decided"
    assert "mnist-iid 30% wt_acc: Grow and Prune" in some.missing


def convolutions(acc: float, taa: float, ticket: float = 0.0) -> list[Measured]:
    return [
        entry(method, c, row="cifar-10", acc=a, taa=t, wt_acc=w, wt_taa=w)
        for c in COMPACTNESSES
        for method, a, t, w in (
            ("Grow", 0.8 + acc, 0.8 + taa, 0.8 + ticket),
            ("Prune", 0.8, 0.8, 0.8),
        )
    ]


def test_c2_needs_acc_for_grow_taa_for_prune_and_tied_tickets() -> None:
    assert judged("C2", convolutions(0.03, -0.03)) == "confirmed"
    assert judged("C2", convolutions(-0.03, -0.03)) == "refuted"
    assert judged("C2", convolutions(0.03, -0.03, ticket=0.05)) == "refuted"
    assert judged("C2", convolutions(0.0, -0.03)) == "not decided"


def newborns(activation: float, gradient: float, rise: float = 0.0, seeds: int = 4) -> Measured:
    rows = {s: cohort([100, 200], activation, gradient + 0.01 * s, rise) for s in range(seeds)}
    return entry("Grow", 0.2, cohorts=rows, seeds=seeds, acc=0.9)


def test_c3_is_about_parity_at_birth() -> None:
    assert judged("C3", [newborns(1.1, 0.1)]) == "confirmed"
    assert judged("C3", [newborns(1.1, 0.7)]) == "refuted"
    assert judged("C3", [newborns(0.5, 0.1)]) == "refuted"
    assert judged("C3", [newborns(1.1, 0.485)]) == "not decided"
    assert judged("C3", [newborns(1.1, 0.1, seeds=2)]) == "not decided"


def test_c4_is_about_the_whole_cycle() -> None:
    assert judged("C4", [newborns(1.0, 0.2, rise=0.05)]) == "confirmed"
    assert judged("C4", [newborns(1.0, 0.5, rise=-0.05)]) == "refuted"
    assert judged("C4", [newborns(1.0, 1.5, rise=0.05)]) == "refuted"
    assert judged("C4", [newborns(2.0, 0.2, rise=0.05)]) == "refuted"
    assert judged("C4", [newborns(1.0, 0.2)]) == "not decided"


def by_events(taa: Sequence[float], acc: Sequence[float]) -> list[Measured]:
    return [
        entry(f"Grow K={events}", 0.2, taa=t, acc=a)
        for events, t, a in zip((5, 10, 20), taa, acc, strict=True)
    ]


def test_c5_wants_a_falling_taa_and_a_steadier_acc() -> None:
    assert judged("C5", by_events((0.9, 0.8, 0.7), (0.9, 0.89, 0.88))) == "confirmed"
    assert judged("C5", by_events((0.7, 0.8, 0.9), (0.9, 0.9, 0.9))) == "refuted"
    assert judged("C5", by_events((0.9, 0.8, 0.7), (0.9, 0.6, 0.3))) == "refuted"
    assert judged("C5", by_events((0.9, 0.8, 0.7), (0.9, 0.9, 0.9))[:2]) == "not decided"


def ranked(taa: Sequence[float], ticket: Sequence[float]) -> list[Measured]:
    return [
        entry(f"method {n}", 0.2, parity_gradient_early=0.1 * n, taa=t, wt_acc=w)
        for n, (t, w) in enumerate(zip(taa, ticket, strict=True), 1)
    ]


def test_c6_compares_ranks_of_at_least_five_methods() -> None:
    up, mixed = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0.5, 0.2, 0.6, 0.1, 0.4, 0.3)
    found = CLAIMS["C6"](ranked(up, mixed))
    assert found.verdict == "confirmed"
    assert "Spearman with TAA 1.00" in found.numbers[0]
    assert judged("C6", ranked(up, up)) == "refuted"
    assert judged("C6", ranked(up[::-1], mixed)) == "refuted"
    assert judged("C6", ranked(up[:4], mixed[:4])) == "not decided"


def shifts(smooth: float, last: float = 0.3, rows: Sequence[str] = SHIFTS) -> list[Measured]:
    return [
        entry(method, 0.2, row=row, taoa=value)
        for row in rows
        for method, value in (
            ("Prune", 0.22 if row == "split-cifar100" else 0.9),
            ("Grow", 0.2),
            ("Grow+RSL", last if row == "split-cifar100" else smooth),
        )
    ]


def test_c7_needs_every_stream() -> None:
    assert judged("C7", shifts(0.7)) == "confirmed"
    assert judged("C7", shifts(0.3)) == "refuted"  # under half of the gap
    assert judged("C7", shifts(0.7, last=0.215)) == "refuted"  # does not beat Prune there
    partly = CLAIMS["C7"](shifts(0.7, rows=SHIFTS[:1]))
    assert partly.verdict == "not decided"
    assert len(partly.missing) == 5


def test_c8_looks_at_gradient_selection() -> None:
    below = [entry("Grow+GradMax", 0.2, parity_gradient_early=0.2)]
    assert judged("C8", below) == "confirmed"
    beside = CLAIMS["C8"]([*below, entry("Grow", 0.2, parity_gradient_early=0.1)])
    assert "minus selection by activation +0.100" in beside.numbers[0]
    assert judged("C8", [entry("Grow+GradMax", 0.2, parity_gradient_early=1.2)]) == "refuted"
    assert judged("C8", [entry("Grow+GradMax", 0.2, parity_gradient_early=1.0)]) == "not decided"
