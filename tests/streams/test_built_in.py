import subprocess
import sys
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.spec import build_settings
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_seeds, parse_stream
from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams.catalogue import BuiltIn, built_in
from plasticity_bench.streams.data.sources import READERS
from plasticity_bench.streams.families.regression import all_inputs

FAMILIES = {
    "permuted": "Permuted",
    "shifting-labels": "ShiftingLabels",
    "random-labels": "RandomLabels",
    "class-incremental": "ClassIncremental",
    "iid": "Stationary",
}
FURTHER = {
    "control-digits": "Stationary",
    "control-mnist": "Stationary",
    "rotated-digits": "Rotated",
    "noisy-labels-digits": "NoisyLabels",
    "warm-start-digits": "WarmStart",
    "recurring-permuted-digits": "Permuted",
    "gradual-permuted-digits": "Permuted",
    "partly-permuted-digits": "Permuted",
    "growing-head-digits": "ClassIncremental",
    "composed-digits": "Composed",
    "slowly-changing-regression": "SlowlyChangingRegression",
}
OTHER_PROTOCOL = {
    "random-labels-digits",
    "class-incremental-digits",
    "growing-head-digits",
    "iid-digits",
    "warm-start-digits",
}
"""Streams over the digits with tasks of their own."""
CLASSES = {"cifar100": 100, "image-folder": 10}
BUILT_IN = built_in()
each_name = pytest.mark.parametrize("name", BUILT_IN)


def stream_class(entry: BuiltIn) -> Any:
    module, _, name = entry.family.partition(":")
    return getattr(import_module(module), name)


def make(name: str) -> Stream:
    loaded: type[Stream] = stream_class(BUILT_IN[name])
    return build_settings(loaded, BUILT_IN[name].settings, f"stream {name}")


def of_size(count: int, classes: int) -> Samples:
    """Make samples with that many one-pixel images, classes equally often."""
    images = torch.zeros(count, 1, 1, 1, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return Samples(images, labels, images, labels, classes, 1.0, (0.0,), (1.0,), "made up")


def test_every_family_has_a_name_over_every_source_but_those_of_presets() -> None:
    named = set(READERS) - {"emnist", "imagenet32", "mini-imagenet-features"}
    expected = {f"{family}-{source}" for family in FAMILIES for source in named}
    assert set(BUILT_IN) == expected | set(FURTHER)


@each_name
def test_a_name_stands_for_its_family_and_source(name: str) -> None:
    stream = make(name)
    family = name.removesuffix(f"-{stream.source}")
    assert type(stream).__name__ == (FURTHER.get(name) or FAMILIES[family])


@each_name
def test_only_settings_that_differ_from_the_defaults_are_listed(name: str) -> None:
    defaults = {field.name: field.default for field in fields(stream_class(BUILT_IN[name]))}
    listed = dict(BUILT_IN[name].settings)
    listed.pop("source", None)
    assert all(defaults[key] != value for key, value in listed.items())


@each_name
def test_the_settings_fit_the_source(name: str) -> None:
    stream = make(name)
    size = {"digits": 1437, "image-folder": 2000}.get(stream.source, 50_000)
    is_regression = stream.source == "random-bits"
    samples = all_inputs(20) if is_regression else of_size(size, CLASSES.get(stream.source, 10))
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
        ("control-mnist", 500, 625),
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


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name.endswith("-digits")])
def test_the_digits_streams_have_the_learner_and_protocol_that_were_fixed(name: str) -> None:
    """Each file says them again, so that it can be read alone; here is what keeps them the same."""
    entry, fixed = BUILT_IN[name], BUILT_IN["permuted-digits"]
    if name != "iid-digits":
        assert (entry.network, entry.optimizer) == (fixed.network, fixed.optimizer)
    if name not in OTHER_PROTOCOL:
        assert fixed.settings.items() <= entry.settings.items()


def test_listing_the_names_imports_nothing_heavy() -> None:
    program = (
        "import sys; from plasticity_bench.streams.catalogue import built_in; "
        "heavy = {'torch', 'avalanche', 'torchvision', 'sklearn', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy; print(len(built_in()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == str(len(BUILT_IN)), done.stderr


@each_name
def test_a_stream_is_a_value(name: str) -> None:
    assert make(name) == make(name)
    assert hash(make(name)) == hash(make(name))
    assert replace(make(name), passes=3) != make(name)


@pytest.mark.parametrize("source", ["digits", "mnist"])
def test_a_control_is_the_permuted_stream_without_its_permutations(source: str) -> None:
    shifting, control = make(f"permuted-{source}"), make(f"control-{source}")
    common = {field.name for field in fields(control)}
    assert {name: getattr(shifting, name) for name in common} == {
        name: getattr(control, name) for name in common
    }
    samples = of_size(20_000, 10)
    first, second = (next(stream.task_sequence(samples, 0)) for stream in (shifting, control))
    assert torch.equal(first.train_index, second.train_index)
    assert second.pixel_map is None


@pytest.mark.parametrize("name", [name for name in FURTHER if not name.endswith("mnist")])
def test_every_further_stream_can_be_run(tmp_path: Path, name: str) -> None:
    """The first two tasks of two seeds, over the real samples."""
    stream = parse_stream(name)
    suite = Suite("test", "", (stream,), (parse_entrant("dense"),), parse_seeds("0:2"))
    short = ["stream.updates_per_task=100"]
    if name != "warm-start-digits":
        short.append("stream.tasks=2")
    if name == "growing-head-digits":
        short.append("stream.classes_per_task=[2]")
    run = StackedRun(resolve(suite, parse_overrides(short)), tmp_path)
    rows = [row for _, row in run.rows()]
    assert [row["status"] for row in rows if row["kind"] == "end"] == ["done", "done"]
    losses = [row["loss"] for row in rows if row["kind"] == "task"]
    assert len(losses) == 4
    assert all(0 < loss < 10 for loss in losses)
