import sys
from dataclasses import dataclass, fields, replace

import pytest

from plasticity_bench.harness.engine.strategy import Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins import resolve as resolve_module
from plasticity_bench.harness.plugins.registry import load_strategy
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.spec import RunSpec
from plasticity_bench.harness.specs.suite import (
    EntrantRequest,
    Suite,
    load_suite,
    parse_entrant,
    parse_stream,
)


def make_suite(
    *entrants: str, streams: tuple[str, ...] = ("permuted-digits",), seeds: tuple[int, ...] = (0,)
) -> Suite:
    return Suite(
        "test",
        "for a test",
        tuple(map(parse_stream, streams)),
        tuple(map(parse_entrant, entrants or ("dense",))),
        seeds,
    )


def resolved(suite: Suite, *sets: str) -> list[RunSpec]:
    return resolve(suite, parse_overrides(sets))


def test_every_stream_meets_every_entrant_with_every_seed() -> None:
    runs = resolve(load_suite("quick"))
    assert len(runs) == len(set(runs)) == 3 * 5 * 5
    assert [run.seed for run in runs[:5]] == [0, 1, 2, 3, 4]


def test_every_setting_has_a_value() -> None:
    (run,) = resolved(make_suite("grow(events=2)", streams=("permuted-digits(tasks=7)",)))
    stream, strategy = run.stream.settings, run.entrant.strategies[0].settings
    assert stream["tasks"] == 7
    assert stream["source"] == "digits"
    assert stream["batch_size"] == 16
    assert strategy["events"] == 2
    assert strategy["compactness"] == 0.2
    assert list(strategy) == [part.name for part in fields(load_strategy("grow"))]  # type: ignore[arg-type]


def test_network_and_optimizer_are_the_streams_unless_someone_says_more() -> None:
    suite = make_suite("dense")
    (run,) = resolved(suite)
    assert (run.entrant.optimizer.name, run.entrant.optimizer.lr) == ("adam", 0.003)

    entrant = replace(suite.entrants[0], network={"hidden": [5]}, optimizer={"lr": 0.3})
    said = replace(
        suite,
        entrants=(entrant,),
        network={"hidden": [4], "norm": "layer"},
        optimizer={"lr": 0.2, "beta1": 0.8},
    )
    (run,) = resolved(said, "optimizer.beta1=0.7")
    assert (run.entrant.network.hidden, run.entrant.network.norm) == ((5,), "layer")
    optimizer = run.entrant.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.beta1) == ("adam", 0.3, 0.7)


def test_an_override_reaches_every_entrant_that_has_the_strategy() -> None:
    runs = resolved(make_suite("dense", "grow", "grow+reset"), "grow.compactness=0.3")
    assert [run.entrant.name for run in runs] == [
        "dense",
        "grow(compactness=0.3)",
        "grow(compactness=0.3)+reset",
    ]
    assert runs[2].entrant.strategies[0].settings["compactness"] == 0.3


def test_a_setting_at_its_default_is_not_in_the_name() -> None:
    plain, spelled = (resolved(make_suite(text)) for text in ("grow", "grow(compactness=0.2)"))
    assert plain == spelled


def test_an_activation_has_one_spelling() -> None:
    suite = make_suite()
    short = resolved(suite, "network.activation=leaky-relu")
    long = resolved(suite, "network.activation=leaky-relu( slope = 0.01 )")
    assert short == long
    assert short[0].entrant.network.activation == "leaky-relu(slope=0.01)"


def test_a_name_given_in_a_suite_stays() -> None:
    request = EntrantRequest("mine", parse_entrant("grow(events=3)").strategies)
    (run,) = resolved(replace(make_suite(), entrants=(request,)))
    assert run.entrant.name == "mine"


def test_a_stream_named_twice_is_run_once() -> None:
    suite = make_suite(streams=("permuted-digits", "permuted-digits(source=digits)"))
    assert len(resolved(suite)) == 1


@pytest.mark.parametrize(
    ("entrant", "stream", "sets", "message"),
    [
        (
            "grwo",
            "permuted-digits",
            "",
            "no strategy 'grwo'; did you mean 'grow'? There is: avalanche:AGEM",
        ),
        (
            "grow",
            "permuted-digit",
            "",
            "no stream 'permuted-digit'; did you mean 'permuted-digits'",
        ),
        ("grow(evnts=2)", "permuted-digits", "", "no setting of strategy grow named 'evnts'; did"),
        (
            "grow",
            "permuted-digits(task=2)",
            "",
            "no setting of stream permuted-digits named 'task'",
        ),
        ("grow", "permuted-digits", "grow.compactnes=1", "did you mean 'compactness'?"),
        ("grow", "permuted-digits", "prune.events=1", "no target of --set named 'prune'"),
        ("grow", "permuted-digits", "stream.tsks=1", "did you mean 'tasks'?"),
        ("grow", "permuted-digits", "stream.tasks=many", "tasks='many' is not allowed"),
        ("grow", "permuted-digits", "network.hiden=[1]", "did you mean 'hidden'?"),
        ("grow", "permuted-digits", "optimizer.lr=-1", "lr=-1 is not allowed"),
        (
            "grow",
            "permuted-digits",
            "network.activation=rleu",
            "no activation 'rleu'; did you mean",
        ),
        (
            "grow",
            "permuted-digits",
            "network.activation=leaky-relu(slop=1)",
            "no setting of activation leaky-relu named 'slop'; did you mean 'slope'?",
        ),
    ],
)
def test_mistakes_are_named_before_any_training(
    entrant: str, stream: str, sets: str, message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        resolved(make_suite(entrant, streams=(stream,)), *[sets] if sets else [])
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["tasks=3", "stream.tasks", "stream.=3", ".tasks=3", "="])
def test_an_override_has_a_form(text: str) -> None:
    with pytest.raises(BenchError, match=r"Write WHAT\.SETTING=VALUE"):
        parse_overrides([text])


def test_the_last_override_of_a_setting_wins() -> None:
    sets = parse_overrides(["stream.tasks=3", "stream.passes=2", "stream.tasks=4"])
    assert sets == {"stream": {"tasks": 4, "passes": 2}}


def test_two_entrants_of_one_name_are_refused() -> None:
    with pytest.raises(BenchError, match="two entrants are called 'grow'"):
        resolved(make_suite("grow", "grow(compactness=0.2)"))


def test_an_unknown_metric_of_a_suite_is_refused() -> None:
    with pytest.raises(BenchError, match="no metric 'taoaa'; did you mean 'taoa'"):
        resolved(replace(make_suite(), metric="taoaa"))


@dataclass(frozen=True, kw_only=True)
class Demanding(Strategy):
    needs = frozenset({"task boundary", "task id at test"})


def test_a_strategy_is_not_run_where_it_is_not_told_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolve_module, "load_entrant", lambda _: Demanding)
    with pytest.raises(BenchError) as caught:
        resolved(make_suite("demanding"))
    assert str(caught.value).startswith(
        "strategy 'demanding' needs to be told: task id at test; "
        "stream 'permuted-digits' tells: task boundary."
    )


def test_a_run_says_nothing_of_this_process() -> None:
    (run,) = resolved(make_suite())
    assert sys.prefix not in str(run.as_json())


@pytest.mark.parametrize(
    ("name", "strategies", "message"),
    [
        ("Dense", "grow", "'dense' and 'Dense' are names that readers take for one"),
        ("den se", "grow", "'dense' and 'den se' are names that readers take for one"),
        ("prune", "grow", "called 'prune' as a strategy is, and is not of it: it is grow"),
        ("avalanche:naive", "grow", "called 'avalanche:naive' as a strategy is"),
    ],
)
def test_an_entrant_is_not_taken_for_another(name: str, strategies: str, message: str) -> None:
    own = EntrantRequest(name, parse_entrant(strategies).strategies)
    suite = replace(make_suite(), entrants=(parse_entrant("dense"), own))
    with pytest.raises(BenchError) as caught:
        resolve(suite)
    assert message in str(caught.value)


def test_an_entrant_may_be_called_as_one_of_its_strategies() -> None:
    own = EntrantRequest("Grow", parse_entrant("grow+rsl").strategies)
    assert resolve(replace(make_suite(), entrants=(own,)))[0].entrant.name == "Grow"


def test_a_name_that_nobody_can_read_is_refused_before_any_training() -> None:
    long = ",".join(["9" * 9] * 20)
    with pytest.raises(BenchError, match=r"the name of a stream, .* has .* characters"):
        resolved(make_suite(streams=(f"avalanche:SplitMNIST?fixed_class_order=[{long}]",)))
    with pytest.raises(BenchError, match=r"the name of an entrant, .* has 204 characters"):
        resolved(make_suite("+".join(["grow"] * 41)))
