"""Weights of newborn units worked out by hand: copies, draws; and what they rest on.

Rows are a unit's incoming weights, its columns the block of its consumer's weights that reads it.
All functions take units as masks (R, U) bool or as unit numbers (R, U) int64, and every replica
draws from its own generators.
"""

import torch
from torch import Tensor

from ...harness.engine.edits import Network, Slices
from ...harness.engine.network import Layer
from ...harness.engine.probe import Probe, outgoing_weights
from ...harness.engine.strategy import Context
from ...harness.metrics.cohorts import outgoing_norm
from ..selection import best, random_scores


def start_with_seed(net: Network, ctx: Context, share: float, targets: list[int]) -> None:
    """Leave only a random seed alive: `share` of each layer, at least 1, at most its target."""
    for layer, target in zip(net.hidden, targets, strict=True):
        seed = min(max(1, round(share * layer.units)), target)
        net.start_with(layer, best(random_scores(net, ctx)[layer.name], layer.alive, seed))


def best_of_each(scores: Tensor, among: Tensor, counts: Tensor) -> Tensor:
    """Choose the best allowed units, a number of its own for every replica; see `best`.

    Args:
        scores: (R, U).
        among: (R, U) bool.
        counts: (R,), how many; all of them where there are fewer.

    Returns:
        (R, U) bool.
    """
    ranked = scores.masked_fill(~among, -torch.inf).sort(dim=1, descending=True, stable=True)
    first = torch.arange(scores.shape[1], device=scores.device) < counts.unsqueeze(1)
    return torch.zeros_like(among).scatter_(1, ranked.indices, first) & among


# -- units and their slices ----------------------------------------------------------------------


def like_rows(units: Tensor, rows: Tensor) -> Tensor:
    """Shape values per unit (R, U) to (R, U, 1, ...) against rows (R, U, ...)."""
    return units.view(*units.shape, *(1,) * (rows.dim() - 2))


def like_blocks(units: Tensor, blocks: Tensor) -> Tensor:
    """Shape values per unit (R, U) to (R, 1, U, 1, ...) against `column_blocks` (R, O, U, ...)."""
    return units.view(units.shape[0], 1, units.shape[1], *(1,) * (blocks.dim() - 3))


def consumer_of(layer: Layer) -> Layer:
    """Return the layer that reads a hidden layer."""
    assert layer.consumer is not None, f"{layer.name} is the head"
    return layer.consumer


def column_blocks(layer: Layer, weight: Tensor) -> Tensor:
    """View weights (or state) of the consumer by unit: (R, O, I, ...) to (R, O, U, I / U, ...)."""
    blocks: Tensor = weight.unflatten(2, (layer.units, layer.columns_per_unit))
    return blocks


def row_norms(layer: Layer) -> Tensor:
    """Return the L2 norm of the weights into each unit that alive inputs feed: (R, U)."""
    live = layer.alive_inputs().view(layer.weight.shape[0], 1, -1, *(1,) * (layer.weight.dim() - 3))
    norms: Tensor = torch.linalg.vector_norm((layer.weight.detach() * live).flatten(2), dim=2)
    return norms


def live_spread(layer: Layer) -> Tensor:
    """Return the standard deviation of the live weights into each unit: (R, U)."""
    live = layer.live_weights().flatten(2)
    weight = layer.weight.detach().flatten(2)
    count = live.sum(2, keepdim=True).clamp(min=1)
    centred = (weight - (weight * live).sum(2, keepdim=True) / count) * live
    return (centred.square().sum(2) / count.squeeze(2)).sqrt()


def column_norms(layer: Layer) -> Tensor:
    """Return the L2 norm of the weights from each unit to alive consumers: (R, U)."""
    return outgoing_norm(outgoing_weights(layer))


def mean_over(values: Tensor, units: Tensor) -> Tensor:
    """Average values (R, U) over some units (R, U) bool: (R,); 0 where there are none."""
    return (values * units).sum(1) / units.sum(1).clamp(min=1)


def rank_among(units: Tensor) -> Tensor:
    """Number the chosen units of each replica from 0 by index: (R, U); others have no meaning."""
    return (units.cumsum(1) - 1).clamp(min=0)


def at_units(chosen: Tensor, values: Tensor) -> Tensor:
    """Hand the k-th of some values (R, K, ...) to the k-th chosen unit: (R, U, ...).

    K is at least the number of chosen units of any replica, or 1.
    """
    return values.take_along_dim(like_rows(rank_among(chosen), values), 1)


def normal(ctx: Context, shape: torch.Size) -> Tensor:
    """Draw from N(0, 1) in a shape that starts with R, each replica from its own generator."""
    return ctx.random.draw(lambda one: torch.randn(shape[1:], generator=one))


# -- copies of incumbents ------------------------------------------------------------------------


def random_donors(layer: Layer, ctx: Context) -> Tensor:
    """Draw an alive unit for every slot, with replacement: (R, U) int64."""
    alive = layer.alive.sum(1, keepdim=True)
    drawn = (ctx.uniform(layer.alive.shape) * alive).long().clamp(max=layer.units - 1)
    by_life = layer.alive.to(torch.int8).sort(dim=1, descending=True, stable=True).indices
    return by_life.gather(1, torch.minimum(drawn, (alive - 1).clamp(min=0)))


def times_copied(newborn: Tensor, donor: Tensor) -> Tensor:
    """Count each unit and its copies: 1 + how many newborns have it as donor, (R, U) float."""
    return torch.ones_like(newborn, dtype=torch.float32).scatter_add_(1, donor, newborn.float())


def copies(layer: Layer, donor: Tensor, rule: str) -> Slices:
    """Return the slices of each slot's donor, (R, U) int64, as they are."""
    rows = {
        name: parameter.detach().take_along_dim(like_rows(donor, parameter), 1)
        for name, parameter in layer.parameters().items()
    }
    blocks = column_blocks(layer, consumer_of(layer).weight.detach())
    columns = blocks.take_along_dim(like_blocks(donor, blocks), 2).flatten(2, 3)
    return Slices(rule, rows, columns)


def net2wider_slices(layer: Layer, newborn: Tensor, donor: Tensor) -> Slices:
    """Return copies of the donors with an equal share of their outgoing weights.

    The donors' own outgoing weights have to be shared too, *afterwards*: `share_columns`. Then the
    function is unchanged. Source: Chen, Goodfellow and Shlens 2016, "Net2Net".

    Args:
        layer: a hidden layer.
        newborn: (R, U) bool, the slots that receive a copy.
        donor: (R, U) int64, an alive unit for each of them; one may be drawn several times.
    """
    whole = copies(layer, donor, "net2wider")
    share = (1 / times_copied(newborn, donor)).gather(1, donor)
    blocks = column_blocks(layer, whole.columns)
    return Slices(whole.rule, whole.rows, (blocks * like_blocks(share, blocks)).flatten(2, 3))


@torch.no_grad()
def share_columns(layer: Layer, newborn: Tensor, donor: Tensor) -> None:
    """Divide the donors' outgoing weights by the number of units that now share them, in place."""
    weight = consumer_of(layer).weight
    blocks = column_blocks(layer, weight)
    share = like_blocks(1 / times_copied(newborn, donor), blocks)
    weight.copy_((blocks * share).flatten(2, 3))


@torch.no_grad()
def share_row_state(net: Network, layer: Layer, newborn: Tensor, donor: Tensor) -> None:
    """Divide the optimiser's row moments of donors and copies by r, second moments by r^2.

    r units share one column, so each row's gradient is 1 / r of what it was; columns see the same
    activation as before, and their gradients stay as they are.
    """
    times = times_copied(newborn, donor)
    shared = torch.where(newborn, times.gather(1, donor), times)
    for slot in net.optimizer.slots:
        for key, tensor in slot.state.items() if slot.layer is layer else ():
            factor = like_rows(shared, tensor)
            tensor.div_(factor.square() if "second" in key else factor)


# -- new weights ---------------------------------------------------------------------------------


def silent_rows(layer: Layer) -> dict[str, Tensor]:
    """Return incoming weights and offsets of 0, gains of 1: what passes nothing on."""
    return {
        name: torch.ones_like(parameter) if name == "gain" else torch.zeros_like(parameter)
        for name, parameter in layer.parameters().items()
    }


def fresh_slices(net: Network, layer: Layer, newborn: Tensor) -> Slices:
    """Draw slices by the initialisation law, at the fan-ins there are once the newborns live."""
    consumer = consumer_of(layer)
    kernel = consumer.weight.shape[3:].numel()
    more = (newborn & ~layer.alive).sum(1) * layer.columns_per_unit * kernel
    rows = net.fresh_parameters(layer, net.fresh, layer.alive_fan_in())
    drawn = net.fresh_parameters(consumer, net.fresh, consumer.alive_fan_in() + more)
    return Slices("fresh", rows, drawn["weight"])


def random_columns(layer: Layer, ctx: Context, norm: Tensor) -> Tensor:
    """Draw outgoing weights to alive consumers, each unit's in a random direction of a norm (R,).

    Returns:
        (R, O, I[, K, K]).
    """
    consumer = consumer_of(layer)
    drawn = normal(ctx, consumer.weight.shape) * like_rows(consumer.alive, consumer.weight)
    blocks = column_blocks(layer, drawn)
    length = torch.linalg.vector_norm(blocks.transpose(1, 2).flatten(2), dim=2)
    return (blocks * like_blocks(norm.unsqueeze(1) / length, blocks)).flatten(2, 3)


# -- what growth methods look at -----------------------------------------------------------------


def consumer_delta(probe: Probe, layer: Layer) -> Tensor:
    """Return each sample's dL/dz of the layer that reads this one, zero for dead units: (R, S, O).

    z is what the weights compute, before any norm.
    """
    consumer = consumer_of(layer)
    found = probe.layers.get(consumer.name)
    return probe.head_delta if found is None else found.linear_gradient


def growth_matrix(probe: Probe, layer: Layer) -> Tensor | None:
    """Return M = sum over samples of delta_{l+1} h_{l-1}^T: (R, O, I); None next to convolutions.

    It is the gradient that a linear skip past the layer would receive: entry (o, i) tells how much
    a path from input i to consumer o would change the loss. Source: Evci et al. 2022, "GradMax".
    """
    consumer = consumer_of(layer)
    inputs = probe.layers[layer.name].inputs
    if inputs is None or consumer.is_convolution:
        return None
    return consumer_delta(probe, layer).transpose(1, 2) @ inputs


def gate_at_zero(layer: Layer) -> float:
    """Return phi'(0) of a layer as autograd defines it: 0 for torch's ReLU."""
    assert layer.activation is not None
    return float(layer.activation.gate(torch.zeros(1)))
