"""Which incumbent a newborn unit is likened to: its donor, of state or of weights.

Shapes: R replicas, U units.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...harness.engine.edits import Network
from ...harness.engine.network import Layer
from ...harness.engine.probe import outgoing_weights
from ...harness.engine.strategy import Context
from ...harness.metrics.cohorts import utility

Donor = Literal["cosine", "utility", "random"]
"""Which incumbent of the same layer is a newborn's donor; Lillo and Cheney 2026 do not say.

cosine: the one with the most similar incoming weights from alive inputs, biases left out.
utility: the one with the highest contribution utility on a scoring batch, one for all newborns.
random: any, drawn anew for each newborn, with replacement.
"""


@torch.no_grad()
def choose_donors(
    rule: Donor, layer: Layer, newborn: Tensor, net: Network, ctx: Context
) -> tuple[Tensor, Tensor]:
    """Choose the donor of every newborn of a layer among its incumbents: alive and not newborn.

    Ties go to the lowest number.

    Args:
        rule: see `Donor`.
        layer: a layer of `hidden`.
        newborn: (R, U) bool.
        net: the network.
        ctx: gives the scoring batch and the random numbers.

    Returns:
        The donors' numbers (R, U) int64, of use at newborn units; and (R, U) bool, the newborns
        that have one: all in a replica with incumbents, none in one without.
    """
    incumbent = layer.alive & ~newborn
    scores = _scores(rule, layer, net, ctx).masked_fill(~incumbent.unsqueeze(1), -torch.inf)
    donor = scores.argmax(2).expand(newborn.shape)
    return donor, newborn & incumbent.any(1, keepdim=True)


def _scores(rule: Donor, layer: Layer, net: Network, ctx: Context) -> Tensor:
    """Score every unit as a donor, (R, 1, U), or for every unit that may be born, (R, U, U)."""
    if rule == "random":
        return ctx.random.uniform(layer.units, layer.units)
    if rule == "utility":
        output = ctx.score_batch(net).layers[layer.name].output
        return utility(output, outgoing_weights(layer)).unsqueeze(1)
    inputs = layer.alive_inputs()
    weight = layer.weight * inputs.view(len(inputs), 1, -1, *(1,) * (layer.weight.dim() - 3))
    if layer.connected is not None:
        weight = weight * layer.connected
    direction = normalize(weight.flatten(2), dim=2)
    return direction @ direction.transpose(1, 2)
