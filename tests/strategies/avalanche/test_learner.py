import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plasticity_bench.harness.engine.strategy import PluginError
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.single_run import SingleRun, check_first_task
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.plugins.registry import find, load_learner
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.plugins.sources import code_of
from plasticity_bench.harness.randomness import derive_seed, unmoved_random
from plasticity_bench.harness.specs.source_code import source_digest
from plasticity_bench.harness.specs.spec import RunSpec
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream
from plasticity_bench.harness.stream import Samples, Stream, Task
from plasticity_bench.strategies.avalanche.table import TABLE
from plasticity_bench.streams.families.incremental import ClassIncremental
from tests.harness.loop.test_run import DATA, without_seconds
from tests.strategies.avalanche.plain_avalanche import Protocol, plain_accuracy

SMALL = (
    "stream.tasks=2",
    "stream.passes=2",
    "stream.samples_per_task=60",
    "network.hidden=[20,20]",
)
SINGLE_HEAD = [
    "avalanche:Naive",
    "avalanche:Cumulative",
    "avalanche:FromScratchTraining",
    "avalanche:Replay(mem_size=20)",
    "avalanche:EWC(ewc_lambda=1)",
    "avalanche:SynapticIntelligence(si_lambda=0.1)",
    "avalanche:LwF(alpha=1,temperature=2)",
    "avalanche:AGEM(patterns_per_exp=20)",
    "avalanche:DER(mem_size=20)",
    "avalanche:ER_ACE(mem_size=20)",
    "avalanche:GDumb(mem_size=50)",
]
TOLD_THE_TASK = ["avalanche:PackNet(post_prune_epochs=1,prune_proportion=0.5)", "avalanche:PNN"]


def specs_of(entrant: str, *sets: str, seeds: tuple[int, ...] = (0,)) -> list[RunSpec]:
    told = [f"stream.tell_task={'true' if entrant in TOLD_THE_TASK else 'false'}"]
    stream = parse_stream("class-incremental-digits")
    suite = Suite("test", "", (stream,), (parse_entrant(entrant),), seeds)
    return resolve(suite, parse_overrides([*SMALL, *told, *sets]))


def run_of(entrant: str, *sets: str) -> SingleRun:
    return SingleRun(specs_of(entrant, *sets)[0], DATA)


def model_of(run: SingleRun) -> nn.Module:
    trainer: Any = run.trainer
    model: nn.Module = trainer.strategy.model
    return model


# -- against a plain script of Avalanche ------------------------------------------------------


@dataclass
class Plain:
    """What a script of Avalanche alone makes of a run's settings."""

    model: nn.Module
    online: list[float]
    """Accuracy before the updates by task, of samples of its own classes: no other has them."""
    at_end: list[float]
    """Avalanche's own test accuracy on each task after the last."""


def plain_script(run: SingleRun) -> Plain:
    """Train as an Avalanche user does, with the same first weights and random numbers."""
    from avalanche.evaluation.metrics import accuracy_metrics
    from avalanche.training.plugins import EvaluationPlugin

    from plasticity_bench.harness.modules.build import torch_optimizer
    from plasticity_bench.strategies.avalanche.trainer import silenced

    trainer, learner = cast(Any, run.trainer), cast(Any, run.learner)
    online: list[list[float]] = []
    with silenced(), unmoved_random(torch.device("cpu")):
        benchmark = run.stream.benchmark(run.spec.seed, DATA)
        seed_all(derive_seed(run.spec.seed, "learner"))
        model = learner.model(trainer.given)
        strategy = learner.strategy_class(
            model=model,
            optimizer=torch_optimizer(run.spec.entrant.optimizer, model.parameters()),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=run.stream.batch_size,
            train_epochs=run.stream.passes,
            evaluator=EvaluationPlugin(accuracy_metrics(experience=True), loggers=[]),
            **learner.arguments(),
        )
        strategy.plugins.append(own_online_accuracy(online))
        for experience in benchmark.train_stream:
            strategy.train(experience)
        strategy.eval(benchmark.test_stream)
    results = strategy.evaluator.get_last_metrics()
    at_end = [value for name, value in results.items() if name.startswith("Top1_Acc_Exp/eval")]
    return Plain(strategy.model, [fmean(values) for values in online], at_end)


def seed_all(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def own_online_accuracy(into: list[list[float]]) -> Any:
    from avalanche.core import SupervisedPlugin

    class Online(SupervisedPlugin):  # type: ignore[misc]
        def before_training_exp(self, strategy: Any, **_: Any) -> None:
            self.classes = torch.tensor(strategy.experience.classes_in_this_experience)
            into.append([])

        def after_forward(self, strategy: Any, **_: Any) -> None:
            own = torch.isin(strategy.mb_y, self.classes)
            if own.any():
                right = strategy.mb_output.argmax(1) == strategy.mb_y
                into[-1].append(float(right[own].float().mean()))

    return Online()


@pytest.mark.parametrize("entrant", [*SINGLE_HEAD, *TOLD_THE_TASK])
def test_a_strategy_learns_what_a_plain_script_does_bit_by_bit(entrant: str) -> None:
    run = run_of(entrant, "stream.checkpoints_per_task=2", "stream.passes=3")
    rows = [row for _, row in run.rows()]
    plain = plain_script(run)
    expected = plain.model.state_dict()
    learnt = model_of(run).state_dict()
    assert learnt.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(learnt[name], value), name
    tasks = [row for row in rows if row["kind"] == "task"]
    assert [row["online_accuracy"] for row in tasks] == pytest.approx(plain.online)
    checkpoints = [row for row in rows if row["kind"] == "checkpoint"]
    assert len(checkpoints) == 4
    assert checkpoints[-1]["per_task"] == pytest.approx(plain.at_end)
    assert tasks[-1]["test_accuracy"] == checkpoints[-1]["per_task"][-1]
    metrics = rows[-1]["metrics"]
    assert metrics["acc"] == checkpoints[-1]["accuracy"]
    assert metrics["updates"] == sum(row["updates"] for row in tasks)
    assert metrics["samples"] >= metrics["updates"]
    assert metrics["flops"] is None
    assert metrics["seconds"] > 0


@pytest.mark.parametrize("entrant", ["avalanche:EWC(ewc_lambda=1)", *TOLD_THE_TASK])
def test_measuring_changes_nothing(entrant: str) -> None:
    (spec,) = specs_of(entrant, "stream.checkpoints_per_task=4")
    runs = [SingleRun(spec, DATA, measured=measured) for measured in (True, False)]
    kinds = [{row["kind"] for _, row in run.rows()} for run in runs]
    assert "checkpoint" in kinds[0]
    assert "checkpoint" not in kinds[1]
    looked_at, alone = (model_of(run).state_dict() for run in runs)
    for name, value in alone.items():
        assert torch.equal(looked_at[name], value), name


def test_its_accuracy_is_that_of_a_script_on_nc_benchmark() -> None:
    """Other loaders, another initialisation: equal within the noise of the seeds."""
    ours, plain = [], []
    protocol = Protocol(tasks=5, hidden=(60,), passes=3)
    whole = ("stream.tasks=5", "stream.samples_per_task=null", "stream.passes=3")
    for seed in range(2):
        sets = (*whole, "network.hidden=[60]")
        (spec,) = specs_of("avalanche:Replay(mem_size=200)", *sets, seeds=(seed,))
        (end,) = [row for _, row in SingleRun(spec, DATA).rows() if row["kind"] == "end"]
        ours.append(end["metrics"]["acc"])
        plain.append(plain_accuracy("Replay", {"mem_size": 200}, seed, protocol))
    assert fmean(ours) == pytest.approx(fmean(plain), abs=0.05)
    assert fmean(plain) > 0.8


# -- beside the stack -------------------------------------------------------------------------


def test_naive_is_the_stack_without_strategies_on_the_same_stream() -> None:
    whole = ("stream.tasks=5", "stream.passes=4", "stream.samples_per_task=null")
    sets, seeds = (*whole, "network.hidden=[60]"), (0, 1)
    ends, tasks = {}, {}
    for entrant in ("dense", "avalanche:Naive"):
        rows = list(run_stack(specs_of(entrant, *sets, seeds=seeds), DATA, "cpu"))
        ends[entrant] = [row for _, row in rows if row["kind"] == "end"]
        tasks[entrant] = [row for _, row in rows if row["kind"] == "task"]
    for stacked, single in zip(ends["dense"], ends["avalanche:Naive"], strict=True):
        assert stacked["stream_digest"] == single["stream_digest"]
        assert stacked["metrics"].keys() == single["metrics"].keys()
        assert single["metrics"]["taoa"] == pytest.approx(stacked["metrics"]["taoa"], abs=0.04)
        assert single["metrics"]["acc"] == pytest.approx(stacked["metrics"]["acc"], abs=0.04)
        for name in ("effective_rank", "weight_norm", "distance_from_init"):
            assert single["metrics"][name] == pytest.approx(stacked["metrics"][name], rel=0.25)
    assert tasks["dense"][0].keys() == tasks["avalanche:Naive"][0].keys()
    assert tasks["dense"][0]["alive"] == tasks["avalanche:Naive"][0]["alive"] == [60]


def test_the_same_seed_gives_the_same_rows_whatever_runs_before() -> None:
    specs = specs_of("avalanche:Replay(mem_size=20)", seeds=(0, 1))
    forward = [row for _, row in run_stack(specs, DATA, "cpu")]
    backward = [row for _, row in run_stack(specs[::-1], DATA, "cpu")]
    half = len(forward) // 2
    assert without_seconds(forward[:half]) == without_seconds(backward[half:])
    assert without_seconds(forward[half:]) == without_seconds(backward[:half])
    assert without_seconds(forward[:half]) != without_seconds(forward[half:])


def test_two_runs_that_take_turns_do_not_disturb_each_other_nor_the_process() -> None:
    entrant = "avalanche:AGEM(patterns_per_exp=20)"  # which draws from Python's own generator
    before = torch.get_rng_state(), random.getstate()
    alone = [row for _, row in run_of(entrant).rows()]
    first, second = (run_of(entrant).rows() for _ in range(2))
    together = [pair[0][1] for pair in zip(first, second, strict=True)]
    assert without_seconds(together) == without_seconds(alone)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_the_learning_rate_follows_the_schedule() -> None:
    run = run_of("avalanche:Naive", "optimizer.schedule=cosine", "optimizer.lr=0.5")
    list(run.rows())
    optimizer = cast(Any, run.trainer).strategy.optimizer
    last = run.plan.total_updates - 1
    expected = 0.25 * (1 + math.cos(math.pi * last / run.plan.total_updates))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


class Brighter(ClassIncremental):
    """Augments by a random brightness that no pixel has otherwise."""

    @property
    def augments(self) -> bool:
        return True

    def augment(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x + 100 + torch.rand(1, generator=generator)


def test_a_stream_that_augments_does_so_for_training_only() -> None:
    run = run_of("avalanche:Naive")
    trainer = cast(Any, run.trainer)
    object.__setattr__(trainer.given, "stream", Brighter(tasks=2, samples_per_task=60))
    groups = trainer._transforms(0)
    x = torch.zeros(1, 8, 8)
    shown = [groups((x, 3), group_name="train")[0].unique() for _ in range(2)]
    assert all(len(values) == 1 and 100 <= float(values) < 101 for values in shown)
    assert shown[0] != shown[1]
    assert float(groups((x, 3), group_name="eval")[0].max()) == 0


# -- names, settings, errors ------------------------------------------------------------------


def test_every_listed_strategy_has_a_class_and_the_needs_that_are_listed() -> None:
    for name, entry in TABLE.items():
        cls: Any = load_learner(name)
        assert cls.name == name
        assert cls.needs == entry.needs
        assert cls.strategy_class.__module__.startswith("avalanche.")
        assert find("learner", name).description == entry.summary
    tested = {entrant.partition("(")[0] for entrant in [*SINGLE_HEAD, *TOLD_THE_TASK]}
    assert tested == set(TABLE)


def test_settings_are_the_constructors_arguments_with_its_defaults() -> None:
    (spec,) = specs_of("avalanche:EWC(ewc_lambda=2)")
    (strategy,) = spec.entrant.strategies
    assert strategy.settings == {
        "ewc_lambda": 2.0,
        "mode": "separate",
        "decay_factor": None,
        "keep_importance_data": False,
    }
    assert spec.entrant.name == "avalanche:EWC(ewc_lambda=2.0)"
    assert specs_of("avalanche:EWC(ewc_lambda=1)", "avalanche:EWC.ewc_lambda=2") == [spec]


@pytest.mark.parametrize(
    ("entrant", "sets", "message"),
    [
        ("avalanche:EWK", "", "no strategy 'avalanche:EWK'; did you mean 'avalanche:EWC'?"),
        ("avalanche:EWC", "", "ewc_lambda has to be given"),
        ("avalanche:EWC(ewc_lamda=1)", "", "did you mean 'ewc_lambda'?"),
        ("avalanche:EWC(ewc_lambda=lots)", "", "ewc_lambda='lots' is not allowed"),
        ("avalanche:EWC(ewc_lambda=1,mode=often)", "", "Mode must be separate or online"),
        ("avalanche:SynapticIntelligence(si_lambda=a)", "", "si_lambda"),
        ("avalanche:SynapticIntelligence(si_lambda=[])", "", "si_lambda=[] is not allowed"),
        ("avalanche:SynapticIntelligence(si_lambda=1,eps=0)", "", "eps=0 is not allowed"),
        ("avalanche:EWC(ewc_lambda=-1)", "", "ewc_lambda=-1 is not allowed"),
        ("avalanche:LwF(alpha=[1,-2],temperature=1)", "", "alpha[1]=-2 is not allowed"),
        ("avalanche:LwF(alpha=1,temperature=0)", "", "temperature=0 is not allowed"),
        ("avalanche:Replay(mem_size=-5)", "", "mem_size=-5 is not allowed"),
        ("avalanche:Replay(mem_size=10000000000)", "", "mem_size=10000000000 is not allowed"),
        ("avalanche:GDumb(mem_size=0)", "", "mem_size=0 is not allowed"),
        ("avalanche:DER(batch_size_mem=-1)", "", "batch_size_mem=-1 is not allowed"),
        ("avalanche:AGEM(patterns_per_exp=0)", "", "patterns_per_exp=0 is not allowed"),
        ("avalanche:AGEM(patterns_per_exp=1,sample_size=0)", "", "sample_size=0 is not allowed"),
        ("avalanche:Naive(train_mb_size=3)", "", "cannot be given train_mb_size: it is the stream"),
        ("avalanche:Naive(plugins=x)", "", "cannot be given plugins"),
        ("dense+avalanche:Naive", "", "'avalanche:Naive' trains a network of its own"),
        ("avalanche:Naive+avalanche:Naive", "", "cannot be combined by '+'"),
        ("avalanche:Naive", "stream.real_time=flops", "the stream has real_time=flops"),
        ("avalanche:Naive", "stream.gradual_updates=2", "the stream has gradual_updates=2"),
        ("avalanche:Naive", "stream.reshuffle=false", "the stream has reshuffle=false"),
        ("avalanche:Naive", "stream.zero_head=true", "the stream has zero_head=true"),
    ],
)
def test_mistakes_are_named_before_any_training(entrant: str, sets: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        specs_of(entrant, *[sets] if sets else [])
    assert message in str(caught.value)


@pytest.mark.parametrize("entrant", TOLD_THE_TASK)
def test_who_needs_the_task_is_not_run_where_it_is_not_told(entrant: str) -> None:
    request = (parse_entrant(entrant),)
    stream = parse_stream("class-incremental-digits")
    with pytest.raises(BenchError, match="needs to be told: task id at test"):
        resolve(Suite("test", "", (stream,), request, (0,)))


@pytest.mark.parametrize(
    ("entrant", "sets", "message"),
    [
        (TOLD_THE_TASK[0], "stream.passes=1", "post_prune_epochs=1, but a task has 1 passes"),
        (TOLD_THE_TASK[0], "network.norm=layer", "no masks for network.norm=layer"),
        (TOLD_THE_TASK[1], "network.hidden=[20,10]", r"hidden=\[20, 10\]"),
        (TOLD_THE_TASK[1], "network.activation=tanh", "activation=tanh"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(entrant: str, sets: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        specs_of(entrant, sets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_y": torch.zeros(3)}, "the stream has numbers to predict"),
        ({"outputs": torch.ones(10, dtype=torch.bool)}, "the stream has a head that grows"),
    ],
)
def test_a_stream_whose_tasks_cannot_be_learnt_is_refused(
    change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = specs_of("avalanche:Naive")
    stream = ClassIncremental(tasks=2)
    task = replace(next(stream.task_sequence(stream.load(DATA), 0)), **change)

    def one_task(self: Stream, samples: Samples, seed: int, start: int = 0) -> Iterator[Task]:
        return iter([task])

    monkeypatch.setattr(ClassIncremental, "task_sequence", one_task)
    with pytest.raises(BenchError, match=message):
        check_first_task(spec, stream, stream.load(DATA))


def test_a_strategy_that_raises_is_named_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("avalanche:Naive")

    def fail(*_: object) -> None:
        raise ValueError("out of luck")

    monkeypatch.setattr(cast(Any, run.trainer).strategy, "training_epoch", fail, raising=True)
    with pytest.raises(PluginError, match=r"'avalanche:Naive' raised in task 0 .* out of luck"):
        list(run.rows())


def test_a_run_that_diverges_ends_with_its_rows() -> None:
    run = run_of("avalanche:Naive", "optimizer.name=sgd", "optimizer.lr=1e30")
    rows = [row for _, row in run.rows()]
    assert rows[-1]["status"] == "diverged"
    assert rows[-1]["reason"].startswith("the loss was not finite at update ")
    assert [row["task"] for row in rows if row["kind"] == "task"] == [0]


def test_avalanches_version_is_among_the_sources() -> None:
    own: Any = code_of(["avalanche:Naive"], "permuted-digits")
    assert own["versions"].keys() == {"avalanche-lib"}
    assert own["strategies"] == {"avalanche:Naive": source_digest(load_learner("avalanche:Naive"))}
    assert "versions" not in code_of(["dense"], "permuted-digits")


def test_it_prints_and_warns_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    list(run_of("avalanche:Replay(mem_size=20)").rows())
    assert capfd.readouterr() == ("", "")


def test_a_stack_does_not_take_it() -> None:
    with pytest.raises(BenchError, match="no strategy 'avalanche:Naive'"):
        StackedRun(specs_of("avalanche:Naive"), DATA)
