import subprocess
import sys
from dataclasses import fields, replace
from importlib import import_module
from typing import Any

import pytest
import torch

from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams import BUILT_IN, BuiltIn
from plasticity_bench.streams.sources import READERS

FAMILIES = {
    "permuted": "Permuted",
    "shifting-labels": "ShiftingLabels",
    "random-labels": "RandomLabels",
    "class-incremental": "ClassIncremental",
    "iid": "Stationary",
}
CLASSES = {"cifar100": 100, "image-folder": 10}
each_name = pytest.mark.parametrize("name", BUILT_IN)


def stream_class(entry: BuiltIn) -> Any:
    module, _, name = entry.family.partition(":")
    return getattr(import_module(module), name)


def make(name: str) -> Stream:
    made = stream_class(BUILT_IN[name])(**BUILT_IN[name].settings)
    assert isinstance(made, Stream)
    return made


def of_size(count: int, classes: int) -> Samples:
    """Make samples with that many one-pixel images, classes equally often."""
    images = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return Samples(images, labels, images, labels, classes, 1.0, (0.0,), (1.0,), "made up")


def test_every_family_has_a_name_over_every_source_but_those_of_presets() -> None:
    named = set(READERS) - {"emnist", "imagenet32", "mini-imagenet-features"}
    expected = {f"{family}-{source}" for family in FAMILIES for source in named}
    assert set(BUILT_IN) == expected


@each_name
def test_a_name_stands_for_its_family_and_source(name: str) -> None:
    stream = make(name)
    family = name.removesuffix(f"-{stream.source}")
    assert type(stream).__name__ == FAMILIES[family]


@each_name
def test_only_settings_that_differ_from_the_defaults_are_listed(name: str) -> None:
    defaults = {field.name: field.default for field in fields(stream_class(BUILT_IN[name]))}
    listed = dict(BUILT_IN[name].settings)
    listed.pop("source")
    assert all(defaults[key] != value for key, value in listed.items())


@each_name
def test_the_settings_fit_the_source(name: str) -> None:
    stream = make(name)
    size = {"digits": 1437, "image-folder": 2000}.get(stream.source, 50_000)
    samples = of_size(size, CLASSES.get(stream.source, 10))
    assert next(stream.task_sequence(samples, 0)).train_index.numel() > 0


@pytest.mark.parametrize(
    ("name", "tasks", "updates"),
    [
        ("permuted-mnist", 500, 625),
        ("random-labels-mnist", 50, 30_000),
        ("random-labels-cifar10", 50, 30_000),
        ("iid-cifar10", 1, 200 * 391),
        ("iid-cifar100", 1, 200 * 391),
        ("class-incremental-mnist", 5, 20 * 94),
    ],
)
def test_the_protocols_make_as_many_updates_as_their_sources_say(
    name: str, tasks: int, updates: int
) -> None:
    stream = make(name)
    samples = of_size(60_000 if "mnist" in name else 50_000, CLASSES.get(stream.source, 10))
    assert stream.task_updates(samples) == [updates] * tasks


@each_name
def test_every_name_says_what_it_is_usually_run_with(name: str) -> None:
    entry = BUILT_IN[name]
    assert entry.network["kind"] in {"mlp", "convnet"}
    assert set(entry.network) == {"kind", "hidden"}
    assert entry.optimizer["name"] in {"adam", "sgd"}
    assert 0 < entry.optimizer["lr"] <= 0.1
    assert 10 < len(entry.summary) <= 90


def test_listing_the_names_imports_nothing_heavy() -> None:
    program = (
        "import sys; from plasticity_bench.streams import BUILT_IN; "
        "heavy = {'torch', 'avalanche', 'torchvision', 'sklearn', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy; print(len(BUILT_IN))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == str(len(BUILT_IN)), done.stderr


@each_name
def test_a_stream_is_a_value(name: str) -> None:
    assert make(name) == make(name)
    assert hash(make(name)) == hash(make(name))
    assert replace(make(name), tasks=3) != make(name)
