"""The state of a torch optimiser as the slices that edits write."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..engine.optimizers import Slot, StackedOptimizer
from ..errors import BenchError
from ..specs.spec import OptimizerSpec

if TYPE_CHECKING:
    from .layer import TorchLayer

STATE_NAMES = {
    "momentum_buffer": "momentum",
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "max_exp_avg_sq": "largest_second_moment",
}
"""Our name of each state tensor of torch.optim.SGD, Adam and AdamW."""

HOT_START = (
    "state='zero_step' acts as 'zero' here: torch's Adam counts steps for a whole tensor and not "
    "for a unit, so the first updates of a new unit are up to 6.6 learning rates large. Set "
    "state='second_moment_only' or 'mean' where that matters."
)


class TorchOptimizer(StackedOptimizer):
    """A view of a torch optimiser: edits write into its own state tensors.

    torch makes the state at its first step; until then there is none to write, and a unit's state
    is as new. The step is made by whoever owns the optimiser.

    Args:
        optimizer: torch.optim.SGD, Adam or AdamW.
        layers: the layers of a view of the model, each with the module that it shows.

    Raises:
        BenchError: another optimiser: what zero state means for it is not known here.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, layers: "Sequence[TorchLayer]") -> None:
        self.layers = layers
        self.clocks = {layer.name: torch.zeros_like(layer.bias) for layer in layers}
        self.bind(optimizer)

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimiser whose state is meant from now on, and read where its state is."""
        self.torch_optimizer = optimizer
        self.spec = _spec(optimizer)
        self.learning_rates = (self.spec.lr,)
        self.refresh()

    def refresh(self) -> None:
        """Read anew where the state is: torch makes it at the first step after a reset."""
        self.slots = [
            Slot(layer, name, parameter, self._state(layer, name))
            for layer in self.layers
            for name, parameter in layer.parameters().items()
        ]

    def _state(self, layer: "TorchLayer", name: str) -> dict[str, Tensor]:
        owned = layer.owned()[name]
        if owned not in self.torch_optimizer.state:  # looking it up would make an empty entry
            return {}
        return {
            STATE_NAMES[key]: tensor.unsqueeze(0)
            for key, tensor in self.torch_optimizer.state[owned].items()
            if key in STATE_NAMES and tensor is not None
        }

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Refuse: the owner of the optimiser makes the step."""
        raise NotImplementedError("the owner of a torch optimiser makes its steps")

    def reset(self, replicas: Tensor | None = None) -> None:
        """Forget everything: all moments and step counts."""
        if replicas is None or bool(replicas.any()):
            self.torch_optimizer.state.clear()
            self.refresh()

    def split_clocks(self) -> None:
        """Say that a unit has no clock of its own; without Adam's moments none is needed."""
        if self.spec.name != "sgd":
            warnings.warn(HOT_START, stacklevel=2)


def _spec(optimizer: torch.optim.Optimizer) -> OptimizerSpec:
    first: dict[str, Any] = optimizer.param_groups[0]
    lr, weight_decay = float(first["lr"]), float(first.get("weight_decay", 0))
    if isinstance(optimizer, torch.optim.SGD):
        momentum = float(first["momentum"])
        return OptimizerSpec(name="sgd", lr=lr, momentum=momentum, weight_decay=weight_decay)
    if not isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        raise BenchError(
            f"the state of {type(optimizer).__name__} cannot be edited unit by unit. "
            "Use torch.optim.SGD, Adam or AdamW."
        )
    decoupled = isinstance(optimizer, torch.optim.AdamW)
    beta1, beta2 = (float(beta) for beta in first["betas"])
    return OptimizerSpec(
        name="amsgrad" if first["amsgrad"] else "adamw" if decoupled else "adam",
        lr=lr,
        weight_decay=weight_decay,
        beta1=beta1,
        beta2=beta2,
        eps=float(first["eps"]),
    )
