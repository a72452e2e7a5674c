"""One layer of a PyTorch model as strategies see it, and the hook that silences its dead units."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..engine.activations import Activation
from ..engine.network import Layer
from .chain import ChainLayer
from .steps import Operation


@dataclass(frozen=True)
class FunctionActivation(Activation):
    """An activation that is some function of the model."""

    function: Operation

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return self.function(z)


class UnitMask:
    """A forward hook that silences dead units: of a module's output or of its first input.

    It knows no more than a tensor, so that copies of the model keep it as it was when they were
    made.
    """

    def __init__(self) -> None:
        self.factor: Tensor | None = None
        """(1, units) or (1, units, 1, 1), 0 for dead; None while all are alive and none fades."""

    def show(self, layer: Layer) -> None:
        """Take over which units of a layer are alive, and which of them fade in."""
        if layer.fading is None and bool(layer.alive.all()):
            self.factor = None
        else:
            shape = (1, -1, 1, 1) if layer.is_convolution else (1, -1)
            self.factor = layer.alive_factor.reshape(shape)

    def on_output(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Mask the output of the activation."""
        del module, args
        return self._masked(output)

    def on_input(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mask the input of the layer that reads the units."""
        del module
        return (self._masked(args[0]), *args[1:])

    def _masked(self, h: Tensor) -> Tensor:
        if self.factor is None:
            return h
        if h.dim() == self.factor.dim():
            return h * self.factor
        channels = self.factor.flatten(1)  # of a convolution whose output is flattened by now
        return h * channels.repeat_interleave(h.shape[1] // channels.shape[1], 1)


class TorchLayer(Layer):
    """One layer of a PyTorch model; its tensors share the storage of the module's parameters."""

    def __init__(self, source: ChainLayer) -> None:
        function = source.activation
        weight, bias = (_shared(parameter) for parameter in _owned(source.module))
        activation = None if function is None else FunctionActivation(function)
        super().__init__(source.name, weight, bias, activation)
        self.source = source

    @property
    def module(self) -> nn.Linear | nn.Conv2d:
        """Whose parameters they are."""
        return self.source.module

    def bind(self, source: ChainLayer) -> None:
        """Show the parameters that the model has now; the structure stays."""
        self.source = source
        self.weight, self.bias = (_shared(parameter) for parameter in _owned(source.module))
        alive = self.alive
        if alive.shape != self.bias.shape:  # a head that has grown
            alive = torch.ones_like(self.bias, dtype=torch.bool)
        self.set_alive(alive.to(self.bias.device))

    def owned(self) -> dict[str, nn.Parameter]:
        """Return the model's parameters that the tensors of `parameters` show, by name."""
        weight, bias = _owned(self.module)
        return {"weight": weight, "bias": bias}

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        module = self.module
        assert isinstance(module, nn.Conv2d)
        padding: Any = module.padding  # a word or numbers, which have a signature each
        return functional.conv2d(
            x, weight[0], self.bias[0], module.stride, padding, module.dilation
        )

    def _normalise(self, z: Tensor) -> Tensor:
        """Apply what stands between the weights and the activation: pooling."""
        for operation in self.source.before:
            z = operation(z)
        return z


def _shared(parameter: Tensor) -> Tensor:
    """Return a leaf (1, ...) with the storage of a parameter."""
    return parameter.detach().unsqueeze(0).requires_grad_()


def _owned(module: nn.Linear | nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter]:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, nn.Parameter)
    assert isinstance(bias, nn.Parameter), "a layer without a bias is not read as one"
    return weight, bias
