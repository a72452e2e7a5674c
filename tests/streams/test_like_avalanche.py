"""Our permutations, class orders and rotations are Avalanche's own for the same seed."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams.families.drift import Rotated, rotation
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.permuted import Permuted


@dataclass
class FakeMnist:
    """Twenty images of 28 x 28 pixels, as Avalanche's own benchmarks read them."""

    images: torch.Tensor
    targets: list[int]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.images[row], self.targets[row]


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> Samples:
    """Make a tiny MNIST and let Avalanche believe it is the real one."""
    import plasticity_bench.streams.scenario  # noqa: F401 (imports Avalanche, silently)

    images = torch.randint(
        0, 256, (20, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(4)
    )
    labels = torch.arange(20) % 10
    fake = FakeMnist(images / 255, labels.tolist())
    monkeypatch.setattr(
        "avalanche.benchmarks.classic.cmnist.get_mnist_dataset", lambda _: (fake, fake)
    )
    zero, one = (0.0,), (1.0,)
    return Samples(images, labels, images, labels, 10, 1 / 255, zero, one, "made up")


def assert_same_images(theirs: Any, ours: Stream, mnist: Samples, seed: int) -> None:
    """Compare train and test, sample by sample; Avalanche groups those of a task by class."""
    tasks = list(ours.task_sequence(mnist, seed))
    for stream, part in [(theirs.train_stream, "train"), (theirs.test_stream, "test")]:
        for experience, task in zip(stream, tasks, strict=True):
            shown = torch.stack([experience.dataset[row][0] for row in range(20)])
            index = task.train_index if part == "train" else task.test_index
            expected = mnist.network_input(mnist.train_x[index], task.pixel_map)
            assert torch.allclose(in_order(shown), in_order(expected), atol=1e-6)


def in_order(images: torch.Tensor) -> torch.Tensor:
    """Sort images by their pixels: Avalanche groups those of an experience by class."""
    return torch.tensor(sorted(images.flatten(1).tolist()))


@pytest.mark.parametrize("seed", [0, 1234])
@pytest.mark.parametrize("move", ["values", "places"])
def test_permuted_mnist_is_that_of_avalanche(mnist: Samples, seed: int, move: Any) -> None:
    from avalanche.benchmarks.classic import PermutedMNIST

    theirs = PermutedMNIST(4, seed=seed, train_transform=None, eval_transform=None)
    assert_same_images(theirs, Permuted(tasks=4, move=move), mnist, seed)


@pytest.mark.parametrize("seed", [0, 1234])
def test_rotated_mnist_is_that_of_avalanche(mnist: Samples, seed: int) -> None:
    from avalanche.benchmarks.classic import RotatedMNIST

    theirs = RotatedMNIST(8, seed=seed, train_transform=None, eval_transform=None)
    assert_same_images(theirs, Rotated(tasks=8), mnist, seed)


def test_every_rotation_by_whole_degrees_is_that_of_avalanche(mnist: Samples) -> None:
    from avalanche.benchmarks.classic import RotatedMNIST

    angles = list(range(-180, 181, 7))
    theirs = RotatedMNIST(
        len(angles), rotations_list=angles, train_transform=None, eval_transform=None
    )
    for angle, experience in zip(angles, theirs.train_stream, strict=True):
        shown = torch.stack([experience.dataset[row][0] for row in range(20)])
        turned = mnist.network_input(mnist.train_x, rotation(torch.Size((1, 28, 28)), angle))
        assert torch.allclose(in_order(shown), in_order(turned), atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 77])
def test_split_mnist_is_that_of_avalanche(mnist: Samples, seed: int) -> None:
    from avalanche.benchmarks.classic import SplitMNIST

    theirs = SplitMNIST(5, seed=seed, train_transform=None, eval_transform=None)
    ours = ClassIncremental(tasks=5).task_sequence(mnist, seed)
    for classes, task in zip(theirs.original_classes_in_exp, ours, strict=True):
        assert set(task.train_y.tolist()) == classes


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("labels", ["own", "within task"])
def test_groups_of_a_pattern_and_their_names_are_those_of_avalanche(
    mnist: Samples, seed: int, labels: Any
) -> None:
    from avalanche.benchmarks import nc_benchmark

    fake: Any = FakeMnist(mnist.train_x / 255, mnist.train_y.tolist())
    theirs = nc_benchmark(
        fake,
        fake,
        n_experiences=4,
        task_labels=False,
        seed=seed,
        per_exp_classes={0: 3, 1: 2, 2: 3, 3: 2},
        class_ids_from_zero_in_each_exp=labels == "within task",
    )
    ours = ClassIncremental(tasks=4, classes_per_task=(3, 2), labels=labels)
    for experience, task in zip(theirs.train_stream, ours.task_sequence(mnist, seed), strict=True):
        expected = {raw(x): y for x, y, _ in experience.dataset}
        images = mnist.network_input(mnist.train_x[task.train_index])
        assert dict(zip(map(raw, images), task.train_y.tolist(), strict=True)) == expected


def raw(image: torch.Tensor) -> tuple[int, ...]:
    """Return an image's bytes, by which it is known."""
    return tuple((image * 255).round().int().flatten().tolist())
