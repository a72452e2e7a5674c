"""Avalanche benchmarks as a user would write them, over small pictures that are made up."""

import random
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    av: Any = import_module("avalanche.benchmarks")
    av_creation: Any = import_module(
        "avalanche.benchmarks.scenarios.deprecated.generic_benchmark_creation"
    )
    av_datasets: Any = import_module("avalanche.benchmarks.utils")

SIDE = 8
CHANCE = transforms.Compose(
    [
        transforms.RandomCrop(SIDE, padding=2),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
    ]
)
PLAIN = transforms.Compose(CHANCE.transforms[2:])


class Pictures(Dataset[Any]):
    """Pictures of six classes, as PIL images."""

    def __init__(
        self, count: int, seed: int, side: int = SIDE, transform: Callable[..., Any] | None = None
    ) -> None:
        numbers = np.random.RandomState(seed)
        self.pixels = numbers.randint(0, 256, (count, side, side, 3), dtype=np.uint8)
        self.targets = (np.arange(count) % 6).tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        picture = Image.fromarray(self.pixels[row])
        return self.transform(picture) if self.transform else picture, self.targets[row]


def split(
    tasks: int = 3,
    seed: int | None = None,
    train: Any = PLAIN,
    test: Any = PLAIN,
    **settings: Any,
) -> Any:
    """Split 60 and 24 pictures by class."""
    return av.nc_benchmark(
        Pictures(60, 1),
        Pictures(24, 2),
        n_experiences=tasks,
        task_labels=settings.pop("task_labels", False),
        seed=seed,
        train_transform=train,
        eval_transform=test,
        **settings,
    )


def random_crops(tasks: int = 3, seed: int | None = None) -> Any:
    return split(tasks, seed, train=CHANCE)


def with_task_ids(tasks: int = 3, seed: int | None = None, return_task_id: bool = True) -> Any:
    return split(tasks, seed, task_labels=return_task_id)


def half_first(seed: int | None = None) -> Any:
    return split(4, seed, per_exp_classes={0: 3})


def mirrored_training(seed: int | None = None) -> Any:
    """A fixed change of the training pictures only, behind the conversion."""
    mirror = transforms.RandomHorizontalFlip(p=1)
    steps = PLAIN.transforms
    return split(3, seed, train=transforms.Compose([steps[0], mirror, steps[1]]))


def smoothed(seed: int | None = None) -> Any:
    """What enters is no longer bytes."""
    larger = transforms.Resize(2 * SIDE, antialias=True)
    steps = [PLAIN.transforms[0], larger, PLAIN.transforms[1]]
    return split(3, seed, transforms.Compose(steps), transforms.Compose(steps))


def scaled_last(seed: int | None = None) -> Any:
    """A fixed change behind the normalisation."""
    steps = transforms.Compose([*PLAIN.transforms, transforms.Lambda(lambda x: x * 2)])
    return split(3, seed, steps, steps)


def own_chance(seed: int | None = None) -> Any:
    """A random transform of pictures that nobody knows."""
    turn = transforms.Lambda(lambda picture: picture.rotate(90 * random.randrange(4)))
    return split(3, seed, train=transforms.Compose([turn, *PLAIN.transforms]))


def own_noise(seed: int | None = None) -> Any:
    """A random transform of tensors that nobody knows."""
    noise = transforms.Lambda(lambda x: x + torch.randn(()))
    return split(3, seed, train=transforms.Compose([*PLAIN.transforms, noise]))


def noisy_test(seed: int | None = None) -> Any:
    return split(3, seed, test=CHANCE)


def cropped_larger(seed: int | None = None) -> Any:
    crop = transforms.RandomCrop(4)
    return split(3, seed, train=transforms.Compose([crop, *PLAIN.transforms]))


def without_numbers(seed: int | None = None) -> Any:
    """No transform at all: samples are pictures."""
    return split(3, seed, None, None)


def other_pictures(seed: int = 0) -> Any:
    """Every seed has pictures of its own."""
    return av.nc_benchmark(
        Pictures(60, seed),
        Pictures(24, seed + 1),
        n_experiences=3,
        task_labels=False,
        train_transform=PLAIN,
        eval_transform=PLAIN,
    )


def inside(seed: int | None = None) -> Any:
    """The data sets have their transforms themselves."""
    return av.nc_benchmark(
        Pictures(60, 1, transform=CHANCE),
        Pictures(24, 2, transform=PLAIN),
        n_experiences=3,
        task_labels=False,
        seed=seed,
    )


def unequal_sizes() -> Any:
    parts = [
        av_datasets._make_taskaware_classification_dataset(
            Pictures(12, seed, side), transform=PLAIN, task_labels=0
        )
        for seed, side in ((1, 8), (2, 9))
    ]
    return av.benchmark_from_datasets(train=parts, test=parts)


def too_few_tests() -> Any:
    parts = [
        av_datasets._make_taskaware_classification_dataset(
            Pictures(12, seed), transform=PLAIN, task_labels=0
        )
        for seed in (1, 2, 3)
    ]
    return av.benchmark_from_datasets(train=parts, test=parts[:2])


def needs_class_count(classes: int, *, dataset_root: str | None = None) -> Any:
    raise ConnectionError(f"no server for {classes} classes in {dataset_root}")


def turned(seed: int | None = None) -> Any:
    """Random transforms of both kinds that are left to torchvision."""
    to_tensor, normalize = PLAIN.transforms
    turn, erase = transforms.RandomRotation(30), transforms.RandomErasing()
    return split(3, seed, train=transforms.Compose([turn, to_tensor, erase, normalize]))


def draws_globally() -> Any:
    """Takes no seed, and draws all the same."""
    order = list(range(6))
    random.shuffle(order)
    return split(3, None, fixed_class_order=order, train=PLAIN) if torch.rand(()) >= 0 else None


def not_a_benchmark() -> list[int]:
    return [1]


def _picture_files(folder: Path, tasks: int) -> list[list[tuple[str, int]]]:
    folder.mkdir(parents=True, exist_ok=True)
    lists = []
    for task in range(tasks):
        pictures, files = Pictures(12, task), []
        for row in range(len(pictures)):
            picture, label = pictures[row]
            path = folder / f"{task}-{row}.png"
            picture.save(path)
            files.append((str(path), label))
        lists.append(files)
    return lists


def like_clear(dataset_root: str) -> Any:
    """Three domains of the same classes from paths, tested on the same pictures: as CLEAR's."""
    files = _picture_files(Path(dataset_root) / "like-clear", 3)
    return av_creation.create_generic_benchmark_from_paths(
        files,
        files,
        task_labels=[0, 1, 2],
        complete_test_set_only=False,
        train_transform=PLAIN,
        eval_transform=PLAIN,
    )


def like_core50(dataset_root: str) -> Any:
    """Three tasks from lists of files, one test set for all: as CORe50's."""
    folder = Path(dataset_root) / "like-core50"
    lists = []
    for number, files in enumerate(_picture_files(folder, 4)):
        lists.append(folder / f"list-{number}.txt")
        lines = [f"{Path(path).name} {label}" for path, label in files]
        lists[-1].write_text("\n".join(lines) + "\n")
    to_tensor, normalize = PLAIN.transforms
    flip = transforms.RandomHorizontalFlip()
    return av_creation.create_generic_benchmark_from_filelists(
        folder,
        lists[:3],
        lists[3:],
        task_labels=[0, 0, 0],
        complete_test_set_only=True,
        train_transform=transforms.Compose([to_tensor, flip, normalize]),
        eval_transform=PLAIN,
    )


def like_clear_features() -> Any:
    """Vectors instead of pictures: as CLEAR's features."""
    numbers = torch.Generator().manual_seed(0)
    tasks = [(torch.randn(12, 5, generator=numbers), torch.arange(12) % 3) for _ in range(2)]
    return av_creation.create_generic_benchmark_from_tensor_lists(
        tasks, tasks, task_labels=[0, 1], complete_test_set_only=False
    )


FINISHED = split(3, 5)
