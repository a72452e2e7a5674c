"""The Avalanche view of a stream: genuine experiences, made when they are asked for."""

import warnings
from typing import Any, cast

from torch import Tensor
from torch.utils.data import Dataset

from ..harness.stream import Samples, Stream, Task

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
    from avalanche.benchmarks.scenarios.generic_scenario import CLScenario, SequenceCLStream
    from avalanche.benchmarks.scenarios.task_aware import with_task_labels
    from avalanche.benchmarks.utils.classification_dataset import (
        TaskAwareSupervisedClassificationDataset,
    )
    from avalanche.benchmarks.utils.data_attribute import DataAttribute, TaskLabels
    from avalanche.benchmarks.utils.flat_data import ConstantSequence


class TaskImages(Dataset[tuple[Tensor, int]]):
    """One part of one task, sample by sample, as Avalanche's data loaders read it."""

    def __init__(self, samples: Samples, task: Task, part: str) -> None:
        train = part == "train"
        self.samples = samples
        self.images = samples.train_x if train else samples.test_x
        self.rows: list[int] = (task.train_index if train else task.test_index).tolist()
        self.targets: Any = (task.train_y if train else task.test_y).tolist()
        self.pixel_map = task.pixel_map

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        """Return (channels, height, width), float32, as it enters the network, and the label."""
        image = self.images[self.rows[row]].unsqueeze(0)
        return self.samples.network_input(image, self.pixel_map)[0], self.targets[row]


class LazyStream(SequenceCLStream):  # type: ignore[misc]
    """One part (train or test) of a stream as a sequence of experiences, none of them kept."""

    def __init__(self, part: str, stream: Stream, samples: Samples, seed: int) -> None:
        # The numbers are set below: Avalanche would number the last experience, [-1], as -1.
        super().__init__(part, benchmark=cast(Any, None), set_stream_info=False)
        self.stream, self.samples, self.seed = stream, samples, seed

    def _full_length(self) -> int:
        return self.stream.tasks

    def _make_experience(self, experience_idx: int) -> Any:
        number = range(self.stream.tasks)[experience_idx]
        task = next(self.stream.task_sequence(self.samples, self.seed, start=number))
        dataset = avalanche_dataset(
            TaskImages(self.samples, task, self.name), task_label(self.stream, number)
        )
        experience: Any = with_task_labels(
            DatasetExperience(dataset=dataset, current_experience=number)
        )
        experience.origin_stream = self
        # What models with a growing head ask for.
        experience.classes_in_this_experience = sorted(dataset.targets.uniques)
        return experience


def scenario(stream: Stream, samples: Samples, seed: int) -> CLScenario:
    """Return the stream of one seed as a benchmark with a train and a test stream."""
    return CLScenario([LazyStream(part, stream, samples, seed) for part in ("train", "test")])


def task_label(stream: Stream, number: int) -> int:
    """Return Avalanche's task label: it is given to the model, so it is 0 unless that is allowed.

    The number of the task itself is the experience's `current_experience`.
    """
    return number if "task id at test" in stream.told else 0


def avalanche_dataset(images: TaskImages, label: int) -> TaskAwareSupervisedClassificationDataset:
    """Wrap the images with the targets and task labels that Avalanche's strategies look up."""
    targets = DataAttribute(images.targets, "targets")
    labels = TaskLabels(ConstantSequence(label, len(images)))
    return TaskAwareSupervisedClassificationDataset([images], data_attributes=[targets, labels])
