"""Docstrings of plug-ins, read from their files without running any of them."""

import ast
from functools import cache
from pathlib import Path

from ..specs.locations import location


@cache  # every look-up of a name asks for all of them
def first_line(target: str) -> str:
    """Return the first line of a docstring, reading its file without running anything.

    Args:
        target: "module:Class", or "module" alone for the module's own.

    Returns:
        The line; empty where nothing can be found or read.
    """
    module, _, name = target.partition(":")
    spec = location(module)
    try:
        file = Path(spec.origin) if spec and spec.has_location and spec.origin else None
        tree = ast.parse(file.read_bytes()) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # said in full when it is asked for by name
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    nodes = classes if name else [tree]
    text = next((ast.get_docstring(node) for node in nodes), None)
    return text.splitlines()[0] if text else ""
