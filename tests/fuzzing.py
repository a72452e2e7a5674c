"""Fuzzing of what others may hand over: odd values, mutated documents, what is a clean answer."""

import copy
import json
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError

T = TypeVar("T")
Language = Literal["json", "toml"]

LONGEST_MESSAGE = 3_100
"""Characters of what is said about any input."""
PATIENCE = 30
"""Seconds of processor time that one input may take, on a busy machine and with all figures."""
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil"
"""A text with markup, a terminal's escape and a turn of the direction of writing."""


class Raw(str):
    """What stands in a document as it is, be it a value of the language or not."""

    __slots__ = ()


TEXTS = (
    *("", " ", "null", "true", "nan", "1e999", "-", "x" * 100_000, "\u0430", "../../x", "a:b"),
    *("\x00", "\x1b[2J", "\u202e\u2066", "\u2028", "\ufeff", "<b>", "{tasks}", "{c}", "{", "%s"),
    *(
        "$\\frac$",
        "$x",
        "=1+1",
        "a|b`c",
        "\\",
        '"',
        "'",
        "$(x)",
        "d" * 64,
        "a" * 201,
        HOSTILE,
        "[red]x",
        "9" * 30,
    ),
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 10_001, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 1e-320, 1e100, 1e101, 1e308, -1e308, 5e-324),
)
PLAIN: tuple[Any, ...] = (
    *TEXTS,
    *NUMBERS,
    True,
    False,
    [],
    {},
    [[]],
    [{}],
    ["a"],
    [0],
    [None],
    [0.5, "a", None],
)
ODD: dict[Language, tuple[Any, ...]] = {
    "json": (
        *(*PLAIN, None, {"": None}, {"a": 1}, {HOSTILE: HOSTILE}, "\ud800", "a\udfffb"),
        *map(Raw, ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000, "-0", "0x1", "tru", "")),
        *map(Raw, ("[" * 100_000, "[" * 60 + "]" * 60, '{"a":' * 3_000 + "1" + "}" * 3_000)),
        *map(Raw, ('{"a":1,"a":2}', '"\\ud800"', '"\\u0000"', '"\t"', "[1,]", "1.0", "1E2")),
    ),
    "toml": (
        *(*PLAIN, {"a": 1}, {HOSTILE: HOSTILE}),
        *map(Raw, ("nan", "inf", "-inf", "9" * 5_000, "0xff", "1_000", "1979-05-27", "07:32:00")),
        *map(Raw, ("[" * 5_000, "[" * 60 + "]" * 60, "{a=" * 300 + "1" + "}" * 300, "'", "")),
        *map(Raw, ("1979-05-27T07:32:00Z", '"""\nx"""', "'''\n'''", "-0", "1e400")),
    ),
}
"""Values that a document of a language may hold where another one belongs."""


@cache
def values(language: Language) -> st.SearchStrategy[Any]:
    """Return values to put in place of others: odd ones, and any others."""
    any_text = st.text(max_size=30)
    leaves = st.none() | st.booleans() | st.integers() | st.floats(width=64) | any_text
    if language == "toml":
        leaves = st.booleans() | st.integers() | st.floats(width=64) | any_text
    anything = st.recursive(
        leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(any_text, one, max_size=3)
    )
    return st.one_of(st.sampled_from(ODD[language]), st.sampled_from(ODD[language]), anything)


def part_of(draw: st.DrawFn, document: Any) -> tuple[Any, Any] | None:
    """Return some part of a document, as what it is in and its name there; None of an empty one.

    On every level one part is as likely as another: long lists of rows are not all that changes.
    """
    home = document
    while isinstance(home, dict | list) and home:
        names: list[Any] = list(home) if isinstance(home, dict) else list(range(len(home)))
        names += 3 * [name for name in names if isinstance(home[name], dict | list)]
        name = draw(st.sampled_from(names))
        inside = home[name]
        if not (isinstance(inside, dict | list) and inside and draw(st.integers(0, 3))):
            return home, name
        home = inside
    return None


@st.composite
def mutated(draw: st.DrawFn, document: Any, language: Language, most: int = 3) -> Any:
    """Return a document with some of its parts put for odd ones, dropped, renamed or doubled."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        part = part_of(draw, changed)
        if part is not None:
            _mutate(draw, *part, changed, language)
    return changed


def _mutate(draw: st.DrawFn, home: Any, last: Any, whole: Any, language: Language) -> None:
    match draw(st.sampled_from(("put", "put", "put", "drop", "add", "move", "many"))):
        case "put":
            home[last] = copy.deepcopy(draw(values(language)))  # they are everybody's
        case "drop":
            del home[last]
        case "move":  # one part of the document in the place of another
            other, name = part_of(draw, whole) or (home, last)
            home[last] = copy.deepcopy(other[name])
        case "add" if isinstance(home, dict):
            home[draw(st.sampled_from(TEXTS) | st.text(max_size=8))] = home[last]
        case "many" if isinstance(home, list):
            home.extend([home[last]] * draw(st.sampled_from((1, 30, 300))))
        case _ if isinstance(home, dict):  # rename
            home[draw(st.sampled_from(TEXTS) | st.text(max_size=8))] = home.pop(last)
        case _:
            home.insert(0, home[last])


@st.composite
def torn(draw: st.DrawFn, content: bytes) -> bytes:
    """Return bytes with some of them cut off, changed, put in or doubled."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(changed)))
        end = draw(st.integers(at, min(len(changed), at + 40)))
        match draw(st.sampled_from(("cut", "flip", "put", "double", "drop"))):
            case "cut":
                del changed[at:]
            case "flip":
                for place in range(at, min(at + 1, len(changed))):
                    changed[place] ^= draw(st.integers(1, 255))
            case "put":
                changed[at:at] = draw(st.binary(max_size=8))
            case "double":
                changed[at:at] = changed[at:end]
            case _:
                del changed[at:end]
    return bytes(changed)


_RAW = re.compile('"@raw(\\d+)@"')


def as_json(document: Any, *, canonical: bool = False) -> bytes:
    """Write a document in JSON, or in what looks like it: surrogates are written as bytes."""
    raw: list[str] = []
    style: dict[str, Any] = {"sort_keys": True, "separators": (",", ":")} if canonical else {}
    text = json.dumps(_marked(document, raw), ensure_ascii=False, **style)
    return _RAW.sub(lambda found: raw[int(found[1])], text).encode(errors="surrogatepass")


def _marked(value: Any, raw: list[str]) -> Any:
    if isinstance(value, Raw):
        raw.append(value)
        return f"@raw{len(raw) - 1}@"
    if isinstance(value, dict):
        return {name: _marked(part, raw) for name, part in value.items()}
    return [_marked(part, raw) for part in value] if isinstance(value, list) else value


def as_toml(document: Any) -> str:
    """Write a document in TOML, or in what looks like it."""
    return "".join(f"{_quoted(name)} = {_toml(part)}\n" for name, part in document.items())


def _toml(value: Any) -> str:
    match value:
        case Raw():
            return str(value)
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case dict():
            return (
                f"{{{', '.join(f'{_quoted(name)} = {_toml(one)}' for name, one in value.items())}}}"
            )
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def clean(read: Callable[[], T]) -> T | None:
    """Return what is read; None where it is refused in a few words that do nothing to a terminal.

    Any other exception is passed on, and ends the test.
    """
    started = time.process_time()
    try:
        return read()
    except BenchError as error:
        said = str(error)
    finally:
        assert time.process_time() - started < PATIENCE
    assert len(said) <= LONGEST_MESSAGE, f"{len(said):,}: {said[:500]}"
    return None


UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def check_shown(text: str, *, markup: bool = True) -> None:
    """Refuse what no output may have: a stranger's escapes, turns of direction, and elements.

    Args:
        text: that is shown.
        markup: whether elements do harm in it, as they do in Markdown and HTML.
    """
    found = UNSHOWN.search(text)
    assert found is None, ascii(text[max(0, found.start() - 80) : found.end() + 20])
    at = text.find("<script>alert") if markup else -1
    assert at < 0, ascii(text[max(0, at - 80) : at + 20])


_UNHEALTHY: Any = list(HealthCheck)


def fuzz(body: Callable[[Any], None], inputs: st.SearchStrategy[Any], examples: int) -> None:
    """Try a body on inputs: always the same ones where they are few, else ever other ones."""
    few = examples <= 1_000
    usual = settings(
        max_examples=examples,
        deadline=None,
        derandomize=few,
        database=None,
        print_blob=True,
        suppress_health_check=_UNHEALTHY,
    )
    usual(given(inputs)(body))()


def tries(few: int, many: int) -> pytest.MarkDecorator:
    """Return the mark that gives a test its number of `examples`: few, or many in a slow run."""
    slow = pytest.param(many, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])
    return pytest.mark.parametrize("examples", [few, slow])
