"""Mirror images, crops and turns of a whole batch, against torchvision's of single images."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import hflip, rotate

from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream
from plasticity_bench.streams.augmentation import crop, flip_crop_rotate, mirror, turn
from plasticity_bench.streams.families.incremental import ClassIncremental

IMAGES = torch.randn(200, 3, 16, 12, generator=torch.Generator().manual_seed(0))


def test_mirrors_and_turns_are_those_of_torchvision() -> None:
    chosen = torch.arange(200) % 2 == 0
    mirrored = mirror(IMAGES, chosen)
    assert torch.equal(mirrored[::2], hflip(IMAGES[::2]))
    assert torch.equal(mirrored[1::2], IMAGES[1::2])
    degrees = torch.linspace(0, 15, 200)
    expected = torch.stack(
        [rotate(x, float(angle)) for x, angle in zip(IMAGES, degrees, strict=True)]
    )
    # A pixel half way between two may go either way.
    assert (turn(IMAGES, degrees) == expected).double().mean() > 0.995
    assert torch.equal(turn(IMAGES, torch.zeros(200)), IMAGES)


def test_a_crop_is_cut_out_of_the_reflected_image() -> None:
    down, right = torch.arange(200) % 9, torch.arange(200) // 9 % 9
    shown = crop(IMAGES, down, right)
    for image, one, y, x in zip(IMAGES, shown, down.tolist(), right.tolist(), strict=True):
        padded = torch.nn.functional.pad(image, (4, 4, 4, 4), mode="reflect")
        assert torch.equal(one, padded[:, y : y + 16, x : x + 12])


def test_an_augmented_batch_is_drawn_from_its_generator_alone() -> None:
    def augmented(seed: int) -> Tensor:
        return flip_crop_rotate(IMAGES, torch.Generator().manual_seed(seed))

    before = torch.get_rng_state()
    first = augmented(1)
    assert torch.equal(augmented(1), first)
    assert not torch.equal(augmented(2), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.shape == IMAGES.shape
    assert len({tuple(image.flatten()[:40].tolist()) for image in first}) == 200


def test_half_are_mirrored_and_every_offset_and_angle_occurs() -> None:
    """A picture whose pixels say where they are tells what was done to it."""
    columns = torch.arange(33.0).expand(4000, 1, 33, 33)
    shown = flip_crop_rotate(columns, torch.Generator().manual_seed(0))
    across = shown[:, 0, 16, 20] - shown[:, 0, 16, 12]
    assert (across < 0).double().mean() == pytest.approx(0.5, abs=0.03)
    middle = shown[:, 0, 16, 16]
    assert middle.unique().tolist() == list(range(12, 21))
    assert (middle.long() - 12).bincount().min() > 4000 / 9 * 0.75
    slope = (shown[:, 0, 24, 16] - shown[:, 0, 8, 16]) * across.sign()
    assert slope.unique().tolist() == [-4, -2, 0]  # up to 16 * sin(15 degrees), anticlockwise


def test_a_stream_augments_only_where_it_is_told_to() -> None:
    plain, changed = ClassIncremental(), ClassIncremental(augmentation="flip-crop-rotate")
    assert not plain.augments
    assert plain.augment(IMAGES, torch.Generator()) is IMAGES
    assert changed.augments
    expected = flip_crop_rotate(IMAGES, torch.Generator().manual_seed(3))
    assert torch.equal(changed.augment(IMAGES, torch.Generator().manual_seed(3)), expected)


def test_a_run_learns_from_augmented_images(tmp_path: Path) -> None:
    def losses(*sets: str) -> list[float]:
        stream = parse_stream("class-incremental-digits")
        suite = Suite("test", "", (stream,), (parse_entrant("dense"),), (0,))
        short = parse_overrides(["stream.tasks=2", "stream.updates_per_task=20", *sets])
        rows = StackedRun(resolve(suite, short), tmp_path).rows()
        return [row["loss"] for _, row in rows if row["kind"] == "task"]

    plain = losses()
    augmented = losses("stream.augmentation=flip-crop-rotate")
    assert losses("stream.augmentation=flip-crop-rotate") == augmented
    assert min(augmented) > 0
    assert augmented != plain
