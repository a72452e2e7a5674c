"""Small Avalanche benchmarks, models and strategies for the tests of the plug-ins."""

import doctest
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import class_incremental_benchmark, tensors_benchmark
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.training.supervised import Naive

CLASSES = 4
IMAGE = (1, 6, 6)
MINIBATCH = 8


def tensors(size: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, *IMAGE, generator=generator)
    return x, torch.randint(CLASSES, (size,), generator=generator)


def make_benchmark(sizes: Sequence[int] = (48, 48, 48)) -> Any:
    parts = [tensors(size, seed) for seed, size in enumerate(sizes)]
    return tensors_benchmark(parts, parts, task_labels=[0] * len(parts))


def make_class_incremental_benchmark() -> Any:
    """Make two experiences of two classes each, in order."""
    x, y = tensors(96, 0)
    plain: Any = TensorDataset(x, y)
    plain.targets = y.tolist()
    data: Any = {"train": as_classification_dataset(plain)}
    return class_incremental_benchmark(data, num_experiences=2, class_order=[0, 1, 2, 3])


def make_mlp(hidden: Sequence[int] = (10, 8)) -> nn.Sequential:
    torch.manual_seed(0)
    widths = [IMAGE[1] * IMAGE[2], *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, units in zip(widths[:-1], hidden, strict=True):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))


def make_convnet() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(5 * 2 * 2, 7),
        nn.ReLU(),
        nn.Linear(7, CLASSES),
    )


def make_strategy(
    model: nn.Module,
    plugins: Sequence[Any],
    optimizer: torch.optim.Optimizer | None = None,
    **settings: Any,
) -> Any:
    """Make Avalanche's Naive; plain SGD unless said otherwise."""
    given: dict[str, Any] = {"train_mb_size": MINIBATCH, "train_epochs": 2, "evaluator": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Naive(
            model=model,
            optimizer=optimizer or torch.optim.SGD(model.parameters(), lr=0.05),
            plugins=list(plugins),
            **(given | settings),
        )


def train(strategy: Any, benchmark: Any, *, shuffle: bool = True) -> None:
    """Train as scripts do: one experience after the other."""
    torch.manual_seed(1)
    for experience in benchmark.train_stream:
        strategy.train(experience, shuffle=shuffle)


def run_example(module: ModuleType) -> doctest.TestResults:
    """Run the example of a module's docstring with a `benchmark` of three tasks at hand."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 8, 8, generator=generator)
    part = (x, torch.randint(10, (64,), generator=generator))
    benchmark = tensors_benchmark([part] * 3, [part] * 3, task_labels=[0] * 3)
    given = {"benchmark": benchmark, "loggers": []}
    test = doctest.DocTestParser().get_doctest(module.__doc__ or "", given, "example", None, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return doctest.DocTestRunner().run(test)
