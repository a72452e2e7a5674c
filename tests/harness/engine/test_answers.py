import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.learner import StackedLearner
from plasticity_bench.harness.engine.strategy import Plan, PluginError, Strategy
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec

SEEDS = range(5)


@dataclass(frozen=True, kw_only=True)
class Answers(Strategy):
    """Returns what a test wants it to return."""

    name = "mine"
    got: Any


class Penalty(Answers):
    def penalty(self, net: Any, ctx: Any) -> Tensor | None:
        return self.got  # type: ignore[no-any-return]


class Batch(Answers):
    def extend_batch(self, x: Tensor, y: Tensor, net: Any, ctx: Any) -> tuple[Tensor, Tensor]:
        return self.got(x, y)  # type: ignore[no-any-return]


class Rate(Answers):
    def learning_rate(self, factor: float, net: Any, ctx: Any) -> float:
        return self.got  # type: ignore[no-any-return]


class Step(Answers):
    def after_backward(self, net: Any, ctx: Any) -> bool | None:
        return self.got  # type: ignore[no-any-return]


class Until(Answers):
    def after_step(self, net: Any, ctx: Any) -> None:
        pass

    def acts_until(self, net: Any, ctx: Any) -> int:
        return self.got  # type: ignore[no-any-return]


class Architecture(Answers):
    def configure(self, network: NetworkSpec) -> NetworkSpec:
        return self.got  # type: ignore[no-any-return]


class Schedule(Answers):
    def schedule(self, plan: Plan) -> Sequence[int]:
        return self.got  # type: ignore[no-any-return]


def update(strategy: Strategy) -> int:
    """Build a learner of five replicas and make an update of four samples each; count updates."""
    learner = StackedLearner(
        network=NetworkSpec(hidden=(6,)),
        optimizer=OptimizerSpec(),
        learning_rates=[0.1] * len(SEEDS),
        strategies=[strategy],
        seeds=SEEDS,
        image=(1, 2, 2),
        classes=3,
        plan=Plan((7,), 1, 4),
        device=torch.device("cpu"),
    )
    learner.observe(torch.zeros(5, 4, 1, 2, 2), torch.zeros(5, 4, dtype=torch.int64))
    return learner.updates


def line(cls: type, hook: str) -> str:
    return f"(test_answers.py, line {getattr(cls, hook).__code__.co_firstlineno})."


@pytest.mark.parametrize(
    ("cls", "hook", "got", "told"),
    [
        (Penalty, "penalty", torch.zeros(3), "(3,) of float32 on cpu"),
        (Penalty, "penalty", torch.zeros(()), "() of float32 on cpu"),
        (Penalty, "penalty", torch.zeros(5, 1), "(5, 1) of float32 on cpu"),
        (Penalty, "penalty", torch.zeros(5, dtype=torch.int64), "(5,) of int64 on cpu"),
        (Penalty, "penalty", 0.5, "float 0.5"),
        (Batch, "extend_batch", lambda x, y: x, "(5, 4, 1, 2, 2) of float32 on cpu"),
        (Batch, "extend_batch", lambda x, y: None, "NoneType None"),
        (
            Batch,
            "extend_batch",
            lambda x, y: (x[:, :2], y[:, :2]),
            "((5, 2, 1, 2, 2) of float32 on cpu, (5, 2) of int64 on cpu)",
        ),
        (
            Batch,
            "extend_batch",
            lambda x, y: (torch.cat([x, x], 1), y),
            "((5, 8, 1, 2, 2) of float32 on cpu, (5, 4) of int64 on cpu)",
        ),
        (
            Batch,
            "extend_batch",
            lambda x, y: (x.double(), y),
            "((5, 4, 1, 2, 2) of float64 on cpu, (5, 4) of int64 on cpu)",
        ),
        (Rate, "learning_rate", None, "NoneType None"),
        (Rate, "learning_rate", float("nan"), "float nan"),
        (Rate, "learning_rate", "0.1", "str '0.1'"),
        (Step, "after_backward", torch.ones(5), "(5,) of float32 on cpu"),
        (Step, "after_backward", "yes", "str 'yes'"),
        (Until, "acts_until", None, "NoneType None"),
        (Until, "acts_until", 1.5, "float 1.5"),
        (Architecture, "configure", None, "NoneType None"),
        (Architecture, "configure", {"hidden": [3]}, "dict {'hidden': [3]}"),
        (Schedule, "schedule", 3, "int 3"),
        (Schedule, "schedule", [1, 2.5], "float 2.5"),
        (Schedule, "schedule", None, "NoneType None"),
    ],
)
def test_what_a_hook_may_not_return_is_named_with_its_line(
    cls: type[Answers], hook: str, got: object, told: str
) -> None:
    with pytest.raises(PluginError) as caught:
        update(cls(got=got))
    text = str(caught.value)
    assert text.startswith(f"strategy 'mine' returned {told} from {hook}; expected ")
    assert text.endswith(line(cls, hook))


def test_the_expected_shape_of_a_penalty_is_one_number_a_replica() -> None:
    with pytest.raises(PluginError, match=re.escape("expected (R,) = (5,), a number a replica")):
        update(Penalty(got=torch.zeros(3)))


def test_an_edit_beyond_the_run_is_refused_where_it_is_scheduled() -> None:
    with pytest.raises(PluginError, match="after update 7, but the run has 7") as caught:
        update(Schedule(got=[0, 7]))
    assert str(caught.value).endswith(line(Schedule, "schedule"))


@pytest.mark.parametrize(
    ("cls", "got"),
    [
        (Penalty, None),
        (Penalty, torch.zeros(5)),
        (Batch, lambda x, y: (torch.cat([x, x], 1), torch.cat([y, y], 1))),
        (Rate, 0),
        (Step, None),
        (Step, True),
        (Until, -1),
        (Architecture, NetworkSpec(hidden=(3,))),
        (Schedule, (0, 6)),
    ],
)
def test_what_a_hook_may_return_is_taken(cls: type[Answers], got: object) -> None:
    assert update(cls(got=got)) == 1


class Raises(Answers):
    def configure(self, network: NetworkSpec) -> NetworkSpec:
        raise self.got

    def deeper(self) -> None:
        torch.matmul(torch.zeros(2), torch.zeros(3))


class RaisesInTorch(Raises):
    def configure(self, network: NetworkSpec) -> NetworkSpec:
        self.deeper()
        return network


def test_what_a_hook_raises_is_named_with_the_plugins_line_and_not_torchs() -> None:
    with pytest.raises(PluginError) as caught:
        update(RaisesInTorch(got=None))
    place = Raises.deeper.__code__.co_firstlineno + 1
    assert str(caught.value).startswith("strategy 'mine' raised in configure after 0 updates: Runt")
    assert str(caught.value).endswith(f"(test_answers.py, line {place}, in deeper)")


def test_an_exit_is_named_and_does_not_end_the_process() -> None:
    with pytest.raises(PluginError, match="raised in configure after 0 updates: SystemExit: 0"):
        update(Raises(got=SystemExit(0)))
