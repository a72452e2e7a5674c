"""What a run is: a stream, an entrant and a seed, as frozen and validated values.

Settings come from people, files and command lines. They are read as JSON values and checked
strictly against the fields of a frozen dataclass: an unknown name, a wrong type or a value out of
range is an error that names the setting and what would be right.
"""

import inspect
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from ..blame import raised
from ..errors import BenchError, shortened, unknown_name
from ..process_state import kept_process_state
from .grammar import Call, Settings, format_calls, parse_call

T = TypeVar("T")
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """The architecture of one replica."""

    kind: Literal["mlp", "convnet"] = "mlp"
    """Fully connected layers only, or behind a trunk of convolutions."""
    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=1000)] = (32, 64)
    """Channels of every convolution of a convnet's trunk, each followed by a 2 x 2 max-pool."""
    kernel: Width | tuple[Width, ...] = 3
    """Side of the trunk's kernels, one for all or one each; odd where the padding is "same"."""
    padding: Literal["same", "none"] = "same"
    """Whether a convolution keeps the size of its picture, or only what the kernel covers whole."""
    hidden: Annotated[tuple[Width, ...], Field(max_length=1000)] = (256, 256)
    """Units of each fully connected hidden layer, from the input on; each at least 1."""
    activation: str = "relu"
    """Activation function with its settings, for example "leaky-relu(slope=0.1)"."""
    norm: Literal["none", "layer"] = "none"
    """Normalisation before each hidden activation."""
    init: Literal["kaiming-uniform", "torch"] = "kaiming-uniform"
    """Initial weights: Kaiming-uniform (He et al. 2015), or those of torch's own layers."""
    edit_trunk: bool = False
    """Whether strategies may edit the channels of a convolutional trunk as well."""

    def __post_init__(self) -> None:
        parse_call(self.activation, "activation")
        if len(self.kernels) != len(self.channels):
            raise BenchError(
                f"kernel={list(self.kernels)} has {len(self.kernels)} sides, but there are "
                f"{len(self.channels)} channels. Give one for all, or one for each."
            )
        if self.padding == "same" and any(side % 2 == 0 for side in self.kernels):
            raise BenchError(f'kernel={self.kernel} is even. Make it odd, or set padding="none".')

    @property
    def kernels(self) -> tuple[int, ...]:
        """Side of every convolution's kernel."""
        if isinstance(self.kernel, int):
            return (self.kernel,) * len(self.channels)
        return self.kernel


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """The optimiser of one replica; each is equal to torch's of the same name."""

    name: Literal["sgd", "adam", "adamw", "amsgrad"] = "sgd"
    """Update rule."""
    lr: Positive = 0.01
    """Learning rate at the start, above 0."""
    momentum: Share = 0.0
    """Momentum of sgd, in [0, 1); the others have none."""
    weight_decay: NotNegative = 0.0
    """Added to the gradient as weight_decay * weight; decoupled in adamw. At least 0."""
    beta1: Share = 0.9
    """Decay of the first moment, in [0, 1); not used by sgd."""
    beta2: Share = 0.999
    """Decay of the second moment, in [0, 1); not used by sgd."""
    eps: Positive = 1e-8
    """Added to the root of the second moment, above 0; not used by sgd."""
    schedule: Literal["constant", "cosine", "steps"] = "constant"
    """Learning rate: constant; over the whole run half a cosine down to 0; or in every task three
    steps down, each to a fifth, after 30, 60 and 80 % of its updates (Dohare et al. 2024)."""


@dataclass(frozen=True)
class StrategySpec:
    """A strategy by name, and its settings."""

    name: str
    settings: Settings = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class StreamSpec:
    """A stream by name, and its settings."""

    name: str
    settings: Settings = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class EntrantSpec:
    """What is ranked: strategies in the order they act, a network and an optimiser."""

    name: str
    strategies: tuple[StrategySpec, ...]
    network: NetworkSpec
    optimizer: OptimizerSpec


@dataclass(frozen=True)
class RunSpec:
    """One replica of one entrant on one stream, with every setting resolved to a value."""

    stream: StreamSpec
    entrant: EntrantSpec
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Return the spec as plain JSON values, as results hold it and fingerprints are made of."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def build_settings(cls: type[T], settings: Settings, what: str, *, remedy: str | None = None) -> T:
    """Make a frozen dataclass from settings, strictly: no unknown names, no guessed types.

    Args:
        cls: the dataclass whose fields are the settings.
        settings: JSON values by name; what is left out takes its default.
        what: how messages name it, for example "strategy grow".
        remedy: what to do about an error; None points at `plasticity-bench list`.

    Raises:
        BenchError: a name, a type or a value is not allowed.
    """
    see = remedy or f"See its settings: plasticity-bench list {what.split()[-1]}"
    check_declared(cls, what)
    known = [part.name for part in fields(cls) if part.init]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise unknown_name(f"setting of {what} named", name, known, see)
    try:
        # JSON is strict about types and still takes lists for tuples and whole numbers for floats.
        text = json.dumps(_without_minus_zero(dict(settings)), allow_nan=False, default=str)
        with kept_process_state() if _is_of_others(cls) else nullcontext():
            made: T = _adapter(cls).validate_json(text, strict=True)  # type: ignore[arg-type]
        return made
    except ValidationError as error:
        raise BenchError(f"{what}: {_first_problem(error, settings)} {see}") from error
    except BenchError as error:
        raise BenchError(f"{what}: {error} {see}") from error
    except (Exception, SystemExit) as error:  # whatever a plug-in's own checks raise
        raise BenchError(f"{what} cannot be made: {raised(error, cls)}. {see}") from error


def _is_of_others(cls: type) -> bool:
    return cls.__module__.partition(".")[0] != __name__.partition(".")[0]


def _without_minus_zero(value: Any) -> Any:
    """Return JSON values with 0 for -0.0: they are one setting, and one run."""
    match value:
        case float():
            return value + 0.0
        case dict():
            return {name: _without_minus_zero(part) for name, part in value.items()}
        case list() | tuple():
            return [_without_minus_zero(part) for part in value]
        case _:
            return value


@cache  # making one takes milliseconds, and files hold dozens of tables of one class
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def build_call(what: str, text: str, table: Mapping[str, type[T]]) -> T:
    """Make one of a table of dataclasses from its name and settings, as `leaky-relu(slope=0.1)`.

    Raises:
        BenchError: the text cannot be read, or its name or a setting is not allowed.
    """
    call = parse_call(text, what)
    if call.name not in table:
        raise unknown_name(what, call.name, table, f"See them: plasticity-bench list {what}s")
    return build_settings(table[call.name], call.settings, f"{what} {call.name}")


def all_settings(made: Any) -> dict[str, JsonValue]:
    """Return every setting of a dataclass made by `build_settings`, defaults included, as JSON."""
    values: dict[str, JsonValue] = TypeAdapter(type(made)).dump_python(made, mode="json")
    return {part.name: values[part.name] for part in fields(made) if part.init}


def canonical_name(strategies: tuple[StrategySpec, ...]) -> str:
    """Name an entrant by its strategies, for example `grow(compactness=0.2)+shrink-perturb`."""
    return format_calls(Call(strategy.name, strategy.settings) for strategy in strategies)


def check_declared(cls: type, what: str) -> None:
    """Refuse a class whose annotated fields are not settings for want of `@dataclass`.

    Raises:
        BenchError: says so of `what`, as messages name the class.
    """
    own = inspect.get_annotations(cls)
    if not is_dataclass(cls) or (own and "__dataclass_fields__" not in cls.__dict__):
        raise BenchError(
            f"{what}: class {cls.__qualname__} is not a dataclass, so its fields are no settings. "
            "Put @dataclass(frozen=True, kw_only=True) above it."
        )


def _first_problem(error: ValidationError, settings: Settings) -> str:
    first, *others = error.errors(include_url=False)
    # A value of several types has a problem with each: the one that fits best says the most.
    same = [first, *(one for one in others if one["loc"][:1] == first["loc"][:1])]
    problem = max(same, key=lambda one: (len(one["loc"]), not one["type"].endswith("_type")))
    cause = problem.get("ctx", {}).get("error")
    if not problem["loc"]:
        return f"{cause or problem['msg']}."
    place = _place(problem["loc"], settings)
    if problem["type"] == "missing":
        return f"{place} has to be given."
    value = shortened(repr(problem["input"]))
    return f"{place}={value} is not allowed: {cause or problem['msg']}."


def _place(location: tuple[int | str, ...], settings: Settings) -> str:
    """Return where in settings a problem is; names of types that were tried are left out."""
    name, *inner = location
    place, value = str(name), settings.get(str(name))
    for part in inner:
        if isinstance(part, int) or isinstance(value, dict):
            place += f"[{part}]"
            parts: Any = enumerate(value) if isinstance(value, list | tuple) else value
            value = dict(parts).get(part) if parts else None
    return place
