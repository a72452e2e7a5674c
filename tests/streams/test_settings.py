"""Settings that every family has: which images a task takes, how long it is, whether it returns."""

import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams.families.drift import WarmStart
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.labels import RandomLabels
from plasticity_bench.streams.families.permuted import Permuted

from .families.all_families import FAMILIES, draw, drawn, fingerprint, small

# The samples are never changed, so one copy may serve every example.
shared_samples = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
each_family = pytest.mark.parametrize("name", FAMILIES)
GROUPED = {"class-incremental", "pairs of classes", "growing"}
KEEPING = {"warm-start", "partly random labels"}

# which training images


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - GROUPED - KEEPING))
def test_first_takes_the_first_images_of_the_file(samples: Samples, name: str) -> None:
    for task in draw(name, samples, 3, subset="first"):
        assert task.train_index.tolist() == list(range(16))


def test_first_takes_the_first_images_of_a_tasks_classes(samples: Samples) -> None:
    for task in draw("class-incremental", samples, 3, subset="first"):
        classes = torch.isin(samples.train_y, task.train_y.unique())
        assert task.train_index.tolist() == classes.nonzero().squeeze(1)[:16].tolist()


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - GROUPED - KEEPING))
@shared_samples
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 63))
def test_anew_draws_images_without_replacement_for_every_task(
    samples: Samples, name: str, seed: int, length: int
) -> None:
    changed: dict[str, Any] = {
        "subset": "anew",
        "samples_per_task": length,
        "tasks": 10,
        "batch_size": 1,
    }
    tasks = draw(name, samples, seed, **changed)
    for task in tasks:
        assert len(task.train_index) == len(task.train_index.unique()) == length
    late = draw(name, samples, seed, 7, **changed)
    assert fingerprint(late) == fingerprint(tasks[7:])


def test_anew_meets_every_image_in_the_end_and_no_two_tasks_take_the_same(
    samples: Samples,
) -> None:
    tasks = draw("permuted", samples, 3, subset="anew", samples_per_task=16, tasks=40)
    assert len(torch.cat([task.train_index for task in tasks]).unique()) == len(samples.train_y)
    assert len({tuple(task.train_index.tolist()) for task in tasks}) == 40


def test_anew_keeps_labels_with_their_images(samples: Samples) -> None:
    first, second, _ = draw("permuted", samples, subset="anew")
    assert not torch.equal(first.train_index, second.train_index)
    assert torch.equal(second.train_y, samples.train_y[second.train_index])


@pytest.mark.parametrize(
    ("family", "changed", "reason"),
    [
        (ClassIncremental, {}, "those of its classes"),
        (WarmStart, {}, "keeps its old ones"),
        (RandomLabels, {"fraction": 0.5}, "images keep their labels"),
    ],
)
def test_anew_is_refused_where_images_have_to_stay(
    family: Any, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BenchError, match=f'subset="anew" .* but .*{reason}'):
        family(subset="anew", **changed)


# how long a task is


@each_family
def test_the_number_of_updates_may_be_given(samples: Samples, name: str) -> None:
    stream = small(name, updates_per_task=30, passes=5)
    assert stream.task_updates(samples) == [30] * 3
    plan = Plan(tuple(stream.task_updates(samples)), stream.passes, 4)
    assert plan.pass_starts() == list(range(0, 90, 6))


@each_family
def test_updates_that_passes_do_not_divide_are_refused(name: str) -> None:
    with pytest.raises(BenchError, match="updates_per_task is 30, which is no multiple of the 4"):
        small(name, updates_per_task=30, passes=4)


# recurrence


@each_family
@shared_samples
@given(start=st.integers(0, 8), period=st.integers(1, 3))
def test_the_first_tasks_come_back_in_the_same_order(
    samples: Samples, name: str, start: int, period: int
) -> None:
    if name == "warm-start":
        stream: Stream = WarmStart(tasks=3, shares=(0.2, 0.5, 1.0), period=period)
        once: Stream = WarmStart(tasks=3, shares=(0.2, 0.5, 1.0))
    else:
        changed = {"samples_per_task": None} if name in GROUPED else {}
        # Groups without a pattern divide the classes among the tasks that differ.
        count = {"tasks": period} if name in GROUPED else {}
        stream, once = (
            small(name, tasks=8, period=period, **changed),
            small(name, **count, **changed),
        )
    first = drawn(once, samples, 5)[:period]
    expected = [first[number % period] for number in range(stream.tasks)]
    assert fingerprint(drawn(stream, samples, 5, start)) == fingerprint(expected[start:])
    sizes = [len(task.train_index) for task in expected]
    if name not in GROUPED:  # whose sizes are those of average classes
        updates = [math.ceil(size / stream.batch_size) for size in sizes]
        assert list(stream.task_updates(samples)) == updates


def test_a_million_recurring_tasks_are_made_when_asked_for(samples: Samples) -> None:
    stream = Permuted(tasks=10**6, period=3)
    late = stream.task_sequence(samples, 0, 10**6 - 2)
    once = drawn(Permuted(tasks=3), samples)
    assert fingerprint(list(late)) == fingerprint([once[(10**6 - 2) % 3], once[(10**6 - 1) % 3]])


def test_a_period_longer_than_the_stream_changes_nothing(samples: Samples) -> None:
    assert fingerprint(draw("permuted", samples, period=9)) == fingerprint(
        draw("permuted", samples)
    )


@pytest.mark.parametrize("name", ["period", "updates_per_task"])
def test_counts_that_may_be_left_out_must_be_counts(name: str) -> None:
    told = f"{name} is 0. Set it to a whole number from 1 to 1,000,000"
    with pytest.raises(BenchError, match=told):
        small("permuted", **{name: 0})


def test_an_unknown_subset_is_refused_by_name() -> None:
    wrong: Any = "frist"
    with pytest.raises(BenchError, match="no subset 'frist'; did you mean 'first'"):
        Permuted(subset=wrong)
