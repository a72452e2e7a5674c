"""Growth by cancelling pairs, variance transfer and rates by stage (Yuan et al. 2023)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices
from ...harness.engine.network import Layer, live_mask
from ...harness.engine.strategy import Context
from ...harness.errors import BenchError
from ..newborns.rules import paired
from ..newborns.slices import (
    column_blocks,
    consumer_of,
    fresh_slices,
    like_blocks,
    like_rows,
    normal,
)
from .seeded import SeededGrowth

SMALLEST_RATE, LARGEST_RATE = 0.1, 10.0
"""Bounds of a stage's rate: at birth weights may be tiny, and the ratio would stall them."""


@dataclass(frozen=True, kw_only=True)
class VarianceTransfer(SeededGrowth):
    """Add cancelling pairs, scale what is old, give each stage of growth its rate.

    The seed is drawn at its own fan-in n0. Then, when the fan-in of a layer rises from n to n',
    variance transfer multiplies its old weights and bias by (n / n')^p and draws the new columns as
    large as the scaled old ones, so that pre-activations keep their variance; it changes the
    function. Of an odd number of newborns one has no partner and starts with zero outgoing weights.
    The momentum of old weights is left as it is; the paper does not say.

    Rates: a weight born at stage s (that of the younger of its two units) moves by
    ||W_s|| / ||W_0|| times the optimiser's step, Frobenius norms within its layer at that update;
    weight decay is part of the step.

    Source: Yuan, Savarese and Maire 2023, "Accelerated Training via Incrementally Growing Neural
    Networks using Variance Transfer and Learning Rate Adaptation". Its own growth schedule is
    replaced by that of Grow; summaries of it disagree on p in hidden layers.
    """

    name = "variance-transfer"
    pairs: bool = True
    """Whether newborns come in pairs of equal incoming and opposite outgoing weights."""
    transfer: bool = True
    """Whether old weights are scaled for the new fan-in."""
    adapt_rates: bool = True
    """Whether each stage of growth has its own learning rate."""
    noise: float = 0.001
    """Standard deviation of what is added to a pair's outgoing weights, over theirs, at least 0."""
    exponent: float = 0.5
    """Power p of n / n' in hidden layers, at least 0."""
    output_exponent: float = 1.0
    """Power p of n / n' in the head, at least 0; 1 is the law of muP."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.noise, self.exponent, self.output_exponent) < 0:
            raise BenchError(
                f"noise={self.noise}, exponent={self.exponent}, output_exponent="
                f"{self.output_exponent}: give 0 or more each."
            )

    @torch.no_grad()
    def begin_run(self, net: Network, ctx: Context) -> None:
        """Leave only the seed alive, with initial weights for its own fan-in."""
        super().begin_run(net, ctx)
        for layer in net.layers:
            drawn = net.fresh_parameters(layer, net.fresh, layer.alive_fan_in())
            for name, parameter in layer.parameters().items():
                parameter.copy_(torch.where(live_mask(layer, name), drawn[name], parameter))
        ctx.state["seed fan-in"] = {layer.name: layer.alive_fan_in() for layer in net.layers}
        ctx.state["stage"] = {
            layer.name: torch.zeros_like(layer.alive).long() for layer in net.layers
        }
        ctx.state["stages"] = 1

    def edit(self, net: Network, ctx: Context) -> None:
        """Grow every layer, input side first."""
        stage = ctx.state["stages"]
        for layer, newborn in self.births(net, ctx):
            slices = self._slices(net, layer, newborn, ctx)
            if self.transfer:
                self._transfer(layer, newborn)
            net.grow(layer, newborn, insertion=slices, state=self.state)
            born = ctx.state["stage"][layer.name]
            ctx.state["stage"][layer.name] = born.masked_fill(newborn, stage)
        ctx.state["stages"] = stage + 1

    def _exponent(self, layer: Layer) -> float:
        """Return p of a layer whose fan-in rises."""
        return self.exponent if layer.consumer is not None else self.output_exponent

    def _slices(self, net: Network, layer: Layer, newborn: Tensor, ctx: Context) -> Slices:
        drawn = fresh_slices(net, layer, newborn)
        columns = drawn.columns
        if self.transfer:
            consumer = consumer_of(layer)
            shrunk = ctx.state["seed fan-in"][consumer.name] / _fan_in_with(layer, newborn)
            gain = shrunk ** (self._exponent(consumer) - 0.5)
            columns = columns * gain.view(-1, *(1,) * (columns.dim() - 1))
        if not self.pairs:
            return replace(drawn, rule=self.name, columns=columns)
        pair = paired(replace(drawn, columns=columns), layer, newborn)
        return replace(pair, columns=pair.columns + self._noise(layer, newborn, pair.columns, ctx))

    def _noise(self, layer: Layer, newborn: Tensor, columns: Tensor, ctx: Context) -> Tensor:
        blocks = column_blocks(layer, columns).transpose(1, 2)
        power = (blocks.square().flatten(2).mean(2) * newborn).sum(1) / newborn.sum(1).clamp(min=1)
        spread = self.noise * power.sqrt()
        noise = normal(ctx, columns.shape) * spread.view(-1, *(1,) * (columns.dim() - 1))
        return noise * (columns != 0)  # none for the odd one out

    @torch.no_grad()
    def _transfer(self, layer: Layer, newborn: Tensor) -> None:
        """Scale the consumer's weights from old units, and its bias, for the new fan-in."""
        consumer = consumer_of(layer)
        ratio = consumer.alive_fan_in() / _fan_in_with(layer, newborn)
        factor = (ratio ** self._exponent(consumer)).unsqueeze(1)
        blocks = column_blocks(layer, consumer.weight)
        scale = torch.where(layer.alive, factor, 1.0)
        # A dead consumer's weights are not in use, and are rewritten at its birth.
        consumer.weight.copy_((blocks * like_blocks(scale, blocks)).flatten(2, 3))
        consumer.bias.mul_(factor)

    # -- rates by stage -----------------------------------------------------------------------

    def acts_until(self, net: Network, ctx: Context) -> int:
        """Return the end of the run if rates are adapted, else the past."""
        return super().acts_until(net, ctx) if self.adapt_rates else 0

    def after_backward(self, net: Network, ctx: Context) -> None:
        """Remember the weights before the step."""
        if self.adapt_rates and ctx.state["stages"] > 1:
            ctx.state["before"] = [layer.weight.detach().clone() for layer in net.layers]

    @torch.no_grad()
    def after_step(self, net: Network, ctx: Context) -> None:
        """Move each weight by its stage's rate times the step just made."""
        for layer, before in zip(net.layers, ctx.state.pop("before", ()), strict=False):
            rates = stage_rates(layer, before, ctx.state["stage"], ctx.state["stages"])
            layer.weight.copy_(before + rates * (layer.weight - before))


def _fan_in_with(layer: Layer, newborn: Tensor) -> Tensor:
    """Count the weights into a unit of the consumer once some units live as well: (R,)."""
    kernel = consumer_of(layer).weight.shape[3:].numel()
    return (layer.alive | newborn).sum(1) * layer.columns_per_unit * kernel


def stage_rates(layer: Layer, weight: Tensor, stage: dict[str, Tensor], stages: int) -> Tensor:
    """Return what each weight's step is multiplied by: ||W_s|| / ||W_0||, in the weight's shape.

    Args:
        layer: the layer.
        weight: its weights, on which the norms are taken.
        stage: layer name -> stage of each unit's birth, (R, U) int64, 0 for the seed.
        stages: number of stages.
    """
    born = like_rows(stage[layer.name], weight)
    if layer.producer is not None:
        inputs = stage[layer.producer.name].repeat_interleave(layer.producer.columns_per_unit, 1)
        columns = inputs.view(inputs.shape[0], 1, -1, *(1,) * (weight.dim() - 3))
        born = torch.maximum(born, columns)
    flat = born.expand(weight.shape).flatten(1)
    power = torch.where(layer.live_weights(), weight, 0.0).square().flatten(1)
    norms = power.new_zeros(power.shape[0], stages).scatter_add_(1, flat, power).sqrt()
    rates = (norms / norms[:, :1]).clamp(SMALLEST_RATE, LARGEST_RATE)
    return rates.gather(1, flat).view(weight.shape)
