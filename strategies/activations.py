"""Activation functions and norms as strategies, so that they compose: `grow+rsl`."""

from dataclasses import asdict, dataclass, replace

from ..harness.engine.strategy import Strategy
from ..harness.errors import BenchError
from ..harness.specs.grammar import Call, format_call
from ..harness.specs.spec import NetworkSpec


@dataclass(frozen=True, kw_only=True)
class RslActivation(Strategy):
    """Use Randomized Smooth-Leaky in every hidden layer: r z + (1 - r) z sigmoid(c z / p).

    The slope r is drawn from U(lower, upper), for every element and training step; evaluation uses
    the middle. Source: Lillo and Cheney 2025, "Activation Function Design Sustains Plasticity in
    Continual Learning"; the defaults are its settings for Permuted MNIST.
    """

    name = "rsl"
    c: float = 0.8
    """Steepness of the switch, over p; above 0."""
    p: float = 1.0
    """Width of the switch, over c; above 0."""
    lower: float = 0.3
    """Smallest slope."""
    upper: float = 0.6
    """Largest slope, at least `lower`; above 1 the negative side is the steeper one."""

    def __post_init__(self) -> None:
        if not (self.c > 0 and self.p > 0):
            raise BenchError(f"c={self.c}, p={self.p}: both must be above 0.")
        if not self.lower <= self.upper:
            raise BenchError(f"lower={self.lower}, upper={self.upper}: lower must not be above.")

    def configure(self, network: NetworkSpec) -> NetworkSpec:
        """Set the activation, whatever it was."""
        return replace(network, activation=format_call(Call("rand-smooth-leaky", asdict(self))))


@dataclass(frozen=True, kw_only=True)
class LeakyActivation(Strategy):
    """Use leaky ReLU in every hidden layer: z where it is positive, slope * z elsewhere."""

    name = "leaky-relu"
    slope: float = 0.01
    """Slope of the negative side."""

    def configure(self, network: NetworkSpec) -> NetworkSpec:
        """Set the activation, whatever it was."""
        return replace(network, activation=format_call(Call("leaky-relu", asdict(self))))


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Strategy):
    """Normalise before every hidden activation, over the alive units of a sample.

    Source: Ba, Kiros and Hinton 2016, "Layer Normalization", masked.
    """

    name = "layer-norm"

    def configure(self, network: NetworkSpec) -> NetworkSpec:
        """Set the norm."""
        return replace(network, norm="layer")
