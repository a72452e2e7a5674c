"""Reads a PyTorch model as a chain of layers: what a unit is, and who reads it.

The model's own `forward` is followed symbolically (torch.fx), so that functions count as well as
modules. What is not a chain is refused with the name of the part that stands in the way.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import fx, nn

from ..errors import BenchError
from .steps import SUPPORTED, Operation, Step, identity, label_of, refusal, step_of


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
        steps = [step_of(node, modules, growing_heads) for node in _path(graph, modules)]
    return _grouped(steps)


def _check_inputs(model: nn.Module) -> None:
    inputs = inspect.signature(model.forward).parameters.values()
    needed = [p.name for p in inputs if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(needed) != 1:
        raise refusal(f"{type(model).__name__} reads {' and '.join(needed)}, not samples alone")


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
        """Tell what is one part, not to be looked into."""
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
            raise refusal(
                f"the output of {label_of(node, modules)} is read "
                f"{len(readers)} times, by {' and '.join(label_of(r, modules) for r in readers)}"
                if readers
                else f"nothing reads the output of {label_of(node, modules)}"
            )
        (reader,) = readers
        if reader.op == "output":
            if reader.args[0] is not node:
                raise refusal("the model returns more than its logits")
            return
        if any(other is not node and not _is_size(other) for other in reader.all_input_nodes):
            raise refusal(f"{label_of(reader, modules)} reads more than one tensor")
        yield reader
        node = reader


def _asks_for_shape(node: fx.Node) -> bool:
    method = node.op == "call_method" and node.target in ("size", "dim")
    return method or (node.target is getattr and str(node.args[1]) == "shape")


def _is_size(node: fx.Node) -> bool:
    inputs = node.all_input_nodes
    return _asks_for_shape(node) or (bool(inputs) and all(map(_is_size, inputs)))


@dataclass
class _Group:
    """A layer with the steps up to the next one."""

    first: Step
    steps: list[Step] = field(default_factory=list)


def _grouped(steps: list[Step]) -> Chain:
    entry: list[Step] = []
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


def _check_groups(entry: list[Step], groups: list[_Group]) -> None:
    if not groups:
        raise refusal("the model has no layer")
    seen: set[int] = set()
    for group in groups:
        weight = getattr(group.first.module, "weight", group.first.module)
        if id(weight) in seen:
            raise refusal(f"{group.first.label} is used twice, or shares its weights")
        seen.add(id(weight))
    for step in entry:
        if step.kind == "activation":
            raise refusal(f"{step.label} comes before any layer")
    for group in groups[:-1]:
        if group.first.kind == "growing head":
            raise refusal(f"{group.first.label} is not the last layer")
    for step in groups[-1].steps:
        if step.kind != "nothing":
            raise refusal(f"{step.label} comes after the head {groups[-1].first.label}")


def _hidden_layer(group: _Group, activations: list[nn.Module | None]) -> ChainLayer:
    first = group.first
    assert isinstance(first.module, nn.Linear | nn.Conv2d)
    places = [number for number, step in enumerate(group.steps) if step.kind == "activation"]
    if len(places) > 1:
        raise refusal(f"{first.label} is followed by {len(places)} activations")
    operations = [step.apply for step in group.steps]
    if not places:
        return ChainLayer(first.name, first.module, (), identity, None, tuple(operations))
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
        raise refusal(f"the last layer, {first.label}, is not a Linear head")
    return ChainLayer(name, module, (), None, None, ())
