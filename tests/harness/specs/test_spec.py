import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.grammar import Settings
from plasticity_bench.harness.specs.spec import (
    EntrantSpec,
    NetworkSpec,
    OptimizerSpec,
    RunSpec,
    StrategySpec,
    StreamSpec,
    all_settings,
    build_call,
    build_settings,
    canonical_name,
)


@dataclass(frozen=True, kw_only=True)
class Toy:
    share: float = 0.1
    count: int = 3
    widths: tuple[int, ...] = (1, 2)
    rule: Literal["first", "last"] = "first"
    every: int | None = None

    def __post_init__(self) -> None:
        if self.share < 0:
            raise ValueError("share is below 0")
        if self.count == 13:
            raise RuntimeError("bad luck")


@dataclass(frozen=True, kw_only=True)
class Demanding:
    rate: float


class Undeclared(Toy):
    added: float = 0.5


def test_settings_fill_the_fields_and_defaults_the_rest() -> None:
    made = build_settings(Toy, {"share": 1, "widths": [5], "every": 2}, "strategy toy")
    assert made == Toy(share=1.0, widths=(5,), every=2)
    assert isinstance(made.share, float)
    assert all_settings(made) == {
        "share": 1.0,
        "count": 3,
        "widths": [5],
        "rule": "first",
        "every": 2,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"shar": 1},
            "no setting of strategy toy named 'shar'; did you mean 'share'? "
            "There is: count, every, rule, share, widths. "
            "See its settings: plasticity-bench list toy",
        ),
        ({"share": "much"}, "strategy toy: share='much' is not allowed: Input should be a valid"),
        ({"share": True}, "strategy toy: share=True is not allowed"),
        ({"count": 1.5}, "strategy toy: count=1.5 is not allowed: Input should be a valid integer"),
        ({"count": "3"}, "strategy toy: count='3' is not allowed"),
        ({"widths": [1, "x"]}, "strategy toy: widths[1]='x' is not allowed"),
        ({"rule": "middle"}, "rule='middle' is not allowed: Input should be 'first' or 'last'"),
        ({"share": -1}, "strategy toy: share is below 0. See its settings"),
        ({"count": 13}, "strategy toy cannot be made: RuntimeError: bad luck"),
        ({"share": float("nan")}, "strategy toy cannot be made: ValueError"),
    ],
)
def test_what_is_not_allowed_is_named(settings: Settings, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        build_settings(Toy, settings, "strategy toy")
    assert message in str(caught.value)


def test_a_setting_without_default_has_to_be_given() -> None:
    with pytest.raises(BenchError, match=r"stream s: rate has to be given\. Set it\."):
        build_settings(Demanding, {}, "stream s", remedy="Set it.")


def test_a_class_that_forgot_to_be_a_dataclass_is_told_so() -> None:
    with pytest.raises(BenchError, match=r"class Undeclared is not a dataclass.*frozen=True"):
        build_settings(Undeclared, {}, "strategy undeclared")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": [0]}, r"hidden\[0\]=0 is not allowed: Input should be greater than or equal"),
        ({"kind": "cnn"}, "kind='cnn' is not allowed: Input should be 'mlp' or 'convnet'"),
        ({"activation": "relu("}, "cannot read the activation 'relu\\('"),
        ({"widths": [3]}, "no setting of network named 'widths'"),
    ],
)
def test_a_network_is_checked(settings: Settings, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        build_settings(NetworkSpec, settings, "network")


@pytest.mark.parametrize(
    "settings",
    [{"lr": 0}, {"lr": -1}, {"momentum": 1}, {"weight_decay": -0.1}, {"beta1": 1.0}, {"eps": 0}],
)
def test_an_optimizer_setting_out_of_range_is_refused(settings: Settings) -> None:
    with pytest.raises(BenchError, match=f"optimizer: {next(iter(settings))}="):
        build_settings(OptimizerSpec, settings, "optimizer")


def test_a_call_makes_one_of_a_table() -> None:
    assert build_call("toy", "t(count=5)", {"t": Toy}) == Toy(count=5)
    with pytest.raises(BenchError, match="no activation 'leaky'; did you mean 'leaky-relu'"):
        build_call("activation", "leaky", {"leaky-relu": Toy})


def test_a_run_is_plain_json_with_every_setting_in_it() -> None:
    entrant = EntrantSpec(
        "grow", (StrategySpec("grow", {"at": [1]}),), NetworkSpec(hidden=(3,)), OptimizerSpec()
    )
    plain = RunSpec(StreamSpec("s", {"tasks": 2}), entrant, 7).as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["seed"] == 7
    assert plain["stream"] == {"name": "s", "settings": {"tasks": 2}}
    assert plain["entrant"]["strategies"] == [{"name": "grow", "settings": {"at": [1]}}]
    assert plain["entrant"]["network"]["hidden"] == [3]
    assert plain["entrant"]["optimizer"].keys() == OptimizerSpec.__dataclass_fields__.keys()


def test_an_entrant_is_named_by_its_strategies() -> None:
    strategies = (StrategySpec("grow", {"compactness": 0.2}), StrategySpec("reset"))
    assert canonical_name(strategies) == "grow(compactness=0.2)+reset"


@dataclass(frozen=True)
class Listed:
    values: list[int] = field(default_factory=lambda: [1])


def test_a_default_that_is_made_anew_is_a_setting_too() -> None:
    assert all_settings(build_settings(Listed, {}, "toy")) == {"values": [1]}
