"""One random generator per replica and purpose, all derived from the seed.

A strategy that draws more or less than another therefore still sees the same data and the same
initial weights, and what a replica draws does not depend on which others share its stack. (The last
bits of its numbers may, see `SEEDS_TOGETHER` in `execution/jobs.py`.)
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, purpose: str) -> int:
    """Derive the 63-bit seed of one purpose, for example "data order", from a run's seed."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


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


class OwnRandom:
    """The global generators of torch, Python and NumPy, for code that draws from no other.

    Inside `active` they go on from where this run left them; outside they are as they were. So a
    run draws the same numbers whatever else draws in the process, and the other way round.

    Args:
        seed: of the run.
        purpose: what for, for example "avalanche".
        device: whose generator is meant beside the CPU's.
    """

    def __init__(self, seed: int, purpose: str, device: torch.device) -> None:
        self.seed = derive_seed(seed, purpose)
        self.device = device
        self.states: Sequence[Any] | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this run's own generators for a while."""
        with unmoved_random(self.device):
            if self.states is None:
                self._start()
            else:
                _set_states(self.states, self.device)
            try:
                yield
            finally:
                self.states = _states(self.device)

    def _start(self) -> None:
        torch.default_generator.manual_seed(self.seed)
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(self.seed)
        random.seed(self.seed)
        np.random.seed(self.seed % 2**32)


@contextmanager
def unmoved_random(device: torch.device) -> Iterator[None]:
    """Put the global generators of torch, Python and NumPy back as they were at the start."""
    states = _states(device)
    try:
        yield
    finally:
        _set_states(states, device)


@contextmanager
def untouched_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators for a while, for code of others that draws from them on the CPU.

    Afterwards they are as they were.
    """
    with unmoved_random(torch.device("cpu")):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield


def _states(device: torch.device) -> Sequence[Any]:
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_device, random.getstate(), np.random.get_state()


def _set_states(states: Sequence[Any], device: torch.device) -> None:
    on_cpu, on_device, python, numpy = states
    torch.set_rng_state(on_cpu)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
    random.setstate(python)
    np.random.set_state(numpy)
