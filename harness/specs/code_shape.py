"""What code does, however it is laid out: a module said again in one form, its shape.

Left out is what changes nothing: comments, layout, docstrings, `pass`, import lines, and the
annotations of functions. A name that an import binds is said as what it was imported as: from
elsewhere with its module, from the code's own package by itself, so that files may move. Nothing
is ever run. The form is our own, since those of `ast.dump` and `ast.unparse` change with the
version of Python.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

PACKAGE = __name__.partition(".")[0]
_NOT_PLAIN = re.compile("[^A-Za-z0-9_.]")
_NO_PART = frozenset({"ctx", "kind", "type_comment", "type_ignores", "returns", "annotation"})
"""Fields of nodes that say how something was written, or for type checkers alone."""
_TYPING = frozenset({"typing", "typing_extensions", "collections.abc"})
"""Where the same names may come from, as `Iterator`."""


@dataclass(frozen=True)
class Binding:
    """What an import binds a name to."""

    module: str
    """As written, with a dot in front for each level of a relative import."""
    name: str = ""
    """What is taken out of the module: a name, * for all of them, or nothing, where the module
    itself is bound."""


@dataclass(frozen=True)
class Use:
    """A place in the code where an imported name is used."""

    binding: Binding
    attribute: str = ""
    """What is asked of it there, as `sin` in `math.sin`; empty where it stands alone."""


@dataclass(frozen=True)
class Code:
    """A module as its digest sees it."""

    shape: str
    uses: tuple[Use, ...]
    """In the order of the code, not of its import lines."""
    defined: frozenset[str]
    """Names that the module gives a value otherwise than by importing them."""
    imported: Mapping[str, Sequence[Binding]] = field(hash=False)
    """Names that imports bind anywhere in it."""


def plain(module: str) -> str:
    """Return the name of a module as files of an archive may be called."""
    return _NOT_PLAIN.sub("_", module)


@lru_cache(maxsize=1000)
def parse(text: str, module: str) -> Code:
    """Return what the text of a module does.

    Args:
        text: of the module.
        module: its absolute name, whose first part says what is of its own package.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is not Python of this version, or
            nested too deeply.
    """
    tree = ast.parse(text)
    imports: dict[str, list[Binding]] = {}
    for name, binding in _imports(tree):
        imports[name] = [*(one for one in imports.get(name, ()) if one != binding), binding]
    stars = [Use(binding) for name, binding in _imports(tree) if name == "*"]
    writer = _Writer(imports, {plain(module.partition(".")[0]), PACKAGE})
    shape = writer.written(tree)
    return Code(shape, (*stars, *writer.uses), frozenset(_defined(tree.body)), imports)


def _imports(tree: ast.Module) -> Iterator[tuple[str, Binding]]:
    """Yield what imports bind anywhere in the code, but for those that only type checkers see."""
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and _is_for_checkers(node)
        for line in node.body
        for inner in ast.walk(line)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and node not in unseen:
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], Binding(alias.name)
        elif isinstance(node, ast.ImportFrom) and node not in unseen:
            for alias in node.names:
                module = "." * node.level + (node.module or "")
                yield alias.asname or alias.name, Binding(module, alias.name)


def _defined(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements give a value otherwise than by importing it."""
    todo: list[ast.AST] = [*body]
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Lambda():
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                todo += ast.iter_child_nodes(node)


def _is_for_checkers(node: ast.If) -> bool:
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


class _Writer:
    """Writes shapes; with a list of what is left to do, for code may nest deeper than calls may."""

    def __init__(self, imports: Mapping[str, Sequence[Binding]], own: set[str]) -> None:
        self.imports = imports
        self.own = own
        self.uses: list[Use] = []

    def written(self, tree: ast.Module) -> str:
        """Return the shape of a module."""
        pieces: list[str] = []
        todo: list[Any] = [tree]
        while todo:
            part = todo.pop()
            if isinstance(part, str):
                pieces.append(part)
            else:
                todo += reversed(self._parts(part))
        return "".join(pieces)

    def _parts(self, node: ast.AST) -> list[Any]:
        """Return the pieces that a node is said with, and the nodes in it."""
        match node:
            case ast.Name(id=name) if name in self.imports:
                return [self._said(Use(one)) for one in self.imports[name]]
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in self.imports:
                return [self._said(Use(one, attribute)) for one in self.imports[name]]
            case ast.Constant(value=value):
                return [f"({type(value).__name__} {value!a})"]
            case ast.JoinedStr(values=values):
                return ["(JoinedStr", *_joined(values), ")"]
            case _:
                return [f"({type(node).__name__}", *self._fields(node), ")"]

    def _fields(self, node: ast.AST) -> Iterator[Any]:
        for name, value in ast.iter_fields(node):
            if name == "annotation" and isinstance(node, ast.AnnAssign):
                yield from (" annotation=", value)  # of a field: it says what is allowed
            elif name not in _NO_PART and value is not None and value != []:
                yield f" {name}="
                yield from _values(value)

    def _said(self, use: Use) -> str:
        self.uses.append(use)
        module, name = use.binding.module, use.binding.name
        if module.startswith(".") or plain(module.partition(".")[0]) in self.own:
            said = name or module.rpartition(".")[2]
            return f"(own {'.'.join(filter(None, (said, use.attribute)))})"
        known = "typing" if module in _TYPING else module
        return f"(from {'.'.join(filter(None, (known, name, use.attribute)))})"


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, ast.AST):
        yield value
    elif isinstance(value, list):
        yield "["
        for part in _audible(value):
            yield from _values(part)
            yield ","
        yield "]"
    else:
        yield ascii(value)


def _audible(parts: Sequence[Any]) -> Iterator[Any]:
    """Leave out statements that do nothing, import lines, and what only type checkers see."""
    for part in parts:
        if isinstance(part, ast.If) and _is_for_checkers(part):
            yield from _audible(part.orelse)
        elif not _is_silent(part):
            yield part


def _is_silent(part: Any) -> bool:
    match part:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=test, body=body, orelse=orelse):
            acts = any(isinstance(inner, ast.Call | ast.NamedExpr) for inner in ast.walk(test))
            return not acts and all(map(_is_silent, [*body, *orelse]))
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            handled = [line for handler in handlers for line in handler.body]
            return all(map(_is_silent, [*body, *handled, *orelse, *finalbody]))
        case _:
            return False


def _joined(values: Sequence[ast.expr]) -> Iterator[Any]:
    """Yield the parts of an f-string, neighbouring texts as one: 3.12 cuts them otherwise."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        yield from (ascii(text), value)
        text = ""
    yield ascii(text)
