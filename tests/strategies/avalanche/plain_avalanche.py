"""A script as an Avalanche user writes it, to compare accuracies with: nothing of the harness's.

Only the images come from here; benchmark, loaders, strategy and accuracy are Avalanche's own. For
every seed it prints the mean test accuracy over all tasks after the last one (ACC):

    python -m tests.strategies.avalanche.plain_avalanche --strategy EWC \
        --set ewc_lambda=1 --seeds 0:5
    python -m tests.strategies.avalanche.plain_avalanche --strategy Replay \
        --set mem_size=200 --seeds 0:5 --source mnist --data DIR \
        --hidden 256 256 --lr 0.001 --batch 128 --passes 20

The defaults are those of `class-incremental-digits`, the second line's those of
`class-incremental-mnist`; beside them put the `acc` of

    plasticity-bench run --stream class-incremental-digits --entrant 'avalanche:EWC(ewc_lambda=1)'
"""

import argparse
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from plasticity_bench.harness.places import default_data_dir
from plasticity_bench.harness.specs.suite import parse_seeds
from plasticity_bench.streams.data.sources import load_source


@dataclass(frozen=True)
class Protocol:
    """How to train."""

    source: str = "digits"
    data: Path = Path("data")
    tasks: int = 5
    hidden: Sequence[int] = (100, 100)
    lr: float = 0.003
    batch: int = 16
    passes: int = 20


def plain_accuracy(
    strategy: str, settings: Mapping[str, Any], seed: int, protocol: Protocol
) -> float:
    """Return ACC of a strategy by its name in `avalanche.training.supervised`."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        from avalanche.benchmarks import nc_benchmark
        from avalanche.benchmarks.utils import as_classification_dataset
        from avalanche.evaluation.metrics import accuracy_metrics
        from avalanche.training import supervised
        from avalanche.training.plugins import EvaluationPlugin

        train, test = (as_classification_dataset(part) for part in _parts(protocol))
        benchmark: Any = nc_benchmark(
            train, test, n_experiences=protocol.tasks, task_labels=False, seed=seed
        )
        torch.manual_seed(seed)
        model = _model(train[0][0].numel(), protocol.hidden, 10)
        cl_strategy = getattr(supervised, strategy)(
            model=model,
            optimizer=torch.optim.Adam(model.parameters(), lr=protocol.lr),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=protocol.batch,
            train_epochs=protocol.passes,
            eval_mb_size=100,
            evaluator=EvaluationPlugin(accuracy_metrics(experience=True), loggers=[]),
            **settings,
        )
        for experience in benchmark.train_stream:
            cl_strategy.train(experience)
        cl_strategy.eval(benchmark.test_stream)
    results = cl_strategy.evaluator.get_last_metrics()
    return mean(float(results[name]) for name in results if name.startswith("Top1_Acc_Exp/eval"))


def _parts(protocol: Protocol) -> list[Any]:
    samples = load_source(protocol.source, protocol.data)
    parts = ((samples.train_x, samples.train_y), (samples.test_x, samples.test_y))
    return [_Images(samples.network_input(images), labels) for images, labels in parts]


class _Images(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.targets: Any = labels.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.images[row], self.targets[row]


def _model(inputs: int, hidden: Sequence[int], classes: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    layers.append(nn.Linear(inputs, classes))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def main() -> None:
    """Print the accuracy of every seed, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--strategy", default="Naive")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, as JSON")
    parser.add_argument("--seeds", default="0:3")
    parser.add_argument("--source", default="digits")
    parser.add_argument("--data", type=Path, default=default_data_dir())
    parser.add_argument("--hidden", type=int, nargs="+", default=[100, 100])
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--passes", type=int, default=20)
    asked = parser.parse_args()
    settings = {key: json.loads(value) for key, _, value in (s.partition("=") for s in asked.set)}
    protocol = Protocol(
        source=asked.source,
        data=asked.data,
        hidden=asked.hidden,
        lr=asked.lr,
        batch=asked.batch,
        passes=asked.passes,
    )
    accuracies = []
    for seed in parse_seeds(asked.seeds):
        accuracies.append(plain_accuracy(asked.strategy, settings, seed, protocol))
        print(f"seed {seed}: {accuracies[-1]:.4f}", flush=True)
    spread = f", standard deviation {stdev(accuracies):.4f}" if len(accuracies) > 1 else ""
    print(f"mean {mean(accuracies):.4f}{spread}")


if __name__ == "__main__":
    main()
