"""Reads what the files of the project import, to hold it against the table in `house.toml`."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "plasticity_bench"
PARTS = ("harness", "strategies", "streams", "leaderboard")
FRONT = f"src/{PACKAGE}/__init__.py"
"""Gives users names from all parts. It is no wing: from within the parts nothing imports it."""
_IMPORTERS = frozenset({"import_module", "__import__", "resolve_name"})
_MODULE = re.compile(rf"{PACKAGE}(\.\w+)+(:[\w.]+)?")


@dataclass(frozen=True)
class Import:
    """One name that a file imports from another, wherever in the file that stands."""

    file: str
    """As "harness/loop/run.py"."""
    line: int
    target: str
    """The file that it comes from; where there is none, the one in `src` that it would be."""
    name: str
    """What is imported of it, or used of it where it is imported as a whole."""


@dataclass(frozen=True)
class House:
    """The files below a folder, and what they import from each other."""

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Return all files by their place, as "harness/loop/run.py"."""
        found = (file for part in PARTS for file in (self.root / part).rglob("*.py"))
        return {file.relative_to(self.root).as_posix(): file for file in sorted(found)}

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Return every import from one file to another: at the top, in functions, for types."""
        return tuple(one for file in self.files for one in self._imports_of(file))

    def tree(self, file: str) -> ast.Module:
        """Return a file's parsed code."""
        return ast.parse(self.files[file].read_text(encoding="utf-8"))

    def _imports_of(self, file: str) -> Iterator[Import]:
        tree = self.tree(file)
        importers = _IMPORTERS | set(_other_names(tree))
        for node in ast.walk(tree):
            for base, alias in _named(node, file, importers):
                whole = self._file_of((*base, alias.name))
                parent = self._file_of(base) if base else FRONT
                names = _attributes(tree, alias) if whole else [alias.name]
                target = whole or parent or f"src/{PACKAGE}/{'/'.join(base)}.py"
                if target != file:
                    line = getattr(node, "lineno", 0)
                    yield from (Import(file, line, target, name) for name in names)

    def _file_of(self, module: tuple[str, ...]) -> str | None:
        place = "/".join(module)
        candidates = (f"{place}.py", f"{place}/__init__.py")
        return next((file for file in candidates if file in self.files), None)


def _named(
    node: ast.AST, file: str, importers: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], ast.alias]]:
    """Yield what is imported, with the module that it is in, without the package.

    That is what an import statement names, and a call that is given a module's name as it is; what
    is looked up in a table of names, as plug-ins and commands, is not seen. `import
    plasticity_bench.a.b` without `as` gives a file the whole package, and counts as that.
    """
    if isinstance(node, ast.ImportFrom):
        own = _place(node.module or "", node.level, file)
        if own is not None:
            yield from ((own, alias) for alias in node.names)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            own = _place(alias.name, 0, file)
            if own is not None:
                whole = own if alias.asname else ()
                yield whole[:-1], ast.alias(_last(whole), alias.asname)
    elif isinstance(node, ast.Call):
        for text in _modules_given(node, importers):
            name = text.lstrip(".")
            own = _place(name.replace(":", "."), len(text) - len(name), file)
            if own is not None:
                yield own[:-1], ast.alias(_last(own))


def _modules_given(call: ast.Call, importers: frozenset[str]) -> Iterator[str]:
    """Yield the texts given to a call that name modules: all of ours, and any to an importer."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and (function in importers or _MODULE.fullmatch(text)):
            yield text


def _other_names(tree: ast.Module) -> Iterator[str]:
    """Yield what a file calls functions that import: `load`, for `import_module as load`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (one.asname for one in node.names if one.asname and one.name in _IMPORTERS)


def _place(module: str, level: int, file: str) -> tuple[str, ...] | None:
    """Return a module's name without the package, () for the package; None for another's.

    Args:
        module: as it is imported.
        level: how many dots stand before it.
        file: where it is imported.
    """
    names = tuple(filter(None, module.split(".")))
    if level:
        folder = (PACKAGE, *file.split("/")[:-1])
        names = (*folder[: len(folder) - level + 1], *names)
    if names[:1] == ("src",):
        names = names[1:] or (PACKAGE,)
    if names[:1] == (PACKAGE,):
        return names[1:]
    # With the repository on its path, Python finds a part under its own name as well.
    return names if names and names[0] in PARTS else None


def _last(own: tuple[str, ...]) -> str:
    return own[-1] if own else PACKAGE


def _attributes(tree: ast.Module, module: ast.alias) -> list[str]:
    """Return what is used of a module that was imported as a whole; its own name for nothing."""
    local = module.asname or module.name
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == local
    }
    return sorted(used) or [module.name]


@dataclass(frozen=True)
class Table:
    """Which wing may import which."""

    ground: frozenset[str]
    arrows: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, text: str) -> "Table":
        """Read the table from TOML."""
        content = tomllib.loads(text)
        ground = frozenset(content.pop("ground"))
        arrows = {wing: frozenset(may) for part in content.values() for wing, may in part.items()}
        return cls(ground, arrows)

    def wing(self, file: str) -> str:
        """Return the wing that a file belongs to: itself, where the table names it."""
        folders = file.split("/")[:2]
        return file if file in self.arrows or file in self.ground else "/".join(folders)

    def forbidden(self, house: House) -> list[str]:
        """Return a line for every import that the table does not allow."""
        return [
            f"{one.file}:{one.line} imports {one.name} from {one.target}, and {here} may not "
            f"import {there}"
            for one in house.imports
            for here, there in [(self.wing(one.file), self.wing(one.target))]
            if here != there and there not in self.ground | self.arrows.get(here, frozenset())
        ]

    def parts_of(self, part: str) -> frozenset[str]:
        """Return the other parts that wings of a part may import, beside the ground."""
        may = [other for wing in self.arrows if _part(wing) == part for other in self.arrows[wing]]
        return frozenset(map(_part, may)) - {part}

    def used(self, house: House) -> set[tuple[str, str]]:
        """Return the arrows between different wings that there are, but for those to the ground."""
        pairs = {(self.wing(one.file), self.wing(one.target)) for one in house.imports}
        return {(a, b) for a, b in pairs if a != b and b not in self.ground}


def _part(wing: str) -> str:
    return wing.partition("/")[0]


@dataclass(frozen=True)
class Face:
    """What a folder's `__init__.py` says of it."""

    sentences: str
    """What is inside."""
    may_import: frozenset[str]
    offers: frozenset[tuple[str, str]]
    """Names that others may use, each with the module that it is in."""


def face(text: str) -> Face:
    """Read the docstring of a folder's `__init__.py`.

    It has some sentences, a paragraph "May import: ...", and "For others:" with a line "    module:
    Name, Name" for each module that has anything for others.
    """
    before, _, offered = text.partition("\n\nFor others:\n")
    about, _, allowed = before.partition("\n\nMay import: ")
    wings = " ".join(allowed.split()).removesuffix(".")
    return Face(
        sentences=about,
        may_import=frozenset() if wings == "nothing but the ground" else _listed(wings),
        offers=frozenset(_offers(offered)),
    )


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))


def _offers(block: str) -> Iterator[tuple[str, str]]:
    module = ""
    for line in block.splitlines():
        start, colon, names = line.strip().rpartition(": ")
        module = start if colon else module
        yield from ((module, name) for name in _listed(names) if name)
