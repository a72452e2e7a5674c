"""What the words of a stream name beside settings: code to import, and places on this machine.

On the command line a person names them. In a file they are somebody else's, so whoever takes a
stream from a file asks here first.
"""

import re

from ..visible import visible
from .spec import StreamSpec

AVALANCHE = "avalanche:"
"""What the name of any Avalanche benchmark as a stream starts with."""

_PLACE_NAME = re.compile(r"root|path|folder|file|dir", re.IGNORECASE)
"""What arguments of benchmarks that are places have in their names, as dataset_root and path."""
_MOST_SAID = 100


def named_code(stream: StreamSpec) -> str | None:
    """Return the "module:function" that would be imported for a stream; None where none is.

    The name says it, and so may the setting `maker`, which wins over the name.
    """
    maker = stream.settings.get("maker")
    words = [_benchmark(stream)[0], maker if isinstance(maker, str) else ""]
    return next((_said(one) for one in words if ":" in one), None)


def named_place(stream: StreamSpec) -> str | None:
    """Return an argument of an Avalanche benchmark that is a place on this machine; None without.

    Files there may be read as code: data sets of others come as pickles.
    """
    if not stream.name.startswith(AVALANCHE):
        return None
    more = stream.settings.get("arguments")
    arguments = [_benchmark(stream)[1], more if isinstance(more, str) else ""]
    pieces = (piece for text in arguments for piece in text.split("&"))
    return next((_said(one) for one in pieces if _is_place(*one.partition("=")[::2])), None)


def is_place(value: object) -> bool:
    """Tell whether a value is, or holds, a text that looks like a place: a path or an address."""
    if isinstance(value, list):
        return any(map(is_place, value))
    if isinstance(value, dict):
        return any(map(is_place, value.values()))
    if not isinstance(value, str):
        return False
    return value.startswith(("/", "~", ".")) or any(sign in value for sign in ("\\", "..", ":/"))


def _is_place(name: str, value: str) -> bool:
    return bool(_PLACE_NAME.search(name)) or any(sign in value for sign in "/\\~:")


def _benchmark(stream: StreamSpec) -> tuple[str, str]:
    """Return what makes the benchmark of a stream's name, and the arguments behind it."""
    if not stream.name.startswith(AVALANCHE):
        return "", ""
    maker, _, arguments = stream.name.removeprefix(AVALANCHE).partition("?")
    return maker, arguments


def _said(words: str) -> str:
    """Return somebody else's words as they may stand in a message."""
    return visible(words)[:_MOST_SAID]
