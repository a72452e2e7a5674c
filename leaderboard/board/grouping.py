"""Which results may be compared: sorted into streams and entrants, each with a label of its own."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import JsonValue

from ...harness.fingerprint import canonical
from ..store.result import Record

Details = dict[str, JsonValue]
V = TypeVar("V")
R = TypeVar("R", bound=Record)
"""Records, or results with their rows where curves are wanted."""


@dataclass(frozen=True)
class EntrantRuns(Generic[R]):
    """Every seed of one entrant on one stream: the same settings, code and libraries."""

    label: str
    """The entrant's name, with settings behind it where others of that name differ in them, and
    with its code where there are several versions of it."""
    name: str
    runs: tuple[R, ...]
    """At least one, in the order of their seeds."""

    @property
    def done(self) -> tuple[R, ...]:
        """The runs that neither diverged nor failed."""
        return tuple(run for run in self.runs if run.status == "done")


@dataclass(frozen=True)
class StreamRuns(Generic[R]):
    """Every run on one stream: the same settings, the same data and the same results version."""

    label: str
    """The stream's name, with settings behind it where others of that name differ in them."""
    entrants: tuple[EntrantRuns[R], ...]
    """In the order of their labels."""


@dataclass(frozen=True)
class Marks:
    """What labels say of results whatever stands beside them, by fingerprint."""

    other_code: Sequence[str] = ()
    """Of other code: where their labels say of which, those of the code that is here do not."""
    unusual: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Settings of network and optimiser in which the learner is not the usual one."""


def grouped(results: Iterable[R], marks: Marks | None = None) -> tuple[StreamRuns[R], ...]:
    """Sort results into streams, and these into entrants, in the order of their labels.

    Streams that differ in any setting, in their data or in the results version are kept apart, and
    so are entrants that differ in any setting, in their code, or in the version of a library that
    is their code: they are never averaged together. An entrant has the same label on every stream,
    as far as its code goes.

    Args:
        results: of any streams and entrants.
        marks: what labels say in any case.
    """
    listed = [*results]
    codes = _Codes(listed, marks or Marks())
    return tuple(
        StreamRuns(label, _entrants(runs, codes))
        for label, _, runs in _labelled((_stream_key(result), result) for result in listed)
    )


def _entrants(results: Sequence[R], codes: "_Codes") -> tuple[EntrantRuns[R], ...]:
    keyed = ((_entrant_key(result, codes), result) for result in results)
    return tuple(
        EntrantRuns(label, name, tuple(sorted(runs, key=lambda run: run.spec.seed)))
        for label, name, runs in _labelled(keyed)
    )


class _Codes:
    """What labels say in any case: in which code those of one name differ, and unusual learners.

    Args:
        results: on all streams.
        marks: as for `grouped`.
    """

    def __init__(self, results: Iterable[Record], marks: Marks) -> None:
        self.other_code = frozenset(marks.other_code)
        self.unusual = marks.unusual
        self._values: dict[str, dict[str, set[str]]] = {}
        self._outdated: set[str] = set()
        for result in results:
            name = result.spec.entrant.name
            of_name = self._values.setdefault(name, {})
            for key, value in _code(result).items():
                of_name.setdefault(key, set()).add(value)
            if result.fingerprint in self.other_code:
                self._outdated.add(name)

    def said(self, result: Record) -> Details:
        """Return what a label says of the code and the learner of a result."""
        name = result.spec.entrant.name
        learner = dict(self.unusual.get(result.fingerprint, {}))
        if name in self._outdated and result.fingerprint not in self.other_code:
            return learner
        code = _code(result)
        differing = {key: value for key, value in code.items() if len(self._values[name][key]) > 1}
        return {**learner, **differing}


@dataclass(frozen=True)
class _Key:
    """A name and all that sets apart what goes by it."""

    name: str
    details: Mapping[str, JsonValue]
    code: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the label says in any case."""


def _stream_key(result: Record) -> _Key:
    stream, data = result.spec.stream, result.sources.data
    versions: Details = {"data": data, "results_version": result.results_version}
    return _Key(stream.name, {**stream.settings, **versions})


def _entrant_key(result: Record, codes: _Codes) -> _Key:
    entrant = result.spec.entrant
    details: Details = {}
    for number, strategy in enumerate(entrant.strategies, 1):
        # The number tells the same strategy apart where an entrant has it twice.
        prefix = strategy.name if strategy.name not in details else f"{strategy.name}#{number}"
        details[prefix] = True
        details |= _prefixed(prefix, strategy.settings)
    details |= _prefixed("network", entrant.network) | _prefixed("optimizer", entrant.optimizer)
    return _Key(entrant.name, details, _code(result), codes.said(result))


def _code(result: Record) -> dict[str, str]:
    sources = result.sources
    found = _prefixed("code", sources.strategies) | _prefixed("version", sources.versions)
    found["engine"] = sources.engine or "released"
    return found | ({"stream": sources.stream} if sources.stream else {})


def _prefixed(prefix: str, settings: Mapping[str, V]) -> dict[str, V]:
    return {f"{prefix}.{key}": value for key, value in settings.items()}


def _labelled(keyed: Iterable[tuple[_Key, R]]) -> list[tuple[str, str, list[R]]]:
    """Gather the results of equal keys; return label, name and results, sorted by label."""
    runs: dict[bytes, list[R]] = {}
    keys: dict[bytes, _Key] = {}
    for key, result in keyed:
        identity = canonical([key.name, key.details, key.code])
        keys[identity] = key
        runs.setdefault(identity, []).append(result)
    labelled = [
        (_label(key, [other for other in keys.values() if other.name == key.name]), key.name, found)
        for key, found in zip(keys.values(), runs.values(), strict=True)
    ]
    return sorted(labelled, key=lambda entry: entry[0])


def _label(key: _Key, namesakes: Sequence[_Key]) -> str:
    """Return the name, with only those details behind it in which its namesakes differ."""
    said = {
        detail: key.details.get(detail)
        for detail in {detail for other in namesakes for detail in other.details}
        if len({canonical(other.details.get(detail)) for other in namesakes}) > 1
    } | {**key.said}
    differing = [f"{detail}={_short(said[detail])}" for detail in sorted(said)]
    return f"{key.name} [{', '.join(differing)}]" if differing else key.name


def _short(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:8] if len(text) == 64 else text  # the start of a SHA-256 is enough to see by
