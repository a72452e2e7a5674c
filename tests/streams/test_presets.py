"""Published protocols: each is whole, frozen under a version, and has the counts of its paper."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.registry import LoadedStream, load_stream
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.specs.spec import (
    NetworkSpec,
    OptimizerSpec,
    StreamSpec,
    all_settings,
    build_settings,
)
from plasticity_bench.harness.specs.suite import Suite, parse_entrant
from plasticity_bench.harness.stream import Samples, Stream
from plasticity_bench.streams.catalogue import presets

PROMISED = {
    "lillo2026": (
        "iid-mnist iid-cifar10 iid-cifar100 split-mnist split-fashion split-cifar100 "
        "permuted-mnist random-label-mnist random-label-cifar five-plus-one-cifar "
        "continual-imagenet"
    ),
    "lillo2025": "random-label-mnist random-label-cifar permuted-mnist",
    "kumar2024": (
        "permuted-mnist random-label-mnist random-label-cifar five-plus-one-cifar "
        "continual-imagenet"
    ),
    "dohare2024": (
        "online-permuted-mnist continual-imagenet incremental-cifar100 slowly-changing-regression"
    ),
    "elsayed2024": (
        "input-permuted-mnist label-permuted-emnist label-permuted-cifar10 "
        "label-permuted-mini-imagenet"
    ),
    "ash2020": "warm-start",
    "lyle2023": "random-label-mnist",
}
NAMES = [f"{paper}/{name}" for paper, names in PROMISED.items() for name in names.split()]
each_name = pytest.mark.parametrize("name", NAMES)

SIZES = {  # classes, training samples and test samples of the real sets
    "mnist": (10, 60_000, 10_000),
    "fashion-mnist": (10, 60_000, 10_000),
    "emnist": (47, 112_800, 18_800),
    "cifar10": (10, 50_000, 10_000),
    "cifar100": (100, 50_000, 10_000),
    "imagenet32": (1000, 1_281_000, 50_000),
    "mini-imagenet-features": (100, 50_000, 10_000),
}

UPDATES = {  # of the first task, and the number of tasks, as the papers say
    "lillo2026/iid-cifar10": (391 * 200, 1),
    "lillo2026/permuted-mnist": (625, 500),
    "lillo2026/random-label-mnist": (30_000, 50),
    "lillo2026/random-label-cifar": (30_000, 50),
    "lillo2026/five-plus-one-cifar": (780, 30),
    "lillo2026/continual-imagenet": (120, 500),
    "lillo2025/random-label-mnist": (30_000, 50),
    "kumar2024/permuted-mnist": (625, 500),
    "kumar2024/random-label-mnist": (30_000, 50),
    "kumar2024/random-label-cifar": (30_000, 50),
    "kumar2024/five-plus-one-cifar": (780, 30),
    "kumar2024/continual-imagenet": (120, 500),
    "dohare2024/online-permuted-mnist": (60_000, 800),
    "dohare2024/continual-imagenet": (250 * 12, 2_000),
    "dohare2024/slowly-changing-regression": (10_000, 100),
    "elsayed2024/input-permuted-mnist": (5_000, 200),
    "elsayed2024/label-permuted-emnist": (2_500, 400),
    "elsayed2024/label-permuted-cifar10": (2_500, 400),
    "elsayed2024/label-permuted-mini-imagenet": (2_500, 400),
}


def stream_of(name: str) -> Stream:
    loaded = load_stream(name)
    return build_settings(loaded.cls, loaded.settings, f"stream {name}")


def samples_for(stream: Stream, tmp_path: Path) -> Samples:
    """Samples of one pixel with the counts of the real set; those of a regression are its own."""
    source = getattr(stream, "source", None)
    if source not in SIZES or "Regression" in type(stream).__name__:
        return stream.load(tmp_path)
    classes, train, test = SIZES[source]
    x = torch.zeros(1, 1, 1, 1, dtype=torch.uint8)
    labels = [torch.arange(count) % classes for count in (train, test)]
    images = [x.expand(count, 1, 1, 1) for count in (train, test)]
    return Samples(
        images[0], labels[0], images[1], labels[1], classes, 1.0, (0.0,), (1.0,), "made up"
    )


def test_every_promised_protocol_is_there_in_its_first_version_and_no_other_is() -> None:
    assert {f"{name}@1" for name in NAMES} == set(presets())


@each_name
def test_a_preset_is_built_from_its_settings_and_tells_its_newest_version(name: str) -> None:
    loaded = load_stream(name)
    assert loaded.name == f"{name}@1"
    assert load_stream(loaded.name) == loaded
    assert isinstance(stream_of(name), Stream)
    build_settings(NetworkSpec, loaded.network, "network")
    build_settings(OptimizerSpec, loaded.optimizer, "optimizer")


@each_name
def test_what_is_left_open_is_a_setting_and_the_source_is_cited(name: str) -> None:
    loaded = load_stream(name)
    assert loaded.about is not None
    known = {part.name for part in fields(loaded.cls)}
    known |= {f"network.{part.name}" for part in fields(NetworkSpec)}
    known |= {f"optimizer.{part.name}" for part in fields(OptimizerSpec)}
    assert loaded.about.not_stated <= known
    assert name.partition("/")[0][-4:] in loaded.about.paper, "the year of the paper"
    assert loaded.about.notes.endswith(".")


@pytest.mark.parametrize("name", UPDATES)
def test_a_preset_has_the_updates_and_tasks_of_its_paper(name: str, tmp_path: Path) -> None:
    stream = stream_of(name)
    updates = stream.task_updates(samples_for(stream, tmp_path))
    assert (updates[0], len(updates)) == UPDATES[name]


def test_an_unknown_version_or_paper_is_named_with_the_nearest() -> None:
    with pytest.raises(BenchError, match="no stream 'kumar2024/permuted-mnist@7'"):
        load_stream("kumar2024/permuted-mnist@7")
    with pytest.raises(BenchError, match="did you mean 'kumar2024/permuted-mnist@1'"):
        load_stream("kumar2024/permuted-mnits")


def test_a_result_names_the_version_and_holds_every_setting() -> None:
    name = "kumar2024/permuted-mnist"
    suite = Suite("s", "", (StreamSpec(name, {"tasks": 7}),), (parse_entrant("dense"),), (0,))
    (run,) = resolve(suite)
    assert run.stream.name == f"{name}@1"
    expected = {**all_settings(stream_of(name)), "tasks": 7}
    assert run.stream.settings == expected


def test_list_shows_the_source_every_number_and_what_is_not_stated() -> None:
    shown = CliRunner().invoke(
        app, ["list", "streams", "lillo2026/iid-mnist"], env={"COLUMNS": "300"}
    )
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    (batch,) = [line for line in lines if line.startswith("batch_size ")]
    assert "128" in batch
    assert "(not stated by the source)" in batch
    (passes,) = [line for line in lines if line.startswith("passes ")]
    assert "100" in passes
    assert "not stated" not in passes
    assert any(line.startswith("schedule ") and "cosine" in line for line in lines)
    assert any("arXiv 2605.15435" in line for line in lines)
    assert any("95.98" in line for line in lines)


FROZEN = Path(__file__).with_name("presets.sha256.json")


def frozen_part(loaded: LoadedStream) -> Any:
    return [loaded.settings, loaded.network, loaded.optimizer]


@each_name
def test_no_number_of_a_published_preset_ever_changes(name: str) -> None:
    """A correction is a new version. The hashes were taken when the version was made."""
    loaded = load_stream(name)
    text = json.dumps(frozen_part(loaded), sort_keys=True, default=dict)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(FROZEN.read_text())[loaded.name] == digest
