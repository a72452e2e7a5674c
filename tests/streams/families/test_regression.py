"""The slowly-changing regression: bits, targets, and a run on it."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_seeds, parse_stream
from plasticity_bench.streams.families.regression import (
    SlowlyChangingRegression,
    TargetNetwork,
    all_inputs,
)

from .all_families import fingerprint

SMALL: dict[str, Any] = {"bits": 8, "slow_bits": 5, "flip_every": 400, "tasks": 12}
INPUTS = all_inputs(8)


def small(**changed: Any) -> SlowlyChangingRegression:
    return SlowlyChangingRegression(**{**SMALL, **changed})


def test_every_input_is_in_the_row_of_its_number() -> None:
    rows = INPUTS.train_x.flatten(1)
    assert rows.shape == (256, 8)
    assert [int("".join(map(str, row)), 2) for row in rows.tolist()] == list(range(256))


@pytest.mark.parametrize("flip", ["one", "all"])
def test_slow_bits_stay_within_a_task_and_the_others_are_drawn_evenly(flip: Any) -> None:
    last = None
    for task in small(flip=flip).task_sequence(INPUTS, 3):
        x = INPUTS.train_x[task.train_index].flatten(1).float()
        assert len(x) == 400
        assert (x[:, :5] == x[0, :5]).all()
        assert (x[:, 5:].mean(0) - 0.5).abs().max() < 0.12
        assert len(task.train_index.unique()) == 8
        if last is not None and flip == "one":
            assert int((x[0, :5] != last).sum()) == 1
        last = x[0, :5]


def test_which_slow_bit_flips_is_drawn_evenly_and_all_are_drawn_anew() -> None:
    def settings(flip: Any) -> torch.Tensor:
        stream = small(flip=flip, tasks=600, flip_every=1)
        rows = [task.train_index for task in stream.task_sequence(INPUTS, 0)]
        return INPUTS.train_x[torch.cat(rows)].flatten(1)[:, :5].long()

    flipped = (settings("one").diff(dim=0) != 0).sum(0)
    assert (flipped - 599 / 5).abs().max() < 45
    changed = (settings("all").diff(dim=0) != 0).sum(1)
    assert changed.double().mean() == pytest.approx(2.5, abs=0.2)


def test_targets_are_those_of_threshold_units_by_hand() -> None:
    """The same sums, spelt out unit by unit as the authors' code has them."""
    target = TargetNetwork.of(8, 100, 0.7, seed=4)
    for parts in (target.weight, target.bias, target.output, target.output_bias):
        assert set(parts.flatten().tolist()) <= {-1.0, 1.0}
    weights, biases = target.weight.tolist(), target.bias.tolist()
    (task,) = small(tasks=1, flip_every=50).task_sequence(INPUTS, 4)
    for row, y in zip(task.train_index.tolist(), task.train_y.tolist(), strict=True):
        x = INPUTS.train_x[row].flatten().tolist()
        total = float(target.output_bias)
        for v, b, out in zip(weights, biases, target.output.tolist(), strict=True):
            threshold = 0.7 * 9 - (v.count(-1) + b / 2)
            total += out * (sum(a * c for a, c in zip(v, x, strict=True)) + b > threshold)
        assert y == total


def test_a_unit_is_on_where_enough_bits_are_as_its_weights_say() -> None:
    weight = torch.tensor([[1.0, -1.0, 1.0]])
    target = TargetNetwork(
        weight, torch.tensor([1.0]), torch.tensor([1.0]), torch.tensor(0.0), beta=0.7
    )
    # Matches m of 3 bits: on where m + b + b / 2 > 0.7 * 4, so at m >= 2.
    x = torch.tensor([[1.0, 0, 1], [1, 1, 1], [0, 0, 1], [0, 1, 1], [0, 1, 0]])
    assert target(x).tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("flip", ["one", "all"])
@pytest.mark.parametrize("start", [1, 7, 11, 12])
def test_starting_late_equals_skipping_tasks(flip: Any, start: int) -> None:
    whole = list(small(flip=flip).task_sequence(INPUTS, 9))
    late = list(small(flip=flip).task_sequence(INPUTS, 9, start))
    assert fingerprint(late) == fingerprint(whole[start:])
    assert fingerprint(list(small(flip=flip).task_sequence(INPUTS, 8))) != fingerprint(whole)


def test_what_a_seed_draws_never_changes() -> None:
    assert fingerprint(list(small().task_sequence(INPUTS, 11))) == "204fc559b515621f"


def test_tasks_come_back_with_the_same_samples() -> None:
    tasks = list(small(period=5).task_sequence(INPUTS, 2))
    assert fingerprint(tasks[:5]) == fingerprint(tasks[5:10])


def test_a_million_tasks_are_made_when_asked_for() -> None:
    assert len(list(islice(small(tasks=10**6).task_sequence(INPUTS, 0), 2))) == 2


def test_the_protocol_is_that_of_its_source(tmp_path: Path) -> None:
    """One million samples of 20 bits, one a batch, in settings of 10,000."""
    stream = SlowlyChangingRegression()
    samples = stream.load(tmp_path)
    assert samples.train_x.shape == (2**20, 1, 1, 20)
    assert samples.train_x.element_size() == 1
    assert sum(stream.task_updates(samples)) == 1_000_000
    assert (stream.batch_size, stream.output_classes(samples)) == (1, 1)
    task = next(stream.task_sequence(samples, 0))
    assert task.train_y.dtype == torch.float32
    assert len(task.train_y) == len(task.train_index) == 10_000


def test_about_three_of_a_hundred_units_are_on() -> None:
    """By binomials: at least 14 of 20 bits match, or 17 where the bias is -1."""
    drawn = TargetNetwork.of(20, 5000, 0.7, seed=0)
    counting = replace(drawn, output=torch.ones(5000), output_bias=torch.tensor(0.0))
    x = torch.randint(2, (200, 20), generator=torch.Generator().manual_seed(0)).float()
    assert counting(x).mean() / 5000 == pytest.approx((0.0577 + 0.0013) / 2, abs=0.002)


def test_pixels_may_be_symmetric(tmp_path: Path) -> None:
    loaded = small(pixels="symmetric").load(tmp_path)
    assert loaded.network_input(loaded.train_x[[0, 255]]).unique().tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"bits": 23}, "bits is 23 and slow_bits is 5. Set bits to at most 22"),
        ({"slow_bits": 9}, "bits is 8 and slow_bits is 9"),
        ({"samples_per_task": 5}, "samples_per_task is 5, .* Set flip_every instead"),
        ({"evaluate": "current"}, 'evaluate="current" asks for a test accuracy'),
        ({"source": "digits"}, "no source 'digits'.* There is: random-bits"),
        ({"flip": "two"}, "no flip 'two'"),
        ({"flip_every": 0}, "flip_every is 0"),
        ({"subset": "anew"}, 'subset="anew" draws new images'),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(BenchError, match=text):
        small(**changed)


def test_samples_of_other_inputs_are_refused() -> None:
    with pytest.raises(BenchError, match=r"not the 256 inputs of 8 bits.*own load\(\)"):
        small().task_sequence(all_inputs(7), 0)


def test_a_run_learns_and_reports_its_error_and_no_accuracy(tmp_path: Path) -> None:
    suite = Suite(
        "test",
        "",
        (parse_stream("slowly-changing-regression"),),
        (parse_entrant("dense"), parse_entrant("grow(compactness=0.5,events=3)")),
        parse_seeds("0:2"),
    )
    short = ["stream.tasks=4", "stream.flip_every=300", "stream.bits=10", "stream.slow_bits=5"]
    for first in range(0, 4, 2):
        specs = resolve(suite, parse_overrides([*short, "network.hidden=[8]"]))[first : first + 2]
        rows = [row for _, row in StackedRun(specs, tmp_path).rows()]
        ends = [row for row in rows if row["kind"] == "end"]
        assert [row["status"] for row in ends] == ["done", "done"]
        for end in ends:
            assert end["metrics"]["online_loss"] > 0
            assert end["metrics"]["taoa"] is None
            assert end["metrics"]["task_end_accuracy"] is None
        losses = [row["loss"] for row in rows if row["kind"] == "task"]
        assert min(losses) < 0.7 * max(losses)
