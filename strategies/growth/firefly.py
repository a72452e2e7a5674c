"""Firefly: try out splits and new units together, keep those that lower the loss most."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices
from ...harness.engine.network import Layer
from ...harness.engine.probe import Probe
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.slices import (
    at_units,
    column_blocks,
    column_norms,
    consumer_delta,
    consumer_of,
    fresh_slices,
    like_blocks,
    like_rows,
    mean_over,
    net2wider_slices,
    normal,
    random_columns,
    row_norms,
    share_columns,
)
from ..selection import UnitChoice, alive_everywhere, best
from .seeded import SeededGrowth


@dataclass(frozen=True, kw_only=True)
class Firefly(UnitChoice, SeededGrowth):
    """Choose between splits and new units by how fast each candidate lowers the loss.

    A split moves a unit and its copy apart, w + eps d and w - eps d with half the outgoing weight
    each; a new unit has incoming weights as at initialisation and outgoing weights eps z. While all
    candidates of a layer are there together, d, the incoming weights and z follow the gradient for
    a while (RMSprop, lengths kept); nothing else moves, and incumbents are put back. The score is
    the gradient to a candidate's own eps, half-way to it, which is its integral by the midpoint
    rule. The best candidates stay, as many as the budget says in each layer; the paper chooses over
    all layers at once. In convolutions all candidates are new units, chosen by chance.

    Source: Wu et al. 2020, "Firefly Neural Architecture Descent"; it tries its candidates for about
    one epoch, and adds 35 % of the width.
    """

    name = "firefly"
    selection: Literal["slope", "random"] = "slope"
    """Which candidates stay: those that lower the loss fastest, or any; all are tried out."""
    epsilon: float = 0.01
    """Size of a candidate's step, at least 0."""
    candidates: int = 70
    """New units to try in each layer, at least 0, as far as there are slots; every unit that has a
    slot for its copy, and up to half of the slots, tries a split."""
    steps: int = 20
    """Updates of the candidates before they are scored, at least 0."""
    rate: float = 0.001
    """Learning rate of the candidates, above 0."""
    samples: int = 128
    """Samples of the current task in each of these updates and in the score, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.epsilon, self.candidates, self.steps) < 0 or self.samples < 1 or self.rate <= 0:
            raise BenchError(
                f"epsilon={self.epsilon}, candidates={self.candidates}, steps={self.steps}, "
                f"rate={self.rate}, samples={self.samples}: give at least 0, 0 and 0, a rate above "
                "0 and at least 1 sample."
            )

    def edit(self, net: Network, ctx: Context) -> None:
        """Grow every layer, input side first."""
        for layer, newborn in self.births(net, ctx):
            count = int(newborn[0].sum())
            trial = self.trial(net, layer, count, ctx)
            scores = self.scores(net, trial, ctx)
            if self.selection == "random":
                scores = ctx.uniform(layer.alive.shape)
            chosen = best(self.in_order(scores), trial.slots, count)
            splits = trial.splits & chosen
            slices = trial.slices(splits, self.epsilon)
            share_columns(layer, splits, trial.donor)
            trial.move_parents(splits, self.epsilon)
            net.grow(layer, chosen, insertion=slices, state=self.state)

    def trial(self, net: Network, layer: Layer, count: int, ctx: Context) -> "Trial":
        """Draw the candidates of a layer, at least `count`, in its dead slots."""
        alive = alive_everywhere(layer)
        dead = layer.units - alive
        splits = 0 if layer.is_convolution else min(alive, dead // 2)
        new = min(max(self.candidates, count - splits), dead - splits)
        slots = best(torch.zeros_like(layer.bias), ~layer.alive, splits + new)
        halves = best(torch.zeros_like(layer.bias), slots, splits)
        parents = best(ctx.uniform(layer.alive.shape), layer.alive, max(1, splits))
        donor = at_units(halves, parents.nonzero()[:, 1].view(parents.shape[0], -1))
        direction = normal(ctx, layer.weight.shape)
        length = mean_over(row_norms(layer), layer.alive).unsqueeze(1)
        own = torch.linalg.vector_norm(direction.flatten(2), dim=2)
        fresh = fresh_slices(net, layer, slots).rows
        return Trial(
            layer,
            slots,
            halves,
            donor,
            direction * like_rows(length / own, direction),
            fresh,
            random_columns(layer, ctx, mean_over(column_norms(layer), layer.alive)),
        )

    def scores(self, net: Network, trial: "Trial", ctx: Context) -> Tensor:
        """Try the candidates out and score them: (R, U), larger lowers the loss more.

        What is not a candidate has no meaning. The network is afterwards as it was, bit by bit.
        """
        if trial.layer.is_convolution:
            return ctx.uniform(trial.layer.alive.shape)
        before = net.copy_parameters()
        alive = trial.layer.alive
        ways = [trial.direction, trial.fresh["weight"], trial.outgoing]
        optimizer = torch.optim.RMSprop(ways, lr=self.rate, momentum=0.1, alpha=0.9)
        lengths = [
            torch.linalg.vector_norm(way, dim=d) for way, d in zip(ways, (2, 2, 1), strict=True)
        ]
        for _ in range(self.steps):
            trial.enter(self.epsilon)
            slopes = trial.slopes(ctx.probing(net, self.samples), self.epsilon)
            trial.leave(net, before, alive)
            for way, slope in zip(ways, slopes, strict=True):
                way.grad = slope
            optimizer.step()
            for way, length, d in zip(ways, lengths, (2, 2, 1), strict=True):
                now = torch.linalg.vector_norm(way, dim=d).clamp(min=1e-30)
                way.mul_((length / now).unsqueeze(d))
        trial.enter(self.epsilon / 2)
        scores = -trial.slopes_to_step(ctx.probing(net, self.samples))
        trial.leave(net, before, alive)
        return scores


@dataclass(frozen=True)
class Trial:
    """The candidates of one layer, and the network with all of them."""

    layer: Layer
    slots: Tensor
    """(R, U) bool, where candidates are."""
    splits: Tensor
    """(R, U) bool, those of them that are copies."""
    donor: Tensor
    """(R, U) int64, whose copy."""
    direction: Tensor
    """(R, U, I), d of each unit that splits."""
    fresh: dict[str, Tensor]
    """Rows of new units, by parameter."""
    outgoing: Tensor
    """(R, O, I), z of new units."""

    def slices(self, splits: Tensor, step: float) -> Slices:
        """Return the weights of candidates of which some, (R, U) bool, are splits at a step."""
        copied = net2wider_slices(self.layer, splits, self.donor)
        apart = self._of_donors(self.direction)
        rows = {}
        for name, row in copied.rows.items():
            moved = row - step * apart if name == "weight" else row
            rows[name] = torch.where(like_rows(splits, row), moved, self.fresh[name])
        blocks = column_blocks(self.layer, copied.columns)
        new = column_blocks(self.layer, step * self.outgoing)
        columns = torch.where(like_blocks(splits, blocks), blocks, new)
        return Slices("firefly", rows, columns.flatten(2, 3))

    @torch.no_grad()
    def move_parents(self, splits: Tensor, step: float) -> None:
        """Move the units that some splits, (R, U) bool, are copies of, in place."""
        count = torch.zeros_like(self.layer.bias).scatter_add_(1, self.donor, splits.float())
        self.layer.weight.add_(step * self.direction * like_rows(count, self.direction))

    @torch.no_grad()
    def enter(self, step: float) -> None:
        """Let every candidate live in the network itself, at a step."""
        layer, consumer = self.layer, consumer_of(self.layer)
        slices = self.slices(self.splits, step)
        share_columns(layer, self.splits, self.donor)
        self.move_parents(self.splits, step)
        for name, parameter in layer.parameters().items():
            mask = like_rows(self.slots, parameter)
            parameter.copy_(torch.where(mask, slices.rows[name], parameter))
        blocks = column_blocks(layer, consumer.weight)
        new = column_blocks(layer, slices.columns)
        consumer.weight.copy_(
            torch.where(like_blocks(self.slots, blocks), new, blocks).flatten(2, 3)
        )
        layer.set_alive(layer.alive | self.slots)

    @torch.no_grad()
    def leave(self, net: Network, before: dict[str, Tensor], alive: Tensor) -> None:
        """Put the network back as it was."""
        for name, parameter in net.named_parameters():
            parameter.copy_(before[name])
        self.layer.set_alive(alive)

    def slopes(self, probe: Probe, step: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the mean loss to d, to new units' rows and to z."""
        rows, columns = self._gradients(probe)
        new = self.slots & ~self.splits
        halves = rows * like_rows(self.splits, rows)
        index = like_rows(self.donor, rows).expand_as(rows)
        of_copies = torch.zeros_like(rows).scatter_add_(1, index, halves)
        parents = torch.zeros_like(self.layer.bias).scatter_add_(1, self.donor, self.splits.float())
        apart = step * (rows * like_rows(parents, rows) - of_copies)
        return apart, rows * like_rows(new, rows), step * columns * new.unsqueeze(1)

    def slopes_to_step(self, probe: Probe) -> Tensor:
        """Return the gradient of the mean loss to each candidate's own step: (R, U)."""
        rows, columns = self._gradients(probe)
        apart = self._of_donors(rows) - rows
        split = (apart * self._of_donors(self.direction)).sum(2)
        return torch.where(self.splits, split, (columns * self.outgoing).sum(1))

    def _of_donors(self, rows: Tensor) -> Tensor:
        return rows.take_along_dim(like_rows(self.donor, rows), 1)

    def _gradients(self, probe: Probe) -> tuple[Tensor, Tensor]:
        """Return the gradients of the mean loss to the layer's weights and to its consumer's."""
        seen = probe.layers[self.layer.name]
        assert seen.inputs is not None
        rows = seen.linear_gradient.transpose(1, 2) @ seen.inputs
        columns = consumer_delta(probe, self.layer).transpose(1, 2) @ seen.output
        return rows / seen.inputs.shape[1], columns / seen.inputs.shape[1]
