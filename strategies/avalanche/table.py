"""Avalanche's strategies by name: what they are and what they need, without importing Avalanche.

The entrant `avalanche:EWC(ewc_lambda=1)` trains Avalanche's own EWC, with its own buffers and
plug-ins, on the same streams, seeds and metrics as any other; see learner.py.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One strategy of Avalanche."""

    cls: str
    """Its class in `avalanche.training.supervised`."""
    summary: str
    """One line, with its source."""
    needs: frozenset[str]
    """What it must be told; see `SingleLearner.needs`."""


_BOUNDARY = frozenset({"task boundary"})
_TASK_ID = frozenset({"task boundary", "task id at test"})

TABLE: dict[str, Entry] = {
    "avalanche:Naive": Entry("Naive", "trains on as if nothing changed", frozenset()),
    "avalanche:Cumulative": Entry(
        "Cumulative", "trains on the samples of all tasks so far", _BOUNDARY
    ),
    "avalanche:FromScratchTraining": Entry(
        "FromScratchTraining", "starts from its initial weights at every task", _BOUNDARY
    ),
    "avalanche:Replay": Entry(
        "Replay", "adds as many samples of a memory to every batch", _BOUNDARY
    ),
    "avalanche:EWC": Entry(
        "EWC", "elastic weight consolidation (Kirkpatrick et al. 2017)", _BOUNDARY
    ),
    "avalanche:SynapticIntelligence": Entry(
        "SynapticIntelligence", "weights that mattered are held (Zenke et al. 2017)", _BOUNDARY
    ),
    "avalanche:LwF": Entry(
        "LwF", "learning without forgetting, by distillation (Li and Hoiem 2016)", _BOUNDARY
    ),
    "avalanche:AGEM": Entry(
        "AGEM", "averaged gradient episodic memory (Chaudhry et al. 2019)", _BOUNDARY
    ),
    "avalanche:DER": Entry(
        "DER", "dark experience replay, DER++ where beta > 0 (Buzzega et al. 2020)", _BOUNDARY
    ),
    "avalanche:ER_ACE": Entry(
        "ER_ACE", "replay with an asymmetric cross-entropy (Caccia et al. 2022)", _BOUNDARY
    ),
    "avalanche:GDumb": Entry(
        "GDumb", "starts anew on a balanced memory each task (Prabhu et al. 2020)", _BOUNDARY
    ),
    "avalanche:PackNet": Entry(
        "PackNet", "prunes and freezes weights by task (Mallya and Lazebnik 2018)", _TASK_ID
    ),
    "avalanche:PNN": Entry(
        "PNNStrategy", "progressive networks, one column a task (Rusu et al. 2016)", _TASK_ID
    ),
}
"""By the name that an entrant writes."""


def learner_class(name: str) -> Any:
    """Return the class of a strategy of Avalanche as a learner, its settings being the fields.

    Args:
        name: of `TABLE`.
    """
    return import_module(f"{__package__}.learner").make_class(name, TABLE[name])
