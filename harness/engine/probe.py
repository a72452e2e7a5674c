"""Out-of-band passes: what units do and what gradient reaches them, without changing the run.

Shapes: R replicas, B samples, U units, S = B times the positions of a convolution.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .edits import Network
from .network import Layer, LayerTrace


@dataclass(frozen=True)
class LayerProbe:
    """One layer's units on the samples of a probe; dead units are shown as if they were alive."""

    layer: Layer
    raw: Tensor
    """Post-activation before the mask, phi(z): (R, S, U)."""
    gate: Tensor
    """phi'(z): (R, S, U)."""
    signal: Tensor
    """Gradient of each sample's own loss to the unit's output, dL/dh: (R, S, U)."""
    linear: Tensor
    """What the weights compute, before any norm: (R, S, U)."""
    linear_gradient: Tensor
    """Gradient of each sample's own loss to what the weights compute: (R, S, U)."""
    inputs: Tensor | None
    """What the layer read, (R, B, I); None for a convolution."""

    @property
    def output(self) -> Tensor:
        """Post-activation with the mask: (R, S, U)."""
        return self.raw * self.layer.alive_factor.view(self.raw.shape[0], 1, -1)

    @property
    def delta(self) -> Tensor:
        """dL/dz of each sample's own loss, as if the unit were alive: (R, S, U)."""
        fading = self.layer.fading
        if fading is None:
            return self.gate * self.signal
        # What is dead fades in at nothing, and is shown as if it were there whole.
        factor = torch.where(self.layer.alive, fading, 1.0).unsqueeze(1)
        return self.gate * self.signal * factor


@dataclass(frozen=True)
class Probe:
    """A forward and a backward pass over labelled samples."""

    loss: Tensor
    """Mean loss: (R,)."""
    layers: dict[str, LayerProbe]
    """Every layer that was asked for, by name; the head is not among them."""
    head_delta: Tensor
    """Gradient of each sample's own loss to its logits: (R, B, classes)."""


Probing = Callable[[Network, int], Probe]
"""Draws that many samples per replica from the current task and probes the network on them."""


def replica_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return each sample's loss (R, B) of outputs (R, B, O) and labels (R, B).

    Whole numbers are classes, and the loss is the cross-entropy; floats are the targets of a
    regression with one output, and it is the squared error.
    """
    if labels.is_floating_point():
        return (outputs.squeeze(2) - labels).square()
    return functional.cross_entropy(
        outputs.flatten(0, 1), labels.flatten(), reduction="none"
    ).view_as(labels)


def probe(net: Network, x: Tensor, y: Tensor, only: Collection[str] | None = None) -> Probe:
    """Pass samples (R, B, ...) with labels (R, B) through and back.

    Random activations are taken at their mean, no generator is advanced, no `.grad` is touched.

    Args:
        net: the network.
        x: the samples.
        y: their labels.
        only: names of the layers to look at; None for all. Nothing goes back further than these.
    """
    trace: list[LayerTrace] = []
    with torch.enable_grad():
        logits = net.forward(x, trace=trace)
        losses = replica_loss(logits, y)
        total = losses.sum()
    *hidden, head = trace
    seen = [
        (layer, passed)
        for layer, passed in zip(net.layers, hidden, strict=False)
        if only is None or layer.name in only
    ]
    wanted = [t for _, passed in seen for t in (passed.output, passed.linear)]
    *gradients, head_delta = torch.autograd.grad(total, [*wanted, head.output])
    layers = {
        layer.name: _layer_probe(layer, passed, gradients[2 * i], gradients[2 * i + 1])
        for i, (layer, passed) in enumerate(seen)
    }
    return Probe(losses.detach().mean(1), layers, head_delta)


def _layer_probe(
    layer: Layer, passed: LayerTrace, signal: Tensor, linear_gradient: Tensor
) -> LayerProbe:
    assert layer.activation is not None
    z = passed.preactivation.detach()
    units = layer.units
    return LayerProbe(
        layer,
        _by_unit(layer.activation(z), units),
        _by_unit(layer.activation.gate(z), units),
        _by_unit(signal, units),
        _by_unit(passed.linear.detach(), units),
        _by_unit(linear_gradient, units),
        None if layer.is_convolution else passed.inputs.detach(),
    )


def _by_unit(tensor: Tensor, units: int) -> Tensor:
    """Fold a convolution's positions into the samples: (B, R * U, H, W) to (R, B * H * W, U)."""
    if tensor.dim() == 3:
        return tensor
    split: Tensor = tensor.unflatten(1, (-1, units))  # (B, R, U, H, W)
    return split.permute(1, 0, 3, 4, 2).flatten(1, 3)


def outgoing_weights(layer: Layer) -> Tensor:
    """Return each unit's weights into alive consumers: (R, O, U, S) or (R, O, U, S, K, K).

    S is the number of the consumer's inputs that one unit feeds, 1 but for a flattened convolution.
    """
    consumer = layer.consumer
    assert consumer is not None
    alive = consumer.alive.view(*consumer.alive.shape, *(1,) * (consumer.weight.dim() - 2))
    weight = consumer.weight.detach() * alive
    blocks: Tensor = weight.unflatten(2, (layer.units, layer.columns_per_unit))
    return blocks
