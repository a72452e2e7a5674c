"""The one small language of names and settings: `grow(compactness=0.2)+shrink-perturb(keep=0.8)`.

    calls  = call { "+" call }
    call   = name [ "?" arguments ] [ "(" [ key "=" value { "," key "=" value } ] ")" ]
    value  = number | true | false | null | string | "[" [ value { "," value } ] "]"
    string = quoted with " or ', or a bare word, which may carry its own balanced (...)

A name may have a prefix, as `kumar2024/permuted-mnist@1` and `avalanche:EWC` have.

Entrants, streams, activations and the values of `--set` are all written in it. A bare word with its
parentheses stays text, so `activation=leaky(slope=0.1)` needs no quotes.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn

from pydantic import JsonValue

from ..errors import BenchError, shortened

Settings = Mapping[str, JsonValue]

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'[^']*'")
# Behind a question mark are the arguments of what is named: avalanche:SplitMNIST?n_experiences=5
_NAME = re.compile(rf"[A-Za-z][\w.@/:-]*(?:\?(?:{_QUOTED.pattern}|[^\s()+\"'])*)?", re.ASCII)
_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORD = re.compile(r"[A-Za-z_./~][\w.@/:-]*", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])", re.ASCII)
_SPACE = re.compile(r"\s*")
LONGEST = 20_000
"""Characters that a text may have."""
DEEPEST = 20
"""Lists within lists."""
LONGEST_NUMBER = 400
"""Characters of one number: more than any float takes."""
SHOWN = 60
"""Characters that an error shows on either side of where it stopped."""
_CONSTANTS: dict[str, JsonValue] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,  # none is text: settings use it as a name
}


@dataclass(frozen=True)
class Call:
    """A name with the settings written behind it."""

    name: str
    settings: Settings = field(default_factory=dict, hash=False)


def parse_calls(text: str, what: str) -> tuple[Call, ...]:
    """Read names joined by `+`, each with its settings; `what` is named in the error."""
    reader = _Reader(text, what)
    calls = [reader.call()]
    while reader.accept("+"):
        calls.append(reader.call())
    reader.end("'+' or the end")
    return tuple(calls)


def parse_call(text: str, what: str) -> Call:
    """Read one name with its settings."""
    reader = _Reader(text, what)
    call = reader.call()
    reader.end()
    return call


def parse_value(text: str, what: str) -> JsonValue:
    """Read one value: a number, true, false, null, a string, or a list of values."""
    reader = _Reader(text, what)
    value = reader.value()
    reader.end()
    return value


def format_calls(calls: Iterable[Call]) -> str:
    """Write calls in the canonical form that `parse_calls` reads back unchanged."""
    return "+".join(map(format_call, calls))


def format_call(call: Call) -> str:
    """Write one call in canonical form: settings in the order of their names, no spaces."""
    settings = [f"{key}={format_value(value)}" for key, value in sorted(call.settings.items())]
    return f"{call.name}({','.join(settings)})" if settings else call.name


def format_value(value: JsonValue) -> str:
    """Write one value in canonical form; a string is quoted wherever it could be misread.

    Raises: BenchError: the value is a table or not finite, for which the language has no words.
    """
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) and value not in _CONSTANTS
        return value if plain else json.dumps(value)
    if isinstance(value, dict) or (isinstance(value, float) and not isfinite(value)):
        raise BenchError(f"{value!r} cannot be written as a setting. Use numbers, text and lists.")
    return json.dumps(value)


@dataclass
class _Reader:
    """A position in a text, with one method for each rule of the grammar."""

    text: str
    what: str
    position: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise BenchError(
                f"cannot read the {self.what} '{shortened(self.text)}': it has {len(self.text):,} "
                f"characters, and {LONGEST:,} are read."
            )

    def call(self) -> Call:
        name = self.match(_NAME) or self.fail("a name")
        return Call(name, self.arguments() if self.accept("(") else {})

    def arguments(self) -> Settings:
        settings: dict[str, JsonValue] = {}
        while not self.accept(")"):
            if settings:
                self.expect(",", "',' or ')'")
            start = self.position
            key = self.match(_KEY) or self.fail("the name of a setting")
            if key in settings:
                self.position = start
                self.fail(f"each setting once, but {key} is given twice")
            self.expect("=", f"'=' after {key}")
            settings[key] = self.value()
        return settings

    def value(self) -> JsonValue:
        rules: tuple[Callable[[], JsonValue], ...] = (self.items, self.number, self.quoted)
        for rule in rules:
            start = self.position
            value = rule()
            if self.position != start:
                return value
        return self.word()

    def items(self) -> list[JsonValue]:
        values: list[JsonValue] = []
        if self.accept("["):
            self.depth += 1
            if self.depth > DEEPEST:
                self.fail(f"at most {DEEPEST} lists within each other")
            while not self.accept("]"):
                if values:
                    self.expect(",", "',' or ']'")
                values.append(self.value())
            self.depth -= 1
        return values

    def number(self) -> int | float | None:
        digits = self.match(_NUMBER)
        if digits is None:
            return None
        if len(digits) > LONGEST_NUMBER:
            self.position -= len(digits)
            self.fail(f"a number of at most {LONGEST_NUMBER} characters")
        if digits.lstrip("+-").isdigit():
            return int(digits)
        if not isfinite(number := float(digits)):
            self.position -= len(digits)
            self.fail("a finite number")
        return number

    def quoted(self) -> str | None:
        text = self.match(_QUOTED)
        if text is None:
            return None
        try:
            return str(json.loads(text)) if text[0] == '"' else text[1:-1]
        except json.JSONDecodeError:
            self.position -= len(text)
            self.fail("a string with JSON's escapes")

    def word(self) -> JsonValue:
        word = self.match(_WORD) or self.fail("a value")
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        return word + self.balanced()

    def balanced(self) -> str:
        """Take a parenthesised text as it stands, empty if none follows."""
        start, depth = self.position, 0
        while self.text.startswith("(", start):
            if self.position == len(self.text):
                self.fail("')'")
            depth += {"(": 1, ")": -1}.get(self.text[self.position], 0)
            self.position += 1
            if depth == 0:
                break
        return self.text[start : self.position]

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Take what the pattern matches here, after any spaces; None leaves the position alone."""
        found = pattern.match(self.text, self.skipped())
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    def accept(self, mark: str) -> bool:
        start = self.skipped()
        if not self.text.startswith(mark, start):
            return False
        self.position = start + len(mark)
        return True

    def expect(self, mark: str, wanted: str) -> None:
        if not self.accept(mark):
            self.fail(wanted)

    def end(self, wanted: str = "the end") -> None:
        if self.skipped() != len(self.text):
            self.fail(wanted)

    def skipped(self) -> int:
        space = _SPACE.match(self.text, self.position)
        return space.end() if space else self.position

    def fail(self, wanted: str) -> NoReturn:
        """Raise the one error of this language: where it stopped and what would have been right."""
        at = self.skipped()
        found = f"'{self.text[at]}'" if at < len(self.text) else "the end"
        before, behind = self.text[max(0, at - SHOWN) : at], self.text[at : at + SHOWN]
        before = before if at <= SHOWN else f"...{before}"
        behind = behind if at + SHOWN >= len(self.text) else f"{behind}..."
        raise BenchError(
            f"cannot read the {self.what} '{shortened(self.text)}': expected {wanted} "
            f"at position {at + 1}, found {found}\n  {before}{behind}\n  {' ' * len(before)}^\n"
            "Write name(setting=value,...), for example grow(compactness=0.2)."
        )
