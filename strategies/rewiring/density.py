"""How many connections each layer of a sparse network has."""

from collections.abc import Sequence
from typing import Literal

Distribution = Literal["uniform", "er", "erk"]
"""How a network's connections are spread over its layers:

uniform: every layer has the same density.
er: the density is in proportion to (n_in + n_out) / (n_in n_out), as in a random graph of Erdos
    and Renyi (Mocanu et al. 2018): narrow layers are denser.
erk: as "er" with the kernel's sides added above and multiplied below (Evci et al. 2020); the same
    where there is no convolution.
"""


def connection_counts(
    density: float, distribution: Distribution, shapes: Sequence[Sequence[int]]
) -> list[int]:
    """Return how many connections each layer has, at least 1 and at most all.

    Where a layer's density would be above 1 it is whole, and the others share what is left.

    Args:
        density: connections over weights, of these layers together, in (0, 1].
        distribution: how they are spread.
        shapes: shape (U, I) or (U, I, K, K) of each layer's weight.
    """
    sizes = [_product(shape) for shape in shapes]
    shares = [_raw_share(distribution, shape) for shape in shapes]
    whole: set[int] = set()
    scale = 0.0
    while len(whole) < len(shapes):
        rest = [number for number in range(len(shapes)) if number not in whole]
        left = density * sum(sizes) - sum(sizes[number] for number in whole)
        scale = left / sum(shares[number] * sizes[number] for number in rest)
        fullest = max(rest, key=lambda number: shares[number])
        if scale * shares[fullest] <= 1:
            break
        whole.add(fullest)
    densities = [1.0 if n in whole else scale * share for n, share in enumerate(shares)]
    return [min(size, max(1, round(d * size))) for d, size in zip(densities, sizes, strict=True)]


def _raw_share(distribution: Distribution, shape: Sequence[int]) -> float:
    if distribution == "uniform":
        return 1.0
    sides = shape if distribution == "erk" else shape[:2]
    return sum(sides) / _product(sides)


def _product(sides: Sequence[int]) -> int:
    product = 1
    for side in sides:
        product *= side
    return product
