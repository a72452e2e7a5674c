"""What settings a dataclass has, read from its fields and the docstrings under them."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from itertools import pairwise
from textwrap import dedent
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .grammar import Settings, format_value


@dataclass(frozen=True)
class Setting:
    """One setting as people see it."""

    name: str
    type: str
    default: str
    """As it would be written; empty where it has to be given."""
    meaning: str


def settings_of(cls: type, named: Settings | None = None) -> list[Setting]:
    """Return every setting of a dataclass, in the order of its fields.

    Args:
        cls: a dataclass whose fields have docstrings under them, or "meaning" in their metadata.
        named: values that replace the defaults, as a stream's name brings them.
    """
    hints, meanings = get_type_hints(cls), field_docs(cls)
    return [
        Setting(
            part.name,
            type_text(hints[part.name]),
            _default(part, named or {}),
            meanings.get(part.name) or str(part.metadata.get("meaning", "")),
        )
        for part in fields(cls)
        if part.init
    ]


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings under the fields of a class and of what it inherits."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        docs.update(_own_docs(base))
    return docs


def _own_docs(cls: type) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(dedent(inspect.getsource(cls)))
    except (OSError, TypeError):  # a class without a file, as typing's own
        return
    body = next((node.body for node in tree.body if isinstance(node, ast.ClassDef)), [])
    for declared, below in pairwise(body):
        match declared, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text).replace("\n", " ")


def type_text(hint: Any) -> str:
    """Write a type as people say it, for example `null | list of int`."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(format_value(value) for value in parts)
    if origin in (Union, UnionType):
        return " | ".join(type_text(part) for part in parts)
    if origin in (tuple, list):
        return f"list of {' and '.join(dict.fromkeys(map(type_text, _items(parts))))}"
    if hint is NoneType:
        return "null"
    return {str: "text", bool: "true | false"}.get(hint, getattr(hint, "__name__", str(hint)))


def _items(parts: tuple[Any, ...]) -> list[Any]:
    return [part for part in parts if part is not Ellipsis]


def _default(part: Field[Any], named: Mapping[str, Any]) -> str:
    if part.name in named:
        return _written(named[part.name])
    if part.default is not MISSING:
        return _written(part.default)
    return "" if part.default_factory is MISSING else _written(part.default_factory())


def _written(value: Any) -> str:
    return format_value(list(value) if isinstance(value, tuple) else value)
