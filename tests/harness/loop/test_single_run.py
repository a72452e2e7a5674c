import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plasticity_bench import BenchError, Samples, Task, TorchLearner
from plasticity_bench.harness.engine.learner import Learner, StackedLearner
from plasticity_bench.harness.engine.strategy import PluginError
from plasticity_bench.harness.execution.jobs import prepare, stacks
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.single_run import SingleRun
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.modules.build import torch_network, torch_optimizer
from plasticity_bench.harness.plugins import registry as plugins
from plasticity_bench.harness.plugins.registry import load_learner
from plasticity_bench.harness.randomness import OwnRandom
from plasticity_bench.harness.stream import Evaluate
from plasticity_bench.streams import catalogue
from plasticity_bench.streams.families.permuted import Permuted
from tests.harness.loop.test_run import DATA, make_specs, without_seconds
from tests.helpers import CPU
from tests.readme_files import OF_FOLDERS, block


@dataclass(kw_only=True)
class Plain(TorchLearner):
    """The stack's own network and optimiser, as one writes them in PyTorch."""

    lr: float = 0.003
    """Learning rate, above 0."""
    answers: bool = True
    """Whether `observe` returns the logits."""

    def build(self, image: tuple[int, int, int], classes: int, seed: int) -> None:
        spec = make_specs("dense", "0")[0].entrant
        self.model = torch_network(spec.network, image, classes, seed)
        self.optimizer = torch_optimizer(spec.optimizer, self.model.parameters())
        self.optimizer.param_groups[0]["lr"] = self.lr
        self.told: list[str] = []

    def begin_task(self, task: int) -> None:
        self.told.append(f"begin {task}")

    def observe(self, x: Tensor, y: Tensor) -> Tensor | None:
        logits: Tensor = self.model(x)
        self.optimizer.zero_grad()
        loss = functional.mse_loss if y.is_floating_point() else functional.cross_entropy
        loss(logits.squeeze(1) if y.is_floating_point() else logits, y).backward()
        self.optimizer.step()
        return logits if self.answers else None

    def predict(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits

    def end_task(self, task: int) -> None:
        self.told.append(f"end {task}")


@dataclass(kw_only=True)
class Noisy(Plain):
    """Draws from every global generator, and has dropout."""

    def build(self, image: tuple[int, int, int], classes: int, seed: int) -> None:
        super().build(image, classes, seed)
        layers = list(self.model)
        self.model = nn.Sequential(*layers[:3], nn.Dropout(0.5), *layers[3:])

    def observe(self, x: Tensor, y: Tensor) -> Tensor | None:
        scale = torch.rand(()) + random.random() + float(np.random.rand())
        return super().observe(x * scale, y)


@dataclass(kw_only=True)
class Hidden(Plain):
    """Shows nothing of its inside."""

    def module(self) -> nn.Module | None:
        return None


@dataclass(kw_only=True)
class Wrong(Plain):
    """Does one thing wrong."""

    how: str = "raises"

    def observe(self, x: Tensor, y: Tensor) -> Tensor | None:
        logits = super().observe(x, y)
        if self.how == "raises":
            raise ZeroDivisionError("no luck")
        if self.how == "wavers":
            self.how = "fell silent"
            return logits
        return None if self.how == "fell silent" else torch.zeros(3)


@dataclass(kw_only=True)
class Dear(Plain):
    """Costs three updates."""

    cost_factor = 3.0


@dataclass(kw_only=True)
class Asking(Plain):
    """Must be told the task."""

    needs = frozenset({"task id at test"})


@dataclass(frozen=True, kw_only=True)
class Counted(Permuted):
    """Asks for the digit as a number."""

    evaluate: Evaluate = "none"

    def output_classes(self, samples: Samples) -> int:
        return 1

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        for task in super().draw(samples, seed, start):
            yield replace(task, train_y=task.train_y / 10.0, test_y=task.test_y / 10.0)


LEARNERS = {cls.__name__.lower(): cls for cls in (Plain, Noisy, Hidden, Wrong, Dear, Asking)}


@pytest.fixture(autouse=True)
def _offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer the learners as an installed package does, by entry points."""
    points = [
        EntryPoint(name, f"{__name__}:{cls.__name__}", "plasticity_bench.learners")
        for name, cls in LEARNERS.items()
    ]

    def found(*, group: str) -> EntryPoints:
        added = points if group == "plasticity_bench.learners" else []
        return EntryPoints([*entry_points(group=group), *added])

    monkeypatch.setattr(plugins, "entry_points", found)
    known = catalogue.built_in()
    counted = replace(
        known["permuted-digits"], family=f"{__name__}:Counted", settings={}, network={}
    )
    monkeypatch.setattr(catalogue, "built_in", lambda: {**known, "counted-digits": counted})


def rows_of(entrant: str, *sets: str, seeds: str = "0", **stream: str) -> list[dict[str, Any]]:
    return [row for _, row in run_stack(make_specs(entrant, seeds, *sets, **stream), DATA, "cpu")]


# -- beside the stack ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "sets"),
    [
        ("permuted-digits", ()),
        ("permuted-digits", ("stream.gradual_updates=8", "stream.evaluate=seen")),
        ("permuted-digits", ("stream.reshuffle=false", "stream.passes=3")),
        ("class-incremental-digits", ("stream.tasks=5", "stream.samples_per_task=100")),
        ("shifting-labels-digits", ("stream.checkpoints_per_task=3",)),
        ("counted-digits", ()),
    ],
)
def test_the_same_network_in_plain_pytorch_gives_the_rows_of_the_stack(
    stream: str, sets: tuple[str, ...]
) -> None:
    """The same batches, measurements and definitions: to float tolerance, row by row."""
    stacked = rows_of("dense", *sets, stream=stream)
    single = rows_of("plain", *sets, stream=stream)
    assert [row["kind"] for row in single] == [row["kind"] for row in stacked]
    for row, other in zip(single, stacked, strict=True):
        assert row.keys() == other.keys()
        for key in row.keys() - {"metrics"}:
            assert close(row[key], other[key]), (row["kind"], key)
    end, other_end = single[-1]["metrics"], stacked[-1]["metrics"]
    assert end.keys() == other_end.keys()
    different = {"seconds", "flops", "alive_unit_steps", "reinitialised_weights"}
    assert all(close(end[key], other_end[key]) for key in end.keys() - different)
    assert end["flops"] is None


def close(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return bool(one == pytest.approx(other, rel=0.02, abs=0.02, nan_ok=True))
    return bool(one == other)


def test_without_an_answer_the_harness_predicts_before_every_update() -> None:
    answering, silent = rows_of("plain"), rows_of("plain(answers=false)")
    assert without_seconds(answering) == without_seconds(silent)


def test_measuring_changes_nothing() -> None:
    (spec,) = make_specs("noisy", "0", "stream.checkpoints_per_task=3")
    runs = [SingleRun(spec, DATA, measured=measured) for measured in (True, False)]
    rows = [[row for _, row in run.rows()] for run in runs]
    assert {row["kind"] for row in rows[0]} == {"task", "checkpoint", "health", "weights", "end"}
    assert {row["kind"] for row in rows[1]} == {"task", "end"}
    online = [[row["online_accuracy"] for row in part if row["kind"] == "task"] for part in rows]
    assert online[0] == online[1]
    models: list[Any] = [run.learner for run in runs]
    states = [learner.model.state_dict() for learner in models]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_learner_is_told_of_tasks_and_each_run_has_its_own() -> None:
    run = SingleRun(make_specs("plain", "3")[0], DATA)
    list(run.rows())
    assert isinstance(run.learner, Plain)
    assert run.learner.told == [f"{what} {task}" for task in range(3) for what in ("begin", "end")]
    learner: Learner = run.learner
    stacked: Learner = StackedRun(make_specs("dense", "3"), DATA).learner
    assert isinstance(stacked, StackedLearner)
    assert learner.predict(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_learner_that_shows_nothing_is_measured_from_outside() -> None:
    rows = rows_of("hidden")
    assert {row["kind"] for row in rows} == {"task", "checkpoint", "end"}
    assert [row["alive"] for row in rows if row["kind"] == "task"] == [[]] * 3
    assert rows[-1]["metrics"]["effective_rank"] is None
    assert rows[-1]["metrics"]["task_end_accuracy"] > 0.1


def test_the_learner_in_the_readme_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    code = block(OF_FOLDERS["harness"], "python", "(TorchLearner)")
    named: dict[str, Any] = dict(globals())
    exec(code, named)
    monkeypatch.setitem(globals(), "Plain", named["Plain"])
    rows = rows_of("plain", "stream.passes=5")
    assert rows[-1]["metrics"]["task_end_accuracy"] > 0.6


# -- randomness ---------------------------------------------------------------------


def test_the_same_seed_gives_the_same_rows_and_the_process_is_left_alone() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    first, second = (rows_of("noisy") for _ in range(2))
    assert without_seconds(first) == without_seconds(second)
    assert without_seconds(rows_of("noisy", seeds="1")) != without_seconds(second)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # type: ignore[index]


def test_own_generators_go_on_where_they_were() -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(())), random.random(), float(np.random.rand())

    whole, parts = OwnRandom(1, "test", CPU), OwnRandom(1, "test", CPU)
    with whole.active():
        expected = [draw(), draw()]
    drawn = []
    for _ in range(2):
        with parts.active():
            drawn.append(draw())
        random.seed(7)
    assert drawn == expected
    with OwnRandom(2, "test", CPU).active():
        assert draw() != expected[0]


# -- where the stream does not wait -------------------------------------------------


def test_who_costs_three_updates_learns_from_every_third_batch() -> None:
    rows = rows_of("dear", "stream.real_time=flops")
    tasks = [row for row in rows if row["kind"] == "task"]
    assert [row["updates"] for row in tasks] == [20] * 3
    metrics = rows[-1]["metrics"]
    assert metrics["updates"] == 20
    assert metrics["samples"] == 320
    assert metrics["relative_cost"] == 3
    waiting = rows_of("dear")[-1]["metrics"]
    assert waiting["updates"] == 60
    assert waiting["relative_cost"] is None


def test_by_the_clock_its_cost_is_measured_beside_a_plain_learner() -> None:
    rows = rows_of("plain", "stream.real_time=clock")
    assert 0.05 < rows[-1]["metrics"]["relative_cost"] < 20
    assert math.isfinite(rows[-1]["metrics"]["taoa"])


# -- names, settings, errors --------------------------------------------------------


@pytest.mark.parametrize(
    ("entrant", "sets", "message"),
    [
        ("plian", "", "no strategy 'plian'; did you mean 'plain'?"),
        ("plain(rate=1)", "", "no setting of learner plain named 'rate'"),
        ("plain(lr=fast)", "", "lr='fast' is not allowed"),
        ("plain+reset", "", "it cannot be combined by '+' with reset"),
        ("asking", "", "needs to be told: task id at test"),
        ("plain", "stream.zero_head=true", "learner 'plain' on stream 'permuted-digits': the str"),
    ],
)
def test_mistakes_are_named_before_any_training(entrant: str, sets: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        make_specs(entrant, "0", *[sets] if sets else [])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "'wrong' raised in observe after 0 updates: ZeroDivisionError: no luck"),
        ("misshapes", r"'wrong' returned \(3,\) from observe; expected logits of shape \(16, 10\)"),
        ("wavers", "'wrong' returned None from observe after it had returned logits"),
    ],
)
def test_a_learner_that_goes_wrong_is_named_with_the_cause(how: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        rows_of(f"wrong(how={how})")


def test_what_is_no_learner_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "Plain", Path)
    with pytest.raises(BenchError, match=r"the learner 'plain' of .* is not one"):
        load_learner("plain")


def test_a_name_that_is_a_strategys_is_claimed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("dense", f"{__name__}:Plain", "plasticity_bench.learners")
    monkeypatch.setattr(
        plugins, "entry_points", lambda *, group: [point] if group == point.group else []
    )
    with pytest.raises(BenchError, match="'dense' is claimed twice"):
        make_specs("dense", "0")


def test_learners_are_stacked_one_by_one_and_their_source_is_in_the_fingerprint() -> None:
    runs = [*make_specs("plain", "0:3"), *make_specs("dense", "0:3")]
    jobs = prepare(runs, DATA)
    sizes = [(s.jobs[0].run.entrant.name, len(s.jobs)) for s in stacks(jobs)]
    assert sorted(sizes) == [("dense", 3), ("plain", 1), ("plain", 1), ("plain", 1)]
    digests = {job.run.entrant.name: job.sources["strategies"] for job in jobs}
    assert digests["plain"].keys() == {"plain"}
    assert len(digests["plain"]["plain"]) == 64


def test_several_seeds_at_once_are_reported_as_one_run() -> None:
    reports: list[tuple[int, int]] = []
    specs = make_specs("plain", "0:2")
    rows = list(run_stack(specs, DATA, "cpu", lambda done, total: reports.append((done, total))))
    assert [replica for replica, row in rows if row["kind"] == "end"] == [0, 1]
    assert {total for _, total in reports} == {120}
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1] == (120, 120)


def test_a_run_that_diverges_ends_with_its_rows() -> None:
    rows = rows_of("plain(lr=1e30)")
    assert rows[-1]["status"] == "diverged"
    assert rows[-1]["reason"].startswith("the loss was not finite at update ")
    assert [row["kind"] for row in rows].count("task") == 1
