"""Input shift: every task shows the same images with its own permutation of the pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ...harness.stream import Samples
from ..base import check_choice, check_share, generator
from .shift import Change, Shifted, moved

Move = Literal["values", "places"]


@dataclass(frozen=True, kw_only=True)
class Permuted(Shifted):
    """A fresh pixel permutation for each task; labels stay.

    Permutations are those of Avalanche's PermutedMNIST for the same seed, unless `share` is below
    1. `samples_per_task` fixes one subset of the training images per seed, the same in each task
    unless `subset` says otherwise; the test set is whole.

    Source: Goodfellow et al. 2013, "An Empirical Investigation of Catastrophic Forgetting";
    as a plasticity stream of 500 tasks: Kumar et al. 2024, "Maintaining Plasticity in Continual
    Learning via Regenerative Regularization".
    """

    share: float = 1.0
    """Share of the places that take part, in [0, 1], drawn anew for each task; 1 is all."""
    move: Move = "values"
    """What moves: single values, over all channels together; or whole pixels, whose channels stay
    together (a spatial permutation)."""
    cumulative: bool = False
    """Whether a task permutes what the task before showed, and not the images as they are.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning".
    """

    first_as_is: bool = False
    """Whether the first task shows the images as they are.

    Source: the code of Kumar et al. 2024.
    """

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        super().__post_init__()
        check_share("share", self.share)
        check_choice("move", self.move, get_args(Move))

    def changes(self, samples: Samples, seed: int, start: int) -> Iterator[Change]:
        """Yield permutations of the pixels."""
        channels, height, width = samples.train_x.shape[1:]
        whole = 1 if self.move == "values" else channels
        places = channels * height * width // whole
        shown = torch.arange(places)
        as_is = [torch.arange(places)] if self.first_as_is else []
        permutations = chain(as_is, self._permutations(places, seed))
        for number, permutation in enumerate(permutations):
            shown = shown[permutation] if self.cumulative else permutation
            if number >= start:
                layers = torch.arange(whole).unsqueeze(1) * places
                yield partial(moved, pixel_map=(layers + shown).flatten())

    def _permutations(self, places: int, seed: int) -> Iterator[Tensor]:
        """Yield a permutation of all places for every task from the first on, without end."""
        avalanches = np.random.RandomState(seed)
        for number in count():
            if self.share == 1:
                yield torch.from_numpy(avalanches.permutation(places))
                continue
            own = generator(seed, f"partial permutation/{number}")
            chosen = own.permutation(places)[: round(self.share * places)]
            permutation = np.arange(places)
            permutation[np.sort(chosen)] = chosen
            yield torch.from_numpy(permutation)
