"""From what was asked for to runs with every setting resolved; mistakes are found here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from ..errors import BenchError, shortened, unknown_name
from ..modules.single_learner import SingleLearner
from ..names import alike, checked_name
from ..specs.grammar import Call, Settings, format_call, parse_value
from ..specs.spec import (
    EntrantSpec,
    NetworkSpec,
    OptimizerSpec,
    RunSpec,
    StrategySpec,
    StreamSpec,
    all_settings,
    build_call,
    build_settings,
    canonical_name,
)
from ..specs.suite import EntrantRequest, Suite
from ..stream import Stream
from .registry import LoadedStream, find, load_entrant, load_stream, strategy_taken_for

_SHORTER = "Arguments of an Avalanche benchmark may stand in its setting `arguments`."
_NAME_IT = "Give it another name in a suite file."

Overrides = Mapping[str, Settings]
"""Settings by what they belong to: stream, network, optimizer, or a strategy's name."""


def parse_overrides(texts: Iterable[str]) -> Overrides:
    """Read `--set` options such as "stream.tasks=50" or "grow.compactness=0.3"; the last one wins.

    Raises:
        BenchError: a text has not the form WHAT.SETTING=VALUE.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        target, dot, setting = key.strip().rpartition(".")
        if not (equals and dot and target and setting):
            raise BenchError(
                f"cannot read the setting '{shortened(text)}'. Write WHAT.SETTING=VALUE, where "
                "WHAT is stream, network, optimizer or a strategy: for example stream.tasks=50."
            )
        overrides.setdefault(target, {})[setting] = parse_value(value, f"value of {key.strip()}")
    return overrides


def resolve(suite: Suite, overrides: Overrides | None = None) -> list[RunSpec]:
    """Return the runs of a suite, stream by stream, with the value of every setting.

    A network or optimiser setting is the first one said of: the override, the entrant's, the
    suite's, the stream's, the default.

    Args:
        suite: what to run.
        overrides: of `parse_overrides`, for every stream or entrant they fit.

    Raises:
        BenchError: a name, a setting or a value is not allowed, two entrants have one name, an
            override fits nothing, or a strategy needs to be told what a stream does not tell.
    """
    sets = overrides or {}
    _check_targets(suite, sets)
    if suite.metric is not None:
        find("metric", suite.metric)
    streams = [_Stream.of(stream, sets) for stream in suite.streams]
    entrants = [_Entrant.of(request, sets) for request in suite.entrants]
    _check_names(entrants)
    runs = [
        RunSpec(stream.spec, entrant, seed)
        for stream in streams
        for entrant in [entrant.on(stream, suite, sets) for entrant in entrants]
        for seed in suite.seeds
    ]
    return list(dict.fromkeys(runs))  # the same stream named twice is run once


def run_from_json(plain: Mapping[str, Any]) -> RunSpec:
    """Return the run that `RunSpec.as_json` has written down, with what is installed here.

    Raises:
        BenchError: a strategy is not here, or its settings are not allowed.
    """
    stream, entrant = plain["stream"], plain["entrant"]
    strategies = [StrategySpec(one["name"], one["settings"]) for one in entrant["strategies"]]
    for one in strategies:
        _build(one.name, one.settings)
    return RunSpec(
        StreamSpec(stream["name"], stream["settings"]),
        EntrantSpec(
            entrant["name"],
            tuple(strategies),
            build_settings(NetworkSpec, entrant["network"], "network"),
            build_settings(OptimizerSpec, entrant["optimizer"], "optimizer"),
        ),
        plain["seed"],
    )


def stream_metric(asked: StreamSpec) -> str:
    """Return what a stream's entrants are ranked by where nothing else is asked.

    Raises:
        BenchError: there is no such stream, or a setting is not allowed.
    """
    return _Stream.of(asked, {}).made.metric


def resolved_stream(asked: StreamSpec, overrides: Overrides | None = None) -> StreamSpec:
    """Return a stream with the value of every setting."""
    return _Stream.of(asked, overrides or {}).spec


def entrant_name(request: EntrantRequest, overrides: Overrides | None = None) -> str:
    """Return what an entrant is called in results."""
    return _Entrant.of(request, overrides or {}).name


@dataclass(frozen=True)
class _Stream:
    """A stream with its settings resolved, and what belongs to its name."""

    spec: StreamSpec
    made: Stream
    loaded: LoadedStream

    @classmethod
    def of(cls, asked: StreamSpec, sets: Overrides) -> "_Stream":
        checked_name(asked.name, "the name of a stream", _SHORTER)
        loaded = load_stream(asked.name)
        settings = {**loaded.settings, **asked.settings, **sets.get("stream", {})}
        made = build_settings(loaded.cls, settings, f"stream {asked.name}")
        return cls(StreamSpec(loaded.name, all_settings(made)), made, loaded)


@dataclass(frozen=True)
class _Entrant:
    """An entrant with its strategies resolved; its network and optimiser wait for the stream."""

    name: str
    strategies: tuple[StrategySpec, ...]
    made: Mapping[str, Any] = field(hash=False)
    """Each strategy, or the one learner, by name."""
    network: Settings = field(hash=False)
    optimizer: Settings = field(hash=False)

    @classmethod
    def of(cls, request: EntrantRequest, sets: Overrides) -> "_Entrant":
        made = [
            _build(asked.name, {**asked.settings, **sets.get(asked.name, {})})
            for asked in request.strategies
        ]
        _check_alone(request.strategies, made)
        named = list(zip([asked.name for asked in request.strategies], made, strict=True))
        return cls(
            request.name
            or canonical_name(tuple(StrategySpec(name, _changed(one)) for name, one in named)),
            tuple(StrategySpec(name, all_settings(one)) for name, one in named),
            dict(named),
            request.network,
            request.optimizer,
        )

    def on(self, stream: _Stream, suite: Suite, sets: Overrides) -> EntrantSpec:
        """Return the entrant as it is on one stream."""
        self._check_needs(stream)
        network = {**stream.loaded.network, **suite.network, **self.network}
        optimizer = {**stream.loaded.optimizer, **suite.optimizer, **self.optimizer}
        made_network = _network({**network, **sets.get("network", {})})
        for name, one in self.made.items():
            if _is_learner(one):
                _check_fits(name, one, stream, made_network)
        return EntrantSpec(
            self.name,
            self.strategies,
            made_network,
            build_settings(OptimizerSpec, {**optimizer, **sets.get("optimizer", {})}, "optimizer"),
        )

    def _check_needs(self, stream: _Stream) -> None:
        for strategy, made in self.made.items():
            for need in sorted(made.needs - stream.made.told):
                raise BenchError(
                    f"strategy '{strategy}' needs to be told: {need}; stream '{stream.spec.name}' "
                    f"tells: {', '.join(sorted(stream.made.told)) or 'nothing'}. "
                    "Run it on another stream, or leave it out on this one."
                )


def _build(name: str, settings: Settings) -> Any:
    cls = load_entrant(name)
    if issubclass(cls, SingleLearner):
        cls.check_settings(settings)
        return build_settings(cls, settings, f"learner {name}")
    return build_settings(cls, settings, f"strategy {name}")


def _check_alone(strategies: Sequence[StrategySpec], made: Sequence[Any]) -> None:
    """Refuse a learner that trains outside the stack beside a strategy that acts on the stack."""
    alone = [s.name for s, one in zip(strategies, made, strict=True) if _is_learner(one)]
    if alone and len(made) > 1:
        others = ", ".join(s.name for s in strategies if s.name != alone[0])
        raise BenchError(
            f"'{alone[0]}' trains a network of its own, outside the stack, so it cannot be "
            f"combined by '+' with {others or 'itself'}. Make them entrants of their own."
        )


def _is_learner(made: Any) -> bool:
    return isinstance(made, SingleLearner)


def _check_fits(name: str, learner: SingleLearner, stream: _Stream, network: NetworkSpec) -> None:
    try:
        learner.check(stream.made, network)
    except BenchError as error:
        raise BenchError(f"learner '{name}' on stream '{stream.spec.name}': {error}") from error


def _network(settings: Settings) -> NetworkSpec:
    """Resolve a network, its activation's settings included: one function has one spelling."""
    from ..engine.activations import ACTIVATIONS

    network = build_settings(NetworkSpec, settings, "network")
    activation = build_call("activation", network.activation, ACTIVATIONS)
    name = next(name for name, cls in ACTIVATIONS.items() if cls is type(activation))
    return replace(network, activation=format_call(Call(name, all_settings(activation))))


def _changed(made: Any) -> Settings:
    """Return the settings that differ from their defaults."""
    values = all_settings(made)
    return {
        part.name: values[part.name]
        for part in fields(made)
        if part.init and getattr(made, part.name) != _default(part)
    }


def _default(part: Any) -> Any:
    return part.default if part.default_factory is MISSING else part.default_factory()


def _check_targets(suite: Suite, sets: Overrides) -> None:
    strategies = {asked.name for request in suite.entrants for asked in request.strategies}
    known = {"stream", "network", "optimizer", *strategies}
    for target in sets:
        if target not in known:
            remedy = "Settings of a strategy need an entrant that has it."
            raise unknown_name("target of --set named", target, known, remedy)


def _check_names(entrants: Sequence[_Entrant]) -> None:
    """Refuse names that are none, mistaken for another's, or those of other strategies."""
    taken: dict[str, str] = {}
    for entrant in entrants:
        name = checked_name(entrant.name, "the name of an entrant", _NAME_IT)
        other = taken.get(alike(name))
        if other == name:
            raise BenchError(
                f"two entrants are called '{name}', so their results would be mixed. "
                "Leave one out, or give one a name in a suite file."
            )
        if other is not None:
            raise BenchError(
                f"'{other}' and '{name}' are names that readers take for one. {_NAME_IT}"
            )
        taken[alike(name)] = name
        if strategy_taken_for(name, {one.name for one in entrant.strategies}) is not None:
            raise BenchError(
                f"an entrant is called '{name}' as a strategy is, and is not of it: it is "
                f"{canonical_name(entrant.strategies)[:200]}. {_NAME_IT}"
            )
