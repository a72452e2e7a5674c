"""What a stranger's results may name: what is installed here, and nothing else of this machine."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...harness.errors import BenchError
from ...harness.specs.named_code import is_place, named_code, named_place
from ...harness.specs.spec import StreamSpec
from ...harness.visible import visible
from ..store.result import Record

LARGEST = 10_000_000
"""Of the whole numbers among settings: samples, units, updates, and whatever else is counted."""
LONGEST = 10_000
"""Of lists among settings."""
MOST_EXPERIENCES = 5_000
"""Of the whole numbers among the arguments of an Avalanche benchmark but for its seed."""

_WHOLE = re.compile(r"(?<![\d.])\d+(?![\d.])")
_ARGUMENT = re.compile(r"(?<![A-Za-z0-9_])(?!seed=)[A-Za-z_][A-Za-z0-9_]*=([^&]*)")


def check_names(records: Iterable[Record]) -> None:
    """Refuse results that cannot be made again by what is installed here alone.

    It is asked before anything that they name is looked up: nothing is imported, read or made.

    Raises:
        BenchError: a stream is made by code that it names, a setting is a place on this machine, or
            a number among the settings is one that no run has.
    """
    for record in records:
        problem = next(_problems(record), None)
        if problem is not None:
            raise BenchError(
                f"the result {record.fingerprint[:12]} of {visible(record.spec.entrant.name)[:100]}"
                f" cannot be made again here: {problem}. Only what is installed here is run, and "
                "nothing that a file names."
            )


def _problems(record: Record) -> Iterator[str]:
    spec = record.spec
    stream = StreamSpec(spec.stream.name, spec.stream.settings)
    if code := named_code(stream):
        yield f"its stream is made by code that it names, {code}"
    if place := named_place(stream):
        yield f"its stream reads a place on this machine, {place}"
    parts = {"stream": spec.stream.settings}
    parts |= {one.name: one.settings for one in spec.entrant.strategies}
    parts |= {"network": spec.entrant.network, "optimizer": spec.entrant.optimizer}
    for owner, settings in parts.items():
        for name, value in settings.items():
            said = f"{visible(owner)[:50]}.{visible(name)[:50]}"
            if is_place(value) or (owner == "stream" and name == "folder" and value is not None):
                yield f"{said} is a place on this machine, {visible(value)[:100]}"
            if _is_beyond(value):
                yield f"{said} has a number beyond {LARGEST:,}, or a list beyond {LONGEST:,}"
    yield from _experiences(stream)


def _is_beyond(value: Any) -> bool:
    match value:
        case bool() | None:
            return False
        case int() | float():
            return abs(value) > LARGEST
        case str():
            return any(len(one) > 18 or int(one) > LARGEST for one in _WHOLE.findall(value))
        case list() | tuple():
            return len(value) > LONGEST or any(map(_is_beyond, value))
        case dict():
            return any(map(_is_beyond, value.values()))
    return True


def _experiences(stream: StreamSpec) -> Iterator[str]:
    """Yield arguments of an Avalanche benchmark that make it larger than any."""
    for text in (stream.name.partition("?")[2], stream.settings.get("arguments")):
        for value in _ARGUMENT.findall(text) if isinstance(text, str) else ():
            for one in _WHOLE.findall(value):
                if len(one) > 18 or int(one) > MOST_EXPERIENCES:
                    yield f"an argument of its benchmark is beyond {MOST_EXPERIENCES:,}"
