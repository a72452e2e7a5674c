"""Avalanche's strategies as learners: their constructors' arguments are the settings."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, field, fields, make_dataclass
from functools import cache
from importlib.metadata import version
from math import prod
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import pydantic
import torch
from torch import nn

from ...harness.errors import BenchError
from ...harness.modules.build import torch_network
from ...harness.modules.single_learner import Circumstances, SingleLearner, Trainer, unfit
from ...harness.randomness import unmoved_random
from ...harness.specs.spec import NetworkSpec
from ...harness.stream import Stream, Task
from .trainer import PNN, AvalancheTrainer, PackNetModel, silenced, supervised

if TYPE_CHECKING:
    from .table import Entry  # not run: another entry would be other code of every learner

GIVEN: Mapping[str, str] = {
    "model": "the entrant's network",
    "optimizer": "the entrant's optimizer",
    "criterion": "the cross-entropy",
    "device": "the run's device",
    "train_mb_size": "the stream's batch_size",
    "train_epochs": "the stream's passes",
    "eval_mb_size": "the harness's own evaluation",
    "evaluator": "the harness's own metrics",
    "plugins": "the harness's own hooks",
    "eval_every": "the stream's checkpoints_per_task",
    "peval_mode": "the stream's checkpoints_per_task",
}
"""Arguments of every strategy that an entrant cannot set, and what they are here."""


_COUNT = pydantic.Field(ge=1, le=1_000_000)
_NOT_NEGATIVE = pydantic.Field(ge=0, allow_inf_nan=False)
_POSITIVE = pydantic.Field(gt=0, allow_inf_nan=False)

BOUNDS: Mapping[str, Any] = {
    **dict.fromkeys(("mem_size", "batch_size_mem", "patterns_per_exp", "sample_size"), _COUNT),
    **dict.fromkeys(("ewc_lambda", "si_lambda", "alpha", "beta"), _NOT_NEGATIVE),
    **dict.fromkeys(("eps", "temperature"), _POSITIVE),
    "decay_factor": pydantic.Field(ge=0, le=1),
    "post_prune_epochs": pydantic.Field(ge=0),
    "prune_proportion": pydantic.Field(ge=0, le=1),
}
"""Of arguments that Avalanche's constructors take whatever their value, and fail by in the run."""


class AvalancheLearner(SingleLearner):
    """A strategy of Avalanche on the entrant's network, with the weights that the stack has."""

    name: ClassVar[str]
    strategy_class: ClassVar[Any]
    can_be_looked_into: ClassVar[bool] = True
    """Whether its network has the entrant's layers, so that their health can be measured."""

    def __post_init__(self) -> None:
        """Let the strategy's own constructor refuse settings, on a network of one weight."""
        with silenced(), unmoved_random(torch.device("cpu")):
            model = self.adapted(nn.Linear(1, 1))
            self.strategy(model, torch.optim.SGD(model.parameters(), lr=1.0))

    @classmethod
    def check_settings(cls, settings: Mapping[str, Any]) -> None:
        """Refuse to set what the harness gives."""
        for name in sorted(settings.keys() & GIVEN.keys()):
            raise BenchError(
                f"learner '{cls.name}' cannot be given {name}: it is {GIVEN[name]}. Leave it out. "
                f"See its settings: plasticity-bench list {cls.name}"
            )

    def check(self, stream: Stream, network: NetworkSpec) -> None:
        """Refuse what Avalanche's own loop does not do."""
        super().check(stream, network)
        if stream.real_time != "off":
            raise unfit(f"real_time={stream.real_time}", "Avalanche's loop trains on every batch")
        if stream.gradual_updates:
            reason = "an experience of Avalanche follows the last one at once"
            raise unfit(f"gradual_updates={stream.gradual_updates}", reason)
        if not stream.reshuffle:
            raise unfit("reshuffle=false", "Avalanche's loader shuffles every pass anew")

    def check_task(self, task: Task) -> None:
        """Refuse outputs that open from task to task, and numbers as targets."""
        super().check_task(task)
        if task.train_y.is_floating_point():
            raise unfit("numbers to predict", "Avalanche's strategies tell classes apart")

    def adapted(self, network: nn.Module) -> nn.Module:
        """Return the network as the strategy wants it."""
        return network

    def model(self, given: Circumstances) -> nn.Module:
        """Build what the strategy trains, on the CPU."""
        return self.adapted(torch_network(given.network, given.image, given.classes, given.seed))

    def widths(self, network: NetworkSpec, tasks: int) -> list[int]:
        """Return the units of every hidden layer once a number of tasks has begun."""
        del tasks
        trunk = network.channels if network.kind == "convnet" and network.edit_trunk else ()
        return [*trunk, *network.hidden]

    def strategy(self, model: nn.Module, optimizer: torch.optim.Optimizer, **given: Any) -> Any:
        """Make the strategy of Avalanche.

        Args:
            model: what it trains.
            optimizer: what it trains it with.
            given: further arguments of `GIVEN`.
        """
        return self.strategy_class(
            model=model,
            optimizer=optimizer,
            criterion=nn.CrossEntropyLoss(),
            evaluator=None,
            **given,
            **self.arguments(),
        )

    def arguments(self) -> dict[str, Any]:
        """Return the settings that are for the strategy's constructor."""
        return {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]

    def trainer(self, given: Circumstances) -> Trainer:
        """Start one replica."""
        return AvalancheTrainer(self, given)


class PackNetLearner(AvalancheLearner):
    """PackNet: Avalanche's own wrapper around every layer of the entrant's network.

    What is measured are the weights of the wrapped layers; features are not.
    """

    post_prune_epochs: int

    def adapted(self, network: nn.Module) -> nn.Module:
        """Wrap every layer."""
        wrapped: nn.Module = PackNetModel(network)
        return wrapped

    def check(self, stream: Stream, network: NetworkSpec) -> None:
        """Refuse norm layers, and a task that ends before it is pruned."""
        super().check(stream, network)
        if network.norm != "none":
            raise BenchError(
                f"PackNet has no masks for network.norm={network.norm}. Set network.norm=none."
            )
        if self.post_prune_epochs >= stream.passes:
            raise BenchError(
                f"post_prune_epochs={self.post_prune_epochs}, but a task has {stream.passes} "
                "passes, and PackNet prunes between two of them. Set post_prune_epochs lower, or "
                "stream.passes higher."
            )


class PnnLearner(AvalancheLearner):
    """PNN: Avalanche's own network of columns, each as wide and deep as the entrant's network.

    It has Avalanche's initial weights, a head for every task, and one column more for each task,
    so its features and weights are not measured.
    """

    can_be_looked_into = False
    adapter: str

    def adapted(self, network: nn.Module) -> nn.Module:
        """Return the smallest network there is, for a trial."""
        smallest: nn.Module = PNN(num_layers=1, in_features=1, hidden_features_per_column=1)
        return smallest

    def model(self, given: Circumstances) -> nn.Module:
        """Build the first column."""
        column: nn.Module = PNN(
            num_layers=len(given.network.hidden),
            in_features=prod(given.image),
            hidden_features_per_column=given.network.hidden[0],
            adapter=self.adapter,
        )
        return column

    def arguments(self) -> dict[str, Any]:
        """Leave out what is for the network."""
        return {name: value for name, value in super().arguments().items() if name != "adapter"}

    def widths(self, network: NetworkSpec, tasks: int) -> list[int]:
        """Count the units of all columns."""
        return [tasks * units for units in network.hidden]

    def check(self, stream: Stream, network: NetworkSpec) -> None:
        """Refuse networks that Avalanche's columns cannot be."""
        super().check(stream, network)
        same = len(set(network.hidden)) == 1
        plain = (network.kind, network.activation, network.norm) == ("mlp", "relu", "none")
        if not (same and plain):
            raise BenchError(
                "Avalanche's PNN is made of fully connected ReLU layers of one width, but the "
                f"network is kind={network.kind}, hidden={list(network.hidden)}, activation="
                f"{network.activation}, norm={network.norm}. Set these, for example "
                "network.hidden=[100,100]."
            )


BASES: Mapping[str, type[AvalancheLearner]] = {"PackNet": PackNetLearner, "PNNStrategy": PnnLearner}
"""Strategies that need a network of their own."""

OF_THE_NETWORK = {
    "PNNStrategy": [
        (
            "adapter",
            Literal["mlp", "linear"],
            field(default="mlp", metadata={"meaning": "How a column reads the earlier ones."}),
        )
    ]
}
"""Settings of those networks."""


@cache
def make_class(name: str, entry: "Entry") -> type[AvalancheLearner]:
    """Make the learner class of a strategy: its fields are its constructor's own arguments.

    Args:
        name: as an entrant writes it.
        entry: what the table says of it.
    """
    strategy_class = getattr(supervised, entry.cls)
    settings = [*_settings(strategy_class), *OF_THE_NETWORK.get(entry.cls, [])]
    return make_dataclass(
        entry.cls,
        settings,
        bases=(BASES.get(entry.cls, AvalancheLearner),),
        namespace={
            "__module__": __name__,  # whose source goes into the fingerprint
            "__doc__": _summary(strategy_class),
            "name": name,
            "needs": entry.needs,
            "versions": {"avalanche-lib": version("avalanche-lib")},
            "strategy_class": strategy_class,
        },
        frozen=True,
        kw_only=True,
    )


def _settings(strategy_class: type) -> list[tuple[str, Any, Field[Any]]]:
    """Return name, type and field of every argument that is an entrant's to set."""
    constructor = inspect.getattr_static(strategy_class, "__init__")
    meanings = _meanings(inspect.getdoc(constructor) or "")
    return [
        (one.name, _type(one), _field(one, meanings.get(one.name, "")))
        for one in list(inspect.signature(constructor).parameters.values())[1:]
        if one.name not in GIVEN and one.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _type(one: inspect.Parameter) -> Any:
    hint = _hint(one)
    return _bounded(hint, BOUNDS[one.name]) if one.name in BOUNDS else hint


def _bounded(hint: Any, bound: Any) -> Any:
    """Return the type with a bound on its numbers, also on those in a list that is not empty."""
    if hint in (int, float):
        return Annotated[hint, bound]
    if get_origin(hint) is tuple:
        one = _bounded(get_args(hint)[0], bound)
        return Annotated[tuple[one, ...], pydantic.Field(min_length=1)]  # type: ignore[valid-type]
    parts = tuple(_bounded(part, bound) for part in get_args(hint))
    return Union[parts] if parts else hint  # noqa: UP007


def _hint(one: inspect.Parameter) -> Any:
    if one.annotation is inspect.Parameter.empty:
        return Any if one.default in (None, inspect.Parameter.empty) else type(one.default)
    return _with_tuples(one.annotation)


def _with_tuples(hint: Any) -> Any:
    """Return the type with tuples for sequences, which would take text as well."""
    parts = tuple(map(_with_tuples, get_args(hint)))
    if get_origin(hint) is Sequence:
        return tuple[parts[0], ...]  # type: ignore[valid-type]
    return Union[parts] if get_origin(hint) in (Union, UnionType) else hint  # noqa: UP007


def _field(one: inspect.Parameter, meaning: str) -> Field[Any]:
    given = {} if one.default is inspect.Parameter.empty else {"default": one.default}
    made: Field[Any] = field(**given, metadata={"meaning": meaning})
    return made


def _meanings(doc: str) -> dict[str, str]:
    """Return what a docstring says of each argument: `:param name: text`, over several lines."""
    found = re.findall(r":param (\w+)[^:]*:(.*?)(?=\n\s*:|\Z)", doc, re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


def _summary(strategy_class: type) -> str:
    """Return the first sentence of a strategy's docstring, and where the class is from."""
    first = (inspect.getdoc(strategy_class) or "").split("\n\n")[0]
    text = " ".join(first.split()).rstrip(".")
    return (
        f"{text}.\n\nIt is Avalanche's own `{strategy_class.__module__}.{strategy_class.__name__}`."
    )
