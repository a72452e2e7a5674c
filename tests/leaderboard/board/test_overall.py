"""The board over streams, on two streams whose numbers are easy to follow."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from plasticity_bench.leaderboard.board.ranking import Question, rank, stream_key
from plasticity_bench.leaderboard.board.standings import Board, Overall, OverallStanding
from plasticity_bench.leaderboard.statistics.inference import moments, stratified
from plasticity_bench.leaderboard.store.result import Record, Result

MakeResult = Callable[..., Result]
MakeDraft = Callable[..., dict[str, Any]]
Values = Mapping[str, Mapping[str, Sequence[float]]]

SURE: Values = {
    "one": {"dense": [0.5, 0.52, 0.51, 0.49, 0.5], "grow": [0.7, 0.71, 0.72, 0.69, 0.7]},
    "two": {"dense": [0.2, 0.22, 0.21, 0.19, 0.2], "grow": [0.4, 0.43, 0.42, 0.38, 0.4]},
}


@pytest.fixture
def made(make_result: MakeResult) -> Callable[[Values], list[Result]]:
    def make(values: Values) -> list[Result]:
        return [
            make_result(stream=stream, entrant=entrant, seed=seed, metrics={"taoa": value})
            for stream, entrants in values.items()
            for entrant, seeds in entrants.items()
            for seed, value in enumerate(seeds)
        ]

    return make


Made = Callable[[Values], list[Result]]


def over_all(board: Board) -> Overall:
    assert board.overall is not None, board.no_overall
    return board.overall


def by_name(board: Board) -> dict[str, OverallStanding]:
    return {standing.entrant: standing for standing in over_all(board).standings}


def anchors(**by_stream: tuple[float, float]) -> Question:
    settings = {"tasks": 10}
    keys = {name: stream_key({"name": name, "settings": settings}) for name in by_stream}
    return Question(anchors={keys[name]: pair for name, pair in by_stream.items()})


def test_the_score_is_the_mean_of_normalised_stream_means(made: Made) -> None:
    board = rank(made(SURE), anchors(one=(0.1, 0.9), two=(0.1, 0.6)))
    grow = by_name(board)["grow"]
    one = [(value - 0.1) / 0.8 for value in SURE["one"]["grow"]]
    two = [(value - 0.1) / 0.5 for value in SURE["two"]["grow"]]
    assert grow.by_stream == pytest.approx({"one": np.mean(one), "two": np.mean(two)})
    expected = stratified([moments(one), moments(two)])
    assert grow.score.value == pytest.approx(expected.mean)
    assert grow.score.interval.low == pytest.approx(expected.interval().low)
    assert grow.iqm.value == pytest.approx(np.sort([*one, *two])[2:-2].mean())


def test_streams_weigh_the_same_however_many_seeds_they_have(made: Made) -> None:
    board = rank(made({"one": {"dense": [0.4] * 9}, "two": {"dense": [0.8, 0.8]}}))
    assert by_name(board)["dense"].score.value == pytest.approx(0.6)


def test_entrants_told_apart_are_ranked_and_others_share(made: Made) -> None:
    twin = {
        name: [value + 0.002 * (-1) ** seed for seed, value in enumerate(entrants["grow"])]
        for name, entrants in SURE.items()
    }
    values = {name: {**entrants, "twin": twin[name]} for name, entrants in SURE.items()}
    found = by_name(rank(made(values)))
    ranks = {name: (s.rank.place, s.rank.low, s.rank.high) for name, s in found.items()}
    assert ranks == {"grow": (1, 1, 2), "twin": (1, 1, 2), "dense": (3, 3, 3)}
    assert found["dense"].p_leader < 0.05
    assert isnan(next(iter(found.values())).p_leader)


def test_the_difference_over_streams_is_paired_within_each(made: Made) -> None:
    pair = over_all(rank(made(SURE))).pairs[0]
    per_stream = [
        moments([g - d for g, d in zip(values["grow"], values["dense"], strict=True)])
        for values in SURE.values()
    ]
    expected = stratified(per_stream)
    assert (pair.first, pair.second, pair.difference.paired) == ("grow", "dense", True)
    assert pair.difference.mean == pytest.approx(expected.mean)
    assert pair.difference.p == pytest.approx(expected.p_value())


def test_what_was_not_run_is_not_zero_and_in_no_test(made: Made) -> None:
    values = {"one": SURE["one"], "two": {"grow": SURE["two"]["grow"]}}
    found = over_all(rank(made(values), Question(run="plasticity-bench run mine")))
    assert [one.entrant for one in found.standings] == ["grow"]
    assert found.pairs == ()
    (left,) = found.incomplete
    assert (left.entrant, left.missing) == ("dense", {"two": ()})


def test_a_missing_seed_leaves_an_entrant_out_until_it_is_run(made: Made) -> None:
    results = made(SURE)
    specs = [one.spec.model_dump() for one in results]
    there = [one for one in results if one.spec.seed != 3 or one.spec.entrant.name != "grow"]
    found = over_all(rank(there, Question(specs=specs)))
    assert [one.entrant for one in found.standings] == ["dense"]
    assert found.incomplete[0].missing == {"one": (3,), "two": (3,)}
    assert over_all(rank(results, Question(specs=specs))).incomplete == ()
    nobody = [one for one in results if one.spec.seed != 3]
    board = rank(nobody, Question(specs=specs, run="plasticity-bench run mine"))
    assert board.overall is None
    assert board.no_overall is not None
    assert board.no_overall.endswith("Go on: plasticity-bench run mine")


def test_several_sets_of_samples_are_not_added_up(make_result: MakeResult) -> None:
    results = [
        make_result(stream=stream, seed=seed, data=data * 64, metrics={"taoa": 0.5})
        for stream, data in (("one", "d"), ("two", "d"), ("two", "e"))
        for seed in range(3)
    ]
    board = rank(results)
    assert board.overall is None
    assert board.no_overall is not None
    assert "several samples" in board.no_overall


def test_costs_add_up_and_needs_are_joined(make_result: MakeResult) -> None:
    results = [
        make_result(stream=name, seed=seed, metrics={"taoa": 0.5, "updates": updates}, needs=needs)
        for name, updates, needs in (("one", 100, ["task id"]), ("two", 20, ["task boundary"]))
        for seed in range(2)
    ]
    dense = by_name(rank(results))["dense"]
    assert dense.cost.updates == 120
    assert dense.needs == ("task boundary", "task id")
    assert dense.coverage.done == 4


@pytest.mark.parametrize(
    ("values", "metric", "reason"),
    [
        ({"one": {"dense": [0.5]}}, "taoa", "there are results on one stream only"),
        (SURE, "weight_norm", "a diagnostic metric is not averaged over streams"),
        (SURE, "online_loss", "the suite fixes no anchors of the metric for one"),
    ],
)
def test_where_there_is_no_board_over_streams_it_says_why(
    values: Values, metric: str, reason: str, made: Made
) -> None:
    board = rank(made(values), Question(metric=metric))
    assert board.overall is None
    assert board.no_overall == reason


def test_a_profile_falls_from_all_runs_to_none(made: Made) -> None:
    profile = over_all(rank(made(SURE))).profiles[0]
    assert (profile.share[0], profile.share[-1]) == (1, 0)
    assert list(profile.share) == sorted(profile.share, reverse=True)
    assert all(
        low <= share <= high
        for low, share, high in zip(profile.low, profile.share, profile.high, strict=True)
    )


def test_the_same_results_give_the_same_board_in_any_order(made: Made) -> None:
    results = made(SURE)
    assert rank(results) == rank(results[::-1])


@pytest.mark.slow
def test_a_board_of_ten_thousand_runs_is_computed_in_five_seconds(make_draft: MakeDraft) -> None:
    random = np.random.default_rng(0)
    records = [
        Record.model_validate(
            {
                **{key: value for key, value in draft.items() if key != "rows"},
                "hashes": {"environment": "0" * 64, "outputs": "0" * 64},
            }
        )
        for stream in range(10)
        for entrant in range(50)
        for seed in range(20)
        for draft in [
            make_draft(
                stream=f"stream-{stream}",
                entrant=f"entrant-{entrant}",
                seed=seed,
                metrics={"taoa": float(random.random())},
            )
        ]
    ]
    start = perf_counter()
    board = rank(records)
    assert perf_counter() - start < 5
    assert sum(len(stream.standings) for stream in board.streams) == 500
