"""The health of any PyTorch module, read by hooks that change nothing.

A layer's features are what the next fully connected layer reads, where it has one number for each
of the layer's units: so activations, dropout and pooling between the two are taken as they are. Of
an MLP these are all hidden layers, of a convolutional network those behind the trunk.

Shapes: B samples, U units of a layer; the metrics have a replica axis, which is 1 here.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..engine.probe import replica_loss
from ..metrics import weights
from ..metrics.health import layer_health
from ..row import Row, spread

Predict = Callable[[Tensor], Tensor]
"""Logits (B, classes) of samples (B, channels, height, width)."""


@dataclass(frozen=True)
class HiddenLayer:
    """A layer with units, as it was in one forward pass."""

    name: str
    weight: Tensor
    """Its incoming weights, (U, ...)."""
    features: Tensor
    """(B, U), post-activation."""

    @property
    def units(self) -> int:
        """How many units it has."""
        return self.weight.shape[0]


@contextmanager
def evaluating(module: nn.Module | None) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and each back as it was."""
    modes = [] if module is None else [(part, part.training) for part in module.modules()]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def hidden_layers(module: nn.Module, predict: Predict, x: Tensor) -> list[HiddenLayer]:
    """Pass samples through and return the hidden layers, from input to output.

    Args:
        module: what `predict` uses.
        predict: makes logits of the samples.
        x: samples (B, channels, height, width).
    """
    return _watched(module, predict, x)[0]


def module_health(
    module: nn.Module,
    predict: Predict,
    x: Tensor,
    y: Tensor,
    initial: Mapping[str, Tensor],
    place: Row,
) -> Iterator[Row]:
    """Yield the state of every hidden layer, and of all weights, on samples x (B, ...), y (B,).

    The rows are those of `monitor.health_rows`. Without a gradient to its weights a layer has no
    row; parameters that were not there at the start are left out of the norms.

    Args:
        module: what `predict` uses, in evaluation mode.
        predict: makes logits, with a gradient to the parameters if it can.
        x: samples.
        y: labels, or the targets of a regression.
        initial: the parameters at the start of the run by name.
        place: keys that say when, put into every row.
    """
    with torch.enable_grad():
        layers, logits = _watched(module, predict, x)
        gradients = _gradients(module, logits, y)
    for layer in layers:
        alive = torch.ones(1, layer.units, dtype=torch.bool, device=x.device)
        gradient = gradients.get(layer.weight)
        if gradient is not None:
            values = layer_health(layer.features.detach()[None], alive, gradient[None])
            for _, row in spread({"kind": "health", "layer": layer.name, **place}, values):
                yield row
    norms = _norms(module, gradients, initial)
    if norms:
        for _, row in spread({"kind": "weights", **place}, norms):
            yield row


def _watched(module: nn.Module, predict: Predict, x: Tensor) -> tuple[list[HiddenLayer], Tensor]:
    passed: list[tuple[str, nn.Module, Tensor]] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda part, inputs: passed.append((name, part, inputs[0]))

    parts = [(name, part) for name, part in module.named_modules() if _has_units(part)]
    hooks = [part.register_forward_pre_hook(watch(name)) for name, part in parts]
    try:
        logits = predict(x)
    finally:
        for hook in hooks:
            hook.remove()
    pairs = pairwise(passed)
    layers = [
        HiddenLayer(name, producer.weight, read)  # type: ignore[arg-type]
        for (name, producer, _), (_, consumer, read) in pairs
        if _reads_units(consumer, producer, read)
    ]
    return layers, logits


def _has_units(part: nn.Module) -> bool:
    return isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)


def _reads_units(consumer: nn.Module, producer: nn.Module, read: Tensor) -> bool:
    units = producer.weight.shape[0]  # type: ignore[index]
    return isinstance(consumer, nn.Linear) and read.dim() == 2 and read.shape[1] == units


def _gradients(module: nn.Module, logits: Tensor, y: Tensor) -> dict[Tensor, Tensor]:
    """Return the gradient of the mean loss to each parameter that it reaches."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not (trained and logits.requires_grad):
        return {}
    loss = replica_loss(logits[None], y[None]).mean()
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    pairs = zip(trained, found, strict=True)
    return {parameter: gradient for parameter, gradient in pairs if gradient is not None}


def _norms(
    module: nn.Module, gradients: Mapping[Tensor, Tensor], initial: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    kept = {
        name: parameter.detach()
        for name, parameter in module.named_parameters()
        if name in initial and initial[name].shape == parameter.shape
    }
    if not kept:
        return {}
    now = [parameter.reshape(1, -1) for parameter in kept.values()]
    then = [initial[name].reshape(1, -1) for name in kept]
    slopes = [gradient.reshape(1, -1) for gradient in gradients.values()]
    return {
        "weight_norm": weights.weight_norm(now),
        "gradient_norm": weights.gradient_norm(slopes or [torch.full((1, 1), torch.nan)]),
        "distance_from_init": weights.distance_from_init(now, then),
    }
