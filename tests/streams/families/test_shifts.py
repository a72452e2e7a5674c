"""What each shift does to a task, against slow references; how shifts are put together."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.stream import Samples, Task
from plasticity_bench.streams.families.composed import SHIFTS, Composed
from plasticity_bench.streams.families.drift import NoisyLabels, Rotated, WarmStart, rotation
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.labels import RandomLabels, ShiftingLabels
from plasticity_bench.streams.families.permuted import Permuted

from .all_families import drawn, fingerprint

SEEDS = st.integers(0, 2**32 - 1)
shared_samples = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def map_of(task: Task) -> Tensor:
    assert task.pixel_map is not None
    return task.pixel_map


# permutations


@shared_samples
@given(seed=SEEDS, share=st.floats(0, 1))
def test_only_a_share_of_the_places_takes_part(samples: Samples, seed: int, share: float) -> None:
    for task in drawn(Permuted(tasks=4, share=share), samples, seed):
        assert map_of(task).sort().values.tolist() == list(range(24))
        assert (map_of(task) != torch.arange(24)).sum() <= round(24 * share)


def test_the_share_is_kept_up_to_chance_and_the_places_change(samples: Samples) -> None:
    tasks = drawn(Permuted(tasks=200, share=0.5), samples)
    changed = torch.stack([map_of(task) != torch.arange(24) for task in tasks])
    # A random permutation of 12 places leaves 1 of them on average.
    assert changed.sum(1).double().mean() == pytest.approx(11, abs=0.3)
    assert changed.double().mean(0).min() > 0.3
    assert changed.double().mean(0).max() < 0.62


def test_no_share_leaves_the_images_alone(samples: Samples) -> None:
    for task in drawn(Permuted(tasks=2, share=0.0), samples):
        assert map_of(task).tolist() == list(range(24))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_whole_pixels_move_with_all_their_channels(samples: Samples, share: float) -> None:
    for task in drawn(Permuted(tasks=5, move="places", share=share), samples):
        first, second = map_of(task).view(2, 12)
        assert torch.equal(second, first + 12)
        assert first.sort().values.tolist() == list(range(12))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_cumulative_permutation_permutes_what_the_task_before_showed(
    samples: Samples, share: float
) -> None:
    single = drawn(Permuted(tasks=4, share=share), samples, 3)
    images = samples.train_x.flatten(1)
    for task, step in zip(
        drawn(Permuted(tasks=4, share=share, cumulative=True), samples, 3), single, strict=True
    ):
        images = images[:, map_of(step)]
        assert torch.equal(samples.train_x.flatten(1)[:, map_of(task)], images)


# rotation


def test_quarter_turns_are_those_of_torch() -> None:
    image = torch.randint(0, 256, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    for turns, angle in enumerate([0.0, 90.0, 180.0, 270.0]):
        shown = image.flatten()[rotation(image.shape, angle)].view(image.shape)
        assert torch.equal(shown, torch.rot90(image, turns, (1, 2)))


def test_corners_turned_in_from_outside_are_black_in_every_channel() -> None:
    pixels = rotation(torch.Size((2, 9, 9)), 45).view(2, 9, 9)
    assert (pixels[:, [0, 0, 8, 8], [0, 8, 0, 8]] == -1).all()
    assert pixels[:, 4, 4].tolist() == [40, 81 + 40]
    kept = pixels[0] >= 0
    assert torch.equal(pixels[1][kept], pixels[0][kept] + 81)


# labels


def test_the_first_task_may_show_the_images_as_they_are(samples: Samples) -> None:
    shown = drawn(Permuted(tasks=3, first_as_is=True), samples, 5)
    permuted = drawn(Permuted(tasks=2), samples, 5)
    assert map_of(shown[0]).tolist() == list(range(24))
    assert [map_of(t).tolist() for t in shown[1:]] == [map_of(t).tolist() for t in permuted]


def test_shuffled_labels_are_those_of_the_images_among_them(samples: Samples) -> None:
    stream = RandomLabels(tasks=3, samples_per_task=40, draw_labels="shuffled")
    first, second, third = drawn(stream, samples, 5)
    true = samples.train_y[first.train_index]
    for task in (first, second, third):
        assert task.train_y.sort().values.tolist() == true.sort().values.tolist()
        assert torch.equal(task.test_y, task.train_y)
    assert not torch.equal(first.train_y, second.train_y)
    assert not torch.equal(first.train_y, true)
    assert fingerprint([third]) == fingerprint(drawn(stream, samples, 5, start=2))


def test_shuffled_labels_cannot_be_shuffled_in_part() -> None:
    with pytest.raises(BenchError, match=r'draw_labels="shuffled" exchanges .* fraction is 0\.5'):
        RandomLabels(fraction=0.5, draw_labels="shuffled")


def test_a_fraction_of_the_random_labels_is_drawn_anew(samples: Samples) -> None:
    stream = RandomLabels(tasks=300, samples_per_task=60, fraction=0.25)
    labels = torch.stack([task.train_y for task in drawn(stream, samples)])
    changed = (labels[1:] != labels[:-1]).sum(1)
    assert changed.max() <= 15
    assert changed.double().mean() == pytest.approx(15 * 5 / 6, abs=0.4)  # a sixth stays by chance
    assert (labels.flatten().bincount(minlength=6) / labels.numel() - 1 / 6).abs().max() < 0.02
    touched = (labels[1:] != labels[:-1]).double().mean(0)
    assert touched.min() > 0.1  # no image is left out


def test_the_first_random_labels_do_not_depend_on_the_fraction(samples: Samples) -> None:
    whole, part = (
        drawn(RandomLabels(tasks=2, samples_per_task=60, fraction=fraction), samples)
        for fraction in (1.0, 0.5)
    )
    assert torch.equal(whole[0].train_y, part[0].train_y)
    assert not torch.equal(whole[1].train_y, part[1].train_y)


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_exactly_a_share_of_the_training_labels_is_wrong(samples: Samples, rate: float) -> None:
    tasks = drawn(NoisyLabels(tasks=200, rate=rate), samples)
    is_wrong = torch.stack([task.train_y != samples.train_y for task in tasks])
    assert is_wrong.sum(1).unique().tolist() == [round(63 * rate)]
    for task in tasks:
        assert torch.equal(task.test_y, samples.test_y)
        assert torch.equal(task.train_index, torch.arange(63))
    if rate == 0.2:
        assert is_wrong.double().mean(0).min() > 0.08  # every image has its turn
        said = torch.stack([task.train_y for task in tasks])[is_wrong]
        true = samples.train_y.expand(200, -1)[is_wrong]
        steps = ((said - true) % 6).bincount(minlength=6)
        assert steps[0] == 0
        assert (steps[1:] / len(said) - 0.2).abs().max() < 0.04  # uniform over the others


def test_a_single_class_cannot_be_mislabelled(samples: Samples) -> None:
    zeros, one = torch.zeros_like(samples.train_y), torch.zeros_like(samples.test_y)
    single = replace(samples, train_y=zeros, test_y=one, classes=1)
    with pytest.raises(BenchError, match="has a single class, so no label can be wrong"):
        NoisyLabels().task_sequence(single, 0)


# warm start


@shared_samples
@given(seed=SEEDS)
def test_a_warm_start_grows_to_the_whole_set(samples: Samples, seed: int) -> None:
    tasks = drawn(WarmStart(tasks=3, shares=(0.1, 0.5, 1.0)), samples, seed)
    assert [len(task.train_index) for task in tasks] == [6, 32, 63]
    for smaller, larger in pairwise(tasks):
        assert set(smaller.train_index.tolist()) < set(larger.train_index.tolist())
    for task in tasks:
        assert torch.equal(task.train_y, samples.train_y[task.train_index])
        assert torch.equal(task.test_y, samples.test_y)


def test_a_warm_start_makes_as_many_passes_over_every_share(samples: Samples) -> None:
    stream = WarmStart(batch_size=10, passes=7)
    assert list(stream.task_updates(samples)) == [7 * 4, 7 * 7]
    assert list(WarmStart(batch_size=10, updates_per_task=9).task_updates(samples)) == [9, 9]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"shares": (0.1, 0.5, 1.0)}, "shares has 3 values, but tasks is 2. Set tasks=3, or"),
        ({"shares": (1.0, 0.5)}, r"shares is \[1.0, 0.5\]. Give values in \(0, 1\] that never"),
        ({"shares": (0.0, 0.5)}, r"shares is \[0.0, 0.5\]"),
        ({"shares": (0.5, 1.5)}, r"shares is \[0.5, 1.5\]"),
    ],
)
def test_shares_that_cannot_work_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(BenchError, match=text):
        WarmStart(**changed)


@pytest.mark.parametrize(
    ("family", "changed", "text"),
    [
        (Permuted, {"share": 1.5}, r"share is 1.5. Set it to a share in \[0, 1\]"),
        (Permuted, {"move": "pixels"}, "no move 'pixels'.* There is: places, values"),
        (RandomLabels, {"fraction": -0.1}, "fraction is -0.1"),
        (NoisyLabels, {"rate": 2.0}, "rate is 2.0"),
    ],
)
def test_shifts_that_cannot_work_are_refused(
    family: Any, changed: dict[str, Any], text: str
) -> None:
    with pytest.raises(BenchError, match=text):
        family(**changed)


# composition


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_a_single_shift_is_the_family_itself(samples: Samples, name: str) -> None:
    alone = SHIFTS[name](tasks=4, samples_per_task=20)
    composed = Composed(tasks=4, samples_per_task=20, shifts=(name,))
    if name == "random-labels":
        samples = replace(samples, test_x=samples.train_x, test_y=samples.train_y)
    expected = fingerprint(list(alone.task_sequence(samples, 6)))
    assert fingerprint(list(composed.task_sequence(samples, 6))) == expected


def test_pixel_shifts_act_on_what_the_ones_before_show(samples: Samples) -> None:
    composed = drawn(Composed(tasks=6, shifts=("rotated", "permuted")), samples, 2)
    rotated = drawn(Rotated(tasks=6), samples, 2)
    permuted = drawn(Permuted(tasks=6), samples, 2)
    raw = replace(samples, mean=(0.0, 0.0), std=(1.0, 1.0))
    for task, turn, move in zip(composed, rotated, permuted, strict=True):
        turned = raw.network_input(raw.train_x, map_of(turn))
        expected = turned.flatten(1)[:, map_of(move)]
        assert torch.equal(raw.network_input(raw.train_x, map_of(task)).flatten(1), expected)


def test_black_stays_black_when_it_is_moved(samples: Samples) -> None:
    composed = drawn(Composed(tasks=10, shifts=("rotated", "permuted")), samples, 1)
    rotated = drawn(Rotated(tasks=10), samples, 1)
    blacks = [int((map_of(task) < 0).sum()) for task in rotated]
    assert max(blacks) > 0
    for task, black in zip(composed, blacks, strict=True):
        assert int((map_of(task) < 0).sum()) == black


def test_noise_comes_on_top_of_new_names(samples: Samples) -> None:
    shifts = ("shifting-labels", "noisy-labels(rate=0.5)")
    named = drawn(ShiftingLabels(tasks=3), samples, 4)
    for task, clean in zip(drawn(Composed(tasks=3, shifts=shifts), samples, 4), named, strict=True):
        assert torch.equal(task.test_y, clean.test_y)
        assert int((task.train_y != clean.train_y).sum()) == round(63 * 0.5)


def test_shifts_over_groups_of_classes_draw_from_the_outputs_that_there_are(
    samples: Samples,
) -> None:
    over = 'class-incremental(classes_per_task=[2,1],labels="within task")'
    stream = Composed(
        tasks=4, over=over, shifts=("permuted", "noisy-labels(rate=1.0)"), evaluate="seen"
    )
    base = ClassIncremental(tasks=4, classes_per_task=(2, 1), labels="within task")
    assert stream.output_classes(samples) == 2
    assert stream.task_updates(samples) == base.task_updates(samples)
    for task, plain in zip(drawn(stream, samples), drawn(base, samples), strict=True):
        assert torch.equal(task.train_index, plain.train_index)
        assert torch.equal(task.test_y, plain.test_y)
        assert (task.train_y + plain.train_y == 1).all()  # the other one of two
        assert map_of(task).sort().values.tolist() == list(range(24))


def test_composed_random_labels_are_tested_on_what_was_to_be_memorised(tmp_path: Path) -> None:
    stream = Composed(tasks=1, shifts=("random-labels", "rotated"), samples_per_task=50)
    loaded = stream.load(tmp_path)
    assert loaded.test_x is loaded.train_x
    (task,) = stream.task_sequence(loaded, 0)
    assert torch.equal(task.test_index, task.train_index)
    assert torch.equal(task.test_y, task.train_y)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"shifts": ()}, "shifts is empty. Name at least one, of: noisy-labels, permuted"),
        ({"shifts": ("rotatd",)}, "no shift 'rotatd'; did you mean 'rotated'"),
        ({"shifts": ("permuted(tasks=3)",)}, "setting of shift permuted named 'tasks'.*composed"),
        ({"shifts": ("permuted(share=2)",)}, "share is 2.0"),
        ({"shifts": ("permuted(",)}, r"cannot read the shift 'permuted\('"),
        ({"over": "warm-start"}, "no base 'warm-start'"),
        ({"over": "class-incremental(head=growing)"}, "growing head has no outputs for shifted"),
        (
            {"over": "class-incremental", "shifts": ("random-labels(fraction=0.5)",)},
            "no image comes back. Leave fraction out",
        ),
    ],
)
def test_compositions_that_cannot_work_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(BenchError, match=text):
        Composed(**{"shifts": ("permuted",), **changed})
