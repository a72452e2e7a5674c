"""Groups of classes: patterns, pairs that never repeat, names, heads, sizes."""

from dataclasses import replace
from itertools import combinations, islice
from typing import Any

import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.stream import Samples, Task
from plasticity_bench.streams.families.classes import pairs
from plasticity_bench.streams.families.incremental import ClassIncremental

from .all_families import drawn, fingerprint


def of_classes(classes: int, train: int, test: int) -> Samples:
    """Make samples of many classes, that many images of one pixel of each, out of order."""
    random = torch.Generator().manual_seed(0)
    train_y, test_y = (
        torch.arange(classes).repeat(count)[torch.randperm(classes * count, generator=random)]
        for count in (train, test)
    )
    train_x, test_x = (torch.zeros(len(y), 1, 1, 1, dtype=torch.uint8) for y in (train_y, test_y))
    return Samples(train_x, train_y, test_x, test_y, classes, 1.0, (0.0,), (1.0,), "made up")


CIFAR100 = of_classes(100, 500, 100)


def classes_of(task: Task) -> set[int]:
    return set(task.train_y.tolist())


# patterns


def test_five_plus_one_is_that_of_its_source() -> None:
    """Kumar et al. 2024: 30 tasks of 2,500 and 500 images in turn, 780 updates, hard ones count."""
    stream = ClassIncremental(
        source="cifar100",
        tasks=30,
        batch_size=32,
        classes_per_task=(5, 1),
        updates_per_task=780,
        evaluate="current",
        score_groups_of=5,
    )
    tasks = drawn(stream, CIFAR100)
    assert [len(classes_of(task)) for task in tasks] == [5, 1] * 15
    assert [len(task.train_index) for task in tasks] == [2500, 500] * 15
    assert [len(task.test_index) for task in tasks] == [500, 100] * 15
    assert [task.scored for task in tasks] == [True, False] * 15
    assert stream.task_updates(CIFAR100) == [780] * 30
    assert len(set().union(*map(classes_of, tasks))) == 90
    free = replace(stream, updates_per_task=None, passes=10)
    assert free.task_updates(CIFAR100)[:3] == [790, 160, 790]


def test_a_pattern_that_needs_more_classes_than_there_are_says_how_many_tasks_fit() -> None:
    fitting = ClassIncremental(source="cifar100", tasks=32, classes_per_task=(5, 1))
    assert len(drawn(fitting, CIFAR100)) == 32
    wrong = replace(fitting, tasks=33)
    with pytest.raises(BenchError, match=r"tasks is 33, .* 100 classes .* enough for 32 different"):
        drawn(wrong, CIFAR100)
    returning = replace(fitting, tasks=340, period=30)
    assert len(drawn(returning, CIFAR100)) == 340


# pairs


@pytest.mark.parametrize("classes", [2, 3, 6, 7, 12])
def test_pairs_are_shuffled_passes_in_which_every_two_meet_once(classes: int) -> None:
    drawn_pairs = [tuple(pair.tolist()) for pair in pairs(classes, seed=3)]
    assert sorted(tuple(sorted(pair)) for pair in drawn_pairs) == list(
        combinations(range(classes), 2)
    )
    in_pass = classes // 2
    for first in range(0, len(drawn_pairs), in_pass):
        members = [one for pair in drawn_pairs[first : first + in_pass] for one in pair]
        assert len(set(members)) == len(members) == 2 * in_pass


def test_pairs_are_drawn_evenly() -> None:
    """Over seeds every pair is first equally often, either way round."""
    firsts = [tuple(next(pairs(4, seed)).tolist()) for seed in range(1200)]
    counts = [firsts.count((a, b)) for a in range(4) for b in range(4) if a != b]
    assert len(counts) == 12
    assert max(abs(count - 100) for count in counts) < 45  # 4.7 standard deviations


def test_continual_imagenet_is_that_of_its_source() -> None:
    """Dohare et al. 2024: 2,000 binary tasks of 1,000 classes; here with fewer images of each."""
    samples = of_classes(1000, 7, 3)
    stream = ClassIncremental(
        tasks=2000,
        batch_size=1,
        passes=2,
        classes_per_task=(2,),
        repeats="pairs",
        labels="within task",
        samples_per_class=6,
        test_per_class=1,
        subset="first",
        evaluate="current",
    )
    tasks = drawn(stream, samples)
    assert stream.output_classes(samples) == 2
    assert stream.task_updates(samples) == [2 * 12] * 2000
    groups = []
    for task in tasks:
        assert task.train_y.bincount().tolist() == [6, 6]
        assert task.test_y.bincount().tolist() == [1, 1]
        zero, one = (samples.train_y[task.train_index[task.train_y == y]] for y in (0, 1))
        assert len(zero.unique()) == len(one.unique()) == 1
        assert samples.test_y[task.test_index[task.test_y == 0]].tolist() == [int(zero[0])]
        groups.append(frozenset((int(zero[0]), int(one[0]))))
    assert len(set(groups)) == 2000
    for first in range(0, 2000, 500):
        assert len(frozenset().union(*groups[first : first + 500])) == 1000


def test_more_pairs_than_there_are_are_refused(samples: Samples) -> None:
    stream = ClassIncremental(tasks=15, classes_per_task=(2,), repeats="pairs")
    assert len({frozenset(classes_of(task)) for task in drawn(stream, samples)}) == 15
    with pytest.raises(BenchError, match=r"tasks is 16, but the 6 classes .* enough for 15"):
        drawn(replace(stream, tasks=16), samples)


# names, heads and old classes


def test_within_a_task_classes_are_called_by_their_order(samples: Samples) -> None:
    own = drawn(ClassIncremental(tasks=3), samples, 4)
    stream = ClassIncremental(tasks=3, labels="within task")
    for task, named in zip(drawn(stream, samples, 4), own, strict=True):
        assert torch.equal(task.train_index, named.train_index)
        pairs_of_names = set(zip(named.train_y.tolist(), task.train_y.tolist(), strict=True))
        tested = set(zip(named.test_y.tolist(), task.test_y.tolist(), strict=True))
        assert sorted(new for _, new in pairs_of_names) == [0, 1]
        assert pairs_of_names == tested


def test_a_growing_head_has_the_outputs_of_the_classes_seen(samples: Samples) -> None:
    stream = ClassIncremental(tasks=4, classes_per_task=(2, 1), head="growing")
    seen: set[int] = set()
    for task in drawn(stream, samples):
        seen |= classes_of(task)
        assert task.outputs is not None
        assert set(task.outputs.nonzero().squeeze(1).tolist()) == seen
    assert all(task.outputs is None for task in drawn(ClassIncremental(tasks=3), samples))


def test_incremental_cifar_keeps_old_classes_and_grows_as_its_source_does() -> None:
    """Dohare et al. 2024: 5 classes more for every 200 passes, 450 images of each, batch 90."""
    stream = ClassIncremental(
        source="cifar100",
        tasks=20,
        batch_size=90,
        passes=200,
        classes_per_task=(5,),
        samples_per_class=450,
        keep_old=True,
        head="growing",
    )
    assert stream.task_updates(CIFAR100) == [200 * 25 * (number + 1) for number in range(20)]
    seen: set[int] = set()
    for number, task in enumerate(islice(stream.task_sequence(CIFAR100, 0), 4)):
        assert len(task.train_index) == 450 * 5 * (number + 1)
        assert task.train_y.bincount().max() == 450
        assert len(set(task.test_y.tolist()) - seen) == 5  # what is tested is new
        assert set(task.test_y.tolist()).isdisjoint(seen)
        seen |= set(task.test_y.tolist())
        assert classes_of(task) == seen
    equal = replace(stream, updates_per_task=1000, passes=200)
    assert equal.task_updates(CIFAR100) == [1000] * 20


def test_images_of_a_class_are_drawn_by_seed_and_stay(samples: Samples) -> None:
    stream = ClassIncremental(
        tasks=15, classes_per_task=(2,), repeats="pairs", samples_per_class=5, test_per_class=2
    )
    rows: dict[int, set[int]] = {}
    for task in drawn(stream, samples, 1):
        for one in classes_of(task):
            mine = set(task.train_index[task.train_y == one].tolist())
            assert len(mine) == 5
            assert rows.setdefault(one, mine) == mine
        assert len(task.test_index) == 4
    other = drawn(stream, samples, 2)
    assert {row for mine in rows.values() for row in mine} != {
        row for task in other for row in task.train_index.tolist()
    }
    first = drawn(replace(stream, subset="first"), samples)
    for task in first:
        for one in classes_of(task):
            expected = (samples.train_y == one).nonzero().squeeze(1)[:5]
            assert torch.equal(task.train_index[task.train_y == one], expected)


def test_all_images_of_a_class_may_be_asked_for_by_number(samples: Samples) -> None:
    even = of_classes(6, 9, 4)
    asked = drawn(ClassIncremental(tasks=3, samples_per_class=9, test_per_class=4), even)
    assert fingerprint(asked) == fingerprint(drawn(ClassIncremental(tasks=3), even))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"samples_per_class": 9}, "samples_per_class is 9, but a class of 'digits' has 8 train"),
        ({"test_per_class": 5}, "test_per_class is 5, but a class of 'digits' has 4 test samples"),
        ({"tasks": 6, "period": 4}, "period is 4, which does not divide the 6 classes"),
        ({"augmentation": "flip-crop-rotate"}, r"are \(3, 4\) pixels, too small for crops"),
    ],
)
def test_what_does_not_fit_the_samples_is_refused(
    samples: Samples, changed: dict[str, Any], text: str
) -> None:
    with pytest.raises(BenchError, match=text):
        drawn(ClassIncremental(**{"tasks": 3, **changed}), samples)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"samples_per_class": 3, "samples_per_task": 3}, "both given"),
        ({"repeats": "pairs"}, r"classes_per_task=\[\]. Set classes_per_task=\[2\]"),
        ({"repeats": "pairs", "classes_per_task": (2,), "keep_old": True}, "keep_old=true is for"),
        ({"labels": "within task", "keep_old": True}, "several classes one name"),
        ({"labels": "within task", "head": "growing"}, "the head cannot grow"),
        ({"score_groups_of": 5}, r"score_groups_of is 5, but classes_per_task is \[\]"),
        ({"classes_per_task": (2, 0)}, "a size in classes_per_task is 0"),
        ({"head": "wide"}, "no head 'wide'"),
        ({"test_per_class": 0}, "test_per_class is 0"),
    ],
)
def test_combinations_that_cannot_work_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(BenchError, match=text):
        ClassIncremental(**changed)
