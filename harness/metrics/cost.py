"""What a run costs: floating-point operations of the masked network, and alive units over time.

A multiplication and an addition count as two operations. Biases, activations, norms, pooling and
the optimiser are left out: they are linear in the units where the products are quadratic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import BenchError


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

    @property
    def flops(self) -> int:
        """Operations of the forward pass of one sample."""
        return 2 * self.inputs * self.outputs * self.kernel_area * self.positions


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


def alive_unit_steps(alive: Sequence[int], updates: Sequence[int]) -> int:
    """Add up the alive hidden units over all updates: the capacity that a run had the use of.

    Args:
        alive: alive hidden units of the network in each stretch between two edits.
        updates: updates in each stretch.

    Raises:
        BenchError: the two differ in length.
    """
    if len(alive) != len(updates):
        raise BenchError(
            f"alive-unit-steps of {len(alive)} unit counts over {len(updates)} stretches: "
            "give one count for each stretch."
        )
    return sum(units * steps for units, steps in zip(alive, updates, strict=True))
