from collections.abc import Sequence
from dataclasses import replace

import pytest

from plasticity_bench.leaderboard.papers.claims import CLAIMS
from plasticity_bench.leaderboard.papers.claims import judged as claim_judged
from plasticity_bench.leaderboard.papers.claims.accuracy import SHIFTS
from plasticity_bench.leaderboard.papers.claims.tests import beyond, equivalence
from plasticity_bench.leaderboard.papers.claims.tickets import COMPACTNESSES
from plasticity_bench.leaderboard.papers.measured import Measured

from ..made import cohort, entry


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
        entry(method, c, wt_acc=0.95 + shift, wt_taa=0.93 + shift)
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
        entry(method, c, row="cifar-10", network="convnet", acc=a, taa=t, wt_acc=w, wt_taa=w)
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


def test_c1_is_about_mlps_and_judged_by_the_margins_of_the_file() -> None:
    convnets = [replace(one, network="convnet") for one in tickets(0.01)]
    found = CLAIMS["C1"](convnets)
    assert (found.verdict, found.premise) == (
        "premise does not hold",
        "The network is an MLP: it is not on mnist-iid.",
    )
    assert judged("C1", [replace(one, margins={"wt_acc": 0.02}) for one in tickets(0.01)]) == (
        "not decided"
    )
    bare = CLAIMS["C1"]([replace(one, margins={"wt_acc": 0.02}) for one in tickets(0.01)])
    assert "mnist-iid 20% wt_taa: a margin in the paper's file" in bare.missing
    wide = dict.fromkeys(("wt_acc", "wt_taa"), 0.02)
    assert judged("C1", [replace(one, margins=wide) for one in tickets(0.01)]) == "confirmed"


def test_c2_is_not_judged_where_prune_is_not_trained_after_its_last_rewind() -> None:
    # Prune's ticket is at 0.8 and its cycle at 0.5: rewound, and hardly trained again.
    starved = [
        replace(one, metrics={s: {**m, "acc": 0.5} for s, m in one.metrics.items()})
        if one.method == "Prune"
        else one
        for one in convolutions(0.03, -0.03)
    ]
    found = CLAIMS["C2"](starved)
    assert found.verdict == "premise does not hold"
    assert "cifar-10 20% +30.00 ±0.20 points (n=5): does not hold" in found.premise
    assert all(line.endswith(": premise does not hold") for line in found.numbers)
    # Another row where it is trained is judged alone, and the starved one does not refute it.
    other = [replace(one, row="cifar-100") for one in convolutions(0.03, -0.03)]
    both = CLAIMS["C2"]([*starved, *other])
    assert both.verdict == "confirmed"
    assert sum(line.endswith("premise does not hold") for line in both.numbers) == 15


def test_c2_waits_where_it_is_not_sure_that_prune_is_trained_again() -> None:
    noisy = dict(enumerate((0.80, 0.86, 0.70, 0.80, 0.72)))
    unsure = [
        replace(one, metrics={s: {**m, "acc": noisy[s]} for s, m in one.metrics.items()})
        if one.method == "Prune" and one.compactness == 0.3
        else one
        for one in convolutions(0.2, -0.03)
    ]
    found = CLAIMS["C2"](unsure)
    assert found.verdict == "not decided"
    assert "cifar-10 30%: more seeds of Prune, for the premise" in found.missing


def test_a_claim_is_judged_where_the_setting_is_the_one_that_it_is_about() -> None:
    here = by_events((0.7, 0.8, 0.9), (0.9, 0.9, 0.9))
    others = [replace(one, elsewhere={"C5": "another network"}) for one in here]
    found = claim_judged("C5", others)
    assert found.verdict == "premise does not hold"
    assert found.premise.startswith("The setting is the study's: it is not on mnist-iid: another")
    assert found.numbers == CLAIMS["C5"](here).numbers
    # Beside rows of the setting, those of another are shown and decide nothing.
    falling = [replace(one, row="cifar-100") for one in by_events((0.9, 0.8, 0.7), (0.9,) * 3)]
    both = claim_judged("C5", [*others, *falling])
    assert both.verdict == "confirmed"
    assert len(both.numbers) == 6
    # A word on one claim is none on another.
    assert claim_judged("C1", [replace(one, elsewhere={"C5": "x"}) for one in tickets(0.01)]) == (
        claim_judged("C1", tickets(0.01))
    )
    lost = [replace(one, wrong=("seed 1 failed",)) for one in others]
    assert claim_judged("C5", lost).verdict == "premise does not hold"
    assert claim_judged("C5", lost).missing[0] == "seed 1 failed"


def newborns(
    activation: float, gradient: float | None, rise: float = 0.0, seeds: int = 4
) -> Measured:
    rows = {
        s: cohort([100, 200], activation, None if gradient is None else gradient + 0.01 * s, rise)
        for s in range(seeds)
    }
    return entry("Grow", 0.2, cohorts=rows, seeds=seeds, acc=0.9)


def test_c3_is_about_parity_at_birth() -> None:
    assert judged("C3", [newborns(1.1, 0.1)]) == "confirmed"
    # How weak is weak is not stated: any gradient below that of incumbents is weaker.
    weaker = CLAIMS["C3"]([newborns(1.1, 0.7)])
    assert weaker.verdict == "confirmed"
    assert "growth 1: gradient parity 0.715 [0." in weaker.numbers[1]
    assert "holds" in weaker.premise
    assert judged("C3", [newborns(1.1, 1.1)]) == "refuted"
    assert judged("C3", [newborns(0.5, 0.1)]) == "refuted"
    assert judged("C3", [newborns(1.1, 0.985)]) == "not decided"
    assert judged("C3", [newborns(1.1, 0.1, seeds=2)]) == "not decided"


def test_where_incumbents_are_silent_there_is_no_parity_to_judge() -> None:
    for name in ("C3", "C4"):
        found = CLAIMS[name]([newborns(1.1, None)])
        assert found.verdict == "premise does not hold"
        assert "does not hold; so it is throughout in 0 of 8 cohorts" in found.premise
    # One cohort of a seed that falls silent is left out and told of.
    partly = newborns(1.1, 0.1)
    rows = [dict(row) for row in partly.cohorts[0]]
    rows[0]["gradient"] = None
    found = CLAIMS["C3"]([replace(partly, cohorts={**partly.cohorts, 0: rows})])
    assert found.verdict == "confirmed"
    assert "in 7 of 8 cohorts" in found.premise


def test_one_huge_ratio_does_not_rule_a_mean_parity() -> None:
    usual = newborns(1.1, 0.1, seeds=5)
    rows = [{**row, "gradient": 1e9} for row in usual.cohorts[4]]
    found = CLAIMS["C3"]([replace(usual, cohorts={**usual.cohorts, 4: rows})])
    assert "gradient parity 0.39" in found.numbers[1]  # four shares near 0.1, and one of 1
    assert found.verdict == "not decided"


def test_c4_is_about_the_whole_cycle() -> None:
    assert judged("C4", [newborns(1.0, 0.2, rise=0.05)]) == "confirmed"
    assert judged("C4", [newborns(1.0, 0.5, rise=-0.05)]) == "refuted"
    assert judged("C4", [newborns(1.0, 1.5, rise=0.05)]) == "refuted"
    assert judged("C4", [newborns(2.0, 0.2, rise=0.05)]) == "refuted"
    assert judged("C4", [newborns(1.0, 0.2)]) == "not decided"


def test_c4_says_how_fast_parity_rises() -> None:
    # gradient parity 0.1 * age ** 0.5 for every seed, give or take a little of the exponent
    rows = {
        seed: [
            {**row, "gradient": 0.1 * row["age"] ** (0.5 + 0.01 * seed) if row["age"] else 0.0}
            for row in cohort([100], 1.0, 0.0)
        ]
        for seed in range(3)
    }
    found = CLAIMS["C4"]([entry("Grow", 0.2, cohorts=rows, seeds=3, acc=0.9)])
    assert "slope of log gradient parity on log age +0.510 [+0.485, +0.535]" in found.numbers[2]
    assert "times 1.42 from an age to twice that age" in found.numbers[2]


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
    assert "mnist-iid holds" in found.premise
    assert judged("C6", ranked(up, up)) == "refuted"
    assert judged("C6", ranked(up[::-1], mixed)) == "refuted"
    assert judged("C6", ranked(up[:4], mixed[:4])) == "not decided"
    # A low correlation is not a negative one.
    assert judged("C6", ranked(mixed, mixed)) == "not decided"


def test_c6_counts_the_same_runs_once() -> None:
    up, mixed = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.2, 0.1, 0.4, 0.3)
    five = ranked(up, mixed)
    twice = [*five, replace(five[0], method="the same by another name")]
    found = CLAIMS["C6"](twice)
    assert (
        "mnist-iid, 5 entries (the same by another name 20% is the same as method 1 20%)"
        in (found.numbers[0])
    )
    assert found.numbers[0].partition(": ")[2] == CLAIMS["C6"](five).numbers[0].partition(": ")[2]
    assert judged("C6", [*five[:4], replace(five[0], method="again")]) == "not decided"


def test_c6_ranks_methods_at_each_compactness_by_themselves() -> None:
    # Within a compactness ticket ACC falls with parity; over both it would rise.
    up, down = (0.10, 0.11, 0.12, 0.13, 0.14), (0.54, 0.53, 0.52, 0.51, 0.50)
    larger = [
        replace(
            one,
            compactness=0.5,
            metrics={s: {n: (v or 0) + 0.4 for n, v in m.items()} for s, m in one.metrics.items()},
        )
        for one in ranked(up, down)
    ]
    found = CLAIMS["C6"]([*ranked(up, down), *larger])
    assert "with ticket ACC -1.00 [-1.00, -" in found.numbers[0]
    assert found.verdict == "confirmed"


def test_c6_is_not_about_methods_that_do_not_differ() -> None:
    found = CLAIMS["C6"](ranked((0.5,) * 6, (0.5, 0.2, 0.6, 0.1, 0.4, 0.3)))
    assert found.verdict == "not decided"
    assert "mnist-iid not shown" in found.premise


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
    assert judged("C7", shifts(1.0)) == "confirmed"  # more than the gap is most of it
    assert judged("C7", shifts(0.7, last=0.215)) == "refuted"  # does not beat Prune there
    # Far above the middle on four streams makes up for a little less than half on one.
    uneven = [one for one in shifts(0.8) if (one.row, one.method) != (SHIFTS[0], "Grow+RSL")]
    low = entry("Grow+RSL", 0.2, row=SHIFTS[0], taoa=0.5)
    assert judged("C7", [*uneven, low]) == "confirmed"
    partly = CLAIMS["C7"](shifts(0.7, rows=SHIFTS[:1]))
    assert partly.verdict == "not decided"
    assert len(partly.missing) == 5


def test_c7_judges_means_over_compactnesses_and_tells_grow_from_prune_without_rsl() -> None:
    tied = [
        entry(method, 0.4, row="split-cifar100", taoa=value)
        for method, value in (("Prune", 0.22), ("Grow", 0.22), ("Grow+RSL", 0.3))
    ]
    assert judged("C7", [*shifts(0.7), *tied]) == "confirmed"
    reversed_ = [
        entry("Prune", 0.2, row=SHIFTS[0], taoa=0.5),
        entry("Grow", 0.2, row=SHIFTS[0], taoa=0.6),
    ]
    assert judged("C7", reversed_) == "refuted"


def test_one_seed_or_two_decide_nothing() -> None:
    up, mixed = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0.5, 0.2, 0.6, 0.1, 0.4, 0.3)
    for seeds in (1, 2):
        few = [
            entry(f"m {n}", 0.2, seeds=seeds, parity_gradient_early=0.1 * n, taa=t, wt_acc=w)
            for n, (t, w) in enumerate(zip(up, mixed, strict=True), 1)
        ]
        assert judged("C6", few) == "not decided"
        pair = [
            entry(m, c, seeds=seeds, wt_acc=0.9 + d, wt_taa=0.9 + d)
            for c in COMPACTNESSES
            for m, d in (("Grow", 0.5), ("Prune", 0.0))
        ]
        assert judged("C1", pair) == "not decided"


def test_values_without_any_spread() -> None:
    def flat(difference: float) -> list[Measured]:
        return [
            replace(one, metrics=dict.fromkeys(range(3), one.metrics[0]))
            for one in tickets(difference)
        ]

    assert judged("C1", flat(0.0)) == "confirmed"
    assert judged("C1", flat(0.01)) == "refuted"


def test_huge_spread_and_seeds_that_one_lacks_decide_nothing() -> None:
    noisy = {0: 0.1, 1: 0.9, 2: 0.3, 3: 0.8}
    wide = [
        replace(one, metrics={s: {"wt_acc": v, "wt_taa": v} for s, v in noisy.items()})
        if one.method == "Grow"
        else one
        for one in tickets(0.0)
    ]
    assert judged("C1", wide) == "not decided"
    apart = [
        replace(one, metrics={s + 10: v for s, v in one.metrics.items()})
        if one.method == "Grow"
        else one
        for one in tickets(0.0)
    ]
    found = CLAIMS["C1"](apart)
    assert found.verdict == "not decided"
    assert "3 shared seeds" in found.missing[0]


def test_nan_is_no_value() -> None:
    broken = replace(tickets(0.0)[0], metrics={0: {"wt_acc": float("nan")}, 1: {"wt_acc": 0.5}})
    assert broken.values("wt_acc") == {1: 0.5}


def test_runs_that_went_wrong_leave_a_claim_open() -> None:
    lost = replace(tickets(0.01)[0], wrong=("Grow 20%: seed 4 diverged: loss is nan",))
    found = claim_judged("C1", [lost, *tickets(0.01)[1:]])
    assert found.verdict == "not decided"
    assert found.missing[0].startswith("Grow 20%: seed 4 diverged")
    assert claim_judged("C1", tickets(0.01)).verdict == "refuted"


def test_beyond_is_that_of_the_95_percent_interval() -> None:
    # differences 1, 2, 3: mean 2, error 1/sqrt(3), t(2; .975) = 4.30265, so from 2 - 2.48414
    first, second = {0: 11.0, 1: 12.0, 2: 13.0}, dict.fromkeys(range(3), 0.0)
    assert beyond(first, second, 12 - 2.4842) < 0.05
    assert beyond(first, second, 12 - 2.4841) > 0.05
    assert beyond(second, first, 12 - 2.4842) < 0.05
    assert beyond(first, second, 20.0) == 1.0


def test_c4_counts_updates_and_not_measurements() -> None:
    # Near 0 while it is measured often, 1 over nearly all of the time.
    rows = [
        {"layer": "hidden1", "birth": 9, "age": age, "activation": a, "gradient": 0.1 + age / 1000}
        for age, a in ((0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0), (4, 1.0), (200, 1.0))
    ]
    one = entry("Grow", 0.2, cohorts=dict.fromkeys(range(3), rows), seeds=3, acc=0.9)
    assert judged("C4", [one]) == "confirmed"


def test_c8_is_about_the_deficit_that_there_is_without_gradient_selection() -> None:
    def c8(selected: float, plain: float | None) -> list[Measured]:
        base = [] if plain is None else [entry("Grow", 0.2, parity_gradient_early=plain)]
        return [entry("Grow+GradMax", 0.2, parity_gradient_early=selected), *base]

    found = CLAIMS["C8"](c8(0.2, 0.1))
    assert found.verdict == "confirmed"
    assert "mnist-iid 20% 0.100 [0.098, 0.102] holds" in found.premise
    # shares 0.2 / 1.2 and 0.1 / 1.1
    assert "minus that with selection by activation +0.076" in found.numbers[0]
    assert judged("C8", c8(1.2, 0.1)) == "refuted"
    assert judged("C8", c8(1.0, 0.1)) == "not decided"
    # Without a deficit there is nothing to remove.
    without = CLAIMS["C8"](c8(1.2, 1.219))
    assert without.verdict == "premise does not hold"
    assert without.numbers[0].endswith(": premise does not hold")
    assert judged("C8", c8(0.2, 1.0)) == "not decided"
    alone = CLAIMS["C8"](c8(0.2, None))
    assert alone.verdict == "not decided"
    assert "for the premise" in alone.missing[0]


def test_c8_is_judged_where_its_premise_holds() -> None:
    rows = [
        entry(method, 0.2, row=row, parity_gradient_early=value)
        for row, value in (("mnist-iid", 0.2), ("permuted-mnist", 1.2))
        for method in ("Grow", "Grow+GradMax")
    ]
    assert judged("C8", rows) == "confirmed"
