"""What each part of a PyTorch model is: a layer, an activation, a pooling, or not supported."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor, fx, nn

from ..errors import BenchError

Operation = Callable[[Tensor], Tensor]
"""What happens to the activity between two layers, without parameters."""

Kind = Literal["layer", "activation", "other", "nothing", "growing head"]

SUPPORTED = (
    "Supported are Linear and Conv2d layers with a bias, one after another, each used once, with "
    "elementwise activations, 2-d pooling, flattening and Dropout between them, and a Linear head "
    "whose logits are the output: no norm layers, no skip connections, no several heads."
)

ACTIVATION_MODULES = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Hardtanh,
    nn.Hardswish,
)
POOLING_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
IDLE_MODULES = (nn.Dropout, nn.Dropout2d, nn.Identity)
"""Modules that do nothing at evaluation, as measurements are made."""

ACTIVATION_NAMES = frozenset(
    [
        *("relu", "leaky_relu", "tanh", "sigmoid", "elu", "selu", "celu", "gelu", "silu"),
        *("mish", "softplus", "hardtanh", "hardswish"),
    ]
)
"""Functions and methods of these names are activations."""

POOLING_NAMES = frozenset(
    ["max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"]
)
RESHAPING_NAMES = frozenset(["flatten", "view", "reshape"])
IDLE_NAMES = frozenset(["dropout", "dropout2d", "contiguous"])


@dataclass(frozen=True)
class Step:
    """One part of a model on the way from its input to its output."""

    kind: Kind
    label: str
    """How messages name it, for example "Linear 'features.0'"."""
    apply: Operation
    """What it does, out of band: no hooks, no effect on its input; idle for a layer."""
    module: nn.Module | None = None
    """The layer, the growing head, or the activation if it is a module."""
    name: str = ""
    """The name of the layer's or the growing head's module."""


def step_of(node: fx.Node, modules: dict[str, nn.Module], growing_heads: tuple[type, ...]) -> Step:
    """Say what a node of a traced model is.

    Raises:
        BenchError: it is not supported.
    """
    label = label_of(node, modules)
    if node.op == "call_module":
        return _module_step(str(node.target), modules[str(node.target)], label, growing_heads)
    name = node.target if isinstance(node.target, str) else str(node.name).rstrip("_0123456789")
    if node.op not in ("call_function", "call_method"):
        raise refusal(f"{label} is not supported")
    if name in RESHAPING_NAMES:
        return Step("other", label, _flatten)
    if name in IDLE_NAMES and not node.kwargs.get("training"):
        return Step("nothing", label, identity)
    if name not in ACTIVATION_NAMES | POOLING_NAMES or len(node.all_input_nodes) > 1:
        raise refusal(f"{label} is not supported")
    kind: Kind = "activation" if name in ACTIVATION_NAMES else "other"
    return Step(kind, label, partial(_call, node))


def _module_step(name: str, module: nn.Module, label: str, growing_heads: tuple[type, ...]) -> Step:
    if growing_heads and isinstance(module, growing_heads):
        return Step("growing head", label, identity, module, name)
    if isinstance(module, nn.Linear | nn.Conv2d):
        _check_layer(module, label)
        return Step("layer", label, identity, module, name)
    if isinstance(module, ACTIVATION_MODULES):
        return Step("activation", label, partial(_call_module, module), module)
    if isinstance(module, POOLING_MODULES):
        return Step("other", label, partial(_call_module, module))
    if isinstance(module, nn.Flatten):
        return Step("other", label, _flatten)
    if isinstance(module, IDLE_MODULES):
        return Step("nothing", label, identity)
    raise refusal(f"{label} is not supported")


def _check_layer(module: nn.Linear | nn.Conv2d, label: str) -> None:
    if module.bias is None:
        raise refusal(f"{label} has no bias")
    if isinstance(module, nn.Conv2d) and (module.groups != 1 or module.padding_mode != "zeros"):
        raise refusal(f"{label} has groups or a padding other than zeros")


def label_of(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Name a node as messages do."""
    if node.op == "call_module":
        return f"{type(modules[str(node.target)]).__name__} '{node.target}'"
    if node.op == "placeholder":
        return "the input"
    if node.op == "output":
        return "the output"
    return f"the operation '{node.name}'"


def refusal(reason: str) -> BenchError:
    """Build the error for a model that is not a chain of supported parts."""
    return BenchError(f"the model is not a chain of supported layers: {reason}. {SUPPORTED}")


def identity(x: Tensor) -> Tensor:
    """Return what is given."""
    return x


def _flatten(x: Tensor) -> Tensor:
    return x.flatten(1)


def _call_module(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module's function without its hooks, leaving its input alone."""
    out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
    return out


def _call(node: fx.Node, x: Tensor) -> Tensor:
    """Apply what a function or method node does, leaving the input alone."""
    settings: dict[str, Any] = {k: v for k, v in node.kwargs.items() if k != "inplace"}
    rest: Any = node.args[1:]
    function: Any = getattr(type(x), node.target) if isinstance(node.target, str) else node.target
    out: Tensor = function(x, *rest, **settings)
    return out
