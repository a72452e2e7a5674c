"""How the weights of newborn units are worked out, one function for each rule.

Shapes: R replicas, U units of the layer, I its inputs, O units of its consumer, S inputs of the
consumer that one unit feeds.
"""

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices, StatePolicy
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context
from ...harness.metrics.cohorts import outgoing_norm
from .base import Units
from .donors import Donor, choose_donors


def scaled(slices: Slices, gain: float) -> Slices:
    """Multiply incoming weights, biases and outgoing weights; norm parameters stay."""
    rows = {
        name: gain * value if name in ("weight", "bias") else value
        for name, value in slices.rows.items()
    }
    return Slices("scaled", rows, gain * slices.columns)


def paired(slices: Slices, layer: Layer, newborn: Tensor) -> Slices:
    """Pair a layer's newborns, (R, U) bool, in the order of their numbers, so that both cancel.

    The second of a pair has the first one's row and its columns with the other sign; what both say
    cancels, and what both learn does not. An odd one out has zero columns.
    """
    leader, sign = _pairs(newborn)
    rows = {name: _rows_of(value, leader) for name, value in slices.rows.items()}
    columns = _by_unit(layer, _columns_of(layer, slices.columns, leader), sign)
    return Slices("pair" if slices.rule == "fresh" else f"pair-{slices.rule}", rows, columns)


def _pairs(newborn: Tensor) -> tuple[Tensor, Tensor]:
    """Return whose slices each unit takes, (R, U) int64, and the sign of its columns, (R, U)."""
    units = newborn.shape[1]
    order = newborn.long().argsort(dim=1, descending=True, stable=True)  # newborns first
    place = newborn.cumsum(1) - 1  # of each newborn among them
    is_second = newborn & (place % 2 == 1)
    is_odd_one_out = newborn & (place % 2 == 0) & (place == newborn.sum(1, keepdim=True) - 1)
    first = order.gather(1, (place - 1).clamp(min=0))
    own = torch.arange(units, device=newborn.device).expand_as(order)
    sign = torch.where(is_second, -1.0, torch.where(is_odd_one_out, 0.0, 1.0))
    return torch.where(is_second, first, own), sign


def matched(slices: Slices, layer: Layer, born: Units, net: Network, ctx: Context) -> Slices:
    """Scale newborns to what their layer's incumbents are like on average.

    The variance of what a newborn's weights compute, over a scoring batch (and places), becomes the
    incumbents' mean variance; the L2 norm of its outgoing weights becomes their mean. Norms are
    taken over the consumer's incumbents: rows of its newborns are not written yet. What is zero
    stays zero, and without incumbents nothing is scaled.
    """
    newborn = born[layer.name]
    incumbent = layer.alive & ~newborn
    weight = slices.rows["weight"]
    _write_rows(layer, newborn, slices)
    variance = ctx.score_batch(net).layers[layer.name].linear.var(1)
    row_factor = _factor(variance, incumbent).sqrt()
    consumer = layer.consumer
    assert consumer is not None
    old = consumer.alive & ~born.get(consumer.name, torch.zeros_like(consumer.alive))
    in_use = torch.where(newborn, _norms(layer, slices.columns, old), _norms(layer, None, old))
    rows = {**slices.rows, "weight": weight * row_factor.view(_like(weight))}
    columns = _by_unit(layer, slices.columns, _factor(in_use, incumbent))
    return Slices("matched", rows, columns)


def _factor(values: Tensor, incumbent: Tensor) -> Tensor:
    """Return by what each value is multiplied to be the incumbents' mean: (R, U)."""
    mean = (values * incumbent).sum(1, keepdim=True) / incumbent.sum(1, keepdim=True)
    return torch.where((values > 0) & mean.isfinite(), mean / values, 1.0)


def _norms(layer: Layer, columns: Tensor | None, consumers: Tensor) -> Tensor:
    """Return the L2 norm of every unit's weights to some units of its consumer: (R, U)."""
    consumer = layer.consumer
    assert consumer is not None
    weight = consumer.weight if columns is None else columns
    reached = consumers.view(_like(weight))
    if consumer.connected is not None:
        reached = reached & consumer.connected
    return outgoing_norm((weight * reached).unflatten(2, (layer.units, layer.columns_per_unit)))


def duplicate(
    layer: Layer,
    newborn: Tensor,
    net: Network,
    ctx: Context,
    *,
    donors: Donor,
    noise: float,
    split_moments: bool,
) -> None:
    """Make newborns copies of incumbents, and share the outgoing weights out among all copies.

    A donor of n newborns counts n + 1 times: its columns and theirs are its old ones over n + 1.
    The gradient of each copy's row is then that of the donor's before over n + 1, and so are the
    moments where `split_moments` says so; the gradient of the columns, and their moments, are the
    donor's own. Source: Chen et al. 2016; the moments are derived.
    """
    donor, copies = choose_donors(donors, layer, newborn, net, ctx)
    count = torch.ones_like(donor).scatter_add_(1, donor, copies.long())
    count = torch.where(copies, count.gather(1, donor), count)
    consumer = layer.consumer
    assert consumer is not None
    rows = {name: _rows_of(value, donor) for name, value in layer.parameters().items()}
    rows["weight"] = rows["weight"] + _noise(layer, donor, noise, ctx)
    columns = _by_unit(layer, _columns_of(layer, consumer.weight, donor), 1 / count)
    consumer.weight.copy_(_by_unit(layer, consumer.weight, torch.where(newborn, 1, 1 / count)))
    state: StatePolicy | None = "donor" if split_moments else None
    net.rewrite(
        layer, copies, insertion=Slices("net2wider", rows, columns), state=state, donor=donor
    )
    for slot in net.optimizer.slots if split_moments else ():
        for key, tensor in slot.state.items() if slot.layer is layer else ():
            power = 2 if "second" in key else 1
            tensor.div_(count.view(*count.shape, *(1,) * (tensor.dim() - 2)) ** power)


def _noise(layer: Layer, donor: Tensor, share: float, ctx: Context) -> Tensor | float:
    """Draw noise for copied rows, in units of the spread of the donor's live incoming weights."""
    if share == 0:
        return 0.0
    live = layer.live_weights()
    count = live.flatten(2).sum(2).clamp(min=2)
    weight = layer.weight * live
    mean = weight.flatten(2).sum(2) / count
    centred = (layer.weight - mean.view(_like(weight))) * live
    spread = (centred.square().flatten(2).sum(2) / (count - 1)).sqrt().gather(1, donor)
    normal = ctx.random.draw(lambda g: torch.randn(weight.shape[1:], generator=g))
    return share * spread.view(_like(weight)) * normal


def _write_rows(layer: Layer, newborn: Tensor, slices: Slices) -> None:
    for name, parameter in layer.parameters().items():
        mask = newborn.view(_like(parameter))
        parameter.copy_(torch.where(mask, slices.rows[name], parameter))


def _like(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of values (R, U) that are to act on a tensor (R, U, ...)."""
    return (*tensor.shape[:2], *(1,) * (tensor.dim() - 2))


def _rows_of(tensor: Tensor, units: Tensor) -> Tensor:
    """Gather the rows (R, U, ...) of the units numbered in (R, U)."""
    replica = torch.arange(len(units), device=units.device).unsqueeze(1)
    return tensor[replica, units]


def _columns_of(layer: Layer, weight: Tensor, units: Tensor) -> Tensor:
    """Gather the consumer's columns (R, O, I, ...) of the units numbered in (R, U)."""
    blocks = weight.unflatten(2, (layer.units, layer.columns_per_unit)).transpose(1, 2)
    return _rows_of(blocks, units).transpose(1, 2).flatten(2, 3)


def _by_unit(layer: Layer, weight: Tensor, factor: Tensor) -> Tensor:
    """Multiply each unit's columns of the consumer's weight by its factor, (R, U)."""
    columns = factor.repeat_interleave(layer.columns_per_unit, 1)
    return weight * columns.view(len(columns), 1, -1, *(1,) * (weight.dim() - 3))
