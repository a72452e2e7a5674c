from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.spec import StrategySpec, StreamSpec
from plasticity_bench.harness.specs.suite import load_suite, parse_seeds, read_suite, suite_names

SMALL = """
name = "small"
description = "for a test"
streams = ["permuted-digits(tasks=2)"]
entrants = ["dense", {name = "wide", strategies = "grow+reset", network = {hidden = [9]}}]
seeds = [3, 1]
optimizer = {lr = 0.5}
"""


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0:10", tuple(range(10))),
        ("0,1,5", (0, 1, 5)),
        ("3", (3,)),
        ("0:3,100", (0, 1, 2, 100)),
        (" 7 , 9:11 ", (7, 9, 10)),
    ],
)
def test_seeds_are_ranges_and_single_numbers(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' in the seeds '' is not a seed or a range. Write for example 0:10"),
        ("a", "'a' in the seeds 'a' is not a seed"),
        ("1,,2", "'' in the seeds '1,,2' is not a seed"),
        ("-1", "'-1' in the seeds '-1' is not a seed"),
        ("0:", "'0:' in the seeds"),
        ("1:2:3", "'1:2:3' in the seeds"),
        ("1.5", "'1.5' in the seeds"),
        ("5:5", "the range '5:5' in the seeds '5:5' has 0 seeds"),
        ("9:1", "the range '9:1' in the seeds '9:1' has 0 seeds"),
        ("0:99999999999999999999", "has 99,999,999,999,999,999,999 seeds, and 1 to 10,000"),
        ("0:3,2", "seed 2 is named 2 times in '0:3,2'"),
    ],
)
def test_wrong_seeds_are_named(text: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        parse_seeds(text)
    assert message in str(caught.value)


@given(st.lists(st.integers(0, 10**9), min_size=1, unique=True))
def test_any_list_of_seeds_is_read_in_its_order(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == tuple(seeds)


def test_quick_is_five_entrants_on_three_streams_with_five_seeds() -> None:
    quick = load_suite("quick")
    assert suite_names() == ["mnist", "quick"]
    assert [stream.name for stream in quick.streams] == [
        "permuted-digits",
        "shifting-labels-digits",
        "class-incremental-digits",
    ]
    strategies = [[strategy.name for strategy in one.strategies] for one in quick.entrants]
    assert strategies == [["dense"], ["grow"], ["prune"], ["shrink-perturb"], ["reset"]]
    assert (quick.seeds, quick.metric) == ((0, 1, 2, 3, 4), None)


def test_a_suite_file_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(SMALL)
    suite = load_suite(str(path))
    assert suite.streams == (StreamSpec("permuted-digits", {"tasks": 2}),)
    assert suite.seeds == (3, 1)
    dense, wide = suite.entrants
    assert (dense.name, wide.name) == (None, "wide")
    assert wide.strategies == (StrategySpec("grow"), StrategySpec("reset"))
    assert (wide.network, suite.optimizer) == ({"hidden": [9]}, {"lr": 0.5})


@pytest.mark.parametrize(
    ("line", "by", "message"),
    [
        ('name = "small"', "name = small", "suite file mine is not TOML"),
        ('name = "small"', "", "suite mine: name has to be given. Correct the file."),
        (
            'name = "small"',
            'name = "sm\u0430ll"',
            "suite mine, 'sm\\u0430ll', has the character U+0430",
        ),
        (
            '"wide"',
            '"wide\\u200b"',
            "an entrant of suite mine, 'wide\\u200b', has the character U+200B",
        ),
        ('"wide"', '"<wide"', "an entrant of suite mine, '<wide', has markup in it"),
        ("seeds =", "seds =", "no setting of suite mine named 'seds'; did you mean 'seeds'?"),
        ("[3, 1]", "[3, -1]", "the seeds '[3, -1]' are not whole numbers from 0 to 4294967295"),
        ("[3, 1]", "[]", "the seeds '[]' are not whole numbers"),
        ("[3, 1]", "[1, 1]", "seed 1 is named 2 times"),
        ('"dense", ', '"dense(", ', "cannot read the entrant 'dense('"),
        ("strategies = ", "strategy = ", "no setting of an entrant of suite mine named 'strategy'"),
        ('["permuted-digits(tasks=2)"]', "[]", "suite mine has no streams. Name at least one."),
        ('["permuted-digits(tasks=2)"]', "[1]", "suite mine: streams[0]=1 is not allowed"),
    ],
)
def test_a_wrong_suite_file_is_told_what_is_wrong(line: str, by: str, message: str) -> None:
    text = SMALL.replace(line, by)
    assert text != SMALL
    with pytest.raises(BenchError) as caught:
        read_suite(text, "mine")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "quik",
            "no suite 'quik'; did you mean 'quick'? There is: mnist, quick. Name one of these or",
        ),
        ("nowhere.toml", "the suite file nowhere.toml cannot be read: No such file or directory"),
    ],
)
def test_a_suite_that_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_suite(name)
    assert message in str(caught.value)


def test_anchors_tolerance_and_trials_are_read() -> None:
    anchors = '[anchors]\n"permuted-digits(tasks=2)" = [0.1, 0.9]'
    wider = 'tolerances = {"permuted-digits(tasks=2)" = 0.1}'
    text = f"{SMALL}tolerance = 0.02\n{wider}\ntuning_trials = 3\n{anchors}"
    suite = read_suite(text, "made up")
    assert suite.tolerances == {StreamSpec("permuted-digits", {"tasks": 2}): 0.1}
    assert suite.anchors == {StreamSpec("permuted-digits", {"tasks": 2}): (0.1, 0.9)}
    assert (suite.tolerance, suite.tuning_trials) == (0.02, 3)
    tuned = SMALL.replace('name = "wide"', 'name = "wide", tuning_trials = 7')
    assert read_suite(tuned, "made up").entrants[1].tuning_trials == 7


def test_anchors_of_a_loss_fall() -> None:
    anchors = '[anchors]\n"permuted-digits(tasks=2)" = [2.3, 0]'
    suite = read_suite(f'{SMALL}metric = "online_loss"\n{anchors}', "made up")
    assert suite.anchors == {StreamSpec("permuted-digits", {"tasks": 2}): (2.3, 0)}


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ('[anchors]\n"permuted-digts" = [0, 1]', "did you mean 'permuted-digits(tasks=2)'"),
        ('[anchors]\n"permuted-digits(tasks=2)" = [1, 1]', "are 1.0 and 1.0. Give the metric's"),
        ('[anchors]\n"permuted-digits(tasks=2)" = [0]', "anchors"),
        ('tolerances = {"nowhere" = 1}', "no stream with a tolerance 'nowhere'"),
        (
            'metric = "taoa"\n[anchors]\n"permuted-digits(tasks=2)" = [1, 0.1]',
            "are 1.0 and 0.1, and higher is better by taoa: the worse value comes first",
        ),
        (
            'metric = "online_loss"\n[anchors]\n"permuted-digits(tasks=2)" = [0.1, 1]',
            "are 0.1 and 1.0, and lower is better by online_loss: the worse value comes first",
        ),
        ('metric = "dormant"', "the metric of suite made up, dormant, is diagnostic"),
        ("tolerance = 0", "tolerance = 0.0 in suite made up is not a number above 0"),
    ],
)
def test_anchors_and_tolerances_that_mean_nothing_are_refused(addition: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_suite(SMALL + addition, "made up")
    assert message in str(caught.value)
