"""How fast the engine is beside its alternatives: `plasticity-bench speed`.

Every contestant trains the same network on the same task of permuted MNIST, in one process and one
thread. They take turns, so that a machine that slows down slows them all, and medians over the
turns count. One turn is one task: its samples are seen once.

Shapes: R replicas, B samples of a batch.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.console import Console, Group
from rich.progress import track as show_progress
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from torchvision.datasets import MNIST

from .batches import SampleBank, TaskBatches
from .environment import environment
from .learner import StackedLearner
from .plugins import load_stream
from .randomness import ReplicaRandom
from .resolve import resolve
from .run import StackedRun
from .spec import NetworkSpec, OptimizerSpec, StreamSpec, build_settings
from .strategy import Plan
from .stream import Samples, Stream
from .suite import Suite, parse_entrant

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
DATA = {True: "MNIST", False: "a synthetic set of MNIST's shape: random pixels and labels"}

Turn = Callable[[], object]
"""Trains for one turn; what it learned is kept for the next one."""


@dataclass(frozen=True)
class Contestant:
    """One of those that take turns."""

    name: str
    replica_updates: int
    """Updates of one turn, times replicas."""
    turn: Turn


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of two medians."""

    name: str
    over: str
    """The contestant whose time is divided ..."""
    under: str
    """... by this one's."""
    bound: float
    at_least: bool = False
    """Whether the bound is the least, and not the most, that the ratio may be."""

    def is_met(self, ratio: float) -> bool:
        """Tell whether a ratio keeps the bound."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def words(self) -> str:
        """Return the bound in words."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


BARE, NAIVE = f"bare products x {REPLICAS}", "Avalanche's Naive, sgd"
STACKED, STACKED_ADAM = f"stacked sgd x {REPLICAS}", f"stacked adam x {REPLICAS}"
PLAIN, PLAIN_ADAM = "plain loop, sgd", "plain loop, adam"
MEASURED = "run: grow, measured"
GOALS = (
    Goal("times as fast as Avalanche's Naive, sgd", NAIVE, STACKED, 15, at_least=True),
    Goal("times as fast as a plain loop, adam", PLAIN_ADAM, STACKED_ADAM, 3, at_least=True),
    Goal("times as fast as a plain loop, sgd", PLAIN, STACKED, 2, at_least=True),
    Goal("times the time of bare products, sgd", STACKED, BARE, 2),
    Goal("times the time without metrics: grow", MEASURED, "run: grow", 1.15),
    Goal("times the time of dense: grow", "run: grow", "run: dense", 1.1),
    Goal("times the time of dense: prune", "run: prune", "run: dense", 1.1),
    Goal("times the time of dense: shrink-perturb", "run: shrink-perturb", "run: dense", 1.1),
)


@dataclass(frozen=True)
class Report:
    """What was measured, and on what."""

    data: str
    machine: Mapping[str, Any]
    microseconds: Mapping[str, Sequence[float]]
    """Per replica and update, of every turn that counts, by contestant."""

    def ratios(self) -> list[tuple[Goal, float]]:
        """Return every goal with the ratio of medians that it is about."""
        middle = {name: median(values) for name, values in self.microseconds.items()}
        return [(goal, middle[goal.over] / middle[goal.under]) for goal in GOALS]


def measure(data_dir: Path | None, repeats: int, updates: int, console: Console) -> Report:
    """Let every contestant take its turns.

    Args:
        data_dir: where MNIST is; None trains on a synthetic set of the same shape.
        repeats: turns of each contestant that count, after one to warm up.
        updates: updates of one turn; a task has that many batches.
        console: shows the progress, on a terminal only.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with mnist_files(data_dir) as folder:
            field = contestants(Track.of(folder, updates))
            microseconds = take_turns(field, repeats, console)
    finally:
        torch.set_num_threads(threads)
    machine = {**environment("cpu"), "cores": os.cpu_count(), "threads": 1}
    return Report(DATA[data_dir is not None], machine, microseconds)


def take_turns(
    field: Sequence[Contestant], repeats: int, console: Console
) -> dict[str, list[float]]:
    """Return the microseconds per replica and update of each turn, the first one left out."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in field}
    turns = [*field] * (1 + repeats)
    hidden = not console.is_terminal
    for contestant in show_progress(
        turns, "taking turns", console=console, transient=True, disable=hidden
    ):
        started = time.perf_counter()
        contestant.turn()
        seconds = time.perf_counter() - started
        times[contestant.name].append(1e6 * seconds / contestant.replica_updates)
    return {name: values[1:] for name, values in times.items()}


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
    runs = {f"run: {name}": (name, False) for name in ("dense", "shrink-perturb")}
    # One edit at the start and one in the middle.
    runs |= {f"run: {name}": (f"{name}(events=2)", False) for name in ("grow", "prune")}
    runs[MEASURED] = ("grow(events=2)", True)
    return [
        Contestant(BARE, REPLICAS * updates, bare_products(track)),
        *(
            Contestant(f"stacked {rule.name} x {r}", r * updates, stacked(rule, r, track))
            for rule, r in stacks
        ),
        Contestant(PLAIN, updates, plain(SGD, track)),
        Contestant(PLAIN_ADAM, updates, plain(ADAM, track)),
        Contestant(NAIVE, updates, naive(track)),
        *(
            Contestant(name, REPLICAS * RUN_TASKS * updates, whole_run(*what, track))
            for name, what in runs.items()
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


def stacked(rule: OptimizerSpec, replicas: int, track: Track) -> Turn:
    """Train R replicas in lockstep, gathering their batches included."""
    seeds = range(replicas)
    bank = SampleBank(track.samples, CPU)
    tasks = [next(track.stream.task_sequence(track.samples, seed)) for seed in seeds]
    batches = TaskBatches(bank, tasks, BATCH, ReplicaRandom(seeds, "data order", CPU))
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
        plan=Plan(1, updates, updates, BATCH),
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
    inputs = samples.network_input(samples.train_x[task.train_index], task.permutation).flatten(1)

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


# -- what is shown -------------------------------------------------------------------------------


def tables(report: Report) -> Group:
    """Show the time of every contestant, and which goals are met."""
    machine = report.machine
    about = (
        f"Microseconds per replica and update; permuted MNIST, MLP {'-'.join(map(str, WIDTHS))}, "
        f"batch {BATCH}, on {report.data}. 1 thread of {machine['cores']} cores, "
        f"torch {machine['torch']}."
    )
    return Group(about, _times(report), _verdicts(report), FOOTNOTE)


FOOTNOTE = (
    f"Runs are {RUN_TASKS} tasks with adam x {REPLICAS}; grow and prune edit twice, and only the "
    "measured run is evaluated and measured. In so short a run edits and measurements come far "
    "more often than in a long one: its ratios are upper bounds."
)


def _times(report: Report) -> Table:
    table = Table("contestant")
    for title in ("median", "lowest", "highest"):
        table.add_column(title, justify="right")
    for name, values in report.microseconds.items():
        numbers = (median(values), min(values), max(values))
        table.add_row(name, *(f"{number:,.1f}" for number in numbers))
    return table


def _verdicts(report: Report) -> Table:
    table = Table("goal", "ratio of medians", "wanted", "")
    for goal, ratio in report.ratios():
        verdict = "met" if goal.is_met(ratio) else "missed"
        table.add_row(goal.name, f"{ratio:.2f}", goal.words(), verdict)
    return table


def as_json(report: Report) -> dict[str, Any]:
    """Return the same numbers as plain values."""
    return {
        "data": report.data,
        "machine": dict(report.machine),
        "contestants": {
            name: {"median": median(values), "lowest": min(values), "highest": max(values)}
            for name, values in report.microseconds.items()
        },
        "goals": [
            {
                "goal": goal.name,
                "ratio": ratio,
                "wanted": goal.words(),
                "met": goal.is_met(ratio),
            }
            for goal, ratio in report.ratios()
        ],
    }
