"""What a run costs: floating-point operations of the masked network.

Connections that do not exist cost nothing, though the engine multiplies by their zeros.
A multiplication and an addition count as two operations. Biases, activations, norms, pooling and
the optimiser are left out: they are linear in the units where the products are quadratic.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What of a layer decides its cost; a linear layer has a kernel of 1 at 1 position."""

    inputs: int
    """Alive units or channels that it reads; of a flattened convolution channels times places."""
    outputs: int
    """Alive units or channels of the layer itself."""
    kernel_area: int = 1
    """Weights between one input and one output channel, K * K."""
    positions: int = 1
    """Places at which the kernel is applied, H * W of the output before pooling."""
    connections: int | None = None
    """Weights that exist between alive units; None for all."""

    @property
    def flops(self) -> int:
        """Operations of the forward pass of one sample."""
        whole = self.inputs * self.outputs * self.kernel_area
        return 2 * self.positions * (whole if self.connections is None else self.connections)


def forward_flops(layers: Iterable[LayerCost], samples: int) -> int:
    """Count the operations of one forward pass over that many samples."""
    return samples * sum(layer.flops for layer in layers)


def update_flops(layers: Iterable[LayerCost], batch_size: int) -> int:
    """Count the operations of one update: a forward pass, and a backward pass of twice its cost.

    The backward pass makes two products of the forward one's size in each layer, the gradient to
    the weights and the one to the inputs. The first layer's inputs need none; it is counted all the
    same, as is customary.
    """
    return 3 * forward_flops(layers, batch_size)
