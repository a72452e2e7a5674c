import json
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.leaderboard.board.exports import csv
from plasticity_bench.leaderboard.board.ranking import Question, rank
from plasticity_bench.leaderboard.board.table import as_json, tables
from plasticity_bench.leaderboard.board.undefined import why_undefined
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]


def shown(results: list[Result], width: int = 80) -> str:
    stream = StringIO()
    Console(file=stream, width=width, no_color=True).print(tables(rank(results), width))
    return stream.getvalue()


def row(text: str, entrant: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if entrant in line.split()[1:3]]
    return line.split()


@pytest.fixture
def results(make_result: MakeResult) -> list[Result]:
    """Dense around 0.7; grow surely better; prune and reset together below; reset lost a seed."""
    noise = (0.0, 0.004, -0.003, 0.002, -0.001)
    means = {"dense": 0.7, "grow": 0.9, "prune": 0.7, "shrink-perturb": 0.9}
    made = [
        make_result(
            entrant=name,
            seed=seed,
            metrics={"taoa": mean + noise[(seed + turn) % 5], "updates": 12345, "seconds": 150},
            needs=["task boundary"] if name == "shrink-perturb" else [],
        )
        for turn, (name, mean) in enumerate(means.items())
        for seed in range(5)
    ]
    lost = make_result(entrant="reset", seed=1, status="diverged", metrics={})
    return [*made, make_result(entrant="reset", seed=0, metrics={"taoa": 0.95}), lost]


def test_a_row_says_rank_mean_interval_difference_and_cost(results: list[Result]) -> None:
    text = shown(results)
    # sd of the noise is 0.00288, times t(0.975, 4) = 2.776 over sqrt(5)
    dense = ["3", "(3-4)", "dense", "0.7004", "±0.0034", "-", "5", "-", "2", "min"]
    assert row(text, "dense") == dense
    assert row(text, "grow")[:6] == ["1", "(1-2)", "grow", "0.9004", "±0.0034", "+0.2000"]
    assert row(text, "grow")[6].endswith("*")
    assert not row(text, "prune")[6].endswith("*")


def test_a_lost_seed_is_said_and_counts_as_zero(results: list[Result]) -> None:
    text = shown(results)
    assert row(text, "reset")[2:4] == ["0.4750", "-0.2270"]  # of 0.95 and 0
    assert "no interval of fewer than 3 seeds" in text
    assert "1/2?" in row(text, "reset")
    assert "! reset: seed 1 diverged; counted as the worst taoa, 0.0000" in text


def test_lost_seeds_are_gathered_by_how_they_were_lost(make_result: MakeResult) -> None:
    silent = [make_result(seed=s, metrics={"taoa": None}) for s in (0, 2)]
    failed = make_result(seed=1, status="failed", metrics={})
    text = shown([*silent, failed])
    assert "! dense: seeds 0, 2 undefined, seed 1 failed; counted as the worst" in text


def test_every_mark_is_explained_under_the_table(results: list[Result]) -> None:
    text = " ".join(shown(results).split())
    assert (
        "* differs from dense at 5% (lost runs first, t-test paired by seed, Holm over 6 pairs)"
        in text
    )
    assert "ranks that the data allow at 5%, Holm over 6 pairs" in text
    assert "? provisional: fewer than 5 seeds" in text
    assert "needs task boundary: shrink-perturb" in text
    assert "12.3k updates for everybody" in text
    assert "trust: all self-reported" in text


def test_an_unpaired_difference_is_marked(make_result: MakeResult) -> None:
    apart = [
        make_result(entrant=name, seed=seed + shift, metrics={"taoa": 0.5 + seed / 100})
        for name, shift in (("dense", 0), ("grow", 10))
        for seed in range(3)
    ]
    text = " ".join(shown(apart).split())
    assert "u unpaired (Welch's test): fewer than two seeds are shared" in text


def test_a_wide_table_has_trials_needs_and_trust_in_columns(results: list[Result]) -> None:
    stream = StringIO()
    board = rank(results, Question(tuning_trials={"grow": 9}))
    Console(file=stream, width=140, no_color=True).print(tables(board, 140))
    text = stream.getvalue()
    assert row(text, "grow")[-3:] == ["9", "-", "self-reported"]
    assert row(text, "shrink-perturb")[-4:] == ["-", "task", "boundary", "self-reported"]


def test_a_wide_table_shows_acc_beside_the_metric(make_result: MakeResult) -> None:
    board = rank([make_result(seed=s, metrics={"taoa": 0.5, "acc": 0.25}) for s in range(2)])
    stream = StringIO()
    Console(file=stream, width=140, no_color=True).print(tables(board, 140))
    assert "acc" in stream.getvalue()
    assert "0.2500" in row(stream.getvalue(), "dense")
    assert "0.2500" not in shown([make_result(metrics={"taoa": 0.5, "acc": 0.25})])


def test_who_has_no_result_is_named_and_has_no_row(make_result: MakeResult) -> None:
    here, absent = make_result(), make_result(entrant="absent")
    board = rank([here], Question(specs=[r.spec.model_dump() for r in (here, absent)]))
    stream = StringIO()
    Console(file=stream, width=80, no_color=True).print(tables(board))
    assert "not run yet: absent" in stream.getvalue()
    assert not [line for line in stream.getvalue().splitlines() if line.split()[1:2] == ["absent"]]


def test_the_board_over_streams_is_a_table_of_its_own(make_result: MakeResult) -> None:
    text = shown(
        [
            make_result(stream=stream, entrant=entrant, seed=seed, metrics={"taoa": value})
            for stream in ("one", "two")
            for entrant, value in (("dense", 0.5), ("grow", 0.7))
            for seed in range(3)
        ]
    )
    table = text[text.index("all 2 streams: mean of normalised taoa") :]
    assert row(table, "grow")[:5] == ["1", "grow", "0.7000", "±0.0000", "0.7000"]
    assert "Score: mean over streams, 0 is the worst anchor and 1 the best" in table


def test_who_has_no_place_over_streams_is_named_with_what_is_missing(
    make_result: MakeResult,
) -> None:
    results = [make_result(stream=stream, seed=s) for stream in ("one", "two") for s in (0, 1)]
    guest = [make_result(entrant="grow", stream="one", seed=s) for s in (0, 1)]
    silent = make_result(entrant="reset", stream="two", metrics={"taoa": None})
    reset = make_result(entrant="reset", stream="one")
    text = shown([*results, *guest, reset, silent])
    assert "no place over streams: grow has nothing on two" in text
    assert "no place over streams: reset has nothing on two" in text
    assert "streams: dense" not in text
    assert "no place over streams" not in shown(results)


def test_marks_that_are_not_there_are_not_explained(make_result: MakeResult) -> None:
    text = shown([make_result(seed=s, metrics={"taoa": 0.5 + s / 100}) for s in range(5)])
    assert not any(mark in text for mark in ("* differs", "u unpaired", "(1-3)", "? provisional"))


def test_without_the_reference_the_table_says_so(make_result: MakeResult) -> None:
    text = shown([make_result(entrant="grow", seed=s) for s in range(2)])
    assert "No differences: the reference has no value on this stream." in text


def test_eighty_columns_are_enough(results: list[Result]) -> None:
    text = shown(results)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert row(text, "shrink-perturb")[2] == "shrink-perturb"


def test_eighty_columns_are_enough_where_everybody_differs(make_result: MakeResult) -> None:
    cost = {"flops": 2.68e11, "seconds": 99.9}
    results = [
        make_result(
            entrant=name,
            seed=seed,
            status="diverged" if seed == 5 and name == "b" else "done",
            metrics={"taoa": 0.5 + (seed * turn) % 7 / 100, "updates": 10 * turn, **cost},
        )
        for turn, name in enumerate("abcdefghijkl", 1)
        for seed in range(6)
    ]
    results += [make_result(seed=s, metrics={"taoa": 0.1, **cost}) for s in range(6)]
    text = shown(results)
    (header,) = [line for line in text.splitlines() if "entrant" in line and "FLOPs" in line]
    assert header.split()[-4:] == ["dense", "seeds", "FLOPs", "time"]
    assert "99.9 s" in text
    assert "updates: " in text
    assert "20 for b" in text


def test_updates_that_differ_are_said_below(make_result: MakeResult) -> None:
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": 0.5, "updates": updates})
        for name, updates in (("dense", 2350), ("grow", 2350), ("naive", 2356))
        for seed in range(2)
    ]
    assert "updates: 2350 for most; 2356 for naive" in shown(results)


def test_names_send_nothing_to_the_terminal(make_result: MakeResult) -> None:
    name = "a\x1b[2Jb\nc"
    text = shown([make_result(entrant=name, stream=name, needs=["x\x1b[2J"])])
    assert "a\ufffd[2Jb\ufffdc" in text
    assert "\x1b" not in text


def test_brackets_in_labels_are_text_and_not_markup(make_result: MakeResult) -> None:
    text = shown([make_result(lr=lr, seed=s) for lr in (0.1, 0.2) for s in (0, 1)], width=200)
    assert "dense [optimizer.lr=0.1]" in text


def test_json_holds_the_same_board(results: list[Result]) -> None:
    board = rank(results)
    content = json.loads(canonical(as_json(board)))
    (stream,) = content["streams"]
    assert (content["metric"], content["better"], stream["reference"]) == (
        "taoa",
        "higher",
        "dense",
    )
    by_name = {standing["entrant"]: standing for standing in stream["standings"]}
    assert by_name["grow"]["significant"]
    assert by_name["dense"]["difference"] is None
    assert by_name["dense"]["p_holm"] is None
    assert by_name["reset"]["values"] == {"0": 0.95}
    assert by_name["reset"]["lost"] == {"1": "diverged"}
    assert by_name["reset"]["provisional"]
    assert by_name["reset"]["cost"]["updates"] is None
    assert by_name["reset"]["p_leader"] is None  # two seeds are not tested
    assert by_name["grow"]["summary"]["mean"] == pytest.approx(0.9004)


def test_who_declares_nothing_is_not_taken_for_one_who_tuned_nothing(
    make_result: MakeResult,
) -> None:
    results = [
        make_result(entrant=name, seed=seed, metrics={"taoa": 0.5 + seed / 10})
        for name in ("dense", "grow", "guest")
        for seed in range(3)
    ]
    declared = Question(tuning_trials={"dense": 3, "grow": 0})
    console = Console(width=100, record=True, file=StringIO())
    console.print(tables(rank(results, declared), 100))
    assert "tuning trials: dense 3, not declared by guest, others none" in console.export_text()


def mixed(make_result: MakeResult, count: int, lost: int) -> list[Result]:
    """Dense, and grow far below it with the last runs lost."""
    return [
        make_result(
            entrant=name,
            seed=seed,
            status="diverged" if name == "grow" and seed >= count - lost else "done",
            metrics={"taoa": value + (seed % 3) / 100 * (name == "grow"), "acc": 0.5},
        )
        for name, value in (("dense", 0.9), ("grow", 0.5))
        for seed in range(count)
    ]


def test_a_difference_that_leaves_lost_runs_out_is_marked(make_result: MakeResult) -> None:
    made = mixed(make_result, 5, 1)
    text = shown(made)
    assert row(text, "grow")[2] == "0.4060"  # a lost run is 0 in it
    assert row(text, "grow")[4] == "-0.3925"  # and is not in this
    assert row(text, "grow")[5].endswith("e")
    said = " ".join(text.split())
    assert "e over the runs that ended; in the mean a lost run counts as the worst" in said
    wide = " ".join(shown(made, 140).split())
    assert "acc over the runs that ended" in wide
    none = " ".join(shown(mixed(make_result, 5, 0)).split())
    assert "over the runs that ended" not in none
    (content,) = as_json(rank(made))["streams"]
    assert [one["difference"]["ended"] for one in content["standings"][1:]] == [True]


@pytest.mark.parametrize(("seeds", "has"), [(1, False), (2, False), (3, True)])
def test_intervals_begin_with_three_seeds_everywhere(
    make_result: MakeResult, seeds: int, has: bool
) -> None:
    made = [
        make_result(stream=stream, entrant=name, seed=seed, metrics={"taoa": value + seed / 50})
        for stream in ("a", "b")
        for name, value in (("dense", 0.7), ("grow", 0.5))
        for seed in range(seeds)
    ]
    board = rank(made)
    text = " ".join(shown(made).split())
    assert ("±0" in text, "no interval of fewer than 3 seeds" in text) == (has, not has)
    assert ("no interval where a stream has fewer" in text) != has
    assert "nan" not in text
    content = as_json(board)
    (first, second), over = content["streams"][0]["standings"], content["overall"]["standings"]
    intervals = [first["summary"], second["difference"], over[0]["score"]]
    assert [(one["interval"]["low"] is not None) for one in intervals] == [has] * 3
    assert (content["overall"]["profiles"][0]["low"][0] is not None) == has
    assert over[0]["iqm"]["interval"]["low"] is not None or not has
    plain = [line.split(",") for line in csv(board).splitlines()]
    column = plain[0].index("ci_low")
    assert [bool(line[column]) for line in plain[1:]] == [has] * 6


def test_a_metric_that_a_stream_does_not_have_is_explained_once(make_result: MakeResult) -> None:
    made = [
        make_result(
            stream=stream,
            stream_settings={"evaluate": evaluate},
            entrant=name,
            seed=seed,
            metrics={"forgetting": 0.1 + seed / 100 if evaluate == "seen" else None, "taoa": 0.5},
        )
        for stream, evaluate in (("a", "seen"), ("b", "current"), ("c", "none"))
        for name in ("dense", "grow")
        for seed in range(3)
    ]
    board = rank(made, Question(metric="forgetting"))
    assert [one.undefined is None for one in board.streams] == [True, False, False]
    stream = StringIO()
    Console(file=stream, width=80, no_color=True).print(tables(board))
    said = " ".join(stream.getvalue().split())
    for evaluate in ("current", "none"):
        assert (
            "no value of forgetting for anybody: it is defined only on streams that test all tasks "
            f"seen (evaluate=seen), and here evaluate is {evaluate}"
        ) in said
    assert "undefined" not in said


@pytest.mark.parametrize(
    ("metric", "settings", "part"),
    [
        ("backward_transfer", {}, "only on streams that test all tasks seen (evaluate=seen)"),
        ("forward_transfer", {"evaluate": "seen"}, "it takes several tasks"),
        ("acc", {"evaluate": "none"}, "it takes a stream that tests, and here evaluate is none"),
        ("wt_acc", {"evaluate": "seen"}, "a winning ticket, and none was retrained"),
        ("parity_gradient_early", {}, "units that are born in the course of a run"),
        ("recovery_time", {}, "it is not defined on such runs"),
    ],
)
def test_what_a_metric_needs_is_said(metric: str, settings: dict[str, str], part: str) -> None:
    assert part in why_undefined(metric, settings)


def test_one_of_a_thing_is_not_many(make_result: MakeResult) -> None:
    one = [make_result(entrant=n, metrics={"taoa": 0.5, "updates": 1}) for n in ("dense", "grow")]
    said = " ".join(shown(one).split())
    assert "1 of 1 seed for everybody" in said
    assert "1 update for everybody" in said
    assert "nothing is tested, so all ranks are possible" in said
