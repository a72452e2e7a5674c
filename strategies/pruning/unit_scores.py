"""Scores of alive units by what they contribute, for pruning; the lowest go first.

All are measured on one mini-batch of the current task and compared within a layer, so that the
normalisation by layer that some papers need for a global ranking would change nothing.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.network import LayerTrace
from ...harness.engine.probe import LayerProbe, outgoing_weights, replica_loss
from ...harness.engine.strategy import Context
from ...harness.metrics.cohorts import utility

UnitScore = Literal[
    "contribution", "adaptable-contribution", "taylor", "taylor-2017", "taylor-2019"
]
"""How much a unit contributes:

contribution: mean |h_j| times the L1 norm of the outgoing weights (Dohare et al. 2024).
adaptable-contribution: mean |h_j - mean h_j| times the L1 norm of the outgoing weights, over that
    of the incoming ones (Dohare et al. 2021, there with a running mean; here the batch's).
taylor: |mean of h_j dL/dh_j| over samples and positions, the absolute first-order change of the
    mean loss when the unit is removed. Signs cancel over samples and over positions.
taylor-2017: mean over samples of |mean of h_j dL/dh_j| over positions, as published (Molchanov et
    al. 2017, eq. 8). Signs cancel over the positions of one sample only.
taylor-2019: (sum of w dL/dw)^2 over the unit's incoming weights, without its bias, L the mean loss
    (Molchanov et al. 2019, group form; there averaged over many batches).
"""


def unit_scores(kind: UnitScore, net: Network, ctx: Context) -> dict[str, Tensor]:
    """Score every unit of the hidden layers: layer name -> (R, U)."""
    assert kind in get_args(UnitScore), kind
    if kind == "taylor-2019":
        return weight_taylor_scores(net, *sample_batch(ctx))
    layers = ctx.score_batch(net).layers
    score = {
        "contribution": contribution,
        "adaptable-contribution": adaptable_contribution,
        "taylor": taylor,
        "taylor-2017": taylor_by_sample,
    }[kind]
    return {layer.name: score(layers[layer.name]) for layer in net.hidden}


def contribution(probed: LayerProbe) -> Tensor:
    """Return mean |h_j| * sum |w_out,j|: (R, U)."""
    return utility(probed.output, outgoing_weights(probed.layer))


def adaptable_contribution(probed: LayerProbe) -> Tensor:
    """Return mean |h_j - mean h_j| * sum |w_out,j| / sum |w_in,j|: (R, U)."""
    layer, h = probed.layer, probed.output
    told = utility(h - h.mean(1, keepdim=True), outgoing_weights(layer))
    incoming = (layer.weight.detach().abs() * layer.live_weights()).flatten(2).sum(2)
    return told / incoming.clamp(min=torch.finfo(incoming.dtype).tiny)


def taylor(probed: LayerProbe) -> Tensor:
    """Return |mean over samples and positions of h_j dL/dh_j|: (R, U)."""
    return (probed.output * probed.signal).mean(1).abs()


def taylor_by_sample(probed: LayerProbe) -> Tensor:
    """Return the mean over samples of |mean over positions of h_j dL/dh_j|: (R, U)."""
    by_sample: Tensor = (probed.output * probed.signal).unflatten(1, (-1, probed.layer.positions))
    return by_sample.mean(2).abs().mean(1)


def weight_taylor_scores(net: Network, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return (sum over incoming weights of w dL/dw)^2, L the mean loss: layer name -> (R, U)."""
    with torch.enable_grad():
        loss = replica_loss(net.forward(x), y).mean(1).sum()
        gradients = torch.autograd.grad(loss, [layer.weight for layer in net.hidden])
    return {
        layer.name: (layer.weight.detach() * gradient * layer.live_weights())
        .flatten(2)
        .sum(2)
        .square()
        for layer, gradient in zip(net.hidden, gradients, strict=True)
    }


def sample_batch(ctx: Context) -> tuple[Tensor, Tensor]:
    """Draw a mini-batch of the current task with replacement: x (R, B, ...) and y (R, B)."""
    samples = ctx.task_samples()
    chosen = [
        torch.randint(len(labels), (ctx.plan.batch_size,), generator=generator).to(labels.device)
        for labels, generator in zip(samples.train_y, ctx.random.generators, strict=True)
    ]
    return samples.take(chosen)


def mean_inputs(net: Network, x: Tensor) -> dict[str, Tensor]:
    """Return the mean of each layer's inputs over samples and places: layer name -> (R, I)."""
    trace: list[LayerTrace] = []
    with torch.no_grad():
        net.forward(x, trace=trace)
    means = {}
    for layer, passed in zip(net.layers, trace, strict=True):
        inputs = passed.inputs
        if layer.is_convolution:
            means[layer.name] = inputs.mean((0, 2, 3)).view(net.replicas, -1)
        else:
            means[layer.name] = inputs.mean(1)
    return means
