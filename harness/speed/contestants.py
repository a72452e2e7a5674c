"""Who takes turns in `plasticity-bench speed`: the engine and its alternatives.

All train the same network on the same task of permuted MNIST. One turn is one task: its samples are
seen once.

Shapes: R replicas, B samples of a batch.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.datasets import MNIST

from ..engine.batches import SampleBank, TaskBatches
from ..engine.learner import StackedLearner
from ..engine.strategy import Plan
from ..loop.run import StackedRun
from ..plugins.registry import load_stream
from ..plugins.resolve import resolve
from ..randomness import ReplicaRandom
from ..specs.spec import NetworkSpec, OptimizerSpec, StreamSpec, build_settings
from ..specs.suite import Suite, parse_entrant
from ..stream import Samples, Stream

WIDTHS = (784, 100, 100, 10)
"""Units of every layer, from the pixels to the classes."""
BATCH = 16
REPLICAS = 10
"""Replicas of the stacks that the goals are about."""
RUN_TASKS = 4
"""Tasks of a whole run."""
CPU = torch.device("cpu")
SGD = OptimizerSpec(name="sgd", lr=0.01)
ADAM = OptimizerSpec(name="adam", lr=0.001)
TORCH_RULES: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
}

BARE, NAIVE = f"bare products x {REPLICAS}", "Avalanche's Naive, sgd"
STACKED, STACKED_ADAM = f"stacked sgd x {REPLICAS}", f"stacked adam x {REPLICAS}"
PLAIN, PLAIN_ADAM = "plain loop, sgd", "plain loop, adam"
FEED = f"batches alone x {REPLICAS}"
DENSE, GROW, MEASURED = "run: dense", "run: grow", ", measured"
RUNS = {
    DENSE: "dense",
    GROW: "grow(events=2)",  # one edit at the start and one in the middle
    "run: prune": "prune(events=2)",
    "run: shrink-perturb": "shrink-perturb",
    f"{DENSE}{MEASURED}": "dense",
    f"{GROW}{MEASURED}": "grow(events=2)",
}
"""Entrants by contestant."""

Turn = Callable[[], object]
"""Trains for one turn. A learner goes on from its last turn, a whole run starts anew."""


@dataclass(frozen=True)
class Contestant:
    """One of those that take turns."""

    name: str
    replica_updates: int
    """Updates of one turn, times replicas."""
    turn: Turn


# -- the data, the same for all ------------------------------------------------------------------


@contextmanager
def mnist_files(data_dir: Path | None) -> Iterator[Path]:
    """Yield a folder with MNIST's files, from `data_dir` or made up, as torchvision lays them out.

    Avalanche downloads them where they are packed or lie otherwise.
    """
    arrays = made_up_arrays() if data_dir is None else _arrays(_stream(1).load(data_dir))
    with TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        for (packed_name, _), values in zip(MNIST.resources, arrays, strict=True):
            _write_idx(raw / Path(packed_name).stem, values)
        yield Path(folder)


def made_up_arrays(train: int = 60_000, test: int = 10_000) -> list[Tensor]:
    """Draw training images (n, 28, 28) and labels (n,), then those of the test, all uint8."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(256, (train, 28, 28)), (10, (train,)), (256, (test, 28, 28)), (10, (test,))]
    return [
        torch.randint(values, shape, dtype=torch.uint8, generator=generator)
        for values, shape in shapes
    ]


def _arrays(samples: Samples) -> list[Tensor]:
    images, labels = (samples.train_x, samples.test_x), (samples.train_y, samples.test_y)
    pairs = zip(images, labels, strict=True)
    return [part for x, y in pairs for part in (x.squeeze(1), y.to(torch.uint8))]


def _write_idx(path: Path, values: Tensor) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(header + values.numpy().tobytes())


def _stream_spec(updates: int) -> StreamSpec:
    samples = {"samples_per_task": updates * BATCH, "batch_size": BATCH}
    return StreamSpec("permuted-mnist", {"tasks": RUN_TASKS, **samples})


def _stream(updates: int) -> Stream:
    spec = _stream_spec(updates)
    loaded = load_stream(spec.name)
    return build_settings(loaded.cls, {**loaded.settings, **spec.settings}, f"stream {spec.name}")


@dataclass(frozen=True)
class Track:
    """What all train on."""

    folder: Path
    """Holds MNIST's files."""
    updates: int
    """Updates of one task."""
    stream: Stream
    samples: Samples

    @classmethod
    def of(cls, folder: Path, updates: int) -> "Track":
        """Load the samples of a folder."""
        stream = _stream(updates)
        return cls(folder, updates, stream, stream.load(folder))


# -- the contestants -----------------------------------------------------------------------------


def contestants(track: Track) -> list[Contestant]:
    """Build all that take turns, in their order."""
    updates = track.updates
    stacks = [(SGD, 1), (SGD, 5), (SGD, REPLICAS), (SGD, 30), (ADAM, REPLICAS)]
    return [
        Contestant(BARE, REPLICAS * updates, bare_products(track)),
        Contestant(FEED, REPLICAS * updates, feed(REPLICAS, track)),
        *(
            Contestant(f"stacked {rule.name} x {r}", r * updates, stacked(rule, r, track))
            for rule, r in stacks
        ),
        Contestant(PLAIN, updates, plain(SGD, track)),
        Contestant(PLAIN_ADAM, updates, plain(ADAM, track)),
        Contestant(NAIVE, updates, naive(track)),
        *(
            Contestant(
                name,
                REPLICAS * RUN_TASKS * updates,
                whole_run(entrant, name.endswith(MEASURED), track),
            )
            for name, entrant in RUNS.items()
        ),
    ]


def bare_products(track: Track) -> Turn:
    """Make only the matrix products of an update, forward and backward: no update can be faster."""
    layers = [
        (
            torch.randn(REPLICAS, BATCH, inputs),
            torch.randn(REPLICAS, units, inputs),
            torch.randn(REPLICAS, BATCH, units),
        )
        for inputs, units in pairwise(WIDTHS)
    ]

    def turn() -> None:
        for _ in range(track.updates):
            for x, weight, _ in layers:
                torch.bmm(x, weight.transpose(1, 2))
            for number, (x, weight, delta) in reversed(list(enumerate(layers))):
                torch.bmm(delta.transpose(1, 2), x)
                if number > 0:  # nobody asks for the gradient of the pixels
                    torch.bmm(delta, weight)

    return turn


def task_batches(replicas: int, track: Track) -> TaskBatches:
    """Gather the batches of the first task for R replicas."""
    seeds = range(replicas)
    tasks = [next(track.stream.task_sequence(track.samples, seed)) for seed in seeds]
    order = ReplicaRandom(seeds, "data order", CPU)
    return TaskBatches(SampleBank(track.samples, CPU), tasks, BATCH, order)


def feed(replicas: int, track: Track) -> Turn:
    """Gather the batches and do nothing with them."""
    batches = task_batches(replicas, track)

    def turn() -> None:
        for _ in batches.training(track.updates, track.updates):
            pass

    return turn


def stacked(rule: OptimizerSpec, replicas: int, track: Track) -> Turn:
    """Train R replicas in lockstep, gathering their batches included."""
    batches = task_batches(replicas, track)
    learner = stacked_learner(rule, replicas, track.updates)
    online = torch.zeros(replicas)

    def turn() -> None:
        for x, y in batches.training(track.updates, track.updates):
            online.add_(learner.observe(x, y)[0])

    return turn


def stacked_learner(rule: OptimizerSpec, replicas: int, updates: int) -> StackedLearner:
    """Build the learner without strategies."""
    return StackedLearner(
        network=NetworkSpec(hidden=WIDTHS[1:-1]),
        optimizer=rule,
        learning_rates=[rule.lr] * replicas,
        strategies=(),
        seeds=range(replicas),
        image=(1, 28, 28),
        classes=WIDTHS[-1],
        plan=Plan((updates,), 1, BATCH),
        device=CPU,
    )


class PlainLoop:
    """One replica as it is usually written: torch's own layers, loss and optimiser.

    Args:
        rule: sgd or adam, and its learning rate.
    """

    def __init__(self, rule: OptimizerSpec) -> None:
        self.model = plain_model()
        settings: dict[str, Any] = {"lr": rule.lr}
        self.optimizer = TORCH_RULES[rule.name](self.model.parameters(), **settings)
        self.right = torch.zeros((), dtype=torch.int64)
        """Samples so far that were right before their update; read back by nobody."""

    def observe(self, x: Tensor, y: Tensor) -> None:
        """Make one update with samples (B, pixels) and labels (B,)."""
        self.optimizer.zero_grad()
        logits = self.model(x)
        functional.cross_entropy(logits, y).backward()
        self.optimizer.step()
        self.right += (logits.argmax(1) == y).sum()


def plain_model() -> nn.Sequential:
    """Build the network out of torch's layers."""
    pixels, first, second, classes = WIDTHS
    hidden = [nn.Linear(pixels, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(second, classes))


def plain(rule: OptimizerSpec, track: Track) -> Turn:
    """Train one replica on a task that lies ready in memory, as floats and permuted."""
    loop, samples = PlainLoop(rule), track.samples
    task = next(track.stream.task_sequence(samples, 0))
    inputs = samples.network_input(samples.train_x[task.train_index], task.pixel_map).flatten(1)

    def turn() -> None:
        for rows in torch.randperm(len(inputs)).split(BATCH):
            loop.observe(inputs[rows], task.train_y[rows])

    return turn


def naive(track: Track) -> Turn:
    """Train Avalanche's Naive on its PermutedMNIST, with its loader and no metrics or loggers."""
    with warnings.catch_warnings():
        # Avalanche imports packages that announce their own end, and it misses its loggers.
        warnings.simplefilter("ignore")
        from avalanche.benchmarks.classic import PermutedMNIST
        from avalanche.training.supervised import Naive

        benchmark: Any = PermutedMNIST(n_experiences=1, seed=0, dataset_root=track.folder)
        model = plain_model()
        settings: dict[str, Any] = {"train_mb_size": BATCH, "train_epochs": 1, "evaluator": None}
        strategy = Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=SGD.lr),
            criterion=nn.CrossEntropyLoss(),
            **settings,
        )
    experience = benchmark.train_stream[0]
    experience.dataset = experience.dataset.subset(range(track.updates * BATCH))
    return lambda: strategy.train(experience)


def whole_run(entrant: str, measured: bool, track: Track) -> Turn:
    """Run an entrant from start to end in a stack, with its tasks, edits and rows."""
    suite = Suite(
        "speed",
        "",
        (_stream_spec(track.updates),),
        (parse_entrant(entrant),),
        tuple(range(REPLICAS)),
        network={"hidden": list(WIDTHS[1:-1])},
        optimizer={"name": ADAM.name, "lr": ADAM.lr},
    )
    specs = resolve(suite)
    return lambda: list(StackedRun(specs, track.folder, measured=measured).rows())
