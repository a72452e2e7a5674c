"""Activation functions, by the name an entrant gives them.

Every function here maps 0 to 0, so that a unit without input is silent.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Uniform = Callable[[torch.Size], Tensor]
"""Draws from U[0, 1) in a given shape."""


class Activation(ABC):
    """An elementwise function of pre-activations."""

    @abstractmethod
    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function as at evaluation: deterministic."""

    def in_training(self, z: Tensor, uniform: Uniform) -> Tensor:
        """Apply the function as in a training step; only random activations differ here."""
        del uniform
        return self(z)

    def gate(self, z: Tensor) -> Tensor:
        """Return the derivative at each z, as autograd defines it."""
        with torch.enable_grad():
            leaf = z.detach().requires_grad_()
            (derivative,) = torch.autograd.grad(self(leaf).sum(), leaf)
        return derivative


@dataclass(frozen=True, kw_only=True)
class Relu(Activation):
    """max(z, 0)."""

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return functional.relu(z)


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(Activation):
    """Let z through where it is positive, slope * z elsewhere."""

    slope: float = 0.01
    """Slope of the negative side."""

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return functional.leaky_relu(z, self.slope)


@dataclass(frozen=True, kw_only=True)
class Tanh(Activation):
    """Hyperbolic tangent."""

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return torch.tanh(z)


@dataclass(frozen=True, kw_only=True)
class SmoothLeaky(Activation):
    """f(z) = a z + (1 - a) z sigmoid(c z / p).

    Source: Lillo and Cheney 2025, "Activation Function Design Sustains Plasticity in Continual
    Learning"; its defaults.
    """

    a: float = 0.1
    """Slope far on the negative side."""
    c: float = 5.0
    """Steepness of the switch, over p."""
    p: float = 3.0
    """Width of the switch, over c."""

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return _smooth_leaky(z, self.a, self.c / self.p)


@dataclass(frozen=True, kw_only=True)
class RandSmoothLeaky(Activation):
    """Smooth-Leaky with a slope drawn from U(lower, upper), per element and forward.

    That is in training; evaluation uses the middle, (lower + upper) / 2.

    Source: Lillo and Cheney 2025, as Smooth-Leaky. The defaults are its i.i.d. CIFAR settings.
    """

    c: float = 3.0
    """Steepness of the switch, over p."""
    p: float = 5.0
    """Width of the switch, over c."""
    lower: float = 0.125
    """Smallest slope."""
    upper: float = 0.333
    """Largest slope; above 1 the negative side is the steeper one."""

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return _smooth_leaky(z, (self.lower + self.upper) / 2, self.c / self.p)

    def in_training(self, z: Tensor, uniform: Uniform) -> Tensor:
        """Apply the function with fresh slopes; forward and backward share them."""
        slope = self.lower + (self.upper - self.lower) * uniform(z.shape)
        return _smooth_leaky(z, slope, self.c / self.p)


def _smooth_leaky(z: Tensor, slope: Tensor | float, steepness: float) -> Tensor:
    return slope * z + (1 - slope) * z * torch.sigmoid(steepness * z)


ACTIVATIONS: dict[str, type[Activation]] = {
    "relu": Relu,
    "leaky-relu": LeakyRelu,
    "tanh": Tanh,
    "smooth-leaky": SmoothLeaky,
    "rand-smooth-leaky": RandSmoothLeaky,
}
