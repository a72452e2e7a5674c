"""Stacked optimisers: torch's own update rules over the replica axis, with a clock per unit.

The state is explicit tensors of each parameter's shape, so that edits can write the slices of one
unit. Adam's bias correction counts steps *per unit* and not per tensor: under one clock per tensor
a unit that was masked for long and starts at zero moments takes first steps of 3.2 learning rates
and, for a constant gradient, up to 6.6. A weight's clock is the younger one of the unit that owns
its row and the unit that feeds its column.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from ..specs.spec import OptimizerSpec
from .network import Layer, LayerStack

SETTLED = 1e-8
"""A bias correction this close to 1 is 1 in float32: clocks older than that count as equal."""


STEPS = (0.3, 0.6, 0.8)
"""Shares of a task's updates after which the schedule "steps" multiplies the rate by ..."""

STEP_FACTOR = 0.2


def learning_rate_factor(
    schedule: str, update: float, total_updates: int, task_share: float = 0.0
) -> float:
    """Return what the learning rate is multiplied by at an update.

    Args:
        schedule: constant is 1; cosine goes from 1 to 0 in half a cosine (Loshchilov and Hutter
            2017, without restarts; one step an update); steps falls within every task (Dohare et
            al. 2024, incremental CIFAR-100).
        update: updates made before; a fraction where passes are of uneven length.
        total_updates: of the whole run.
        task_share: share of the current task's updates that are made, in [0, 1).
    """
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * update / total_updates))
    if schedule == "steps":
        return float(STEP_FACTOR ** sum(task_share >= step for step in STEPS))
    return 1.0


@dataclass
class Slot:
    """One parameter tensor with its state: each tensor has the parameter's shape."""

    layer: Layer
    name: str
    parameter: Tensor
    state: dict[str, Tensor]


@dataclass
class _Group:
    """Consecutive replicas that share a learning rate."""

    rows: slice
    lr: float
    is_whole: bool
    """Whether that is every replica: then nothing has to be cut."""
    steps: list[Tensor] = field(default_factory=list)

    def of(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return the group's part of tensors (R, ...)."""
        return tensors if self.is_whole else [tensor[self.rows] for tensor in tensors]


class StackedOptimizer:
    """SGD, momentum, Adam, AdamW or AMSGrad for all replicas of a network at once.

    Args:
        spec: the rule and its settings.
        network: whose parameters it moves.
        learning_rates: one per replica; neighbours with equal rates are updated together.
    """

    def __init__(
        self, spec: OptimizerSpec, network: LayerStack, learning_rates: Sequence[float]
    ) -> None:
        self.spec = spec
        self.network = network
        self.slots = [
            Slot(layer, name, parameter, {key: torch.zeros_like(parameter) for key in self._keys()})
            for layer in network.layers
            for name, parameter in layer.parameters().items()
        ]
        self.clocks = {
            layer.name: torch.zeros(layer.bias.shape, device=network.device)
            for layer in network.layers
        }
        """Updates since each unit's state was new: layer name -> (R, U)."""
        self.common_clock: int | None = 0
        """The clock of all units while they agree (or are all settled), else None."""
        self.since_split = 0
        """Updates since the clocks last came apart."""
        self.learning_rates = tuple(learning_rates)
        self.groups = _group(learning_rates)

    def _keys(self) -> tuple[str, ...]:
        if self.spec.name == "sgd":
            return ("momentum",) if self.spec.momentum > 0 else ()
        extra = ("largest_second_moment",) if self.spec.name == "amsgrad" else ()
        return ("first_moment", "second_moment", *extra)

    @property
    def moves_idle_weights(self) -> bool:
        """Whether a weight with zero gradient and zero state still moves: under weight decay."""
        return self.spec.weight_decay > 0

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Move every parameter by its `.grad`.

        Args:
            factor: what the learning rates are multiplied by, see `learning_rate_factor`.
        """
        if self.common_clock is None and self._settled():
            self.common_clock = max(1, round(max(float(c.max()) for c in self.clocks.values())))
        for group in self.groups:
            if self.spec.name == "sgd":
                self._sgd(group, factor)
            elif self.common_clock is not None:
                self._adam(group, factor)
            else:
                self._adam_by_unit(group, factor)
        self._tick()

    def _tick(self) -> None:
        for clock in self.clocks.values():
            clock += 1
        self.since_split += 1
        if self.common_clock is not None:
            self.common_clock += 1

    def _settled(self) -> bool:
        if self.spec.name == "sgd":
            return True
        slowest = max(self.spec.beta1, self.spec.beta2)
        return slowest**self.since_split < SETTLED

    def _tensors(self, group: _Group, key: str) -> list[Tensor]:
        return group.of([slot.state[key] for slot in self.slots])

    def _parameters(self, group: _Group) -> tuple[list[Tensor], list[Tensor]]:
        parameters = [slot.parameter for slot in self.slots]
        return group.of(parameters), group.of([_gradient(one) for one in parameters])

    def _sgd(self, group: _Group, factor: float) -> None:
        parameters, gradients = self._parameters(group)
        momentum: list[Tensor | None] = [None] * len(parameters)
        if self.spec.momentum > 0:
            momentum = list(self._tensors(group, "momentum"))
        sgd(
            parameters,
            gradients,
            momentum,
            fused=True,
            weight_decay=self.spec.weight_decay,
            momentum=self.spec.momentum,
            lr=group.lr * factor,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _adam(self, group: _Group, factor: float) -> None:
        assert self.common_clock is not None
        if not group.steps:
            group.steps = [torch.zeros((), device=self.network.device) for _ in self.slots]
        for step in group.steps:
            step.fill_(self.common_clock)
        parameters, gradients = self._parameters(group)
        amsgrad = self.spec.name == "amsgrad"
        rule = adamw if self.spec.name == "adamw" else adam
        rule(
            parameters,
            gradients,
            self._tensors(group, "first_moment"),
            self._tensors(group, "second_moment"),
            self._tensors(group, "largest_second_moment") if amsgrad else [],
            group.steps,
            fused=True,
            amsgrad=amsgrad,
            beta1=self.spec.beta1,
            beta2=self.spec.beta2,
            lr=group.lr * factor,
            weight_decay=self.spec.weight_decay,
            eps=self.spec.eps,
            maximize=False,
        )

    def _adam_by_unit(self, group: _Group, factor: float) -> None:
        """Adam (Kingma and Ba 2015) with one clock per unit; torch's rule where clocks agree."""
        for slot in self.slots:
            self._adam_slot(slot, group.rows, group.lr * factor)

    def _adam_slot(self, slot: Slot, rows: slice, lr: float) -> None:
        spec = self.spec
        parameter, gradient = slot.parameter[rows], _gradient(slot.parameter)[rows]
        first, second = slot.state["first_moment"][rows], slot.state["second_moment"][rows]
        if spec.weight_decay > 0 and spec.name == "adamw":
            parameter.mul_(1 - lr * spec.weight_decay)
        elif spec.weight_decay > 0:
            gradient = gradient.add(parameter, alpha=spec.weight_decay)
        first.lerp_(gradient, 1 - spec.beta1)
        second.mul_(spec.beta2).addcmul_(gradient, gradient, value=1 - spec.beta2)
        if spec.name == "amsgrad":
            largest = slot.state["largest_second_moment"][rows]
            second = torch.maximum(largest, second, out=largest)
        correction1 = self._bias_correction(slot, rows, spec.beta1)
        correction2 = self._bias_correction(slot, rows, spec.beta2)
        denominator = second.div(correction2).sqrt_().add_(spec.eps)
        parameter.addcdiv_(first / correction1, denominator, value=-lr)

    def _bias_correction(self, slot: Slot, rows: slice, beta: float) -> Tensor:
        """Return 1 - beta^clock for each entry, its clock being the younger of row and column."""
        by_unit = _one_minus_power(beta, self.clocks[slot.layer.name][rows] + 1)
        producer = slot.layer.producer
        if slot.name != "weight":
            return by_unit
        extra = (1,) * (slot.parameter.dim() - 3)
        by_row = by_unit.view(*by_unit.shape, 1, *extra)
        if producer is None:
            return by_row
        columns = _one_minus_power(beta, self.clocks[producer.name][rows] + 1)
        columns = columns.repeat_interleave(producer.columns_per_unit, 1)
        return torch.minimum(by_row, columns.view(columns.shape[0], 1, -1, *extra))

    def reset(self, replicas: Tensor | None = None) -> None:
        """Forget everything: all moments and clocks of all or of the chosen replicas.

        Args:
            replicas: (R,) bool; None for all.
        """
        everyone = replicas is None or bool(replicas.all())
        chosen = (
            torch.ones(self.network.replicas, dtype=torch.bool) if replicas is None else replicas
        )
        for slot in self.slots:
            for tensor in slot.state.values():
                tensor[chosen] = 0
        for clock in self.clocks.values():
            clock[chosen] = 0
        if everyone:
            self.common_clock = 0
        elif bool(chosen.any()):
            self.split_clocks()

    def split_clocks(self) -> None:
        """Note that the units' clocks no longer agree."""
        self.common_clock = None
        self.since_split = 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from here."""
        return {
            "state": [dict(slot.state) for slot in self.slots],
            "clocks": dict(self.clocks),
            "common_clock": self.common_clock,
            "since_split": self.since_split,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        for slot, state in zip(self.slots, saved["state"], strict=True):
            for key, tensor in state.items():
                slot.state[key].copy_(tensor)
        for name, clock in saved["clocks"].items():
            self.clocks[name].copy_(clock)
        self.common_clock = saved["common_clock"]
        self.since_split = saved["since_split"]


def _group(learning_rates: Sequence[float]) -> list[_Group]:
    groups: list[_Group] = []
    for lr, replicas in groupby(learning_rates):
        first = groups[-1].rows.stop if groups else 0
        rows = slice(first, first + len(list(replicas)))
        groups.append(_Group(rows, lr, is_whole=rows == slice(0, len(learning_rates))))
    return groups


def _one_minus_power(beta: float, clock: Tensor) -> Tensor:
    """Return 1 - beta^clock without the cancellation that costs float32 four digits."""
    return -torch.expm1(clock * (math.log(beta) if beta > 0 else -math.inf))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
