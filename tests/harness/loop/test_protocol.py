"""What a protocol asks of the loop: gradual switches, heads, real time, orders, regression."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.batches import (
    Augmentation,
    SampleBank,
    TaskBatches,
    Transition,
)
from plasticity_bench.harness.engine.learner import StackedLearner
from plasticity_bench.harness.engine.network import StackedNetwork
from plasticity_bench.harness.engine.probe import replica_loss
from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.real_time import RelativeCosts
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.modules.single_learner import SingleLearner
from plasticity_bench.harness.randomness import ReplicaRandom
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec
from plasticity_bench.harness.stream import Samples, Task

from ...helpers import CPU
from .test_run import DATA, make_specs

ROWS = torch.arange(40)


def made_up_samples() -> Samples:
    """Forty pictures of 1 x 1 x 4, in which every pixel says which picture it is of."""
    x = ROWS.view(-1, 1, 1, 1).expand(-1, 1, 1, 4).to(torch.uint8).contiguous()
    y = torch.zeros(40, dtype=torch.int64)
    return Samples(x, y, x, y, 3, 1.0, (0.0,), (1.0,), "0" * 64)


def task(first: int, last: int, label: int, pixel_map: Tensor | None = None) -> Task:
    rows = ROWS[first:last]
    labels = torch.full((len(rows),), label)
    return Task(rows, labels, rows, labels, pixel_map)


def batches_of(one: Task, **how: Any) -> TaskBatches:
    order = ReplicaRandom([0], "data order", CPU)
    return TaskBatches(SampleBank(made_up_samples(), CPU), [one], 10, order, **how)


def learner_of(
    updates: int = 20,
    lr: float = 0.1,
    outputs: int = 3,
    *,
    schedule: Literal["constant", "cosine", "steps"] = "constant",
    task_updates: tuple[int, ...] | None = None,
) -> StackedLearner:
    return StackedLearner(
        network=NetworkSpec(hidden=(8,)),
        optimizer=OptimizerSpec(name="adam", lr=lr, schedule=schedule),
        learning_rates=[lr],
        strategies=(),
        seeds=[0],
        image=(1, 1, 4),
        classes=outputs,
        plan=Plan(task_updates or (updates,), 1, 10),
        device=CPU,
    )


# -- gradual switches ----------------------------------------------------------------------


def test_a_gradual_switch_mixes_less_and_less_of_the_last_task() -> None:
    last = batches_of(task(0, 20, 0))
    mixing = ReplicaRandom([0], "gradual switch", CPU)
    new = batches_of(task(20, 40, 1), transition=Transition(last, 99, mixing))
    batches = list(new.training(200, 2))
    for x, y in batches:
        assert torch.equal((x[..., 0].flatten() >= 20).long(), y.flatten()), (
            "a label left its image"
        )
    old = [float((y == 0).float().mean()) for _, y in batches]
    assert sum(old[:20]) / 20 == pytest.approx(0.9, abs=0.08)  # 1 - u / 100 on average
    assert sum(old[40:60]) / 20 == pytest.approx(0.5, abs=0.12)
    assert sum(old[:99]) / 99 == pytest.approx(0.5, abs=0.05)
    assert max(old[99:]) == 0


def test_a_sample_of_the_last_task_keeps_that_tasks_pixels() -> None:
    black, kept = torch.full((4,), -1), torch.arange(4)
    last = batches_of(task(1, 20, 0, black))
    transition = Transition(last, 50, ReplicaRandom([0], "gradual switch", CPU))
    new = batches_of(task(20, 40, 1, kept), transition=transition)
    for x, y in new.training(50, 2):
        is_old = y == 0
        assert (x.flatten(2)[is_old] == 0).all()
        assert (x.flatten(2)[~is_old] >= 20).all()


def test_the_order_of_the_new_task_is_that_of_an_abrupt_switch() -> None:
    mixing = ReplicaRandom([0], "gradual switch", CPU)
    gradual = batches_of(
        task(20, 40, 1), transition=Transition(batches_of(task(0, 20, 0)), 9, mixing)
    )
    abrupt = batches_of(task(20, 40, 1))
    for (x, y), (expected, _) in zip(gradual.training(20, 2), abrupt.training(20, 2), strict=True):
        is_new = y == 1
        assert torch.equal(x[is_new], expected[is_new])


def test_a_gradual_run_stopped_at_a_boundary_goes_on_the_same() -> None:
    specs = make_specs("dense", "0:2", "stream.gradual_updates=10")
    whole, states = StackedRun(specs, DATA), []
    rows = list(whole.rows(at_boundary=lambda: states.append(whole.state_dict())))
    rest = StackedRun(specs, DATA)
    rest.load_state_dict(states[0])
    after = [row for _, row in rest.rows() if row["kind"] == "task"]
    assert after == [row for _, row in rows if row["kind"] == "task" and row["task"] > 0]
    abrupt = [row for _, row in StackedRun(make_specs("dense", "0:2"), DATA).rows()]
    first = next(row for _, row in rows)
    assert first == abrupt[0], "the first task has no last one to come from"
    assert after[0] not in abrupt


# -- orders and augmentation ----------------------------------------------------------------------


def test_without_reshuffling_every_pass_has_the_samples_as_they_lie() -> None:
    rows = [
        x[..., 0].flatten() for x, _ in batches_of(task(0, 20, 0), reshuffle=False).training(6, 2)
    ]
    assert torch.stack(rows).view(3, 20).tolist() == [list(range(20))] * 3
    shuffled = [x[..., 0].flatten() for x, _ in batches_of(task(0, 20, 0)).training(6, 2)]
    passes = torch.stack(shuffled).view(3, 20)
    assert passes.sort(1).values.tolist() == [list(range(20))] * 3
    assert not (passes[1:] == passes[0]).all(1).any()


def test_only_training_batches_are_augmented_each_replica_by_its_own_generator() -> None:
    def add_noise(x: Tensor, generator: torch.Generator) -> Tensor:
        return x + 100 + torch.rand(x.shape, generator=generator)

    noise = Augmentation(add_noise, ReplicaRandom([0], "augmentation", CPU))
    batches = batches_of(task(0, 20, 0), augmentation=noise)
    (x, _), *_ = batches.training(2, 2)
    probe, _ = batches.draw(ReplicaRandom([0], "probes", CPU), 10)
    assert (x >= 100).all()
    assert (probe < 100).all()
    (again, _), *_ = batches_of(
        task(0, 20, 0),
        augmentation=Augmentation(add_noise, ReplicaRandom([0], "augmentation", CPU)),
    ).training(2, 2)
    assert torch.equal(again, x)


# -- heads ----------------------------------------------------------------------


def test_closed_outputs_have_no_probability_and_do_not_learn() -> None:
    learner = learner_of()
    learner.open_outputs(torch.tensor([[True, True, False]]))
    before = learner.net.head.weight.detach().clone()
    for x, _ in batches_of(task(0, 20, 1)).training(20, 2):
        learner.observe(x, torch.ones(1, 10, dtype=torch.int64))
    logits = learner.predict(torch.rand(1, 5, 1, 1, 4))
    assert (logits.softmax(2)[..., 2] == 0).all()
    assert torch.equal(learner.net.head.weight[0, 2], before[0, 2])
    assert not torch.equal(learner.net.head.weight[0, 1], before[0, 1])
    learner.open_outputs(None)
    assert (learner.predict(torch.rand(1, 5, 1, 1, 4)).softmax(2)[..., 2] > 0).all()


def test_closed_outputs_survive_saving() -> None:
    learner, other = learner_of(), learner_of()
    learner.open_outputs(torch.tensor([[True, False, False]]))
    other.load_state_dict(learner.state_dict())
    assert other.predict(torch.rand(1, 5, 1, 1, 4)).argmax(2).unique().tolist() == [0]


def test_a_head_set_to_zero_says_nothing_and_learns_on() -> None:
    learner = learner_of()
    learner.zero_head()
    assert (learner.predict(torch.rand(1, 5, 1, 1, 4)) == 0).all()
    run = StackedRun(make_specs("dense", "0", "stream.zero_head=true"), DATA)
    losses = [row["loss"] for _, row in run.rows() if row["kind"] == "task"]
    assert all(loss < torch.tensor(10.0).log() for loss in losses)


# -- real time ----------------------------------------------------------------------


class FixedCost(RelativeCosts):
    """A learner of a given cost."""

    def _cost(self, learner: StackedLearner | SingleLearner) -> float:
        return self.measured or 1.0


@pytest.mark.parametrize(
    ("cost", "learned"), [(0.5, 60), (1.0, 60), (1.5, 40), (2.0, 30), (3.0, 20)]
)
def test_who_costs_c_updates_learns_from_every_cth_batch(cost: float, learned: int) -> None:
    busy = FixedCost("clock", measured=cost)
    taken = [busy.is_free(cast(Any, SimpleNamespace())) for _ in range(60)]
    assert sum(taken) == learned
    assert taken[0]


def test_a_batch_that_goes_by_is_judged_and_changes_nothing() -> None:
    learner = learner_of()
    (x, y), *_ = batches_of(task(0, 20, 1)).training(2, 2)
    before = learner.net.copy_parameters()
    right, loss = learner.skip(x, y)
    assert all(torch.equal(before[n], p) for n, p in learner.net.named_parameters())
    expected, expected_loss = learner.observe(x, y)
    assert torch.equal(right, expected)
    assert torch.allclose(loss, expected_loss)
    assert (learner.progress.update, learner.updates) == (2, 1)


def test_counted_flops_are_those_of_the_alive_part_and_stacks_are_of_one() -> None:
    specs = make_specs("grow(compactness=0.5,events=3)", "0", "stream.real_time=flops")
    end = [row for _, row in StackedRun(specs, DATA).rows()][-1]["metrics"]
    assert 0 < end["relative_cost"] < 1
    assert end["updates"] == 60, "nobody learns less for being cheaper"


def test_the_clock_is_read_before_the_run_and_recorded() -> None:
    specs = make_specs("dense", "0", "stream.real_time=clock")
    end = [row for _, row in run_stack(specs, DATA, "cpu")][-1]["metrics"]
    assert 0.2 < end["relative_cost"] < 5
    assert end["updates"] <= 60


# -- regression ----------------------------------------------------------------------


def test_floats_are_targets_of_a_squared_error() -> None:
    outputs, targets = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[0.0, 5.0]])
    assert replica_loss(outputs, targets).tolist() == [[1.0, 4.0]]


def test_a_regression_learns_and_has_no_accuracy() -> None:
    learner = learner_of(updates=300, lr=0.01, outputs=1)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 10, 1, 1, 4, generator=generator)
    y = x.flatten(2).sum(2)
    steps = [learner.observe(x, y) for _ in range(300)]
    assert all(right.isnan().all() for right, _ in steps)
    losses = [float(loss) for _, loss in steps]
    assert losses[-1] < 0.05 * losses[0]


# -- networks, rates and what is told ----------------------------------------------


def test_every_convolution_may_have_a_kernel_of_its_own() -> None:
    spec = NetworkSpec(
        kind="convnet", channels=(32, 64, 128), kernel=(5, 3, 3), padding="none", hidden=(8,)
    )
    net = StackedNetwork(spec, (3, 32, 32), 2, ReplicaRandom([0], "initialisation", CPU))
    shapes = [tuple(layer.weight.shape[1:]) for layer in net.layers]
    # 32 -> 28 -> 14 -> 12 -> 6 -> 4 -> 2, so the first full layer reads 128 * 2 * 2.
    assert shapes == [(32, 3, 5, 5), (64, 32, 3, 3), (128, 64, 3, 3), (8, 512), (2, 8)]


def test_kernels_must_be_one_or_one_each_and_odd_where_the_size_is_kept() -> None:
    with pytest.raises(BenchError, match=r"kernel=\[5, 3\] has 2 sides, but there are 3 channels"):
        NetworkSpec(kind="convnet", channels=(1, 2, 3), kernel=(5, 3), padding="none")
    with pytest.raises(BenchError, match="is even"):
        NetworkSpec(kind="convnet", channels=(1, 2), kernel=(3, 4))


def test_the_rate_falls_within_every_task_where_the_schedule_says_steps() -> None:
    learner = learner_of(updates=20, lr=1.0, schedule="steps", task_updates=(10, 10))
    factors = []
    for update in range(20):
        learner.progress.update, learner.progress.task = update, update // 10
        factors.append(learner._learning_rate_factor())
    one_task = [1.0] * 3 + [0.2] * 3 + [0.04] * 2 + [0.008] * 2
    assert factors == pytest.approx(one_task * 2)


def test_a_stream_that_tells_no_boundary_refuses_who_needs_it() -> None:
    with pytest.raises(BenchError, match="'reset' needs to be told: task boundary"):
        make_specs("reset", "0", "stream.tell_boundary=false")
    assert make_specs("dense", "0", "stream.tell_boundary=false")


def test_a_trunk_without_padding_is_torchs_and_a_picture_that_vanishes_is_named() -> None:
    spec = NetworkSpec(kind="convnet", channels=(3, 4), kernel=5, padding="none", hidden=(6,))
    learner = StackedLearner(
        network=spec,
        optimizer=OptimizerSpec(),
        learning_rates=[0.1],
        strategies=(),
        seeds=[0],
        image=(2, 16, 16),
        classes=3,
        plan=Plan((1,), 1, 1),
        device=CPU,
    )
    x = torch.rand(1, 5, 2, 16, 16)
    h = x[0]
    *hidden, head = learner.net.layers
    for layer in hidden[:2]:
        h = torch.nn.functional.conv2d(h, layer.weight[0], layer.bias[0]).relu()
        h = torch.nn.functional.max_pool2d(h, 2)
    h = h.flatten(1)
    for layer in (hidden[2], head):
        h = torch.nn.functional.linear(h, layer.weight[0], layer.bias[0])
        h = h.relu() if layer is not head else h
    torch.testing.assert_close(learner.predict(x)[0], h)
    with pytest.raises(BenchError, match="gone after convolution 2 of 3"):
        StackedRun(
            [
                replace(
                    one,
                    entrant=replace(
                        one.entrant, network=replace(spec, channels=(3, 4, 5), kernel=3)
                    ),
                )
                for one in make_specs("dense", "0")
            ],
            Path("data"),
        )
