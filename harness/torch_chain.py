"""Reads a PyTorch model as a chain of layers: what a unit is, and who reads it.

The model's own `forward` is followed symbolically (torch.fx), so that functions count as well as
modules. What is not a chain is refused with the name of the part that stands in the way.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from torch import Tensor, fx, nn

from .errors import BenchError

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
    ["relu", "leaky_relu", "tanh", "sigmoid", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "hardtanh", "hardswish"]
)
"""Functions and methods of these names are activations."""

POOLING_NAMES = frozenset(["max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"])
RESHAPING_NAMES = frozenset(["flatten", "view", "reshape"])
IDLE_NAMES = frozenset(["dropout", "dropout2d", "contiguous"])


@dataclass(frozen=True)
class ChainLayer:
    """One layer of a model, and what happens to its activity on the way to the next one."""

    name: str
    """The module's name in the model, for example "features.0"."""
    module: nn.Linear | nn.Conv2d
    before: tuple[Operation, ...]
    """What happens between the weights and the activation: pooling."""
    activation: Operation | None
    """None for the head; the identity where the model has none."""
    activation_module: nn.Module | None
    """The activation if it is a module that is used here only, else None."""
    after: tuple[Operation, ...]
    """What happens between the activation and the next layer."""


@dataclass(frozen=True)
class Chain:
    """A model as a chain of layers, the head last."""

    entry: tuple[Operation, ...]
    """What happens to the samples before the first layer."""
    layers: tuple[ChainLayer, ...]
    growing_head: nn.Module | None
    """What wraps the head and adds outputs to it from time to time; None for a plain head."""


@dataclass(frozen=True)
class _Step:
    kind: Kind
    label: str
    apply: Operation
    module: nn.Module | None = None
    name: str = ""


def read_chain(model: nn.Module, growing_heads: tuple[type, ...] = ()) -> Chain:
    """Read a model; nothing of it is run or changed.

    Args:
        model: with one input, the samples, and one output, the logits.
        growing_heads: types of modules that hold the head as `classifier` and may replace it.

    Raises:
        BenchError: the model is not a chain of supported parts.
    """
    _check_inputs(model)
    with evaluating(model):
        graph = _trace(model, growing_heads)
        modules = dict(model.named_modules())
        steps = [_step(node, modules, growing_heads) for node in _path(graph, modules)]
    return _grouped(steps)


def _check_inputs(model: nn.Module) -> None:
    inputs = inspect.signature(model.forward).parameters.values()
    needed = [p.name for p in inputs if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(needed) != 1:
        raise _refusal(f"{type(model).__name__} reads {' and '.join(needed)}, not samples alone")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set a model to evaluation for a while, and each of its modules back to what it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class _Tracer(fx.Tracer):
    """Follows a model down to torch's own modules, and takes a growing head as one part."""

    def __init__(self, whole: tuple[type, ...]) -> None:
        super().__init__()
        self.whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.whole) or super().is_leaf_module(m, module_qualified_name)


def _trace(model: nn.Module, growing_heads: tuple[type, ...]) -> fx.Graph:
    had = set(vars(model))
    try:
        return _Tracer(growing_heads).trace(model)
    except Exception as error:
        raise BenchError(
            f"the forward of {type(model).__name__} cannot be followed: "
            f"{type(error).__name__}: {error}. {SUPPORTED}"
        ) from error
    finally:
        for name in set(vars(model)) - had:  # torch.fx keeps constant tensors in the model
            delattr(model, name)


def _path(graph: fx.Graph, modules: dict[str, nn.Module]) -> Iterator[fx.Node]:
    """Yield what the samples go through, one after another, from the input to the output."""
    node = next(node for node in graph.nodes if node.op == "placeholder")
    while True:
        readers = [reader for reader in node.users if not _asks_for_shape(reader)]
        if len(readers) != 1:
            raise _refusal(
                f"the output of {_label(node, modules)} is read "
                f"{len(readers)} times, by {' and '.join(_label(r, modules) for r in readers)}"
                if readers
                else f"nothing reads the output of {_label(node, modules)}"
            )
        (reader,) = readers
        if reader.op == "output":
            if reader.args[0] is not node:
                raise _refusal("the model returns more than its logits")
            return
        if any(other is not node and not _is_size(other) for other in reader.all_input_nodes):
            raise _refusal(f"{_label(reader, modules)} reads more than one tensor")
        yield reader
        node = reader


def _asks_for_shape(node: fx.Node) -> bool:
    method = node.op == "call_method" and node.target in ("size", "dim")
    return method or (node.target is getattr and node.args[1] == "shape")


def _is_size(node: fx.Node) -> bool:
    inputs = node.all_input_nodes
    return _asks_for_shape(node) or (bool(inputs) and all(map(_is_size, inputs)))


def _step(node: fx.Node, modules: dict[str, nn.Module], growing_heads: tuple[type, ...]) -> _Step:
    label = _label(node, modules)
    if node.op == "call_module":
        return _module_step(str(node.target), modules[str(node.target)], label, growing_heads)
    name = node.target if isinstance(node.target, str) else str(node.name).rstrip("_0123456789")
    if node.op not in ("call_function", "call_method"):
        raise _refusal(f"{label} is not supported")
    if name in RESHAPING_NAMES:
        return _Step("other", label, _flatten)
    if name in IDLE_NAMES and not node.kwargs.get("training"):
        return _Step("nothing", label, _identity)
    if name not in ACTIVATION_NAMES | POOLING_NAMES or len(node.all_input_nodes) > 1:
        raise _refusal(f"{label} is not supported")
    kind: Kind = "activation" if name in ACTIVATION_NAMES else "other"
    return _Step(kind, label, partial(_call, node))


def _module_step(
    name: str, module: nn.Module, label: str, growing_heads: tuple[type, ...]
) -> _Step:
    if growing_heads and isinstance(module, growing_heads):
        return _Step("growing head", label, _identity, module, name)
    if isinstance(module, nn.Linear | nn.Conv2d):
        _check_layer(module, label)
        return _Step("layer", label, _identity, module, name)
    if isinstance(module, ACTIVATION_MODULES):
        return _Step("activation", label, partial(_call_module, module), module)
    if isinstance(module, POOLING_MODULES):
        return _Step("other", label, partial(_call_module, module))
    if isinstance(module, nn.Flatten):
        return _Step("other", label, _flatten)
    if isinstance(module, IDLE_MODULES):
        return _Step("nothing", label, _identity)
    raise _refusal(f"{label} is not supported")


def _check_layer(module: nn.Linear | nn.Conv2d, label: str) -> None:
    if module.bias is None:
        raise _refusal(f"{label} has no bias")
    if isinstance(module, nn.Conv2d) and (module.groups != 1 or module.padding_mode != "zeros"):
        raise _refusal(f"{label} has groups or a padding other than zeros")


@dataclass
class _Group:
    """A layer with the steps up to the next one."""

    first: _Step
    steps: list[_Step] = field(default_factory=list)


def _grouped(steps: list[_Step]) -> Chain:
    entry: list[_Step] = []
    groups: list[_Group] = []
    for step in steps:
        if step.kind in ("layer", "growing head"):
            groups.append(_Group(step))
        else:
            (groups[-1].steps if groups else entry).append(step)
    _check_groups(entry, groups)
    modules = [step.module for step in steps if step.kind == "activation"]
    *hidden, last = groups
    layers = [_hidden_layer(group, modules) for group in hidden]
    wrapper = last.first.module if last.first.kind == "growing head" else None
    return Chain(tuple(step.apply for step in entry), (*layers, _head(last)), wrapper)


def _check_groups(entry: list[_Step], groups: list[_Group]) -> None:
    if not groups:
        raise _refusal("the model has no layer")
    seen: set[int] = set()
    for group in groups:
        weight = getattr(group.first.module, "weight", group.first.module)
        if id(weight) in seen:
            raise _refusal(f"{group.first.label} is used twice, or shares its weights")
        seen.add(id(weight))
    for step in entry:
        if step.kind == "activation":
            raise _refusal(f"{step.label} comes before any layer")
    for group in groups[:-1]:
        if group.first.kind == "growing head":
            raise _refusal(f"{group.first.label} is not the last layer")
    for step in groups[-1].steps:
        if step.kind != "nothing":
            raise _refusal(f"{step.label} comes after the head {groups[-1].first.label}")


def _hidden_layer(group: _Group, activations: list[nn.Module | None]) -> ChainLayer:
    first = group.first
    assert isinstance(first.module, nn.Linear | nn.Conv2d)
    places = [number for number, step in enumerate(group.steps) if step.kind == "activation"]
    if len(places) > 1:
        raise _refusal(f"{first.label} is followed by {len(places)} activations")
    operations = [step.apply for step in group.steps]
    if not places:
        return ChainLayer(first.name, first.module, (), _identity, None, tuple(operations))
    (place,) = places
    module = group.steps[place].module
    return ChainLayer(
        first.name,
        first.module,
        tuple(operations[:place]),
        operations[place],
        module if activations.count(module) == 1 else None,
        tuple(operations[place + 1 :]),
    )


def _head(group: _Group) -> ChainLayer:
    first, module = group.first, group.first.module
    name = first.name
    if first.kind == "growing head":
        name, module = f"{name}.classifier", getattr(module, "classifier", None)
    if not isinstance(module, nn.Linear):
        raise _refusal(f"the last layer, {first.label}, is not a Linear head")
    return ChainLayer(name, module, (), None, None, ())


def _label(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"{type(modules[str(node.target)]).__name__} '{node.target}'"
    if node.op == "placeholder":
        return "the input"
    if node.op == "output":
        return "the output"
    return f"the operation '{node.name}'"


def _refusal(reason: str) -> BenchError:
    return BenchError(f"the model cannot be edited: {reason}. {SUPPORTED}")


def _identity(x: Tensor) -> Tensor:
    return x


def _flatten(x: Tensor) -> Tensor:
    return x.flatten(1)


def _call_module(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module's function out of band: without its hooks, and leaving its input alone."""
    out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
    return out


def _call(node: fx.Node, x: Tensor) -> Tensor:
    """Apply what a function or method node does, leaving the input alone."""
    settings: dict[str, Any] = {k: v for k, v in node.kwargs.items() if k != "inplace"}
    rest: Any = node.args[1:]
    if isinstance(node.target, str):
        out: Tensor = getattr(x, node.target)(*rest, **settings)
        return out
    assert callable(node.target)
    out = node.target(x, *rest, **settings)
    return out
