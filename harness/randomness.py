"""One random generator per replica and purpose, all derived from the seed.

A strategy that draws more or less than another therefore still sees the same data and the same
initial weights, and a replica's numbers do not depend on which others share its stack.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, purpose: str) -> int:
    """Derive the 63-bit seed of one purpose, for example "data order", from a run's seed."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@contextmanager
def untouched_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of torch (on the CPU), NumPy and Python for a while.

    For code of others that draws from them; afterwards they are as they were.
    """
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


class ReplicaRandom:
    """The generators of all replicas of a stack for one purpose.

    They live on the CPU, so that a run draws the same numbers on every device.
    """

    def __init__(self, seeds: Sequence[int], purpose: str, device: torch.device) -> None:
        self.device = device
        self.generators = [
            torch.Generator().manual_seed(derive_seed(seed, purpose)) for seed in seeds
        ]

    def draw(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        """Stack what `one` makes with each replica's generator: (R, ...)."""
        return torch.stack([one(generator) for generator in self.generators]).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draw from U[0, 1): (R, *shape)."""
        return self.draw(lambda generator: torch.rand(shape, generator=generator))

    def state(self) -> list[Tensor]:
        """Return the state of every generator, to be saved."""
        return [generator.get_state() for generator in self.generators]

    def load_state(self, state: list[Tensor]) -> None:
        """Continue from a saved state."""
        for generator, one in zip(self.generators, state, strict=True):
            generator.set_state(one)
