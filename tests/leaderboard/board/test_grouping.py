from collections.abc import Callable

from plasticity_bench.leaderboard.board.grouping import grouped
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]


def labels(results: list[Result]) -> list[tuple[str, list[str]]]:
    return [(stream.label, [e.label for e in stream.entrants]) for stream in grouped(results)]


def test_seeds_of_one_entrant_are_one_group_in_order(make_result: MakeResult) -> None:
    ((stream),) = grouped([make_result(seed=seed) for seed in (10, 2, 1)])
    (entrant,) = stream.entrants
    assert (stream.label, entrant.label) == ("permuted-digits", "dense")
    assert [run.spec.seed for run in entrant.runs] == [1, 2, 10]


def test_done_runs_are_those_that_ended_well(make_result: MakeResult) -> None:
    statuses = ("done", "diverged", "failed")
    ((stream),) = grouped([make_result(seed=i, status=s) for i, s in enumerate(statuses)])
    assert [run.spec.seed for run in stream.entrants[0].done] == [0]
    assert len(stream.entrants[0].runs) == 3


def test_streams_that_differ_in_a_setting_are_kept_apart_by_it(make_result: MakeResult) -> None:
    short, long = {"tasks": 10, "passes": 1}, {"tasks": 20, "passes": 1}
    results = [make_result(stream_settings=short), make_result(stream_settings=long)]
    assert labels(results) == [
        ("permuted-digits [tasks=10]", ["dense"]),
        ("permuted-digits [tasks=20]", ["dense"]),
    ]


def test_other_data_and_other_engines_are_kept_apart(make_result: MakeResult) -> None:
    results = [make_result(), make_result(data="e" * 64), make_result(results_version=1)]
    assert [label for label, _ in labels(results)] == [
        "permuted-digits [data=dddddddd, results_version=1]",
        "permuted-digits [data=dddddddd, results_version=2]",
        "permuted-digits [data=eeeeeeee, results_version=2]",
    ]


def test_entrants_show_only_the_settings_in_which_namesakes_differ(make_result: MakeResult) -> None:
    results = [
        make_result(entrant="grow", settings={"compactness": 0.2, "cycles": 5}),
        make_result(entrant="grow", settings={"compactness": 0.5, "cycles": 5}),
        make_result(entrant="dense"),
    ]
    assert labels(results) == [
        ("permuted-digits", ["dense", "grow [grow.compactness=0.2]", "grow [grow.compactness=0.5]"])
    ]


def test_networks_and_optimisers_keep_entrants_apart(make_result: MakeResult) -> None:
    results = [make_result(lr=0.1), make_result(lr=0.01)]
    assert labels(results) == [
        ("permuted-digits", ["dense [optimizer.lr=0.01]", "dense [optimizer.lr=0.1]"])
    ]
