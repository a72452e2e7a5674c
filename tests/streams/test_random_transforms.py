from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import functional, v2

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.random_transforms import (
    DeviceTransforms,
    apply_random,
    counterpart,
    is_random,
)

PICTURES = [
    Image.fromarray(np.random.RandomState(n).randint(0, 256, (8, 8, 3), dtype=np.uint8))
    for n in range(2)
]


def batch(size: int = 64, side: int = 4) -> Tensor:
    """Make different images whose pixels are all different."""
    count = size * 3 * side * side
    return torch.arange(1.0, count + 1).view(size, 3, side, side)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (v1.ToTensor(), False),
        (v1.Resize(4), False),
        (v1.RandomRotation((20, 20)), False),
        (v1.RandomHorizontalFlip(p=1), False),
        (v1.RandomHorizontalFlip(p=0.0), False),
        (v1.Lambda(lambda picture: picture.transpose(Image.Transpose.ROTATE_90)), False),
        (v2.RandomRotation((20, 20)), False),
        (v1.RandomHorizontalFlip(), True),
        (v1.RandomHorizontalFlip(p=0.001), True),
        (v1.RandomRotation(20), True),
        (v1.RandomCrop(8, padding=1), True),
        (v1.ColorJitter(brightness=0.5), True),
        (v1.RandomApply([v1.Grayscale(3)], p=0.01), True),
        (v2.RandomResizedCrop(8), True),
        (v1.Lambda(lambda picture: picture.rotate(np.random.uniform(0, 90))), True),
    ],
    ids=str,
)
def test_a_transform_is_random_if_and_only_if_it_draws(step: Any, expected: bool) -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    assert is_random(step, PICTURES) == expected
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # type: ignore[index]


def all_crops(image: Tensor, border: int) -> list[Tensor]:
    """Crop at every place, slowly, by torchvision's own function."""
    side = image.shape[-1]
    padded = functional.pad(image, [border] * 4)
    places = range(2 * border + 1)
    return [functional.crop(padded, i, j, side, side) for i in places for j in places]


@pytest.mark.parametrize("kind", [v1.RandomCrop, v2.RandomCrop])
def test_every_sample_is_cropped_at_a_place_of_its_own(kind: Any) -> None:
    x, step = batch(900), kind(4, padding=1)
    shown = apply_random(step, x, generator())
    found = []
    for image, cropped in zip(x, shown, strict=True):
        places = [n for n, one in enumerate(all_crops(image, 1)) if torch.equal(one, cropped)]
        assert len(places) == 1
        found += places
    counts = Counter(found)
    assert set(counts) == set(range(9))
    assert all(60 < count < 140 for count in counts.values())  # 100 +- 4 standard deviations


@pytest.mark.parametrize(
    ("step", "axis"), [(v1.RandomHorizontalFlip(0.3), 2), (v2.RandomVerticalFlip(0.3), 1)]
)
def test_every_sample_is_flipped_or_not(step: Any, axis: int) -> None:
    x = batch(1000)
    shown = apply_random(step, x, generator())
    flipped = [torch.equal(one, image.flip(axis)) for image, one in zip(x, shown, strict=True)]
    kept = [torch.equal(one, image) for image, one in zip(x, shown, strict=True)]
    assert [a or b for a, b in zip(flipped, kept, strict=True)] == [True] * 1000
    assert 240 < sum(flipped) < 360


@pytest.mark.parametrize(
    "step",
    [v1.RandomCrop(4, padding=1), v1.RandomHorizontalFlip(), v1.RandomRotation(90)],
    ids=str,
)
def test_randomness_comes_from_the_given_generator_alone(step: Any) -> None:
    before = torch.get_rng_state()
    first = apply_random(step, batch(), generator(3))
    torch.manual_seed(7)
    assert torch.equal(apply_random(step, batch(), generator(3)), first)
    assert not torch.equal(apply_random(step, batch(), generator(4)), first)
    moved = generator(3)
    apply_random(step, batch(), moved)
    assert not torch.equal(apply_random(step, batch(), moved), first)
    torch.set_rng_state(before)


def test_samples_of_one_batch_are_turned_by_different_angles() -> None:
    x = batch(1, side=8).expand(20, -1, -1, -1)
    shown = apply_random(v1.RandomRotation(90), x, generator())
    assert len({one.numpy().tobytes() for one in shown}) > 15


def test_a_fill_of_pictures_is_counted_in_bytes_and_black_stays_black() -> None:
    """Padding happens in front of the normalisation: its black is a raw 0."""
    crop = v1.RandomCrop(4, padding=1, fill=51)
    transforms = DeviceTransforms((crop,), (), (), mean=(0.5,) * 3, std=(0.25,) * 3)
    image = torch.zeros(200, 3, 4, 4)
    shown = transforms(image, generator())
    bright = (51 / 255 - 0.5) / 0.25
    values = sorted(set(shown.flatten().tolist()))
    grey = 128 / 255  # 0 enters as 0.5, which is no whole byte
    assert values == pytest.approx([bright, (grey - 0.5) / 0.25], abs=1e-5)


def test_normalised_bytes_come_back_exactly_where_nothing_is_changed() -> None:
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    numbers = torch.arange(256).repeat(3, 1).view(1, 3, 16, 16) / 255
    x = (numbers - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    nothing = DeviceTransforms((v1.RandomVerticalFlip(0.0),), (), (), mean, std)
    assert torch.allclose(nothing(x, generator()), x, atol=1e-6)


@pytest.mark.parametrize(
    "step",
    [
        v1.RandomCrop(8, padding=2),
        v1.RandomResizedCrop(8),
        v1.ColorJitter(0.4, 0.3, 0.2, 0.1),
        v1.RandomRotation(15, fill=9),
        v1.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)),
        v1.RandomGrayscale(0.2),
        v1.GaussianBlur(3),
        v1.RandomPerspective(),
        v1.RandomErasing(),
        v1.TrivialAugmentWide(),
        v1.RandAugment(),
        v1.AutoAugment(),
        v1.RandomApply([v1.ColorJitter(0.2)], p=0.4),
        v1.RandomChoice([v1.RandomRotation(5), v1.RandomHorizontalFlip()]),
        v1.RandomSolarize(128),
        v1.RandomEqualize(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_transform_of_v1_has_a_counterpart_with_the_same_settings(step: Any) -> None:
    other: Any = counterpart(step, sees_pictures=True)
    assert isinstance(other, v2.Transform)
    assert type(other).__name__ == type(step).__name__
    for name in ("p", "size", "brightness", "degrees", "scale", "fill", "hue", "threshold"):
        if getattr(step, name, None) is not None:
            assert str(getattr(other, name)) == str(getattr(step, name))
    pictures = (torch.rand(4, 3, 8, 8, generator=generator()) * 255).to(torch.uint8)
    assert apply_random(step, pictures, generator()).shape == pictures.shape


def test_a_transform_without_a_counterpart_is_refused() -> None:
    with pytest.raises(BenchError, match="draws at random on pictures, and there is no counterpar"):
        counterpart(v1.Lambda(lambda x: x), sees_pictures=True)


def test_a_users_own_transform_of_tensors_stays_as_it_is() -> None:
    step = v1.Lambda(lambda x: x + torch.randn(()))
    assert counterpart(step, sees_pictures=False) is step
    shown = apply_random(step, torch.zeros(5, 1, 2, 2), generator())
    assert len(set(shown.flatten().tolist())) == 5
