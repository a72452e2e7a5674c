"""The laws that every stream keeps; each yields sentences that say what is wrong."""

import random
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ..plural import plural
from ..randomness import untouched_randomness
from ..stream import Samples, Stream, Task, chained_digest
from .memory import held_memory, size_of, tracing
from .process import digests_elsewhere, stream_digest

MOST_DRAWN = 100
"""Tasks that most laws look at, from the first on."""
MOST_COMPARED = 4
"""Tasks of which both views are compared, evenly spread."""
SAMPLES_COMPARED = 48
"""Samples of each part of such a task, evenly spread; all where there are no more."""
TOLERANCE = 1e-5
"""Largest difference of what enters the network from one view and the other."""


class Case:
    """A stream under check, with its samples."""

    def __init__(self, stream: Stream, data_dir: Path, seeds: Sequence[int]) -> None:
        self.stream, self.data_dir, self.seeds = stream, data_dir, tuple(seeds)

    @cached_property
    def samples(self) -> Samples:
        """What the stream loads."""
        return self.stream.load(self.data_dir)

    def tasks(self, seed: int, start: int = 0, most: int | None = MOST_DRAWN) -> Iterator[Task]:
        """Draw tasks from the stream itself, at most so many from number `start` on."""
        return islice(self.stream.task_sequence(self.samples, seed, start), most)

    def digests(self, seed: int, start: int = 0, most: int | None = MOST_DRAWN) -> list[str]:
        """Return a hash of every task."""
        return [chained_digest("", task) for task in self.tasks(seed, start, most)]

    @property
    def count(self) -> int:
        """Number of tasks, as the updates say it."""
        return len(self.stream.task_updates(self.samples))


def same_number_of_tasks(case: Case) -> Iterator[str]:
    """Both views and the updates have as many tasks; one test set may serve all tasks."""
    for seed in case.seeds[:1]:
        streams = case.stream.benchmark(seed, case.data_dir).streams
        drawn = sum(1 for _ in case.tasks(seed, most=None))
        trained, tested = len(streams["train"]), len(streams["test"])
        are_drawn = plural(drawn, "task is drawn", "tasks are drawn")
        if drawn != case.count:
            yield f"{are_drawn}, but task_updates has {case.count}"
        if trained != drawn:
            yield f"{are_drawn}, but the Avalanche view has {trained} to train on"
        if tested not in (1, drawn):
            yield f"{are_drawn}, but the Avalanche view has {tested} to test on"


def same_samples(case: Case) -> Iterator[str]:
    """Both views show the same samples, labels and task ids."""
    chosen = set(spread(case.count, MOST_COMPARED))
    for seed in case.seeds:
        streams = case.stream.benchmark(seed, case.data_dir).streams
        for number, task in enumerate(case.tasks(seed, most=max(chosen) + 1)):
            for part in ("train", "test") if number in chosen else ():
                views = streams[part]
                dataset = views[number if len(views) > 1 else 0].dataset
                dataset = dataset.train() if part == "train" else dataset.eval()
                place = f"seed {seed}, task {number}, {part}"
                yield from _compared(case, task, part, dataset, (seed, number), place)


def _compared(
    case: Case, task: Task, part: str, dataset: Any, where: tuple[int, int], place: str
) -> Iterator[str]:
    train = part == "train"
    pool = case.samples.train_x if train else case.samples.test_x
    index, labels = (task.train_index, task.train_y) if train else (task.test_index, task.test_y)
    if len(dataset) != len(index):
        yield f"{place}: the Avalanche view has {len(dataset)} samples, the tensors {len(index)}"
        return
    is_random = train and case.stream.augments
    task_id = case.stream.task_label(case.samples, *where)
    for row in spread(len(index), SAMPLES_COMPARED):
        x, y, *rest = dataset[row]
        ours = case.samples.network_input(pool[index[row]][None], task.pixel_map)[0]
        if not is_random and not _close(x, ours):
            yield f"{place}: sample {row} is another picture in the Avalanche view"
        if not _close(y, labels[row]):
            yield (
                f"{place}: sample {row} has the label {y} in the Avalanche view and "
                f"{labels[row].tolist()} as a tensor"
            )
        if rest and task_id is not None and int(rest[0]) != task_id:
            yield (
                f"{place}: sample {row} has the task id {int(rest[0])} in the Avalanche view; the "
                f"stream says {task_id}"
            )


def _close(shown: Any, other: Tensor) -> bool:
    is_picture = not isinstance(shown, Tensor | np.ndarray | int | float)
    one = to_tensor(shown) if is_picture else torch.as_tensor(shown)
    return one.numel() == other.numel() and torch.allclose(
        one.flatten().float(), other.flatten().float(), rtol=0, atol=TOLERANCE
    )


def same_again(case: Case) -> Iterator[str]:
    """The same seed gives the same stream, whatever the global generators stand at."""
    for seed in case.seeds:
        first = case.digests(seed)
        with untouched_randomness(seed + 1):
            again = case.digests(seed)
        for number, (one, other) in enumerate(zip(first, again, strict=True)):
            if one != other:
                yield f"seed {seed}: task {number} is another when drawn again"


def seeds_differ(case: Case) -> Iterator[str]:
    """Other seeds give other streams, unless the stream says that they do not."""
    drawn = {seed: case.digests(seed) for seed in case.seeds}
    for one, other in combinations(drawn, 2):
        are_same = drawn[one] == drawn[other]
        if are_same and case.stream.varies_with_seed:
            yield (
                f"seeds {one} and {other} give the same tasks; where that is meant, let "
                "varies_with_seed be False"
            )
        if not are_same and not case.stream.varies_with_seed:
            yield f"seeds {one} and {other} give other tasks, but varies_with_seed is False"


def late_start(case: Case) -> Iterator[str]:
    """Starting at a later task equals skipping those before it: a run can be resumed."""
    for seed in case.seeds:
        whole = case.digests(seed)
        for start in sorted({1, len(whole) // 2, len(whole) - 1} & set(range(len(whole)))):
            late = case.digests(seed, start, len(whole) - start)
            for number, (one, other) in enumerate(zip(whole[start:], late, strict=False), start):
                if one != other:
                    yield f"seed {seed}: task {number} is another when started at task {start}"
            if len(late) != len(whole) - start:
                missing = len(whole) - start - len(late)
                lacking = plural(missing, "task is", "tasks are")
                yield f"seed {seed}: started at task {start}, {lacking} missing at the end"


def generators_rest(case: Case) -> Iterator[str]:
    """Drawing tasks and making the benchmark leaves the global generators alone."""
    for seed in case.seeds:
        before = _generator_states()
        case.stream.load(case.data_dir)
        for _ in case.tasks(seed):
            pass
        yield from _moved(before, f"seed {seed}: drawing tasks")
        before = _generator_states()
        case.stream.benchmark(seed, case.data_dir).streams["train"][0]
        yield from _moved(before, f"seed {seed}: making the benchmark")


def labels_fit(case: Case) -> Iterator[str]:
    """Labels are among the head's outputs, and among the open ones; targets are finite."""
    outputs = case.stream.output_classes(case.samples)
    for place, task in _places(case):
        for part, labels in (("training", task.train_y), ("test", task.test_y)):
            if labels.is_floating_point():
                if outputs != 1 or not bool(labels.isfinite().all()):
                    yield f"{place}: {part} targets are not finite numbers for a head of 1 output"
                continue
            wrong = (labels < 0) | (labels >= outputs)
            if task.outputs is not None and not wrong.any():
                if task.outputs.shape != (outputs,) or task.outputs.dtype != torch.bool:
                    yield f"{place}: outputs is not one bool for each of the {outputs} outputs"
                    continue
                wrong = ~task.outputs[labels]
            if wrong.any():
                row = int(wrong.nonzero()[0])
                yield (
                    f"{place}: {part} sample {row} has the label {int(labels[row])}, which is not "
                    f"an open output of a head with {outputs}"
                )


def indices_fit(case: Case) -> Iterator[str]:
    """Rows and pixels are there, of the right type, and every sample has a label."""
    pixels = case.samples.train_x[0].numel()
    for place, task in _places(case):
        for part, index, labels, rows in (
            ("training", task.train_index, task.train_y, len(case.samples.train_x)),
            ("test", task.test_index, task.test_y, len(case.samples.test_x)),
        ):
            if index.dtype != torch.int64 or index.ndim != 1 or not len(index):
                yield f"{place}: {part} rows are not a list of at least one int64"
            elif len(labels) != len(index):
                yield f"{place}: {len(labels)} labels of {plural(len(index), f'{part} sample')}"
            elif int(index.min()) < 0 or int(index.max()) >= rows:
                wrong = ((index < 0) | (index >= rows)).nonzero()[0]
                yield (f"{place}: {part} sample {int(wrong)} is row {int(index[wrong])} of {rows}")
        shown = task.pixel_map
        if shown is not None and (
            shown.shape != (pixels,) or int(shown.min()) < -1 or int(shown.max()) >= pixels
        ):
            yield f"{place}: the pixel map is not one pixel of {pixels}, or -1, for each of them"


def updates_fit(case: Case) -> Iterator[str]:
    """Every task has updates, a multiple of the passes."""
    passes = case.stream.passes
    for number, updates in enumerate(case.stream.task_updates(case.samples)):
        if updates < 1 or updates % passes:
            made = plural(updates, "update")
            yield f"task {number} has {made} in {plural(passes, 'pass', 'passes')}"


def memory_rests(case: Case) -> Iterator[str]:
    """Memory does not grow with the tasks: each can be forgotten when the next one is drawn."""
    seed = case.seeds[0]
    for _ in case.tasks(seed, most=3):
        pass  # what is read once and kept, such as a file, is there now
    measured = set(spread(min(case.count, MOST_DRAWN), 4))
    largest, most, drawn = 0, 0, 0
    with tracing():
        first = held_memory()
        for number, task in enumerate(case.tasks(seed)):
            largest, drawn = max(largest, size_of(task)), number + 1
            if number in measured:
                most = max(most, held_memory() - first)
    # The task at hand and the next, an order of all samples, and a little of Python's own.
    if most > 4 * largest + 32 * len(case.samples.train_x) + 200_000:
        yield (
            f"seed {seed}: up to {most / 1e6:.1f} MB are held while {drawn} tasks are drawn that "
            f"have at most {largest / 1e6:.1f} MB each"
        )


def same_elsewhere(case: Case) -> Iterator[str]:
    """A second process draws the same content, by the hash that goes into every result."""
    here = [stream_digest(case.stream, case.samples, seed) for seed in case.seeds]
    there = digests_elsewhere(case.stream, case.data_dir, case.seeds)
    for seed, one, other in zip(case.seeds, here, there, strict=True):
        if one != other:
            yield f"seed {seed}: its hash is {one[:12]} here and {other[:12]} in a second process"


def spread(count: int, most: int) -> list[int]:
    """Return at most so many numbers under `count`, evenly spread, first and last among them."""
    chosen = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return [int(number) for number in chosen]


def _places(case: Case) -> Iterator[tuple[str, Task]]:
    for seed in case.seeds:
        for number, task in enumerate(case.tasks(seed)):
            yield f"seed {seed}, task {number}", task


def _generator_states() -> tuple[Any, ...]:
    numpy_state: Any = np.random.get_state(legacy=False)
    keys = (numpy_state["state"]["key"].tobytes(), numpy_state["state"]["pos"])
    return (torch.get_rng_state().tolist(), keys, random.getstate())


def _moved(before: tuple[Any, ...], what: str) -> Iterator[str]:
    names = ("torch", "NumPy", "Python")
    for name, one, other in zip(names, before, _generator_states(), strict=True):
        if one != other:
            yield f"{what} draws from the global generator of {name}"
