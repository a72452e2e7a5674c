"""What code does, however it is laid out: a module said again in one form, its shape.

Left out is what changes nothing: comments, layout, docstrings, `pass`, import lines, what stands
under `if TYPE_CHECKING`, and the annotations of functions, but for decorated ones: decorators may
read them. Everything else is code: `__all__` and stubs of overloads are, too.

A name that an import binds is said as what it was imported as: from elsewhere with its module, from
the code's own package by itself, so that files may move. Where a name is bound by several imports,
and in the body of a class, these are said in their places. But a module that the code names is said
by that name, as `helpers` where it calls `helpers.step()`: renaming it is a change. Nothing is ever
run. The form is our own, since those of `ast.dump` and `ast.unparse` change with the version of
Python.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

PACKAGE = __name__.partition(".")[0]
_NOT_PLAIN = re.compile("[^A-Za-z0-9_.]")
_NO_PART = frozenset({"ctx", "kind", "type_comment", "type_ignores", "returns", "annotation"})
"""Fields of nodes that say how something was written, or for type checkers alone."""
_TYPING = re.compile(r"^(typing_extensions|collections\.abc)\.")
"""Where the same names may come from as from `typing`, for example `Iterator`."""
_LONGEST = 40
"""How often longer than its text a shape may be; those of numpy, torch and others are up to 8."""
_WORD = r"[^\x00-/:-@[-^`{-\x7f]"
_ENDLESS = re.compile(rf"(?<!{_WORD})(?<!\.)(?:{_WORD}++\.++){{1000}}")
"""A dotted name that Python's own parser would take gigabytes for, if it is an import's."""
_BETWEEN = re.compile(r"[ \t\f]+|\\(?:\r\n?|\n)")
"""What may stand between its parts."""


@dataclass(frozen=True)
class Binding:
    """What an import binds a name to."""

    module: str
    """As written, with a dot in front for each level of a relative import."""
    name: str = ""
    """What is taken out of the module: a name, * for all of them, or nothing, where the module
    itself is bound."""
    is_own: bool = False
    """Whether the module is of the code's own package."""

    @cached_property
    def said(self) -> str:
        """What the name stands for; nothing for the own package itself, which may be renamed."""
        if self.is_own:
            return self.name or self.module.partition(".")[2].rpartition(".")[2]
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Use:
    """A place in the code where an imported name is used."""

    binding: Binding
    attribute: str = ""
    """What is asked of it there, as `linalg.norm` in `np.linalg.norm`; empty where it stands
    alone."""


@dataclass(frozen=True)
class Code:
    """A module as its digest sees it."""

    shape: str
    uses: tuple[Use, ...]
    """In the order of the code, not of its import lines."""
    effects: tuple[Use, ...]
    """What is imported and not used by its name, not even to annotate: for what the import does, or
    to be passed on."""
    acts: bool
    """Whether its import does anything to others: whether there is anything in it but imports, what
    they depend on, and names that get a value without a call."""
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
        SyntaxError, ValueError, RecursionError, MemoryError: it is not Python of this version,
            nested too deeply, or has endless names, or long ones again and again.
    """
    if _ENDLESS.search(_BETWEEN.sub("", text)):
        raise ValueError("it has a name of more than a thousand parts")
    tree = ast.parse(text)
    own = {plain(module.partition(".")[0]), PACKAGE}
    lines = list(_imports(tree, own))
    imports: dict[str, dict[Binding, None]] = {}  # as sets that keep the order
    for name, bound, _ in lines:
        found = imports.setdefault(name, {})
        found.pop(bound, None)
        found[bound] = None
    writer = _Writer({name: [*found] for name, found in imports.items()}, own)
    shape = writer.written(tree, _LONGEST * (len(text) + 100))
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    # `import a.b` binds a and loads a.b, whatever is asked of a.
    effects = [loaded for name, bound, loaded in lines if name not in named or loaded != bound]
    return Code(
        shape,
        tuple(writer.uses),
        tuple(map(Use, dict.fromkeys(effects))),
        not all(map(_only_names, _lines_of(tree.body))),
        frozenset(_defined(tree.body)),
        writer.imports,
    )


def _imports(tree: ast.Module, own: Set[str]) -> Iterator[tuple[str, Binding, Binding]]:
    """Yield what imports bind to which name anywhere in the code, and what they load for it.

    Left out are those that only type checkers see, and those of `__future__`.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from _bound(node, own)
            case ast.If() if _is_for_checkers(node):
                todo += reversed(node.orelse)
            case _:
                todo += reversed([*ast.iter_child_nodes(node)])


def _bound(
    line: ast.Import | ast.ImportFrom, own: Set[str]
) -> Iterator[tuple[str, Binding, Binding]]:
    """Yield what an import line binds to which name, and what it loads for it."""
    match line:
        case ast.Import(names=aliases):
            for alias in aliases:
                top = alias.name.partition(".")[0]
                loaded = Binding(alias.name, is_own=plain(top) in own)
                bound = loaded if alias.asname else Binding(top, is_own=loaded.is_own)
                yield alias.asname or top, bound, loaded
        case ast.ImportFrom(module="__future__", level=0):
            pass
        case ast.ImportFrom(module=module, names=aliases, level=level):
            place = "." * level + (module or "")
            is_own = level > 0 or plain(place.partition(".")[0]) in own
            for alias in aliases:
                bound = Binding(place, alias.name, is_own)
                yield alias.asname or alias.name, bound, bound


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


def _only_names(line: ast.AST) -> bool:
    """Tell whether a statement does nothing but to give names of its module a value."""
    match line:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return not line.decorator_list
        case ast.Assign(targets=targets, value=value):
            return all(isinstance(t, ast.Name) for t in targets) and not _calls(value)
        case ast.AnnAssign(target=target, value=value):
            return isinstance(target, ast.Name) and not (value and _calls(value))
        case ast.If(test=test):
            return _is_for_checkers(line) or not _calls(test)
        case ast.Try() | ast.ExceptHandler() | ast.Import() | ast.ImportFrom() | ast.Pass():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
    return False


def _calls(value: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(value))


class _Writer:
    """Writes shapes; with a list of what is left to do, for code may nest deeper than calls may."""

    def __init__(self, imports: Mapping[str, Sequence[Binding]], own: Set[str]) -> None:
        self.imports = imports
        self.own = own
        self.uses: list[Use] = []
        self.of_classes: set[ast.AST] = set()
        """Import lines that give a class an attribute each."""

    def written(self, tree: ast.Module, longest: int) -> str:
        """Return the shape of a module.

        Raises:
            ValueError: it has more characters than it may have.
        """
        pieces: list[str] = []
        todo: list[Any] = [tree, *reversed(self._said("*", ""))]
        while todo:
            part = todo.pop()
            if isinstance(part, str):
                pieces.append(part)
                longest -= len(part)
                if longest < 0:
                    raise ValueError("it says long names of imports too often")
            else:
                todo += reversed(self._parts(part))
        return "".join(pieces)

    def _parts(self, node: ast.AST) -> list[Any]:
        """Return the pieces that a node is said with, and the nodes in it."""
        match node:
            case ast.Name(id=name) if name in self.imports:
                return self._said(name, "")
            case ast.Attribute():
                return self._chain(node)
            case ast.Constant(value=value) if type(value) is int:
                return [f"(int {value:#x})"]  # in decimals, Python writes none of 4,301 digits
            case ast.Constant(value=value):
                return [f"({type(value).__name__} {value!a})"]
            case ast.JoinedStr(values=values):
                return ["(JoinedStr", *_joined(values), ")"]
            case ast.Import() | ast.ImportFrom():
                return [*self._placed(node)]
            case _:
                if isinstance(node, ast.ClassDef):
                    self.of_classes |= set(_lines_of(node.body))
                if isinstance(node, ast.Call):
                    self.uses += map(Use, _loaded(node))
                return [f"({type(node).__name__}", *self._fields(node), ")"]

    def _chain(self, node: ast.Attribute) -> list[Any]:
        """Return the pieces of a name with all that is asked of it, at once: it may be long."""
        names: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        asked = ".".join(reversed(names))
        if isinstance(inner, ast.Name) and inner.id in self.imports:
            return self._said(inner.id, asked)
        return ["(Attribute ", inner, f" {asked!a})"]

    def _fields(self, node: ast.AST) -> Iterator[Any]:
        for name, value in ast.iter_fields(node):
            if name == "annotation" and isinstance(node, ast.AnnAssign):
                yield from (" annotation=", value)  # of a field: it says what is allowed
            elif name not in _NO_PART and value is not None and value != []:
                yield f" {name}="
                yield from self._values(value)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
            for part in ast.iter_child_nodes(node.args):
                if isinstance(part, ast.arg) and part.annotation:
                    yield from (f" {part.arg!a}: ", part.annotation)
            if node.returns:
                yield from (" returns=", node.returns)

    def _said(self, name: str, attribute: str) -> list[Any]:
        """Return what a name of an import is said as: all that it may be bound to."""
        return [self._meant(Use(one, attribute)) for one in self.imports.get(name, ())]

    def _meant(self, use: Use) -> str:
        self.uses.append(use)
        said = ".".join(filter(None, (use.binding.said, use.attribute)))
        known = f"own {said}" if use.binding.is_own else f"from {_TYPING.sub('typing.', said)}"
        return f"({known})"

    def _placed(self, line: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """Yield what is said of an import line in its place."""
        for name, binding, _ in _bound(line, self.own):
            if line in self.of_classes or len(self.imports.get(name, ())) > 1:
                yield f"({name!a} is "
                yield self._meant(Use(binding))
                yield ")"

    def _values(self, value: Any) -> Iterator[Any]:
        if isinstance(value, ast.AST):
            yield value
        elif isinstance(value, list):
            yield "["
            for part in self.audible(value):
                yield from self._values(part)
                yield ","
            yield "]"
        else:
            yield ascii(value)

    def audible(self, parts: Sequence[Any]) -> Iterator[Any]:
        """Leave out statements that do nothing, and what only type checkers see.

        Import lines do nothing, but where they say which of several things a name is.
        """
        todo = [*reversed(parts)]
        while todo:
            match todo.pop():
                case ast.If(orelse=orelse) as part if _is_for_checkers(part):
                    todo += reversed(orelse)
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case (ast.Import() | ast.ImportFrom()) as part:
                    several = (len(self.imports.get(n, ())) > 1 for n, *_ in _bound(part, self.own))
                    if part in self.of_classes or any(several):
                        yield part
                case part:
                    yield part


def _lines_of(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield statements, and those within them, but for the bodies of functions and classes."""
    todo = [*body]
    while todo:
        line = todo.pop()
        yield line
        if not isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (ast.stmt, ast.excepthandler, ast.match_case)
            todo += (part for part in ast.iter_child_nodes(line) if isinstance(part, inner))


def _loaded(call: ast.Call) -> Iterator[Binding]:
    """Yield the module that a call imports, where its name is written there."""
    match call:
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            yield Binding(module)


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
