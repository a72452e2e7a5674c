from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams import scenario as avalanche_view
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.labels import RandomLabels, ShiftingLabels
from plasticity_bench.streams.families.permuted import Permuted
from plasticity_bench.streams.families.stationary import Stationary

STREAMS: list[Stream] = [
    Permuted(tasks=3, samples_per_task=20),
    ShiftingLabels(tasks=3, samples_per_task=20),
    RandomLabels(tasks=3, samples_per_task=20),
    ClassIncremental(tasks=2),
    ClassIncremental(tasks=2, samples_per_task=20),
    Stationary(tasks=2),
]
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: type(stream).__name__)


def part_of(stream: Stream, samples: Samples, part: str, seed: int = 0) -> Any:
    return avalanche_view.scenario(stream, samples, seed).streams[part]


def given_to(stream: Stream, samples: Samples) -> Samples:
    if not isinstance(stream, RandomLabels):
        return samples
    return replace(samples, test_x=samples.train_x, test_y=samples.train_y)


@each_stream
@pytest.mark.parametrize("part", ["train", "test"])
def test_both_views_show_the_same_element_by_element(
    samples: Samples, stream: Stream, part: str
) -> None:
    samples = given_to(stream, samples)
    experiences = part_of(stream, samples, part, seed=8)
    assert len(experiences) == stream.tasks
    images = samples.train_x if part == "train" else samples.test_x
    tasks = stream.task_sequence(samples, 8)
    for number, (experience, task) in enumerate(zip(experiences, tasks, strict=True)):
        index = task.train_index if part == "train" else task.test_index
        labels = task.train_y if part == "train" else task.test_y
        shown = [experience.dataset[row] for row in range(len(experience.dataset))]
        expected = samples.network_input(images[index], task.pixel_map)
        assert torch.equal(torch.stack([x for x, _, _ in shown]), expected)
        assert [y for _, y, _ in shown] == labels.tolist() == list(experience.dataset.targets)
        assert {label for _, _, label in shown} == {0}
        assert experience.current_experience == number
        assert experience.origin_stream.name == part
        assert experience.task_label == 0
        assert experience.classes_in_this_experience == sorted(set(labels.tolist()))


@each_stream
def test_the_benchmark_is_a_genuine_one_over_the_loaded_samples(
    tmp_path: Path, stream: Stream
) -> None:
    from avalanche.benchmarks import CLScenario
    from avalanche.benchmarks.utils import TaskAwareSupervisedClassificationDataset

    benchmark = stream.benchmark(3, tmp_path)
    assert isinstance(benchmark, CLScenario)
    experience = benchmark.streams["train"][1]
    task = next(stream.task_sequence(stream.load(tmp_path), 3, start=1))
    assert isinstance(experience.dataset, TaskAwareSupervisedClassificationDataset)
    assert list(experience.dataset.targets) == task.train_y.tolist()
    assert experience.dataset[0][0].shape == (1, 8, 8)


def test_a_stream_that_tells_the_task_hands_it_out_as_the_task_label(samples: Samples) -> None:
    stream = Permuted(tasks=3, tell_task=True)
    labels = [experience.dataset[0][2] for experience in part_of(stream, samples, "train")]
    assert labels == [0, 1, 2]


def test_experiences_are_made_when_asked_for(samples: Samples) -> None:
    train = part_of(ShiftingLabels(tasks=10**6), samples, "train")
    assert len(train) == 10**6
    last = train[-1]
    assert last.current_experience == 10**6 - 1
    assert [experience.current_experience for experience in train[4:8:2]] == [4, 6]


@pytest.mark.filterwarnings("ignore")  # Avalanche's own, about itself
def test_an_avalanche_strategy_learns_from_it(tmp_path: Path) -> None:
    from avalanche.training.supervised import Naive

    torch.manual_seed(0)
    benchmark = Permuted(tasks=2).benchmark(0, tmp_path)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    settings: dict[str, Any] = {"train_mb_size": 16, "train_epochs": 3, "evaluator": None}
    Naive(model=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), **settings).train(
        benchmark.train_stream[0]
    )
    assert accuracy(model, benchmark, 0) > 0.85
    assert accuracy(model, benchmark, 1) < 0.5


@torch.no_grad()
def accuracy(model: nn.Module, benchmark: Any, number: int) -> float:
    dataset = benchmark.test_stream[number].dataset
    inputs = torch.stack([x for x, _, _ in dataset])
    hits = model(inputs).argmax(1) == torch.tensor(list(dataset.targets))
    return float(hits.double().mean())
