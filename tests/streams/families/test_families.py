from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.stream import Samples
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.labels import RandomLabels
from plasticity_bench.streams.families.stationary import Stationary

from .all_families import FAMILIES, draw, fingerprint, given_to, small

SEEDS = st.integers(0, 2**32 - 1)
each_family = pytest.mark.parametrize("name", FAMILIES)
MEMORISED = {"random-labels", "partly random labels"}
GROUPED = {"class-incremental", "pairs of classes", "growing"}
# The samples are never changed, so one copy may serve every example.
shared_samples = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# laws of every family


@each_family
@shared_samples
@given(seed=SEEDS, start=st.integers(0, 3), chosen=st.sampled_from([None, 1, 10]))
def test_starting_late_equals_skipping_tasks(
    samples: Samples, name: str, seed: int, start: int, chosen: int | None
) -> None:
    whole = draw(name, samples, seed, samples_per_task=chosen, batch_size=1)
    late = draw(name, samples, seed, start, samples_per_task=chosen, batch_size=1)
    assert len(whole) == 3
    assert len(late) == 3 - start
    assert fingerprint(late) == fingerprint(whole[start:])


@each_family
@shared_samples
@given(seed=SEEDS)
def test_rows_labels_and_types_are_in_order(samples: Samples, name: str, seed: int) -> None:
    sizes = [5, 8, 16] if name == "warm-start" else [16] * 3
    for task, size in zip(draw(name, samples, seed), sizes, strict=True):
        assert len(task.train_index) == size
        for index, labels, rows in [
            (task.train_index, task.train_y, 63),
            (task.test_index, task.test_y, 63 if name in MEMORISED else 24),
        ]:
            assert index.dtype == labels.dtype == torch.int64
            assert index.shape == labels.shape
            assert len(set(index.tolist())) == len(index)  # no row twice
            assert 0 <= index.min() <= index.max() < rows
            assert 0 <= labels.min() <= labels.max() < samples.classes


@each_family
def test_a_stream_depends_on_the_seed_and_on_nothing_else(samples: Samples, name: str) -> None:
    before = torch.get_rng_state()
    first = fingerprint(draw(name, samples, 5))
    torch.manual_seed(99)
    assert fingerprint(draw(name, samples, 5)) == first
    assert fingerprint(draw(name, samples, 6)) != first
    torch.set_rng_state(before)
    draw(name, samples, 7)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("permuted", "30c09379866fae38"),
        ("shifting-labels", "69b9cf6410af8e44"),
        ("random-labels", "12ed3c564a063c53"),
        ("class-incremental", "672ce65e78b4d327"),
        ("stationary", "5a1b9494cf6ea3a5"),
        ("rotated", "2d065abe23cafad0"),
        ("noisy-labels", "2cc4c2aec01f11e5"),
        ("warm-start", "f5c4055c84d973af"),
        ("composed", "0300e5754145b813"),
        ("partly permuted", "62f8e0267e0180c5"),
        ("cumulatively permuted", "d5564a36c1b3e598"),
        ("partly random labels", "b4a857317eeccf29"),
        ("pairs of classes", "22e92084d4ba970c"),
        ("growing", "55ecc01e0732ad29"),
    ],
)
def test_what_a_seed_draws_never_changes(samples: Samples, name: str, expected: str) -> None:
    assert fingerprint(draw(name, samples, 11)) == expected


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - GROUPED - {"warm-start"}))
def test_tasks_share_their_rows_however_many_there_are(samples: Samples, name: str) -> None:
    stream = small(name, tasks=10**6)
    first, second = islice(stream.task_sequence(given_to(stream, samples), 0), 2)
    assert first.train_index is second.train_index
    assert first.test_index is second.test_index


@each_family
def test_all_samples_are_taken_when_no_number_is_given(samples: Samples, name: str) -> None:
    tasks = draw(name, samples, samples_per_task=None)
    rows = {row for task in tasks for row in task.train_index.tolist()}
    assert rows == set(range(63))


@each_family
def test_the_number_of_updates_follows_the_nominal_size(samples: Samples, name: str) -> None:
    stream = small(name, samples_per_task=14, passes=3)
    assert stream.nominal_samples(samples) == 14
    assert stream.updates_per_pass(samples) == 4
    assert stream.task_updates(samples) == ([3, 6, 12] if name == "warm-start" else [12] * 3)
    assert stream.output_classes(samples) == (2 if name == "pairs of classes" else 6)


# settings


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"tasks": 0}, "tasks is 0. Set it to a whole number from 1 to 1,000,000"),
        ({"passes": -1}, "passes is -1"),
        ({"batch_size": 2.5}, r"batch_size is 2\.5"),
        ({"batch_size": True}, "batch_size is True"),
        ({"checkpoints_per_task": "3"}, "checkpoints_per_task is '3'"),
        ({"samples_per_task": 0}, "samples_per_task is 0"),
        ({"evaluate": "sen"}, "no way to evaluate 'sen'; did you mean 'seen'"),
        ({"source": "mnits"}, "no source 'mnits'; did you mean 'mnist'"),
        ({"folder": "pictures"}, "folder is for the source image-folder, not for 'digits'"),
    ],
)
@each_family
def test_a_setting_that_cannot_work_is_refused_at_once(
    name: str, changed: dict[str, Any], text: str
) -> None:
    with pytest.raises(BenchError, match=text):
        small(name, **changed)


@each_family
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(samples: Samples, name: str, seed: int) -> None:
    with pytest.raises(BenchError, match=f"the seed {seed} is not in 0"):
        draw(name, samples, seed)


@each_family
def test_more_samples_than_there_are_is_refused_before_the_first_task(
    samples: Samples, name: str
) -> None:
    stream = small(name, samples_per_task=64)
    with pytest.raises(BenchError, match="samples_per_task is 64, but a task of this stream"):
        stream.task_sequence(given_to(stream, samples), 0)


@each_family
def test_more_checkpoints_than_updates_are_refused(samples: Samples, name: str) -> None:
    with pytest.raises(BenchError, match=r"checkpoints_per_task is 5, but a task has only [24] up"):
        draw(name, samples, checkpoints_per_task=5)


# permuted


@shared_samples
@given(seed=SEEDS)
def test_permuted_shows_the_same_images_with_new_bijections(samples: Samples, seed: int) -> None:
    first, *others = draw("permuted", samples, seed)
    assert torch.equal(first.train_y, samples.train_y[first.train_index])
    assert torch.equal(first.test_y, samples.test_y)
    for task in (first, *others):
        assert task.pixel_map is not None
        assert task.pixel_map.sort().values.tolist() == list(range(24))
        assert torch.equal(task.train_index, first.train_index)
    assert len({tuple(p.tolist()) for t in (first, *others) if (p := t.pixel_map) is not None}) == 3


# labels


@shared_samples
@given(seed=SEEDS)
def test_shifting_labels_rename_train_and_test_alike_and_one_to_one(
    samples: Samples, seed: int
) -> None:
    for task in draw("shifting-labels", samples, seed):
        old = torch.cat([samples.train_y[task.train_index], samples.test_y[task.test_index]])
        new = torch.cat([task.train_y, task.test_y])
        pairs = set(zip(old.tolist(), new.tolist(), strict=True))
        assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs}) == 6


def test_shifting_labels_change_from_task_to_task(samples: Samples) -> None:
    tasks = draw("shifting-labels", samples, tasks=20)
    assert len({tuple(task.test_y.tolist()) for task in tasks}) > 15


def test_random_labels_are_evaluated_on_what_was_to_be_memorised(samples: Samples) -> None:
    for task in draw("random-labels", samples):
        assert torch.equal(task.test_index, task.train_index)
        assert torch.equal(task.test_y, task.train_y)


def test_random_labels_load_puts_the_training_images_in_place_of_the_test_images(
    tmp_path: Path,
) -> None:
    loaded = RandomLabels().load(tmp_path)
    assert loaded.test_x is loaded.train_x
    assert loaded.test_y is loaded.train_y


def test_random_labels_refuse_samples_that_were_not_loaded_by_them(samples: Samples) -> None:
    with pytest.raises(BenchError, match=r"own load\(\)"):
        small("random-labels").task_sequence(samples, 0)


def test_random_labels_are_uniform_and_independent_of_the_true_ones(samples: Samples) -> None:
    tasks = draw("random-labels", samples, tasks=2000, samples_per_task=63)
    labels = torch.stack([task.train_y for task in tasks])
    counts = labels.flatten().bincount(minlength=6)
    expected = labels.numel() / 6
    assert (counts - expected).abs().max() < 5 * expected**0.5
    hits = (labels == samples.train_y).double().mean()
    assert abs(hits.item() - 1 / 6) < 0.006  # 5.7 standard deviations


def test_random_labels_take_1200_images_unless_told_otherwise(tmp_path: Path) -> None:
    stream = RandomLabels()
    task = next(stream.task_sequence(stream.load(tmp_path), 0))
    assert len(task.train_index) == 1200


# class-incremental


@shared_samples
@given(seed=SEEDS, tasks=st.sampled_from([1, 2, 3, 6]))
def test_classes_come_in_disjoint_equal_groups_with_their_own_labels(
    samples: Samples, seed: int, tasks: int
) -> None:
    drawn = draw("class-incremental", samples, seed, tasks=tasks, samples_per_task=None)
    groups = [set(task.train_y.tolist()) for task in drawn]
    assert [len(group) for group in groups] == [6 // tasks] * tasks
    assert set().union(*groups) == set(range(6))
    for task, group in zip(drawn, groups, strict=True):
        assert set(task.test_y.tolist()) == group
        assert torch.equal(task.train_y, samples.train_y[task.train_index])
        assert torch.equal(task.test_y, samples.test_y[task.test_index])
        assert len(task.test_y) == 4 * len(group)


def test_class_incremental_is_evaluated_on_all_tasks_seen() -> None:
    assert ClassIncremental().evaluate == "seen"


def test_tasks_that_do_not_divide_the_classes_are_refused(samples: Samples) -> None:
    with pytest.raises(BenchError, match=r"tasks is 4, .* 6 classes .* one of 1, 2, 3, 6"):
        draw("class-incremental", samples, tasks=4)


def test_the_nominal_size_of_a_group_is_the_average_one(samples: Samples) -> None:
    stream = small("class-incremental", samples_per_task=None)
    assert stream.nominal_samples(samples) == 21


def test_more_samples_than_the_smallest_possible_group_has_are_refused(samples: Samples) -> None:
    assert len(draw("class-incremental", samples, samples_per_task=17)) == 3
    with pytest.raises(BenchError, match="has 17"):
        draw("class-incremental", samples, samples_per_task=18)


def test_classes_without_test_samples_are_refused(samples: Samples) -> None:
    lacking = replace(samples, test_y=torch.zeros_like(samples.test_y))
    with pytest.raises(BenchError, match="classes without test samples"):
        draw("class-incremental", lacking)


# stationary


def test_stationary_tasks_are_all_the_same(samples: Samples) -> None:
    first, second, _ = draw("stationary", samples)
    assert first is second
    assert first.pixel_map is None
    assert torch.equal(first.train_y, samples.train_y[first.train_index])


def test_stationary_has_one_task_unless_told_otherwise() -> None:
    assert Stationary().tasks == 1
