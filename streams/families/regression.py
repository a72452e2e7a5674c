"""Regression: inputs of bits, most of which change slowly, and targets of a fixed network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...harness.errors import BenchError
from ...harness.stream import Evaluate, Samples, Task
from ..base import ImageStream, check_choice, check_count, generator

Flip = Literal["one", "all"]
MOST_BITS = 22
"""All inputs are held in memory: 2**22 of 22 bytes are 92 MB."""


@dataclass(frozen=True, kw_only=True)
class SlowlyChangingRegression(ImageStream):
    """Predict the output of a fixed network from bits, some of which rarely change.

    An input has `bits` bits. The first `slow_bits` of them stay the same for a whole task, and
    change (see `flip`) at the start of the next. The others are drawn anew for every sample. So the
    function to learn never changes, only the part of it that is seen: a learner much smaller than
    the target network has to track it. The loss is the squared error, and accuracy has no meaning.

    The target network has one hidden layer of linear threshold units; input weights, output weights
    and biases are +1 or -1, drawn once per seed. A unit is on where its weighted sum v.x + b is
    above its threshold (bits + 1) * beta - S. By the paper, S counts its input weights of -1; in
    the authors' code, which the published figures come from and which this follows, S is that
    number plus b / 2.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning".
    """

    known_sources: ClassVar[Sequence[str]] = ("random-bits",)

    source: str = "random-bits"
    """Where samples come from: random-bits, all there is."""
    tasks: int = 100
    """Number of tasks, each with one setting of the slow bits, at least 1."""
    batch_size: int = 1
    """Samples of one update, at least 1."""
    evaluate: Evaluate = "none"
    """Test accuracy: none. The error is that on every sample before the update on it."""
    bits: int = 20
    """Bits of an input, at most 22."""
    slow_bits: int = 15
    """Bits that stay the same within a task, from 1 to `bits`."""
    flip_every: int = 10_000
    """Samples of a task."""
    flip: Flip = "one"
    """What changes from task to task: one slow bit flips, as the paper says; or all slow bits are
    drawn anew, as in the settings of the authors' code that the published figures come from."""
    target_units: int = 100
    """Hidden units of the target network."""
    beta: float = 0.7
    """How rarely a unit of the target network is on; see above."""

    @property
    def metric(self) -> str:
        """The loss: there are no classes, and so no accuracy."""
        return "online_loss"

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        for name in ("bits", "slow_bits", "flip_every", "target_units"):
            check_count(name, getattr(self, name))
        check_choice("flip", self.flip, get_args(Flip))
        self.refuse_anew("inputs are drawn anew for every task as it is")
        if not self.slow_bits <= self.bits <= MOST_BITS:
            raise BenchError(
                f"bits is {self.bits} and slow_bits is {self.slow_bits}. Set bits to at most "
                f"{MOST_BITS}, and slow_bits to at most bits."
            )
        if self.samples_per_task is not None:
            raise BenchError(
                f"samples_per_task is {self.samples_per_task}, but here flip_every says how long a "
                "task is. Set flip_every instead."
            )
        if self.evaluate != "none":
            raise BenchError(
                f'evaluate="{self.evaluate}" asks for a test accuracy, and a regression has none. '
                'Set evaluate="none".'
            )

    def is_here(self, data_dir: Path) -> bool:
        """Say yes: the inputs are made and not kept."""
        del data_dir
        return True

    def read(self, data_dir: Path) -> Samples:
        """Return all inputs that there are, each in the row of its number."""
        del data_dir
        return all_inputs(self.bits)

    def output_classes(self, samples: Samples) -> int:
        """Count the outputs: one."""
        del samples
        return 1

    def task_sizes(self, samples: Samples) -> Sequence[int]:
        """Count the training samples of every task."""
        del samples
        return [self.flip_every] * self.tasks

    def check(self, samples: Samples) -> None:
        """Refuse samples that were not loaded by this class."""
        super().check(samples)
        if len(samples.train_x) != 2**self.bits:
            raise BenchError(
                f"the samples are not the {2**self.bits} inputs of {self.bits} bits. Take them "
                "from the stream's own load()."
            )

    def draw(self, samples: Samples, seed: int, start: int) -> Iterator[Task]:
        """Yield one setting of the slow bits after the other."""
        target = TargetNetwork.of(self.bits, self.target_units, self.beta, seed)
        fast = self.bits - self.slow_bits
        for number, slow in enumerate(self._slow_bits(seed)):
            if number < start:
                continue
            drawn = generator(seed, f"fast bits/{number}").randint(2**fast, size=self.flip_every)
            rows = torch.from_numpy((slow << fast) + drawn.astype(np.int64))
            targets = target(samples.train_x[rows].view(-1, self.bits).float())
            yield Task(rows, targets, rows, targets)

    def _slow_bits(self, seed: int) -> Iterator[int]:
        """Yield the slow bits of every task, as the binary digits of a number."""
        random = generator(seed, "slow bits")
        slow = int(random.randint(2**self.slow_bits))
        for _ in range(self.tasks):
            yield slow
            if self.flip == "one":
                slow ^= 1 << int(random.randint(self.slow_bits))
            else:
                slow = int(random.randint(2**self.slow_bits))


@dataclass(frozen=True)
class TargetNetwork:
    """Linear threshold units in one hidden layer: H units, m inputs, all weights +1 or -1."""

    weight: Tensor
    """(H, m)."""
    bias: Tensor
    """(H,)."""
    output: Tensor
    """(H,)."""
    output_bias: Tensor
    """A scalar."""
    beta: float

    @classmethod
    def of(cls, inputs: int, units: int, beta: float, seed: int) -> "TargetNetwork":
        """Draw the network of one seed."""
        random = generator(seed, "target network")

        def signs(*size: int) -> Tensor:
            return torch.as_tensor(random.randint(2, size=size) * 2 - 1, dtype=torch.float32)

        return cls(signs(units, inputs), signs(units), signs(units), signs(), beta)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs (n,) for inputs (n, m) of 0 and 1."""
        inputs = x.shape[1]
        negative = (inputs - self.weight.sum(1) + self.bias) / 2
        threshold = self.beta * (inputs + 1) - negative
        is_on = x @ self.weight.T + self.bias > threshold
        return is_on.float() @ self.output + self.output_bias


@lru_cache(maxsize=2)
def all_inputs(bits: int) -> Samples:
    """Return every input of so many bits as a picture of one row, each in the row of its number."""
    numbers: NDArray[np.uint32] = np.arange(2**bits, dtype=np.uint32)
    digits = np.unpackbits(numbers.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)
    x = torch.from_numpy(np.ascontiguousarray(digits[:, 32 - bits :])).view(-1, 1, 1, bits)
    y = torch.zeros(len(x), dtype=torch.int64)
    digest = sha256(f"all inputs of {bits} bits".encode()).hexdigest()
    return Samples(x, y, x, y, 1, 1.0, (0.0,), (1.0,), digest)
