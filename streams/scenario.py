"""The Avalanche view of a stream: genuine experiences, made when they are asked for."""

import warnings
from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor
from torch.utils.data import Dataset

from ..harness.stream import Samples, Stream, Task

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
    from avalanche.benchmarks.scenarios.generic_scenario import CLScenario, SequenceCLStream
    from avalanche.benchmarks.utils.classification_dataset import (
        TaskAwareSupervisedClassificationDataset,
    )
    from avalanche.benchmarks.utils.data_attribute import DataAttribute, TaskLabels
    from avalanche.benchmarks.utils.flat_data import ConstantSequence


class TaskImages(Dataset[tuple[Tensor, Any]]):
    """One part of one task, sample by sample, as Avalanche's data loaders read it."""

    def __init__(self, samples: Samples, task: Task, part: str) -> None:
        train = part == "train"
        self.samples = samples
        self.images = samples.train_x if train else samples.test_x
        self.rows = task.train_index if train else task.test_index
        self.labels = task.train_y if train else task.test_y
        self.targets: Any = self.labels.tolist()
        self.pixel_map = task.pixel_map

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, Any]:
        """Return (channels, height, width), float32, as it enters the network, and the label.

        A class is an int; a target of a regression a float32 tensor, so that batches are of it.
        """
        image = self.images[self.rows[row]].unsqueeze(0)
        label = self.labels[row] if self.labels.is_floating_point() else self.targets[row]
        return self.samples.network_input(image, self.pixel_map)[0], label


class LazyStream(SequenceCLStream):  # type: ignore[misc]
    """One part (train or test) of a stream as a sequence of experiences, none of them kept."""

    def __init__(self, part: str, stream: Stream, samples: Samples, seed: int) -> None:
        # The numbers are set below: Avalanche would number the last experience, [-1], as -1.
        super().__init__(part, benchmark=cast(Any, None), set_stream_info=False)
        self.stream, self.samples, self.seed = stream, samples, seed
        self.length = len(stream.task_updates(samples))
        self.following: tuple[int, Iterator[Task]] = (-1, iter(()))
        """Number of the next task, and where it comes from: one after the other costs least."""

    def _full_length(self) -> int:
        return self.length

    def _make_experience(self, experience_idx: int) -> Any:
        number = range(self.length)[experience_idx]
        images = TaskImages(self.samples, self._task(number), self.name)
        label = self.stream.task_label(self.samples, self.seed, number) or 0
        dataset = avalanche_dataset(images, label)
        experience: Any = DatasetExperience(dataset=dataset, current_experience=number)
        experience.task_label, experience.task_labels = label, [label]
        experience.origin_stream = self
        # What models with a growing head ask for.
        experience.classes_in_this_experience = images.labels.unique().tolist()
        return experience

    def _task(self, number: int) -> Task:
        following, tasks = self.following
        if number != following:
            tasks = self.stream.task_sequence(self.samples, self.seed, start=number)
        self.following = (number + 1, tasks)
        return next(tasks)


def scenario(stream: Stream, samples: Samples, seed: int) -> CLScenario:
    """Return the stream of one seed as a benchmark with a train and a test stream."""
    return CLScenario([LazyStream(part, stream, samples, seed) for part in ("train", "test")])


def avalanche_dataset(images: TaskImages, label: int) -> TaskAwareSupervisedClassificationDataset:
    """Wrap the images with the targets and task labels that Avalanche's strategies look up."""
    targets = DataAttribute(images.targets, "targets")
    labels = TaskLabels(ConstantSequence(label, len(images)))
    return TaskAwareSupervisedClassificationDataset([images], data_attributes=[targets, labels])
