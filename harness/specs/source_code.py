"""The code of a strategy: which modules it is, and a digest of what they do.

The digest is part of the name of every result, so it changes where the code does something else,
and only there: not with comments, docstrings, layout, import lines, nor with the places of files.
See `code_shape` for what counts of a module.
"""

import inspect
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from ..errors import BenchError
from ..fingerprint import digest
from .code_shape import PACKAGE, Binding, Code, Use, parse
from .locations import location

_UNREADABLE = (
    *(OSError, TypeError, KeyError, ImportError),  # there is no file, or it cannot be opened
    *(SyntaxError, ValueError, RecursionError, MemoryError),  # what is in it is not Python
)
_Names = tuple[str, ...]
"""What is asked of a module, of that, and so on."""
Link = str
"""Place of a module in the order of `Source.modules`, and the name asked of it, as "0:step"."""
_Home = tuple[str, str]
"""A module, and the name that is asked of it there."""


@dataclass(frozen=True)
class Source:
    """The code of one class."""

    cls: str
    """Its qualified name."""
    modules: Mapping[str, str]
    """Texts by the names of the modules, in the order in which the code uses them."""
    links: Sequence[Sequence[Link]]
    """What each of the modules uses of which: in the order of its code, then those that it imports
    for their effects alone. What code says does not tell: two modules may have a `step`, and a
    third may pass one of them on under another name."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the code does; it is parsed for that, and nothing of it is run.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: as `parse`.
        """
        shapes = [parse(text, module).shape for module, text in self.modules.items()]
        return digest([self.cls, shapes, self.links])


def source_digest(cls: type) -> str:
    """Return the SHA-256 of what the code of a strategy does: other code is another run.

    Raises:
        BenchError: there is no source, as for a class typed into an interpreter.
    """
    return source_of(cls).digest


def source_of(cls: type) -> Source:
    """Return the code of a strategy.

    It is in the modules that define the class and what it inherits, and in those of the same
    distribution that they use or import, packages around them included. Modules that only pass
    names on are left out, and so are base classes and functions of other distributions, which are
    libraries, and the harness, which has a results version instead. A module that is imported by a
    name made at run time, as in `import_module(f".{name}", __package__)`, is not seen, nor is a
    file of data that the code reads.

    Raises:
        BenchError: there is no source, as for a class typed into an interpreter.
    """
    files = _Files(cls.__module__.partition(".")[0])
    found: dict[str, list[_Home]] = {}
    try:
        for base in cls.__mro__:
            if files.counts(base.__module__):
                _collect(base.__module__, files, found)
        while beside := files.beside(found):
            for module in beside:
                _collect(module, files, found)
        modules = {module: files.text(module) for module in found}
    except _UNREADABLE as error:
        raise BenchError(
            f"the source of class {cls.__qualname__} cannot be read ({error}), so its "
            "results could not be told from those of another version. Put it into a file."
        ) from error
    places = {module: place for place, module in enumerate(found)}
    links = [[f"{places[home]}:{name}" for home, name in homes] for homes in found.values()]
    return Source(cls.__qualname__, modules, links)


def _collect(module: str, files: "_Files", found: dict[str, list[_Home]]) -> None:
    """Add a module with what it uses, and then the modules that it uses."""
    if module not in found:
        found[module] = files.targets(module)
        for target, _ in found[module]:
            _collect(target, files, found)


class _Files:
    """Modules by their absolute names, as far as they count for a strategy.

    Args:
        own: the top-level package of the strategy, or its module where it is in none.
    """

    def __init__(self, own: str) -> None:
        self.own = own

    def counts(self, module: str) -> bool:
        """Tell whether a module is part of the strategy and not of what it stands on."""
        top = module.partition(".")[0]
        if top == PACKAGE:
            return module.startswith(f"{PACKAGE}.strategies.")
        if top == self.own or top in sys.stdlib_module_names:
            return top == self.own
        return self.own != PACKAGE and _come_together(top, self.own)

    def text(self, module: str) -> str:
        """Return a module's text."""
        spec = None if module == "__main__" else location(module)
        reader = getattr(spec and spec.loader, "get_source", None)
        text: str | None = reader(module) if reader else None
        return inspect.getsource(sys.modules[module]) if text is None else text

    def has_text(self, module: str) -> bool:
        """Tell whether a module is there as text: neither compiled, nor an optional one."""
        try:
            self.text(module)
        except (OSError, TypeError, KeyError, ImportError):
            return False
        return True

    def code(self, module: str) -> Code:
        """Return what a module does."""
        return parse(self.text(module), module)

    def targets(self, module: str) -> list[_Home]:
        """Return the modules that count of those that a module uses, as in `Source.links`."""
        code = self.code(module)
        used = [home for use in code.uses for home in self.homes(use, module)]
        loaded = {target for use in code.effects for target, _ in self.homes(use, module)}
        loaded -= {target for target, _ in used}
        return [*used, *((one, "") for one in self._by_shape(loaded))]

    def beside(self, modules: Collection[str]) -> list[str]:
        """Return the modules that do something of those that run too when some are imported.

        They are the packages around them, and what passes on what they use.
        """
        seen: set[tuple[str, _Names]] = {(module, ()) for module in modules}
        for module in modules:
            code = self.code(module)
            for use in (*code.uses, *code.effects):
                list(self._found(_absolute(use.binding, module), _asked(use), seen))
        passed = {module for module, _ in seen}
        around = {package for module in passed for package in _packages(module)}
        return self._by_shape(
            module for module in (passed | around) - {*modules} if self._acts(module)
        )

    def _by_shape(self, modules: Iterable[str]) -> list[str]:
        return sorted(modules, key=lambda module: self.code(module).shape)

    def _acts(self, module: str) -> bool:
        is_ours = module.partition(".")[0] == PACKAGE  # tables of all that there is
        return (
            not is_ours and self.counts(module) and self.has_text(module) and self.code(module).acts
        )

    def homes(self, use: Use, place: str) -> list[_Home]:
        """Return where what a module uses is defined: through all that only pass it on."""
        found = self._found(_absolute(use.binding, place), _asked(use), set())
        return list(
            dict.fromkeys(home for home in found if self.counts(home[0]) and self.has_text(home[0]))
        )

    def _found(self, module: str, names: _Names, seen: set[tuple[str, _Names]]) -> Iterator[_Home]:
        """Yield where it may be defined what is asked of a module, name by name."""
        if (module, names) in seen:  # they pass it on to each other
            return
        seen.add((module, names))
        name, rest = (names[0], names[1:]) if names else ("", ())
        inner = f"{module}.{name}"
        may_be = bool(name) and (module.partition(".")[0] == PACKAGE or self.counts(module))
        is_module = may_be and location(inner) is not None
        if is_module:
            yield from self._found(inner, rest, seen)
        if not self.counts(module) or not self.has_text(module):
            yield from ((home, name) for home in _late(module, name))
            return
        code = self.code(module)
        passed_on = code.imported.get(name, ())
        if name == "*":
            passed_on = [one for found in code.imported.values() for one in found]
        if name in code.defined or name == "*" or not (passed_on or is_module):
            yield module, name
            yield from ((home, name) for home in _late(module, name))
        for one in passed_on:
            further = (one.name, *rest) if one.name else rest
            yield from self._found(_absolute(one, module), further, seen)


def _packages(module: str) -> Iterator[str]:
    """Yield the packages around a module."""
    while module := module.rpartition(".")[0]:
        yield module


def _asked(use: Use) -> _Names:
    return tuple(filter(None, (use.binding.name, *use.attribute.split("."))))


def _absolute(binding: Binding, place: str) -> str:
    """Return the absolute name of a module that is imported in another one."""
    level = len(binding.module) - len(binding.module.lstrip("."))
    if level == 0:
        return binding.module
    spec = location(place)
    is_package = spec is not None and spec.submodule_search_locations is not None
    parts = place.split(".")
    base = parts[: len(parts) - level + is_package]
    return ".".join([*base, *filter(None, [binding.module[level:]])])


def _late(module: str, name: str) -> Iterator[str]:
    """Yield the home of what a module makes when it is asked for, as faces do that import late."""
    try:
        value = getattr(sys.modules.get(module), name, None)
        home = getattr(value, "__module__", None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # whatever a face of somebody else's raises, SystemExit as well
        return
    if type(home) is str and home != module:
        yield home


def _come_together(top: str, own: str) -> bool:
    """Tell whether top-level modules are of one distribution, or lie about in one folder."""
    owners = _distributions()
    theirs, mine = ({*owners.get(name, ())} for name in (top, own))
    if theirs or mine:
        return bool(theirs & mine)
    return _folder(top) == _folder(own) is not None


@cache  # takes a second
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _folder(top: str) -> Path | None:
    spec = None if top == "__main__" else location(top)
    file = spec.origin if spec else getattr(sys.modules.get(top), "__file__", None)
    return Path(file).resolve().parent if file else None
