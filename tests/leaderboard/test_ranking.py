from collections.abc import Callable
from dataclasses import replace
from math import isnan

import pytest
from scipy import stats

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.metrics import METRICS
from plasticity_bench.leaderboard import ranking
from plasticity_bench.leaderboard.ranking import Board, Standing, rank
from plasticity_bench.leaderboard.result import Result

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
    return [(s.entrant, s.place, s.tied) for stream in board.streams for s in stream.standings]


def test_entrants_far_apart_are_ranked_by_their_means(runs: Callable[..., list[Result]]) -> None:
    results = runs("dense", 0.5) + runs("grow", 0.9, 1) + runs("prune", 0.7, 2)
    assert places(rank(results)) == [("grow", 1, False), ("prune", 2, False), ("dense", 3, False)]


def test_what_cannot_be_told_apart_shares_a_place(runs: Callable[..., list[Result]]) -> None:
    results = runs("dense", 0.7) + runs("grow", 0.9, 1) + runs("reset", 0.901, 2)
    assert places(rank(results)) == [("reset", 1, True), ("grow", 1, True), ("dense", 3, False)]


def test_a_group_ends_at_the_first_that_differs_from_its_head(make_result: MakeResult) -> None:
    values = {
        "head": [0.90, 0.91, 0.90, 0.91, 0.90],
        "steady": [0.80, 0.81, 0.80, 0.81, 0.801],  # surely below the head
        "wild": [0.99, 0.20, 0.95, 0.90, 0.90],  # lower still, but not surely below the head
    }
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value})
        for name, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    assert places(rank(results)) == [("head", 1, False), ("steady", 2, True), ("wild", 2, True)]


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


def test_difference_to_dense_is_paired_and_holm_corrected(
    runs: Callable[..., list[Result]],
) -> None:
    board = rank(runs("dense", 0.7) + runs("grow", 0.705, 1) + runs("prune", 0.702, 2))
    found = standings(board)
    assert board.streams[0].reference == "dense"
    assert board.streams[0].comparisons == 2
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
    first, second = sorted(p_values, key=lambda name: p_values[name])
    assert found[first].p_holm == pytest.approx(min(1, 2 * p_values[first]))
    assert found[second].p_holm == pytest.approx(max(found[first].p_holm, p_values[second]))


def test_summary_is_over_the_seeds(runs: Callable[..., list[Result]]) -> None:
    standing = standings(rank(runs("dense", 0.7)))["dense"]
    assert standing.summary is not None
    assert standing.summary.mean == pytest.approx(0.7004)
    assert standing.updates == 10
    assert standing.seconds is None
    assert not standing.provisional


def test_lost_seeds_are_shown_not_averaged_and_rank_below(
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
    assert places(board) == [("dense", 1, False), ("grow", 2, False), ("reset", None, False)]
    grow = standings(board)["grow"]
    assert grow.lost == {2: "diverged", 3: "failed", 4: "undefined"}
    assert grow.lost_share == 0.6
    assert grow.summary is not None
    assert grow.summary.mean == pytest.approx(0.95 + (0.004 - 0.003) / 2)
    assert grow.provisional
    assert standings(board)["reset"].summary is None
    assert standings(board)["reset"].difference is None


def test_fewer_lost_seeds_rank_above_a_better_mean(make_result: MakeResult) -> None:
    def partly(entrant: str, mean: float, lost: int) -> list[Result]:
        return [
            make_result(
                entrant=entrant,
                seed=seed,
                status="diverged" if seed < lost else "done",
                metrics={"taoa": mean},
            )
            for seed in range(5)
        ]

    assert [name for name, _, _ in places(rank(partly("a", 0.9, 3) + partly("b", 0.5, 1)))] == [
        "b",
        "a",
    ]


def test_one_seed_each_cannot_be_told_apart(runs: Callable[..., list[Result]]) -> None:
    board = rank(runs("dense", 0.5, seeds=1) + runs("grow", 0.9, seeds=1))
    assert places(board) == [("grow", 1, True), ("dense", 1, True)]
    assert not standings(board)["grow"].significant
    assert board.streams[0].comparisons == 0


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


def test_lower_is_better_where_the_metric_says_so(
    make_result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = replace(METRICS["taoa"], name="error", better="lower")
    monkeypatch.setattr(ranking, "METRICS", {"error": lower})
    results = [
        make_result(entrant=name, seed=seed, metrics={"error": loss + seed / 1000})
        for name, loss in (("dense", 0.3), ("grow", 0.1))
        for seed in range(3)
    ]
    board = rank(results, "error")
    assert board.better == "lower"
    assert [name for name, _, _ in places(board)] == ["grow", "dense"]


def test_a_wrong_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(BenchError, match="no metric 'taoaa'; did you mean 'taoa'"):
        rank([], "taoaa")
    with pytest.raises(BenchError, match="'weight_norm' is diagnostic"):
        rank([], "weight_norm")


def test_no_results_are_an_empty_board() -> None:
    assert rank([]).streams == ()
