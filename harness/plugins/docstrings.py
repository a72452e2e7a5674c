"""Docstrings of plug-ins, read from their files without running any of them."""

import ast
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path


@cache  # every look-up of a name asks for all of them
def first_line(target: str) -> str:
    """Return the first line of a docstring, reading its file without running anything.

    Args:
        target: "module:Class", or "module" alone for the module's own.

    Returns:
        The line; empty where nothing can be found or read.
    """
    module, _, name = target.partition(":")
    file = _file_of(module)
    try:
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # said in full when it is asked for by name
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    nodes = classes if name else [tree]
    text = next((ast.get_docstring(node) for node in nodes), None)
    return text.splitlines()[0] if text else ""


def _file_of(module: str) -> Path | None:
    """Find a module's file; unlike `find_spec` of a dotted name, this imports no package."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # a module that was made by hand and says nothing of where it is from
        return None
    name = top
    for part in rest:
        places = spec.submodule_search_locations if spec else None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, places) if places else None
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None
