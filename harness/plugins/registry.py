"""Strategies, learners, streams and metrics by name: built-in tables, and others' entry points.

Nothing is imported until it is asked for by name, so that one broken plug-in spoils nothing else.
A package adds its own in its `pyproject.toml`:

    [project.entry-points."plasticity_bench.strategies"]
    my-idea = "my_package.my_module:MyIdea"
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..blame import raised
from ..errors import BenchError, shortened, unknown_name
from ..metrics import FAMILIES, METRICS
from ..names import RULE, alike, name_problem
from ..process_state import kept_process_state
from ..specs.grammar import Settings
from ..specs.named_code import AVALANCHE
from .docstrings import first_line

if TYPE_CHECKING:
    from ..engine.strategy import Strategy
    from ..modules.single_learner import SingleLearner
    from ..specs.spec import StrategySpec
    from ..stream import Stream

T = TypeVar("T")
Kind = Literal["strategy", "learner", "stream", "metric"]
PLURALS: dict[Kind, str] = {
    "strategy": "strategies",
    "learner": "learners",
    "stream": "streams",
    "metric": "metrics",
}
GROUPS: dict[Kind, str] = {
    "strategy": "plasticity_bench.strategies",
    "learner": "plasticity_bench.learners",
    "stream": "plasticity_bench.streams",
    "metric": "plasticity_bench.metrics",
}
"""Entry-point group of each kind."""

ENTRANTS: tuple[Kind, ...] = ("strategy", "learner")
"""What an entrant may name."""

OURS = "plasticity-bench"
_ROOT = __name__.split(".")[0]
_VERSION = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Provider:
    """Who offers a name, and where it is imported from."""

    name: str
    distribution: str
    """The package that was installed, for example "plasticity-bench"."""
    target: str
    """"module:attribute", absolute."""
    description: str
    """One sentence, had without importing anything."""
    family: str = ""
    """Title of what it is listed under; empty where that is not known."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a paper says about a stream beside its settings."""

    paper: str
    """Authors, year, title, and where in it."""
    notes: str
    """What the settings cannot say, and where they differ from the source."""
    not_stated: frozenset[str]
    """Settings that the source leaves open: of the stream, or `network.` or `optimizer.` first."""
    tuned: Mapping[str, str] = field(default_factory=dict)
    """Settings that the source, or one on the same stream, tuned: by method."""
    published: Mapping[str, str] = field(default_factory=dict)
    """Results to set a run beside: by what they are of."""


@dataclass(frozen=True)
class LoadedStream:
    """A stream's class, with what belongs to its name: settings, and the usual learner on it."""

    name: str
    """In full, with its version where it has one."""
    cls: "type[Stream]"
    settings: Settings = field(default_factory=dict)
    """Those that differ from the class's defaults."""
    network: Settings = field(default_factory=dict)
    optimizer: Settings = field(default_factory=dict)
    about: Published | None = None
    """What a paper says, where the name stands for a published protocol."""


def providers(kind: Kind) -> list[Provider]:
    """Return everything of a kind by name, built in or installed, without importing it."""
    installed = _installed(entry_points, GROUPS[kind], tuple(sys.path))
    found = [*_BUILT_IN[kind](), *map(_from_entry_point, installed)]
    return sorted(found, key=lambda provider: (provider.name, provider.distribution))


@lru_cache(maxsize=32)
def _installed(
    look: Callable[..., Iterable[EntryPoint]], group: str, path: tuple[str, ...]
) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group; looking through all packages takes 20 ms each time.

    Args:
        look: looks through them.
        group: name of the group.
        path: where packages are looked for.
    """
    del path  # what is found depends on it
    return tuple(look(group=group))


def families(kind: Kind) -> list[str]:
    """Return the titles of the families of a kind: ours as in their tables, then others'."""
    own = [provider.family for provider in _BUILT_IN[kind]()]
    return list(dict.fromkeys([*own, *(provider.family for provider in providers(kind))]))


def names(kind: Kind) -> list[str]:
    """Return every name of a kind, sorted."""
    return sorted({provider.name for provider in providers(kind)})


def strategy_taken_for(name: str, own: Collection[str]) -> str | None:
    """Return the strategy that readers take an entrant of that name to be of, and it is not.

    Args:
        name: of the entrant.
        own: its strategies.
    """
    known = {one for kind in ENTRANTS for one in names(kind)}
    return next((one for one in sorted(known - set(own)) if alike(one) == alike(name)), None)


def find(kind: Kind, name: str) -> Provider:
    """Return who offers a name.

    Raises:
        BenchError: nobody does, or more than one.
    """
    return _only_one(kind, name, providers(kind))


def _only_one(kind: Kind, name: str, offered: Sequence[Provider]) -> Provider:
    exact = [provider for provider in offered if provider.name == name]
    found = exact or _newest(offered, name)
    if not found:
        remedy = f"List all: plasticity-bench list {PLURALS[kind]}"
        raise unknown_name(kind, name, {provider.name for provider in offered}, remedy)
    if len(found) > 1:
        owners = " and ".join(f"{other.distribution} ({other.target})" for other in found)
        raise BenchError(
            f"the {kind} '{name}' is claimed twice: by {owners}. "
            "Uninstall one of them, or rename its entry point."
        )
    return found[0]


def _newest(known: Iterable[Provider], name: str) -> list[Provider]:
    """Return who offers the newest version of a name that was given without one."""
    versions: dict[int, list[Provider]] = {}
    for provider in known:
        base, _, version = provider.name.rpartition("@")
        if base == name and _VERSION.fullmatch(version):
            versions.setdefault(int(version), []).append(provider)
    return versions[max(versions)] if versions else []


def load(kind: Kind, name: str) -> Any:
    """Import what goes by a name; what that prints goes to stderr, since stdout may be JSON.

    Raises:
        BenchError: nobody offers the name, more than one does, or its import fails; in this last
            case with the plug-in's own error as the cause.
    """
    provider = find(kind, name)
    if kind == "metric" and provider.distribution == OURS:
        return METRICS[name]
    if kind == "learner" and provider.distribution == OURS:
        return _avalanche().learner_class(name)
    module, _, attribute = provider.target.partition(":")
    try:
        with redirect_stdout(sys.stderr), kept_process_state():
            loaded: Any = import_module(module)
            for part in attribute.split("."):
                loaded = getattr(loaded, part)
    except (Exception, SystemExit) as error:
        raise BenchError(
            f"the {kind} '{name}' of {provider.distribution} cannot be imported from "
            f"{provider.target}: {raised(error)}. Repair or uninstall that package."
        ) from error
    return loaded


def load_strategy(name: str) -> "type[Strategy]":
    """Import the class of a strategy.

    Raises:
        BenchError: as `load`, or what is there is not a dataclass and subclass of `Strategy`.
    """
    from ..engine.strategy import Strategy

    return _subclass("strategy", name, Strategy)


def load_learner(name: str) -> "type[SingleLearner]":
    """Import the class of a learner that trains outside the stack.

    Raises:
        BenchError: as `load`, or what is there is not a subclass of `TorchLearner` or its base.
    """
    from ..modules.single_learner import SingleLearner

    return _subclass("learner", name, SingleLearner)  # type: ignore[type-abstract]


def load_entrant(name: str) -> "type[Strategy] | type[SingleLearner]":
    """Import what an entrant names: a strategy, or a learner that trains outside the stack.

    Raises:
        BenchError: as `load_strategy` and `load_learner`; or both have the name, or neither.
    """
    offered = [provider for kind in ENTRANTS for provider in providers(kind)]
    _only_one("strategy", name, offered)
    return load_learner(name) if name in names("learner") else load_strategy(name)


def is_learner(strategies: "Iterable[StrategySpec]") -> bool:
    """Tell whether what an entrant names is a learner that trains outside the stack."""
    known = names("learner")
    return any(one.name in known for one in strategies)


def load_stream(name: str) -> LoadedStream:
    """Import the class of a stream, with the settings, network and optimiser of that name.

    A name such as "avalanche:SplitCIFAR100?n_experiences=10" is an Avalanche benchmark's.
    An installed stream may say its usual learner in class variables `default_network` and
    `default_optimizer`.

    Raises:
        BenchError: as `load`, or what is there is not a subclass of `Stream`.
    """
    from ..stream import Stream

    if name.startswith(AVALANCHE):
        benchmarks = import_module(f"{_ROOT}.streams.avalanche.stream")
        loaded = benchmarks.loaded(name.removeprefix(AVALANCHE))
        assert isinstance(loaded, LoadedStream)
        return loaded
    cls = _subclass("stream", name, Stream)  # type: ignore[type-abstract]
    full_name = find("stream", name).name
    entry = _stream_table().get(full_name)
    if entry is not None:
        return LoadedStream(
            full_name, cls, entry.settings, entry.network, entry.optimizer, entry.about
        )
    network, optimizer = (getattr(cls, f"default_{part}", {}) for part in ("network", "optimizer"))
    return LoadedStream(full_name, cls, {}, network, optimizer)


def _subclass(kind: Kind, name: str, base: type[T]) -> type[T]:
    from ..specs.spec import check_declared

    loaded = load(kind, name)
    if isinstance(loaded, type) and issubclass(loaded, base):
        check_declared(loaded, f"{kind} {name}")
        return loaded
    provider = find(kind, name)
    raise BenchError(
        f"the {kind} '{name}' of {provider.distribution} is not one: {provider.target} is not a "
        f"subclass of {base.__module__}.{base.__qualname__}. Point its entry point at the class."
    )


def _from_entry_point(point: EntryPoint) -> Provider:
    owner, summary = "an unnamed package", ""
    if point.dist is not None:
        owner = point.dist.metadata["Name"]
        summary = str(point.dist.metadata.json.get("summary", ""))
    name, description = point.name, first_line(point.value) or summary
    problem = name_problem(name)
    if problem is not None:  # shown as it is spelled, so that nobody takes it for another
        name, description = shortened(ascii(name)[1:-1]), f"Its name {problem}. {RULE}"
    return Provider(name, owner, point.value, description, f"Installed by {owner}")


def _built_in_strategies() -> Iterator[Provider]:
    for name, target in import_module(f"{_ROOT}.strategies").BUILT_IN.items():
        absolute = f"{_ROOT}.strategies.{target}"
        yield Provider(name, OURS, absolute, first_line(absolute), _family(target))


def _family(target: str) -> str:
    """Return a strategy's family: the folder or file that it is in, and what that says of it."""
    family = target.partition(":")[0].partition(".")[0]
    return f"{family}: {first_line(f'{_ROOT}.strategies.{family}')}"


def _built_in_learners() -> Iterator[Provider]:
    for name, entry in _avalanche().TABLE.items():
        target = f"avalanche.training.supervised:{entry.cls}"
        yield Provider(name, OURS, target, entry.summary, "Avalanche's own, beside the stack")


def _built_in_streams() -> Iterator[Provider]:
    for name, entry in _stream_table().items():
        yield Provider(name, OURS, entry.family, entry.summary, entry.group)


def _built_in_metrics() -> Iterator[Provider]:
    for name, metric in METRICS.items():
        target, title = f"{_ROOT}.harness.metrics:METRICS", FAMILIES[metric.family]
        line = metric.description.partition("\n")[0]
        yield Provider(name, OURS, target, line, title)


def _avalanche() -> Any:
    return import_module(f"{_ROOT}.strategies.avalanche.table")


def _stream_table() -> dict[str, Any]:
    catalogue = import_module(f"{_ROOT}.streams.catalogue")
    return {**catalogue.built_in(), **catalogue.presets()}


_BUILT_IN: dict[Kind, Callable[[], Iterable[Provider]]] = {
    "strategy": _built_in_strategies,
    "learner": _built_in_learners,
    "stream": _built_in_streams,
    "metric": _built_in_metrics,
}
