"""Training on the alive part alone: between two edits what is dead need not be computed.

The alive units of every replica are gathered into small tensors, trained there with the same
optimiser, and written back before anything looks at the whole network. At 20 % compactness that is
a fraction of the work. It is possible where every replica has equally many alive units in a layer,
as budgets see to, and where no strategy acts on weights at every step.
"""

import torch
from torch import Tensor

from .edits import Network
from .network import Layer, LayerStack
from .optimizers import StackedOptimizer

Index = tuple[Tensor, ...]

WORTHWHILE_SHARE = 0.75
"""Gathering is worth it if at most this share of the weights is alive."""


class CompactTraining:
    """The alive part of a network with its optimiser state.

    Args:
        net: whose structure does not change while this is in use; see `is_worthwhile`.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        self.index = {layer.name: _indices(layer) for layer in net.layers}
        self.stack = LayerStack(net.replicas, net.device)
        self.stack.closed_outputs = net.closed_outputs
        for layer in net.layers:
            self.stack.link(self._gathered(layer))
        full = net.optimizer
        self.optimizer = StackedOptimizer(full.spec, self.stack, full.learning_rates)
        self._read_state()
        self.updates = 0
        """Updates that have not been written back yet."""

    @staticmethod
    def is_worthwhile(net: Network) -> bool:
        """Tell whether the alive part is small enough, and of one shape in all replicas."""
        if any(layer.fading is not None for layer in net.layers):
            return False
        counts = [layer.alive.sum(1) for layer in net.layers]
        if any(bool((count != count[0]).any()) or int(count[0]) == 0 for count in counts):
            return False
        # Connections that do not exist are gathered too: only units make the tensors smaller.
        alive = sum(int(layer.alive[0].sum() * layer.alive_fan_in()[0]) for layer in net.layers)
        return alive <= WORTHWHILE_SHARE * sum(layer.weight[0].numel() for layer in net.layers)

    def _gathered(self, layer: Layer) -> Layer:
        small = {
            name: parameter.detach()[self._where(layer, name)].clone().requires_grad_()
            for name, parameter in layer.parameters().items()
        }
        connected = layer.connected
        return Layer(
            layer.name,
            small["weight"],
            small["bias"],
            layer.activation,
            gain=small.get("gain"),
            shift=small.get("shift"),
            padding=layer.padding,
            pool=layer.pool,
            columns_per_unit=layer.columns_per_unit,
            connected=None if connected is None else connected[self._where(layer, "weight")],
        )

    def _where(self, layer: Layer, name: str) -> Index:
        """Return the index of a parameter's alive entries: (R, u) or (R, u, i) from the whole."""
        replica, rows, columns = self.index[layer.name]
        if name != "weight":
            return replica.unsqueeze(1), rows
        return replica.view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)

    def _read_state(self) -> None:
        full, small = self.net.optimizer, self.optimizer
        for whole, part in zip(full.slots, small.slots, strict=True):
            for key, tensor in part.state.items():
                tensor.copy_(whole.state[key][self._where(whole.layer, whole.name)])
        for layer in self.net.layers:
            clock = full.clocks[layer.name]
            small.clocks[layer.name].copy_(clock[self._where(layer, "bias")])
        small.common_clock, small.since_split = full.common_clock, full.since_split

    @torch.no_grad()
    def write_back(self) -> None:
        """Bring the whole network and its optimiser up to date; the clocks of the dead tick too."""
        if self.updates == 0:
            return
        full, small = self.net.optimizer, self.optimizer
        for whole, part in zip(full.slots, small.slots, strict=True):
            where = self._where(whole.layer, whole.name)
            whole.parameter[where] = part.parameter
            for key, tensor in part.state.items():
                whole.state[key][where] = tensor
        for clock in full.clocks.values():
            clock += self.updates
        full.common_clock, full.since_split = small.common_clock, small.since_split
        self.updates = 0


def _indices(layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
    """Return the replicas (R,), the alive units (R, u) and the alive inputs (R, i) of a layer."""
    replicas = layer.alive.shape[0]
    return (
        torch.arange(replicas, device=layer.alive.device),
        layer.alive.nonzero()[:, 1].view(replicas, -1),
        layer.alive_inputs().nonzero()[:, 1].view(replicas, -1),
    )
