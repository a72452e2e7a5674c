from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import inf, isnan
from typing import Any

import pytest
from scipy import stats

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.metrics import METRICS
from plasticity_bench.leaderboard.board import scoring
from plasticity_bench.leaderboard.board.ranking import Question, rank, stream_key
from plasticity_bench.leaderboard.board.standings import Board, Coverage, Rank, Standing
from plasticity_bench.leaderboard.statistics.inference import holm
from plasticity_bench.leaderboard.statistics.power import detectable
from plasticity_bench.leaderboard.store.result import Result, sealed

MakeResult = Callable[..., Result]
NOISE = (0.0, 0.004, -0.003, 0.002, -0.001)


@pytest.fixture
def runs(make_result: MakeResult) -> Callable[..., list[Result]]:
    """Five seeds of one entrant around a mean; the noise is turned so that pairs differ."""

    def make(entrant: str, mean: float, turn: int = 0, seeds: int = 5) -> list[Result]:
        noise = NOISE[turn:] + NOISE[:turn]
        return [
            make_result(entrant=entrant, seed=s, metrics={"taoa": mean + noise[s], "updates": 10})
            for s in range(seeds)
        ]

    return make


def standings(board: Board) -> dict[str, Standing]:
    (stream,) = board.streams
    return {standing.entrant: standing for standing in stream.standings}


def places(board: Board) -> list[tuple[str, int | None, bool]]:
    return [
        (s.entrant, s.rank.place if s.rank else None, bool(s.rank and s.rank.tied))
        for stream in board.streams
        for s in stream.standings
    ]


def asked(results: list[Result], **settings: Any) -> Question:
    return Question(specs=[result.spec.model_dump() for result in results], **settings)


def test_entrants_far_apart_are_ranked_by_their_means(runs: Callable[..., list[Result]]) -> None:
    results = runs("dense", 0.5) + runs("grow", 0.9, 1) + runs("prune", 0.7, 2)
    board = rank(results)
    assert places(board) == [("grow", 1, False), ("prune", 2, False), ("dense", 3, False)]
    assert [(s.rank.low, s.rank.high) for s in board.streams[0].standings if s.rank] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_what_cannot_be_told_apart_shares_a_place(runs: Callable[..., list[Result]]) -> None:
    results = runs("dense", 0.7) + runs("grow", 0.9, 1) + runs("reset", 0.901, 2)
    board = rank(results)
    assert places(board) == [("reset", 1, True), ("grow", 1, True), ("dense", 3, False)]
    ranks = {name: standing.rank for name, standing in standings(board).items()}
    assert [(r.low, r.high) for r in ranks.values() if r] == [(1, 2), (1, 2), (3, 3)]


def test_all_pairs_are_tested_and_holm_corrected_together(make_result: MakeResult) -> None:
    values = {
        "head": [0.90, 0.91, 0.90, 0.91, 0.90],
        "steady": [0.80, 0.81, 0.80, 0.81, 0.801],
        "wild": [0.99, 0.20, 0.95, 0.90, 0.90],
    }
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value})
        for name, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    board = rank(results)
    pairs = board.streams[0].pairs
    names = ["head", "steady", "wild"]  # by their means
    assert [(pair.first, pair.second) for pair in pairs] == list(combinations(names, 2))
    expected = [
        float(stats.ttest_rel(values[a], values[b]).pvalue) for a, b in combinations(names, 2)
    ]
    assert [pair.difference.p for pair in pairs] == pytest.approx(expected)
    assert [pair.p_holm for pair in pairs] == pytest.approx(holm(expected))


def test_a_group_ends_at_the_first_who_is_told_apart_from_somebody_in_it(
    make_result: MakeResult,
) -> None:
    values = {
        "head": [0.90, 0.91, 0.90, 0.91, 0.90],
        "steady": [0.80, 0.81, 0.80, 0.81, 0.801],  # surely below the head
        "wild": [0.99, 0.20, 0.95, 0.90, 0.90],  # lower still, but not surely below anybody
    }
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value})
        for name, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    board = rank(results)
    assert places(board) == [("head", 1, False), ("steady", 2, True), ("wild", 2, True)]
    ranks = [s.rank for s in board.streams[0].standings]
    assert [(r.low, r.high) for r in ranks if r] == [(1, 2), (2, 3), (1, 3)]


def test_holm_makes_a_close_call_a_tie_when_there_are_more_comparisons(
    make_result: MakeResult,
) -> None:
    def results(count: int) -> list[Result]:
        close = [0.02, 0.01, 0.03, 0.0, 0.02]  # paired t-test: p = 0.0349
        return [
            make_result(entrant=f"{number}", seed=seed, metrics={"taoa": 0.5 - (number > 0) * gap})
            for seed, gap in enumerate(close)
            for number in range(count)
        ]

    assert stats.ttest_1samp([0.02, 0.01, 0.03, 0.0, 0.02], 0).pvalue == pytest.approx(0.0349, 1e-2)
    assert [place for _, place, _ in places(rank(results(2)))] == [1, 2]
    assert [place for _, place, _ in places(rank(results(3)))] == [1, 1, 1]


def test_difference_to_dense_is_paired_and_of_the_one_family_of_tests(
    runs: Callable[..., list[Result]],
) -> None:
    board = rank(runs("dense", 0.7) + runs("grow", 0.705, 1) + runs("prune", 0.702, 2))
    found = standings(board)
    assert board.streams[0].reference == "dense"
    assert found["dense"].difference is None
    assert isnan(found["dense"].p_holm)
    p_values = {}
    for name in ("grow", "prune"):
        difference = found[name].difference
        assert difference is not None
        assert difference.paired
        values, dense = (list(found[entrant].values.values()) for entrant in (name, "dense"))
        p_values[name] = float(stats.ttest_rel(values, dense).pvalue)
        assert difference.p == pytest.approx(p_values[name])
    of_pairs = {frozenset((p.first, p.second)): p for p in board.streams[0].pairs}
    assert len(of_pairs) == 3
    corrected = holm([pair.difference.p for pair in board.streams[0].pairs])
    assert [pair.p_holm for pair in board.streams[0].pairs] == corrected
    for name in ("grow", "prune"):
        assert found[name].p_holm == of_pairs[frozenset((name, "dense"))].p_holm


def test_two_seeds_earn_no_star_however_alike_they_are(
    runs: Callable[..., list[Result]], make_result: Callable[..., Result]
) -> None:
    sure = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value})
        for name, value in (("dense", 0.5), ("grow", 0.9))
        for seed in range(2)
    ]
    assert not standings(rank(sure))["grow"].significant
    assert places(rank(sure)) == [("grow", 1, True), ("dense", 1, True)]


def test_a_shared_place_says_what_it_may_hide(runs: Callable[..., list[Result]]) -> None:
    board = rank(runs("dense", 0.5) + runs("grow", 0.501, 1) + runs("prune", 0.9, 2))
    found = standings(board)
    assert found["prune"].detectable is None  # alone in its place
    pair = next(p for p in board.streams[0].pairs if {p.first, p.second} == {"dense", "grow"})
    smallest = detectable(pair.difference, 0.05 / 3)
    assert found["dense"].detectable == found["grow"].detectable == smallest
    assert smallest is not None
    assert smallest > abs(pair.difference.mean)


def test_seeds_that_meant_other_tasks_are_not_paired(
    runs: Callable[..., list[Result]],
) -> None:
    grow = runs("grow", 0.705, 1)
    elsewhere = [one.model_copy(update={"stream_digest": "f" * 64}) for one in grow]
    most = runs("dense", 0.7) + runs("prune", 0.7, 2)
    paired, unpaired = (standings(rank(most + entrant))["grow"] for entrant in (grow, elsewhere))
    assert paired.difference is not None
    assert unpaired.difference is not None
    assert (paired.difference.paired, unpaired.difference.paired) == (True, False)
    values = [list(standings(rank(most))["dense"].values.values()), list(unpaired.values.values())]
    expected = stats.ttest_ind(*values, equal_var=False).pvalue
    assert unpaired.difference.p == pytest.approx(float(expected))
    lost = [one.model_copy(update={"stream_digest": None}) for one in grow]
    assert standings(rank(most + lost))["grow"].difference == paired.difference


def test_summary_is_over_the_seeds(runs: Callable[..., list[Result]]) -> None:
    standing = standings(rank(runs("dense", 0.7)))["dense"]
    assert standing.summary is not None
    assert standing.summary.mean == pytest.approx(0.7004)
    assert standing.cost.updates == 10
    assert standing.cost.seconds is None
    assert standing.coverage == Coverage(done=5, diverged=0, failed=0, undefined=0, missing=0)
    assert not standing.provisional


def test_lost_seeds_are_shown_and_count_as_the_worst_case(
    runs: Callable[..., list[Result]], make_result: MakeResult
) -> None:
    broken = [
        *runs("grow", 0.95, 1)[:2],
        make_result(entrant="grow", seed=2, status="diverged", metrics={"taoa": 0.1}),
        make_result(entrant="grow", seed=3, status="failed", metrics={}),
        make_result(entrant="grow", seed=4, metrics={"taoa": None}),
    ]
    none_left = [make_result(entrant="reset", seed=s, status="failed", metrics={}) for s in (0, 1)]
    board = rank(none_left + broken + runs("dense", 0.5))
    assert [name for name, _, _ in places(board)] == ["dense", "grow", "reset"]
    assert board.streams[0].worst == 0
    grow = standings(board)["grow"]
    assert grow.lost == {2: "diverged", 3: "failed", 4: "undefined"}
    assert grow.coverage == Coverage(done=2, diverged=1, failed=1, undefined=1, missing=0)
    assert grow.summary is not None
    assert grow.summary.count == 5
    assert grow.summary.mean == pytest.approx((2 * 0.95 + 0.004 - 0.003) / 5)
    assert grow.values == pytest.approx({0: 0.954, 1: 0.947})
    assert grow.provisional
    reset = standings(board)["reset"]
    assert reset.summary is not None
    assert (reset.summary.mean, reset.values) == (0, {})


def test_without_a_bound_the_worst_case_is_the_worst_that_anybody_had(
    make_result: MakeResult,
) -> None:
    losses: dict[str, list[float | None]] = {"dense": [1.0, 1.2, 1.1], "grow": [0.5, 0.6, None]}
    results = [
        make_result(
            entrant=name,
            seed=seed,
            status="done" if loss else "diverged",
            metrics={"online_loss": loss},
        )
        for name, values in losses.items()
        for seed, loss in enumerate(values)
    ]
    assert METRICS["online_loss"].upper == inf
    board = rank(results, Question(metric="online_loss"))
    assert board.streams[0].worst == 1.2
    grow = standings(board)["grow"].summary
    assert grow is not None
    assert grow.mean == pytest.approx((0.5 + 0.6 + 1.2) / 3)


def test_a_metric_that_says_nothing_about_an_entrant_gives_it_no_place(
    runs: Callable[..., list[Result]], make_result: MakeResult
) -> None:
    silent = [make_result(entrant="grow", seed=s, metrics={"taoa": None}) for s in range(5)]
    board = rank(runs("dense", 0.5) + silent)
    assert places(board) == [("dense", 1, False), ("grow", None, False)]


def test_who_has_no_place_has_no_mean_though_others_lost_runs(
    runs: Callable[..., list[Result]], make_result: MakeResult
) -> None:
    silent = [make_result(entrant="grow", seed=s, metrics={"taoa": None}) for s in range(5)]
    lost = make_result(entrant="prune", seed=0, status="failed", metrics={})
    board = rank([*runs("dense", 0.5), *silent, lost])
    assert board.streams[0].worst == 0
    found = standings(board)
    assert found["grow"].summary is None
    assert found["prune"].summary is not None
    assert rank(runs("dense", 0.5) + silent).streams[0].worst is None


def test_a_test_that_contradicts_the_means_is_no_verdict(make_result: MakeResult) -> None:
    """Seeds of its own put one ahead; on the seeds that both have the other is surely better."""
    values = {
        "ahead": [0.3, 0.301, 0.302, 0.3, 0.301, 0.9, 0.9, 0.9, 0.9, 0.9],
        "behind": [0.4, 0.402, 0.401, 0.4, 0.403],
    }
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value})
        for name, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    board = rank(results)
    (pair,) = board.streams[0].pairs
    assert (pair.first, pair.p_holm < 0.05, pair.difference.mean < 0) == ("ahead", True, True)
    for standing in board.streams[0].standings:
        assert standing.rank == Rank(place=1, low=1, high=2, tied=True)


def test_seeds_asked_for_and_not_run_are_missing_and_do_not_count(
    runs: Callable[..., list[Result]],
) -> None:
    dense, grow = runs("dense", 0.5), runs("grow", 0.9, 1)
    board = rank(dense + grow[:2], asked(dense + grow))
    found = standings(board)["grow"]
    assert found.missing == (2, 3, 4)
    assert found.coverage == Coverage(done=2, diverged=0, failed=0, undefined=0, missing=3)
    assert found.coverage.asked == 5
    assert found.summary is not None
    assert found.summary.count == 2


def test_entrants_and_streams_without_any_result_are_shown(
    runs: Callable[..., list[Result]], make_result: MakeResult
) -> None:
    dense, grow = runs("dense", 0.5), runs("grow", 0.9, 1)
    elsewhere = make_result(stream="other-digits")
    board = rank(dense, asked([*dense, *grow, elsewhere]))
    assert places(board) == [("dense", 1, False), ("grow", None, False)]
    assert standings(board)["grow"].missing == (0, 1, 2, 3, 4)
    assert board.not_run == ("other-digits",)


def test_what_an_entrant_cost_to_tune_is_what_the_suite_says(
    runs: Callable[..., list[Result]],
) -> None:
    board = rank(runs("dense", 0.5) + runs("grow", 0.6), Question(tuning_trials={"grow": 12}))
    assert standings(board)["grow"].cost.tuning_trials == 12
    assert standings(board)["dense"].cost.tuning_trials is None


def test_one_seed_each_cannot_be_told_apart(runs: Callable[..., list[Result]]) -> None:
    board = rank(runs("dense", 0.5, seeds=1) + runs("grow", 0.9, seeds=1))
    assert places(board) == [("grow", 1, True), ("dense", 1, True)]
    assert not standings(board)["grow"].significant


def test_a_stream_without_the_reference_has_no_differences(
    runs: Callable[..., list[Result]],
) -> None:
    board = rank(runs("grow", 0.9) + runs("prune", 0.8))
    assert board.streams[0].reference is None
    assert all(standing.difference is None for standing in board.streams[0].standings)


def test_of_several_references_the_best_is_taken(make_result: MakeResult) -> None:
    results = [
        make_result(lr=lr, seed=seed, metrics={"taoa": 0.5 + lr})
        for lr in (0.1, 0.2)
        for seed in (0, 1)
    ]
    board = rank(results)
    assert board.streams[0].reference == "dense [optimizer.lr=0.2]"
    named = rank(results, Question(reference="dense [optimizer.lr=0.1]"))
    assert named.streams[0].reference == "dense [optimizer.lr=0.1]"


def test_lower_is_better_where_the_metric_says_so(
    make_result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = replace(METRICS["taoa"], name="error", better="lower")
    monkeypatch.setattr(scoring, "METRICS", {"error": lower})
    results = [
        make_result(entrant=name, seed=seed, metrics={"error": loss + seed / 1000})
        for name, loss in (("dense", 0.3), ("grow", 0.1))
        for seed in range(3)
    ]
    board = rank(results, Question(metric="error"))
    assert board.better == "lower"
    assert [name for name, _, _ in places(board)] == ["grow", "dense"]


def test_a_diagnostic_metric_lists_without_places(make_result: MakeResult) -> None:
    name = "integration_time_gradient_0.5"
    times: dict[str, list[float | None]] = {"dense": [None] * 3, "grow": [90.0, 80.0, 70.0]}
    times["late"] = [200.0, 210.0, 190.0]
    results = [
        make_result(entrant=entrant, seed=seed, metrics={name: time})
        for entrant, values in times.items()
        for seed, time in enumerate(values)
    ]
    board = rank(results, Question(metric=name))
    assert board.better == "diagnostic"
    assert places(board) == [("grow", None, False), ("late", None, False), ("dense", None, False)]
    assert board.streams[0].worst is None
    assert standings(board)["grow"].summary is not None
    assert board.overall is None


def test_a_wrong_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(BenchError, match="no metric 'taoaa'; did you mean 'taoa'"):
        rank([], Question(metric="taoaa"))


def test_no_results_are_an_empty_board() -> None:
    board = rank([])
    assert (board.streams, board.overall) == ((), None)
    assert board.no_overall == "there are no results"


def test_acc_and_taa_are_shown_beside_the_metric_that_ranks(make_result: MakeResult) -> None:
    results = [
        make_result(seed=0, metrics={"taoa": 0.5, "acc": 0.2, "taa": None}),
        make_result(seed=1, metrics={"taoa": 0.6, "acc": 0.4, "taa": None}),
        make_result(seed=2, status="diverged", metrics={"taoa": 0.1, "acc": 0.9}),
    ]
    assert standings(rank(results))["dense"].beside == pytest.approx({"acc": 0.3})
    by_acc = rank(results, Question(metric="acc"))
    assert standings(by_acc)["dense"].beside == pytest.approx({"taoa": 0.55})


def test_anchors_are_found_by_the_streams_settings(make_result: MakeResult) -> None:
    result = make_result(stream="permuted-digits", stream_settings={"tasks": 3})
    key = stream_key({"settings": {"tasks": 3}, "name": "permuted-digits"})
    board = rank([result], Question(anchors={key: (0.1, 0.9)}))
    assert board.streams[0].anchors == (0.1, 0.9)
    assert rank([result]).streams[0].anchors == (0, 1)


def test_every_stream_is_ranked_by_what_it_asks(make_result: Callable[..., Result]) -> None:
    results = [
        make_result(stream=stream, entrant=name, seed=seed, metrics={"taoa": taoa, "acc": 1 - taoa})
        for stream in ("new", "kept")
        for name, taoa in (("dense", 0.4), ("reset", 0.9))
        for seed in range(3)
    ]
    kept = stream_key({"name": "kept", "settings": results[0].spec.stream.settings})
    board = rank(results, Question(metrics={kept: "acc"}))
    assert {stream.stream: stream.metric for stream in board.streams} == {
        "kept": "acc",
        "new": "taoa",
    }
    first = {stream.stream: stream.standings[0].entrant for stream in board.streams}
    assert first == {"kept": "dense", "new": "reset"}
    assert board.metric == "acc / taoa"
    by_one = rank(results, Question(metrics={kept: "acc"}, metric="taoa"))
    assert {stream.metric for stream in by_one.streams} == {"taoa"}
    with pytest.raises(BenchError, match="Give one for all of them, as --by taoa"):
        rank(results, Question(metrics={kept: "online_loss"}))


@pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)])
def test_no_lost_run_improves_a_place(
    make_result: Callable[..., Result], lost: tuple[int, ...]
) -> None:
    means = {"reset": 0.6, "dense": 0.52, "prune": 0.4}
    results = [
        make_result(
            entrant=name, seed=seed, metrics={"taoa": mean + 0.001 * (seed * len(name) % 4)}
        )
        for name, mean in means.items()
        for seed in range(3)
        if name != "prune" or seed not in lost
    ]
    results += [
        make_result(entrant="prune", seed=seed, status="diverged", metrics={}) for seed in lost
    ]
    found = standings(rank(results))
    place = found["prune"].rank
    assert place is not None
    assert (place.place, place.low, place.high) == (3, 3, 3)


def test_engines_are_told_apart_in_labels(make_draft: Callable[..., Any]) -> None:
    results = []
    for engine in (None, "a" * 64, "b" * 64):
        draft = make_draft(metrics={"taoa": 0.5})
        if engine:
            draft["sources"]["engine"] = engine
        parts = (draft["spec"], draft["sources"], draft["results_version"])
        results.append(Result.model_validate(sealed({**draft, "fingerprint": fingerprint(*parts)})))
    assert {one.entrant for one in rank(results).streams[0].standings} == {
        "dense [engine=released]",
        "dense [engine=aaaaaaaa]",
        "dense [engine=bbbbbbbb]",
    }
