"""Docstrings of plug-ins, read from their files without running any of them."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ..specs.locations import location

_MOST_STEPS = 8
"""Of a search: from module to module along imports, or from class to base."""


@cache  # every look-up of a name asks for all of them
def first_line(target: str) -> str:
    """Return the first line of a docstring, reading files without running anything.

    A class is found where its module imports it from, within another class, and under an `if` or
    a `try`. One without a docstring has that of its base, where this is in the same module.

    Args:
        target: "module:Class", or "module" alone for the module's own.

    Returns:
        The line; empty where nothing can be found or read.
    """
    module, _, name = target.partition(":")
    try:
        text = _docstring(module, name.split(".") if name else [], _MOST_STEPS)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # said in full when it is asked for by name
    return text.splitlines()[0] if text else ""


def _docstring(module: str, path: list[str], steps: int) -> str | None:
    """Return the docstring of a class by the names that lead to it; of the module without any."""
    spec = location(module)
    if not steps or spec is None or not spec.has_location or not spec.origin:
        return None
    tree = ast.parse(Path(spec.origin).read_bytes())
    if not path:
        return ast.get_docstring(tree)
    found = _class(tree, path)
    if found is not None:
        return _own_or_inherited(found, tree, steps)
    package = module if spec.submodule_search_locations is not None else module.rpartition(".")[0]
    imports = (node for node in _statements(tree.body) if isinstance(node, ast.ImportFrom))
    for node in imports:
        for alias in node.names:
            if path[0] == (alias.asname or alias.name):
                return _docstring(_source(node, package), [alias.name, *path[1:]], steps - 1)
    return None


def _class(tree: ast.AST, path: list[str]) -> ast.ClassDef | None:
    """Return the class that names lead to, each within the one before."""
    for name in path:
        within = _statements(getattr(tree, "body", []))
        classes = (node for node in within if isinstance(node, ast.ClassDef) and node.name == name)
        found = next(classes, None)
        if found is None:
            return None
        tree = found
    return tree if isinstance(tree, ast.ClassDef) else None


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield statements of a module or a class, with those that stand under a condition."""
    for node in nodes:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            yield from _statements(ast.iter_child_nodes(node))


def _own_or_inherited(cls: ast.ClassDef, tree: ast.Module, steps: int) -> str | None:
    """Return a class's docstring, else that of the first of its bases that is in its module."""
    own = ast.get_docstring(cls)
    bases = (_class(tree, ast.unparse(base).split(".")) for base in cls.bases)
    base = next(filter(None, bases), None)
    if own is not None or base is None or not steps:
        return own
    return _own_or_inherited(base, tree, steps - 1)


def _source(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module that names are imported from."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    return ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
