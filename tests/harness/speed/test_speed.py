import gc
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.flop_counter import FlopCounterMode
from torchvision.datasets import MNIST
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.loop.run import StackedRun
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.specs.spec import OptimizerSpec, StreamSpec
from plasticity_bench.harness.specs.suite import Suite, parse_entrant
from plasticity_bench.harness.speed import contestants
from plasticity_bench.harness.speed import measure as speed

UPDATES = 3
avalanche_warns = pytest.mark.filterwarnings("ignore")  # about its own dependencies


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give MNIST's files with 64 training and 32 test samples in them."""
    small = contestants.made_up_arrays(64, 32)
    monkeypatch.setattr(contestants, "made_up_arrays", lambda: small)
    with contestants.mnist_files(None) as made:
        yield made


@pytest.fixture
def track(folder: Path) -> contestants.Track:
    return contestants.Track.of(folder, UPDATES)


@contextmanager
def counted_steps() -> Iterator[list[object]]:
    """Collect the optimiser of every step that one of torch's own makes."""
    steps: list[object] = []
    hook = register_optimizer_step_post_hook(lambda optimizer, *_: steps.append(optimizer))
    try:
        yield steps
    finally:
        hook.remove()


def report(**microseconds: list[float]) -> speed.Report:
    names = {name: [1.0] for goal in speed.GOALS for name in (goal.over, goal.under)}
    return speed.Report("made up", {"cores": 2, "torch": "2"}, names | microseconds, 0.5, 0.7)


@pytest.mark.parametrize(
    ("name", "over", "under", "met"),
    [
        ("Avalanche's Naive, sgd / stacked sgd x 10", 1500, 100, True),
        ("Avalanche's Naive, sgd / stacked sgd x 10", 1499, 100, False),
        ("plain loop, adam / stacked adam x 10", 300, 100, True),
        ("plain loop, adam / stacked adam x 10", 299, 100, False),
        ("plain loop, sgd / stacked sgd x 10", 200, 100, True),
        ("plain loop, sgd / stacked sgd x 10", 199, 100, False),
        ("stacked sgd x 10 / bare products x 10", 200, 100, True),
        ("stacked sgd x 10 / bare products x 10", 201, 100, False),
        ("run: grow, measured / run: grow", 115, 100, True),
        ("run: grow, measured / run: grow", 116, 100, False),
        ("run: prune / run: dense", 110, 100, True),
        ("run: shrink-perturb / run: dense", 111, 100, False),
    ],
)
def test_a_goal_is_a_bound_on_the_ratio_of_medians(
    name: str, over: int, under: int, met: bool
) -> None:
    slow, fast = name.split(" / ")
    made = report(**{slow: [9e9, over, 0], fast: [under, 9e9, 1]})
    (goal,) = [goal for goal in speed.as_json(made)["goals"] if goal["goal"] == name]
    assert goal["ratio"] == pytest.approx(over / under)
    assert goal["met"] is met


def test_the_tables_say_what_is_met() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(speed.tables(report(**{contestants.PLAIN: [2.5], contestants.PLAIN_ADAM: [2.5]})))
    text = console.export_text()
    assert re.search(r"plain loop, sgd / stacked sgd x 10 +│ +2\.50 +│ at least 2 +│ met ", text)
    assert re.search(
        r"plain loop, adam / stacked adam x 10 +│ +2\.50 +│ at least 3 +│ missed ", text
    )
    assert "1 thread of 2 cores" in text


def test_contestants_take_turns_and_the_first_round_only_warms_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, order = [0.0], list[str]()

    def turn(name: str, seconds: float) -> None:
        order.append(name)
        clock[0] += seconds * len(order)  # later turns are slower

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    field = [
        contestants.Contestant("a", 10, lambda: turn("a", 1e-5)),
        contestants.Contestant("b", 2, lambda: turn("b", 1e-5)),
    ]
    times = speed.take_turns(field, 2, Console(quiet=True))
    assert order == ["a", "b"] * 3
    assert times == {"a": pytest.approx([3, 5]), "b": pytest.approx([20, 30])}


@avalanche_warns
def test_the_command_times_everyone_and_leaves_the_threads_as_they_were(folder: Path) -> None:
    threads = torch.get_num_threads()
    words = ["speed", "--json", "--repeats", "2", "--updates", "1", "--data", str(folder)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["data"] == "MNIST"
    assert printed["machine"]["threads"] == 1
    assert printed["machine"]["cores"] >= 1
    assert printed["machine"]["torch"] == torch.__version__.split("+")[0]
    assert torch.get_num_threads() == threads
    for times in printed["contestants"].values():
        assert 0 < times["lowest"] <= times["median"] <= times["highest"]
    named = {name for goal in speed.GOALS for name in (goal.over, goal.under)}
    stacks = {f"stacked sgd x {replicas}" for replicas in (1, 5, 10, 30)}
    assert set(printed["contestants"]) == named | stacks
    assert [goal["goal"] for goal in printed["goals"]] == [goal.name for goal in speed.GOALS]


def test_torchvision_reads_the_files_that_are_written(folder: Path) -> None:
    expected = iter(contestants.made_up_arrays())
    for train in (True, False):
        read = MNIST(folder, train=train)
        assert torch.equal(read.data, next(expected))
        assert torch.equal(read.targets, next(expected))


def test_a_given_mnist_is_used_as_it_is(folder: Path) -> None:
    with contestants.mnist_files(folder) as copy:
        assert copy != folder
        for file in (folder / "MNIST" / "raw").iterdir():
            assert (copy / "MNIST" / "raw" / file.name).read_bytes() == file.read_bytes()


def test_the_synthetic_set_has_the_shape_of_mnist() -> None:
    train_x, train_y, test_x, test_y = contestants.made_up_arrays()
    assert train_x.shape == (60_000, 28, 28)
    assert test_x.shape == (10_000, 28, 28)
    assert len(train_y) == 60_000
    assert test_y.unique().tolist() == list(range(10))


@pytest.mark.parametrize("rule", [contestants.SGD, contestants.ADAM])
def test_the_plain_loop_learns_what_the_stack_learns(rule: OptimizerSpec) -> None:
    """The same weights at first, the same batches: the same weights after 30 updates."""
    stack, loops = (
        contestants.stacked_learner(rule, 2, 30),
        [contestants.PlainLoop(rule) for _ in range(2)],
    )
    for replica, loop in enumerate(loops):
        loop.model.load_state_dict(plain_state(stack.net.copy_parameters(), replica))
    generator = torch.Generator().manual_seed(0)
    right = torch.zeros(2)
    for _ in range(30):
        x = torch.rand(2, contestants.BATCH, 1, 28, 28, generator=generator)
        y = torch.randint(10, (2, contestants.BATCH), generator=generator)
        right += stack.observe(x, y)[0] * contestants.BATCH
        for loop, inputs, labels in zip(loops, x, y, strict=True):
            loop.observe(inputs.flatten(1), labels)
    for replica, loop in enumerate(loops):
        expected = plain_state(stack.net.copy_parameters(), replica)
        for name, parameter in loop.model.state_dict().items():
            torch.testing.assert_close(parameter, expected[name], atol=1e-4, rtol=1e-3)
        assert float(loop.right) == pytest.approx(float(right[replica]), abs=1)


def plain_state(stacked: dict[str, Tensor], replica: int) -> dict[str, Tensor]:
    """Rename one replica's parameters to those of the plain model: its layers 1, 3 and 5."""
    layers = {"fc1": 1, "fc2": 3, "head": 5}
    return {
        f"{layers[layer]}.{part}": values[replica]
        for name, values in stacked.items()
        for layer, part in [name.split(".")]
    }


def test_bare_products_are_those_of_an_update(track: contestants.Track) -> None:
    with FlopCounterMode(display=False) as counter:
        contestants.bare_products(track)()
    products = 2 * 784 * 100 + 3 * 100 * 100 + 3 * 100 * 10
    assert (
        counter.get_total_flops()
        == 2 * UPDATES * contestants.REPLICAS * contestants.BATCH * products
    )


def test_a_turn_of_the_stack_is_one_task(
    track: contestants.Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = contestants.stacked_learner(contestants.SGD, 2, UPDATES)
    monkeypatch.setattr(contestants, "stacked_learner", lambda *_: learner)
    turn = contestants.stacked(contestants.SGD, 2, track)
    before = learner.net.copy_parameters()
    turn()
    turn()
    assert learner.progress.update == 2 * UPDATES
    assert not torch.equal(before["fc1.weight"], learner.net.copy_parameters()["fc1.weight"])


def test_a_turn_of_the_plain_loop_is_one_task(track: contestants.Track) -> None:
    with counted_steps() as steps:
        contestants.plain(contestants.ADAM, track)()
    assert len(steps) == UPDATES
    assert isinstance(steps[0], torch.optim.Adam)


@avalanche_warns
def test_a_turn_of_avalanche_is_one_task_every_time(track: contestants.Track) -> None:
    turn = contestants.naive(track)
    with counted_steps() as steps:
        turn()
        turn()
    assert len(steps) == 2 * UPDATES
    assert isinstance(steps[0], torch.optim.SGD)


@pytest.mark.parametrize("measured", [True, False])
def test_a_whole_run_measures_if_told_to(track: contestants.Track, measured: bool) -> None:
    rows: Any = contestants.whole_run("grow(events=2)", measured, track)()
    kinds = [row["kind"] for _, row in rows]
    assert kinds.count("end") == contestants.REPLICAS
    assert kinds.count("task") == contestants.REPLICAS * contestants.RUN_TASKS
    assert ({"cohort", "health", "checkpoint"} <= set(kinds)) is measured
    assert ({"cohort", "health", "checkpoint"} & set(kinds) != set()) is measured


# -- memory --------------------------------------------------------------------------------------


def test_a_stream_of_many_tasks_needs_no_more_memory_than_one_of_ten() -> None:
    """The same bytes of tensors at the end, as many containers, and no higher a peak.

    The rows of past tasks are left out: they are the result. The margins are for Python's own
    caches, which fill up and then stay; one row kept of each task would be beyond them.
    """
    short_run(1)  # loads the samples, which all runs share
    short, long = memory_at_the_end(10), memory_at_the_end(200)
    assert long["tensors"] == short["tensors"] > 100_000
    assert abs(long["containers"] - short["containers"]) < 100
    assert long["peak"] < short["peak"] + 250_000


def memory_at_the_end(tasks: int) -> dict[str, int]:
    """Return a run's bytes of tensors, containers, and the peak of the last five tasks in bytes."""
    gc.collect()
    tensors, containers, found = tensor_bytes(), len(gc.get_objects()), dict[str, int]()
    run = short_run(tasks)

    def at_boundary() -> None:
        left = tasks - run.progress.task
        if left > 0:
            run.kept_rows = [[] for _ in run.specs]
        if left == 5:
            tracemalloc.reset_peak()
        if left == 0:
            found["peak"] = tracemalloc.get_traced_memory()[1]
            gc.collect()
            found["tensors"] = tensor_bytes() - tensors
            found["containers"] = len(gc.get_objects()) - containers

    tracemalloc.start()
    try:
        for _ in run.rows(at_boundary=at_boundary):
            pass  # keeping the rows would count
    finally:
        tracemalloc.stop()
    return found


def tensor_bytes() -> int:
    """Count the bytes of all tensors that are alive, each storage once."""
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def short_run(tasks: int) -> StackedRun:
    settings = {"tasks": tasks, "samples_per_task": 32, "passes": 1}
    suite = Suite(
        "memory",
        "",
        (StreamSpec("permuted-digits", settings),),
        (parse_entrant("shrink-perturb"),),
        (0, 1),
        network={"hidden": [40, 40]},
    )
    return StackedRun(resolve(suite), Path("data"))
