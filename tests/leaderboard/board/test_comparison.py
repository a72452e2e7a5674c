from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy import stats

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.leaderboard.board.comparison import comparison
from plasticity_bench.leaderboard.board.comparison_words import not_run, sentences
from plasticity_bench.leaderboard.board.placing import between
from plasticity_bench.leaderboard.board.ranking import Question, rank
from plasticity_bench.leaderboard.board.standings import Board
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]

VALUES = {
    "one": {"dense": [0.5, 0.6, 0.7, 0.5, 0.6], "grow": [0.61, 0.69, 0.82, 0.6, 0.71]},
    "two": {"dense": [0.5, 0.6, 0.7, 0.5, 0.6], "grow": [0.51, 0.58, 0.72, 0.49, 0.6]},
}


def results(make_result: MakeResult, metric: str = "taoa") -> list[Result]:
    both = [
        make_result(stream=stream, entrant=entrant, seed=seed, metrics={metric: value})
        for stream, entrants in VALUES.items()
        for entrant, values in entrants.items()
        for seed, value in enumerate(values)
    ]
    only_dense = [make_result(stream="three", seed=s, metrics={metric: 0.1}) for s in (0, 1)]
    return both + only_dense


def board(make_result: MakeResult, metric: str = "taoa") -> Board:
    return rank(results(make_result, metric), Question(metric=metric))


def test_streams_have_the_tests_of_their_boards(make_result: MakeResult) -> None:
    made = board(make_result)
    found = comparison(made, "grow", "dense")
    of_boards = [between(stream.pairs).get(("grow", "dense")) for stream in made.streams]
    for part, pair in zip(found.streams, of_boards, strict=True):
        assert part.difference == (pair.difference if pair else None)
        assert pair is None or part.p_holm == pair.p_holm
    p_values = [
        float(stats.ttest_rel(VALUES[name]["grow"], VALUES[name]["dense"]).pvalue)
        for name in ("one", "two")
    ]
    one, three, two = found.streams
    assert [part.stream for part in found.streams] == ["one", "three", "two"]
    assert one.difference is not None
    assert two.difference is not None
    assert [one.difference.p, two.difference.p] == pytest.approx(p_values)
    assert one.seeds_needed is None  # it is told apart
    assert two.seeds_needed is None  # there is no difference at all
    assert three.difference is None
    assert (one.wins, one.shared, two.wins) == (5, 5, 2)


def test_the_opposite_comparison_is_the_mirror_image(make_result: MakeResult) -> None:
    made = board(make_result)
    there, back = comparison(made, "grow", "dense"), comparison(made, "dense", "grow")
    assert there.improvement is not None
    assert back.improvement is not None
    assert there.improvement.value + back.improvement.value == pytest.approx(1)
    assert there.score is None
    text = "\n".join(sentences(there))
    assert "Over all streams they are not compared: runs of grow are missing." in text
    two = rank([one for one in results(make_result) if one.spec.stream.name != "three"])
    there, back = comparison(two, "grow", "dense"), comparison(two, "dense", "grow")
    assert there.score is not None
    assert back.score is not None
    assert there.score.difference.mean == pytest.approx(-back.score.difference.mean)
    assert there.score.p_holm == back.score.p_holm


def test_it_is_said_in_words(make_result: MakeResult) -> None:
    found = comparison(board(make_result), "grow", "dense")
    text = "\n".join(sentences(found))
    assert "* one: grow is better than dense: +0.1060 (95% CI [+0.0" in text
    assert "(paired t-test over 5 seeds); better on 5 of 5 seeds." in text
    assert "* two: grow is not told apart from dense" in text
    assert "* three: not compared (grow: no run)." in text
    assert not_run(found) == "Not run: grow on three."
    assert "Holm over all pairs of each board (1, 1):" in text
    assert "on 2 together in up to 10%" in text
    back = "\n".join(sentences(comparison(board(make_result), "dense", "grow")))
    assert "* one: dense is worse than grow: -0.1060" in back


def test_where_lower_is_better_the_words_turn_round(make_result: MakeResult) -> None:
    found = comparison(board(make_result, "online_loss"), "grow", "dense")
    assert "* one: grow is worse than dense: +0.1060" in "\n".join(sentences(found))
    assert found.streams[0].wins == 0
    assert found.improvement is not None
    assert found.improvement.value < 0.5


def test_by_a_diagnostic_metric_nobody_is_better(make_result: MakeResult) -> None:
    name = "integration_time_gradient_0.5"
    text = "\n".join(sentences(comparison(board(make_result, name), "grow", "dense")))
    assert "higher on 5 of 5 seeds" in text
    assert "A run of grow is higher than one of dense with probability 0." in text
    assert "better" not in text


def test_only_seeds_that_meant_the_same_tasks_are_counted_as_shared(
    make_result: MakeResult,
) -> None:
    values = {"dense": [0.5, 0.6, 0.7, 0.5], "prune": [0.4] * 4, "grow": [0.6, 0.8, 0.8, 0.6]}
    results = [
        make_result(entrant=entrant, seed=seed, metrics={"taoa": value})
        for entrant, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    elsewhere = [
        one.model_copy(update={"stream_digest": "f" * 64})
        if one.spec.entrant.name == "grow" and one.spec.seed < 2
        else one
        for one in results
    ]
    (stream,) = comparison(rank(elsewhere), "grow", "dense").streams
    assert stream.difference is not None
    assert (stream.difference.count, stream.shared, stream.wins) == (2, 2, 2)


def test_who_is_not_on_the_board_is_named_with_the_nearest(make_result: MakeResult) -> None:
    with pytest.raises(BenchError, match="no entrant on the board 'gorw'; did you mean 'grow'"):
        comparison(board(make_result), "gorw", "dense")
    with pytest.raises(BenchError, match="'grow' is compared with itself"):
        comparison(board(make_result), "grow", "grow")


def test_what_is_not_told_apart_says_how_many_seeds_would_do(make_result: MakeResult) -> None:
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value + 0.01 * (name == "grow")})
        for seed, value in enumerate([0.5, 0.6, 0.7, 0.55, 0.65])
        for name, value in (("dense", value), ("grow", value + 0.02 * (-1) ** seed))
    ]
    found = comparison(rank(results), "grow", "dense")
    (only,) = found.streams
    assert only.seeds_needed is not None
    text = "\n".join(sentences(found))
    assert f"{only.seeds_needed - 5} more seeds would tell them apart in 80% of cases." in text


def test_who_lacks_what_is_said_and_which_seeds(make_result: MakeResult) -> None:
    made = [one for one in results(make_result) if one.spec.stream.name != "two"]
    lost = [make_result(stream="three", entrant="grow", seed=s, status="failed") for s in (0, 1)]
    silent = [make_result(stream="four", seed=s, metrics={"taoa": None}) for s in range(3)]
    specs = [one.spec.model_dump() for one in [*made, *silent]]
    gone = made.pop()  # seed 1 of dense on the stream three
    found = comparison(rank([*made, *lost, *silent], Question(specs=specs)), "dense", "grow")
    by_name = {one.stream: one for one in found.streams}
    assert by_name["one"].lacking == {}
    assert by_name["three"].missing == {"dense": (gone.spec.seed,)}
    text = "\n".join(sentences(found))
    assert "* three: +0.1000, not tested: it takes 3 seeds of both." in text
    assert "* four: not compared (dense: no value of taoa, it is not defined on such runs" in text
    assert "; grow: no run)." in text
    assert not_run(found) == "Not run: grow on four; dense on three (seed 1)."
    back = comparison(rank([*made, *lost, *silent], Question(specs=specs)), "grow", "dense")
    assert not_run(back) == "Not run: grow on four; dense on three (seed 1)."


def test_both_lack_a_metric_for_one_reason(make_result: MakeResult) -> None:
    made = [
        make_result(entrant=name, stream_settings={"evaluate": "current"}, seed=s, metrics={})
        for name in ("dense", "grow")
        for s in range(3)
    ]
    text = "\n".join(
        sentences(comparison(rank(made, Question(metric="forgetting")), "grow", "dense"))
    )
    assert "by forgetting; nothing is tested:" in text
    assert "not compared (grow and dense: no value of forgetting, it is defined only on" in text


def test_a_difference_of_the_runs_that_ended_is_said_to_be_of_them(make_result: MakeResult) -> None:
    made = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value + seed / 1000})
        for name, value in (("dense", 0.9), ("grow", 0.5))
        for seed in range(5)
    ]
    lost = make_result(entrant="grow", seed=5, status="diverged", metrics={})
    more = make_result(entrant="dense", seed=5, metrics={"taoa": 0.905})
    text = "\n".join(sentences(comparison(rank([*made, lost, more]), "grow", "dense")))
    assert (
        "grow is worse than dense: -0.4000 (95% CI [-0.4000, -0.4000]) over the runs that" in text
    )
    assert "over the runs that ended, p < 0.0001" in text
    assert "(lost runs first, 1 against 0" in text


def test_p_values_beside_a_verdict_do_not_contradict_it(make_result: MakeResult) -> None:
    found = comparison(board(make_result), "grow", "dense")
    for p, said in ((0.0497, "better than dense"), (0.0503, "not told apart from dense")):
        one = replace(found.streams[0], p_holm=p)
        text = "\n".join(sentences(replace(found, streams=(one,))))
        assert f"grow is {said}" in text
        assert f"p = {p}," in text
