"""What the tasks of an Avalanche benchmark read: sets of pictures, known again by some of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...harness.errors import BenchError
from .build import Benchmark
from .chain import Chain, analyse, fingerprint
from .walk import Part, Walker

SIDES = ("train", "test")
Reading = tuple[Part, Chain, str]
"""A part of a task, what its transforms come to, and the fingerprint of its set of pictures."""


@dataclass(frozen=True)
class Set:
    """One set of pictures as it is kept: a data set and what is applied to it once."""

    base: Any
    chain: Chain
    start: int


class Survey:
    """Finds out what the tasks of a benchmark read."""

    def __init__(self, plain: bool) -> None:
        self.plain = plain
        self.walker = Walker()
        self.chains: dict[tuple[int, ...], Reading] = {}
        self.prints: dict[tuple[Any, ...], str] = {}
        self.latest: dict[str, tuple[Any, list[Reading]]] = {}

    def read(self, side: str, dataset: Any) -> list[Reading]:
        """Return the parts of one side of a task; one test set may serve many."""
        if side in self.latest and dataset is self.latest[side][0]:
            return self.latest[side][1]
        found = []
        for part in self.walker.parts(dataset):
            key = (id(part.base), *map(id, part.steps))
            if key not in self.chains:
                chain = analyse(part, self.plain)
                self.chains[key] = (part, chain, self._print(part.base, chain))
            _, chain, name = self.chains[key]
            found.append((part, chain, name))
        self.latest[side] = (dataset, found)
        return found

    def _print(self, base: Any, chain: Chain) -> str:
        key = (id(base), chain.mean, chain.std, *map(id, chain.fixed))
        if key not in self.prints:
            self.prints[key] = fingerprint(base, chain)
        return self.prints[key]


def find_sets(benchmark: Benchmark) -> tuple[Survey, dict[str, dict[str, Set]]]:
    """Return the sets of pictures of a benchmark by side and fingerprint.

    Normalisation and moves of pixels are left to the network's input where they are alike
    everywhere; otherwise everything fixed is applied once.
    """
    survey = Survey(plain=False)
    sets = _read_sets(benchmark, survey)
    if sets is None:
        survey = Survey(plain=True)
        sets = _read_sets(benchmark, survey)
    assert sets is not None, "what is applied once need not be alike"
    return survey, sets


def _read_sets(benchmark: Benchmark, survey: Survey) -> dict[str, dict[str, Set]] | None:
    sets: dict[str, dict[str, Set]] = {side: {} for side in SIDES}
    moments, ends = set(), dict.fromkeys(SIDES, 0)
    for train, test in paired(benchmark):
        moves = set()
        for side, dataset in zip(SIDES, (train, test), strict=True):
            for part, chain, name in survey.read(side, dataset):
                moments.add((chain.mean, chain.std))
                moves.add(chain.moves)
                if name not in sets[side]:
                    sets[side][name] = Set(part.base, chain, ends[side])
                    ends[side] += len(part.base)
        if not survey.plain and (len(moves) > 1 or len(moments) > 1):
            return None
    return sets


def paired(benchmark: Benchmark) -> Iterator[tuple[Any, Any]]:
    """Yield the training and test data of every task; one test set may be for all tasks."""
    train, test = benchmark.streams["train"], benchmark.streams["test"]
    if len(test) not in (1, len(train)):
        raise BenchError(
            f"the benchmark has {len(train)} tasks to train on and {len(test)} to test on. "
            "Let it have one test set for each task, or one for all."
        )
    # As strategies do: a test set may stand at its training transforms until it is used.
    for_all = test[0].dataset.eval()
    for number in range(len(train)):
        own = for_all if len(test) == 1 else test[number].dataset.eval()
        pair = train[number].dataset.train(), own
        if not all(map(len, pair)):
            raise BenchError(f"task {number} of the benchmark has no training or no test samples.")
        yield pair
