"""Every stream keeps the laws, and ours are those of Avalanche's own classic benchmarks."""

import json
import pickle
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.transforms.functional import to_tensor

from plasticity_bench.harness.checks.process import stream_digest
from plasticity_bench.harness.checks.stream import LAWS, check_stream
from plasticity_bench.harness.places import default_data_dir
from plasticity_bench.harness.plugins.registry import load_stream
from plasticity_bench.harness.specs.spec import build_settings
from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams.avalanche.build import Recipe
from plasticity_bench.streams.catalogue import BuiltIn, built_in
from plasticity_bench.streams.data import idx
from plasticity_bench.streams.data.sources import where
from plasticity_bench.streams.families.incremental import ClassIncremental
from plasticity_bench.streams.families.permuted import Permuted
from plasticity_bench.streams.scenario import scenario
from tests.streams.data.made_mnist import write_mnist

ELSEWHERE = list(LAWS)[-1]
DATA, DEBIAN = default_data_dir(), idx.DEBIAN
"""Where data sets are on this machine, before tests hide it."""


def stream_of(name: str) -> Stream:
    loaded = load_stream(name)
    return build_settings(loaded.cls, loaded.settings, f"stream {name}")


def source_of(entry: BuiltIn) -> Any:
    """Return the source of samples of a name: it is in its settings, or its class's default."""
    module, _, name = entry.family.partition(":")
    defaults = {part.name: part.default for part in fields(getattr(import_module(module), name))}
    return entry.settings.get("source", defaults["source"])


DIGITS = [name for name, entry in built_in().items() if source_of(entry) == "digits"]
"""The built-in streams whose samples are there without a download."""


# the laws


@pytest.mark.parametrize("name", DIGITS)
def test_every_built_in_stream_keeps_the_laws(tmp_path: Path, name: str) -> None:
    laws = [law for law in LAWS if law != ELSEWHERE]
    verdicts = check_stream(stream_of(name), tmp_path, laws=laws)
    assert {one.law: one.failure for one in verdicts if not one.holds} == {}


def test_a_second_process_draws_the_same_built_in_streams(tmp_path: Path) -> None:
    order = json.dumps([str(tmp_path), DIGITS])
    done = subprocess.run([sys.executable, "-c", DIGESTS, order], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    elsewhere = json.loads(done.stdout)
    for name in DIGITS:
        stream = stream_of(name)
        assert elsewhere[name] == stream_digest(stream, stream.load(tmp_path), 3)


DIGESTS = """
import json, sys
from pathlib import Path
from plasticity_bench.harness.checks.process import stream_digest
from plasticity_bench.harness.plugins.registry import load_stream
from plasticity_bench.harness.specs.spec import build_settings

folder, names = json.loads(sys.argv[1])
found = {}
for name in names:
    loaded = load_stream(name)
    stream = build_settings(loaded.cls, loaded.settings, f"stream {name}")
    found[name] = stream_digest(stream, stream.load(Path(folder)), 3)
print(json.dumps(found))
"""


# Avalanche's own benchmarks


def compare(
    stream: Stream, recipe: Recipe, folder: Path, seed: int, rows: int | None = None
) -> int:
    """Compare a stream with Avalanche's own benchmark of the same seed, sample by sample.

    Avalanche brings a task's samples class by class, ours come in the order of the file; within a
    class both keep that order. The first `rows` samples are compared, None for all.
    """
    samples, theirs = stream.load(folder), recipe.make(seed, folder)
    tasks = list(stream.task_sequence(samples, seed))
    assert len(tasks) == len(theirs.train_stream) == len(theirs.test_stream)
    compared = 0
    for task, train, test in zip(tasks, theirs.train_stream, theirs.test_stream, strict=True):
        for pool, index, labels, dataset in (
            (samples.train_x, task.train_index, task.train_y, train.dataset.train()),
            (samples.test_x, task.test_index, task.test_y, test.dataset.eval()),
        ):
            given = torch.tensor(list(dataset.targets))
            assert torch.equal(given.sort().values, labels.sort().values)
            order = zip(given.argsort(stable=True), labels.argsort(stable=True), strict=True)
            for their_row, row in list(order)[:rows]:
                x, y = dataset[int(their_row)][:2]
                expected = x if isinstance(x, torch.Tensor) else to_tensor(x)
                shown = samples.network_input(pool[index[row]][None], task.pixel_map)[0]
                assert torch.allclose(expected, shown, atol=1e-6)
                assert y == int(labels[row])
                compared += 1
    return compared


def raw(name: str, arguments: str) -> Recipe:
    """Make Avalanche's benchmark without its scaling of pixels."""
    return Recipe(name, f"eval_transform=null&{arguments}&train_transform=null")


@pytest.mark.parametrize("seed", [0, 7])
def test_permutations_are_those_of_permuted_mnist(tmp_path: Path, seed: int) -> None:
    write_mnist(tmp_path)
    stream, recipe = Permuted(source="mnist", tasks=3), raw("PermutedMNIST", "n_experiences=3")
    assert compare(stream, recipe, tmp_path, seed) == 3 * 50


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("source", "name"), [("mnist", "SplitMNIST"), ("fashion-mnist", "SplitFMNIST")]
)
def test_splits_are_those_of_split_mnist(tmp_path: Path, source: str, name: str, seed: int) -> None:
    write_mnist(tmp_path)
    stream = ClassIncremental(source=source, tasks=5)
    # SplitFMNIST lets its default transform go only for another one.
    recipe = raw(name, "n_experiences=5")
    assert compare(stream, recipe, tmp_path, seed) == 50


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write both CIFAR sets, five and two pictures a class, with their checksums."""
    write_cifar(tmp_path, datasets.CIFAR10, "labels", 10, monkeypatch)
    write_cifar(tmp_path, datasets.CIFAR100, "fine_labels", 100, monkeypatch)
    return tmp_path


def write_cifar(
    folder: Path, dataset: Any, key: str, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = folder / dataset.base_folder
    batches.mkdir()
    random = np.random.RandomState(classes)
    sums = {}
    for name, _ in [*dataset.train_list, *dataset.test_list]:
        labels = random.permutation(np.repeat(np.arange(classes), 1 if classes == 10 else 2))
        pixels = random.randint(0, 256, (len(labels), 3072), dtype=np.uint8)
        (batches / name).write_bytes(pickle.dumps({"data": pixels, key: labels.tolist()}))
    meta = dataset.meta["filename"]
    names = {dataset.meta["key"]: [str(number) for number in range(classes)]}
    (batches / meta).write_bytes(pickle.dumps(names))
    for path in batches.iterdir():
        sums[path.name] = md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    for part in ("train_list", "test_list"):
        listed = [[name, sums[name]] for name, _ in getattr(dataset, part)]
        monkeypatch.setattr(dataset, part, listed)
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": sums[meta]})


@pytest.mark.parametrize(
    ("source", "name", "tasks", "count"),
    [("cifar10", "SplitCIFAR10", 5, 60), ("cifar100", "SplitCIFAR100", 20, 400)],
)
@pytest.mark.parametrize("seed", [0, 7])
def test_splits_are_those_of_split_cifar(
    cifar: Path, source: str, name: str, tasks: int, count: int, seed: int
) -> None:
    stream = ClassIncremental(source=source, tasks=tasks, pixels="unit")
    recipe = unscaled_cifar(name, tasks)
    assert compare(stream, recipe, cifar, seed) == count


def unscaled_cifar(name: str, tasks: int) -> Recipe:
    """Make a CIFAR benchmark that only turns its pictures into numbers in [0, 1]."""
    return Recipe(f"tests.streams.test_conformance:{name.lower()}", f"tasks={tasks}")


def splitcifar10(tasks: int, dataset_root: str, seed: int) -> Any:
    return _split_cifar("SplitCIFAR10", tasks, dataset_root, seed)


def splitcifar100(tasks: int, dataset_root: str, seed: int) -> Any:
    return _split_cifar("SplitCIFAR100", tasks, dataset_root, seed)


def _split_cifar(name: str, tasks: int, dataset_root: str, seed: int) -> Any:
    from avalanche.benchmarks import classic
    from torchvision.transforms import ToTensor

    return getattr(classic, name)(
        n_experiences=tasks,
        seed=seed,
        train_transform=ToTensor(),
        eval_transform=ToTensor(),
        dataset_root=dataset_root,
    )


@pytest.mark.parametrize(
    ("name", "classes"),
    [("SplitCIFAR10?n_experiences=5", 10), ("SplitCIFAR100?n_experiences=10", 100)],
)
def test_avalanches_split_cifar_as_a_stream_keeps_the_laws(
    cifar: Path, name: str, classes: int
) -> None:
    stream = stream_of(f"avalanche:{name}")
    samples = stream.load(cifar)
    assert samples.train_x.dtype == torch.uint8
    assert samples.classes == classes
    laws = [law for law in LAWS if law != ELSEWHERE]
    assert {one.failure for one in check_stream(stream, cifar, laws=laws)} == {None}
    assert stream.augments  # crops and flips are drawn on the device
    x = samples.network_input(samples.train_x)
    shown = stream.augment(x, torch.Generator().manual_seed(0))
    assert shown.shape == x.shape
    assert not torch.equal(shown, x)


# the same on the real files, where they are


@pytest.fixture
def real_data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of data sets, if it holds the one asked for; nothing is downloaded."""
    monkeypatch.setattr(idx, "DEBIAN", DEBIAN)
    if where(request.param, DATA) is None:
        pytest.skip(f"{request.param} is not in {DATA}; set PLASTICITY_BENCH_DATA to have it")
    return DATA


@pytest.mark.parametrize("real_data", ["mnist"], indirect=True)
def test_on_real_mnist_permutations_are_avalanches(real_data: Path) -> None:
    stream, recipe = Permuted(source="mnist", tasks=2), raw("PermutedMNIST", "n_experiences=2")
    assert compare(stream, recipe, real_data, 5, rows=500) == 2000


@pytest.mark.parametrize(
    ("real_data", "name"),
    [("mnist", "SplitMNIST"), ("fashion-mnist", "SplitFMNIST")],
    indirect=["real_data"],
)
def test_on_real_files_splits_are_avalanches(real_data: Path, name: str) -> None:
    source = "mnist" if name == "SplitMNIST" else "fashion-mnist"
    stream = ClassIncremental(source=source, tasks=5)
    recipe = raw(name, "n_experiences=5")
    assert compare(stream, recipe, real_data, 5, rows=200) == 2000


@pytest.mark.parametrize("real_data", ["cifar10"], indirect=True)
def test_on_real_cifar10_splits_are_avalanches(real_data: Path) -> None:
    stream = ClassIncremental(source="cifar10", tasks=5, pixels="unit")
    recipe = unscaled_cifar("SplitCIFAR10", 5)
    assert compare(stream, recipe, real_data, 5, rows=200) == 2000


# building is quick and small


def held_bytes(draw: Callable[[], Iterator[Any]]) -> int:
    """Return the peak of what Python and NumPy hold while everything is drawn and forgotten."""
    tracemalloc.start()
    try:
        for _ in draw():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def pixels_of_mnist() -> Samples:
    """Ten samples of the size of MNIST's: what a task costs beside its rows."""
    images = torch.zeros(10, 1, 28, 28, dtype=torch.uint8)
    labels = torch.arange(10)
    return Samples(images, labels, images, labels, 10, 1.0, (0.0,), (1.0,), "made up")


def both_views(samples: Samples, tasks: int) -> dict[str, Callable[[], Iterator[Any]]]:
    stream = Permuted(tasks=tasks, batch_size=10)
    return {
        "tensors": lambda: stream.task_sequence(samples, 0),
        "avalanche": lambda: iter(scenario(stream, samples, 0).streams["train"]),
    }


@pytest.mark.parametrize("view", ["tensors", "avalanche"])
def test_800_tasks_are_drawn_in_under_a_second_and_memory_does_not_grow(
    pixels_of_mnist: Samples, view: str
) -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        assert sum(1 for _ in both_views(pixels_of_mnist, 800)[view]()) == 800
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1
    few, many = (held_bytes(both_views(pixels_of_mnist, tasks)[view]) for tasks in (20, 800))
    assert many < few + 50_000  # one permutation alone has 6,272 bytes


def test_making_the_avalanche_view_of_800_tasks_makes_none_of_them(tmp_path: Path) -> None:
    def make(tasks: int) -> Iterator[Any]:
        yield Permuted(tasks=tasks).benchmark(0, tmp_path)

    Permuted().load(tmp_path)
    few, many = (held_bytes(partial(make, tasks)) for tasks in (1, 800))
    assert many < few + 20_000
