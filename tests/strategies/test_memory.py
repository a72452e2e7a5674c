"""TinyER: what it stores, what it adds to a batch, and that it changes nothing else."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.engine.edits import Network
from plasticity_bench.harness.engine.strategy import Context
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream
from plasticity_bench.strategies.memory import TinyER
from tests.harness.loop.test_run import rows_of

Make = Callable[..., tuple[Network, Context]]


@dataclass
class MadeUpTask:
    """Samples whose picture says which they are: task number * 1000 + number within the task."""

    train_y: list[Tensor]
    number: int

    def take(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        x = torch.stack([1000.0 * self.number + rows for rows in chosen]).view(
            len(chosen), -1, 1, 1, 1
        )
        y = torch.stack([y[rows] for y, rows in zip(self.train_y, chosen, strict=True)])
        return x, y


def two_classes(task: int, sizes: Sequence[int] = (80, 90)) -> MadeUpTask:
    """The classes 2 * task and 2 * task + 1, of other sizes in the second replica."""
    labels = [
        torch.tensor([2 * task] * size + [2 * task + 1] * (size + 20), dtype=torch.int64)
        for size in sizes
    ]
    return MadeUpTask(labels, task)


def end_tasks(net: Network, ctx: Context, strategy: TinyER, tasks: Sequence[MadeUpTask]) -> None:
    for one in tasks:
        strategy.end_task(net, replace_task(ctx, one))


def replace_task(ctx: Context, task: MadeUpTask) -> Context:
    return replace(ctx, task_samples=lambda: task)  # state and generators are shared


def test_classes_share_the_memory_evenly_and_keep_their_own_samples(make: Make) -> None:
    net, ctx = make()
    strategy = TinyER()
    for task in range(5):
        end_tasks(net, ctx, strategy, [two_classes(task)])
        share = min(50, 200 // (2 * (task + 1)))
        for x, y in zip(ctx.state["x"], ctx.state["y"], strict=True):
            assert Counter(y.tolist()) == dict.fromkeys(range(2 * (task + 1)), share)
            assert torch.equal(x.flatten() // 1000, y // 2)
            assert len(x.unique()) == len(x)
    first, second = ctx.state["x"]
    assert not torch.equal(first, second)


def test_a_class_that_comes_back_is_stored_of_both_tasks(make: Make) -> None:
    net, ctx = make()
    again = replace(two_classes(0), number=7)
    end_tasks(net, ctx, TinyER(capacity=60), [two_classes(0), again])
    for x, y in zip(ctx.state["x"], ctx.state["y"], strict=True):
        assert Counter(y.tolist()) == {0: 30, 1: 30}
        assert set((x.flatten() // 1000).int().tolist()) == {0, 7}


def test_more_classes_than_room_still_keep_within_the_capacity(make: Make) -> None:
    net, ctx = make()
    end_tasks(net, ctx, TinyER(capacity=3), [two_classes(0), two_classes(1)])
    assert [len(y) for y in ctx.state["y"]] == [3, 3]


@pytest.mark.parametrize(("fraction", "added"), [(0.5, 16), (0.2, 4), (0.0, 0)])
def test_the_replayed_share_of_a_batch_is_the_one_asked_for(
    make: Make, fraction: float, added: int
) -> None:
    net, ctx = make()
    strategy = TinyER(fraction=fraction)
    x, y = torch.zeros(2, 16, 1, 1, 1) - 1, torch.zeros(2, 16, dtype=torch.int64)
    assert strategy.extend_batch(x, y, net, ctx)[0] is x  # nothing is stored yet
    end_tasks(net, ctx, strategy, [two_classes(1)])
    more_x, more_y = strategy.extend_batch(x, y, net, ctx)
    assert more_x.shape == (2, 16 + added, 1, 1, 1)
    assert torch.equal(more_x[:, :16], x)
    assert torch.equal(more_y[:, :16], y)
    assert bool((more_x[:, 16:].flatten(1) // 1000 == 1).all())
    assert bool((more_y[:, 16:] // 2 == 1).all())


def test_it_keeps_what_a_class_incremental_stream_makes_others_forget() -> None:
    stream = (parse_stream("class-incremental-digits(passes=8)"),)
    accuracy = {}
    for entrant in ("dense", "tiny-er", "tiny-er(fraction=0.0)"):
        specs = resolve(Suite("test", "", stream, (parse_entrant(entrant),), (0, 1)))
        accuracy[entrant] = [rows[-1]["metrics"]["acc"] for rows in rows_of(specs)]
    assert min(accuracy["tiny-er"]) > 0.8
    assert max(accuracy["dense"]) < 0.4
    # A memory that is never used changes nothing: it draws from generators of its own.
    assert accuracy["tiny-er(fraction=0.0)"] == accuracy["dense"]


@pytest.mark.parametrize("wrong", [{"per_class": 0}, {"capacity": 0}, {"fraction": 1.0}])
def test_impossible_memories_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BenchError, match=next(iter(wrong))):
        TinyER(**wrong)  # type: ignore[arg-type]
