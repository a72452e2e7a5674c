"""Memories: samples of earlier tasks that are learnt from again."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..harness.engine.edits import Network
from ..harness.engine.strategy import Context, Strategy, TaskSamples
from ..harness.errors import BenchError


@dataclass(frozen=True, kw_only=True)
class TinyER(Strategy):
    """Replay a few stored samples of earlier tasks in every update.

    After each task up to `per_class` of its samples of every class are stored, drawn by chance; all
    classes share `capacity` evenly. From the second task on every batch is extended by samples
    drawn from the memory, so that `fraction` of what an update learns from is replayed. Accuracy
    before the update counts the stream's own samples only.

    Source: Lillo and Cheney 2026, appendix A.1 (50 a class, 200 in all, half of each batch), after
    Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning". Whether the replayed
    half is added to a batch or takes the place of one half is not stated; here it is added, as in
    Chaudhry et al., so that no sample of the stream is lost.
    """

    name = "tiny-er"
    needs = frozenset({"task boundary"})
    cost_factor = 2.0
    per_class: int = 50
    """Most samples stored of one class, at least 1."""
    capacity: int = 200
    """Most samples stored in all, at least 1; a class holds at most its even share."""
    fraction: float = 0.5
    """Share of an extended batch that comes from the memory, in [0, 1)."""

    def __post_init__(self) -> None:
        if self.per_class < 1 or self.capacity < 1:
            raise BenchError(
                f"per_class={self.per_class}, capacity={self.capacity}: give at least 1 of each."
            )
        if not 0 <= self.fraction < 1:
            raise BenchError(f"fraction={self.fraction}: give a share in [0, 1).")

    def end_task(self, net: Network, ctx: Context) -> None:
        """Store some samples of the task that ends, and make room for them."""
        samples = ctx.task_samples()
        generators = ctx.random.generators
        chosen = [
            _balanced(labels.cpu(), self.per_class, generator)
            for labels, generator in zip(samples.train_y, generators, strict=True)
        ]
        old_x = ctx.state.get("x", [None] * len(chosen))
        old_y = ctx.state.get("y", [None] * len(chosen))
        taken = _take(samples, chosen)
        memories = [
            self._merged(x, y, new_x, new_y, generator)
            for x, y, (new_x, new_y), generator in zip(old_x, old_y, taken, generators, strict=True)
        ]
        ctx.state["x"] = [x for x, _ in memories]
        ctx.state["y"] = [y for _, y in memories]

    def _merged(
        self,
        old_x: Tensor | None,
        old_y: Tensor | None,
        new_x: Tensor,
        new_y: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Put old and new samples together and keep each class's share, drawn by chance."""
        x = new_x if old_x is None else torch.cat([old_x, new_x])
        y = new_y if old_y is None else torch.cat([old_y, new_y])
        share = max(1, self.capacity // len(y.unique()))
        kept = _balanced(y.cpu(), min(self.per_class, share), generator)[: self.capacity]
        return x[kept], y[kept]

    def extend_batch(
        self, x: Tensor, y: Tensor, net: Network, ctx: Context
    ) -> tuple[Tensor, Tensor]:
        """Add samples of the memory behind the batch, drawn with replacement."""
        count = round(y.shape[1] * self.fraction / (1 - self.fraction))
        if "x" not in ctx.state or not count:
            return x, y
        rows = [
            torch.randint(len(stored), (count,), generator=generator).to(y.device)
            for stored, generator in zip(ctx.state["y"], ctx.random.generators, strict=True)
        ]
        old_x = torch.stack([part[r] for part, r in zip(ctx.state["x"], rows, strict=True)])
        old_y = torch.stack([part[r] for part, r in zip(ctx.state["y"], rows, strict=True)])
        return torch.cat([x, old_x], 1), torch.cat([y, old_y], 1)


def _balanced(labels: Tensor, per_class: int, generator: torch.Generator) -> Tensor:
    """Choose up to `per_class` samples of every class by chance: numbers (k,), of labels (n,)."""
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    return torch.cat([order[shuffled == label][:per_class] for label in labels.unique()])


def _take(samples: TaskSamples, chosen: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Take other numbers of samples for each replica: filled up to the longest, then cut."""
    longest = max(map(len, chosen))
    filled = [torch.nn.functional.pad(numbers, (0, longest - len(numbers))) for numbers in chosen]
    x, y = samples.take(filled)
    return [
        (own_x[: len(numbers)], own_y[: len(numbers)])
        for own_x, own_y, numbers in zip(x, y, chosen, strict=True)
    ]
