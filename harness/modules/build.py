"""The network of an entrant as a plain PyTorch module, and torch's own optimiser for it.

For learners outside the stack: the same architecture, and the weights that the stack starts with.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ..engine.activations import Activation
from ..engine.network import NORM_EPSILON, Layer, StackedNetwork
from ..randomness import ReplicaRandom
from ..specs.spec import NetworkSpec, OptimizerSpec


class ActivationModule(nn.Module):
    """An activation function by the name an entrant gives it; random ones are so in training only.

    Random slopes come from torch's global generator, as those of torch's own random modules.
    """

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, z: Tensor) -> Tensor:
        """Apply the function."""
        if not self.training:
            return self.activation(z)
        return self.activation.in_training(z, lambda shape: torch.rand(shape, device=z.device))

    def extra_repr(self) -> str:
        """Show the function and its settings."""
        return repr(self.activation)


def torch_network(
    spec: NetworkSpec, image: Sequence[int], classes: int, seed: int
) -> nn.Sequential:
    """Build the network of one seed as a chain of torch's modules, on the CPU.

    It takes samples (B, channels, height, width) and returns logits (B, classes). Its layers are
    named as in the stack: conv1, ..., fc1, ..., head.

    Args:
        spec: architecture.
        image: (channels, height, width) of one sample.
        classes: outputs of the head.
        seed: of the run; the weights are those of the replica of this seed.
    """
    initial = ReplicaRandom([seed], "initialisation", torch.device("cpu"))
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for layer in StackedNetwork(spec, image, classes, initial).layers:
        follows_picture = layer.producer is None or layer.producer.is_convolution
        if follows_picture and not layer.is_convolution:
            parts["flatten"] = nn.Flatten()
        parts[layer.name] = _with_weights(layer)
        if layer.gain is not None:
            parts[f"{layer.name}_norm"] = nn.LayerNorm(layer.units, eps=NORM_EPSILON)
        if layer.activation is not None:
            parts[f"{layer.name}_activation"] = ActivationModule(layer.activation)
        if layer.pool > 1:
            parts[f"{layer.name}_pool"] = nn.MaxPool2d(layer.pool)
    return nn.Sequential(parts)


@torch.no_grad()
def _with_weights(layer: Layer) -> nn.Module:
    """Return torch's layer with the weights of the first replica; no generator is advanced."""
    units, inputs, *kernel = layer.weight.shape[1:]
    made: nn.Module = (
        skip_init(nn.Conv2d, inputs, units, tuple(kernel), padding=layer.padding)
        if kernel
        else skip_init(nn.Linear, inputs, units)
    )
    made.load_state_dict({"weight": layer.weight[0], "bias": layer.bias[0]})
    return made


def torch_optimizer(
    spec: OptimizerSpec, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return torch's optimiser of a spec; the schedule is the caller's: `learning_rate_factor`."""
    if spec.name == "sgd":
        return torch.optim.SGD(
            parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay
        )
    settings: dict[str, Any] = {
        "lr": spec.lr,
        "betas": (spec.beta1, spec.beta2),
        "eps": spec.eps,
        "weight_decay": spec.weight_decay,
    }
    if spec.name == "adamw":
        return torch.optim.AdamW(parameters, **settings)
    return torch.optim.Adam(parameters, **settings, amsgrad=spec.name == "amsgrad")
