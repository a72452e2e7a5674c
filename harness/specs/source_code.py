"""The code of a strategy: which modules it is, and a digest of what they do.

The digest is part of the name of every result, so it changes where the code does something else,
and only there: not with comments, docstrings, layout, import lines, nor with the names and places
of files. See `code_shape` for what counts of a module.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
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
_MOST_FACES = 8
"""Modules that may pass a name on, one to the next."""


@dataclass(frozen=True)
class Source:
    """The code of one class."""

    cls: str
    """Its qualified name."""
    modules: Mapping[str, str]
    """Texts by the names of the modules, in the order in which the code uses them."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the code does; it is parsed for that, and nothing of it is run.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: as `parse`.
        """
        shapes = [parse(text, module).shape for module, text in self.modules.items()]
        return digest([self.cls, *shapes])


def source_digest(cls: type) -> str:
    """Return the SHA-256 of what the code of a strategy does: other code is another run.

    Raises:
        BenchError: there is no source, as for a class typed into an interpreter.
    """
    return source_of(cls).digest


def source_of(cls: type) -> Source:
    """Return the code of a strategy.

    It is in the modules that define the class and what it inherits, and in those of the same
    distribution that they use. Modules that only pass names on are left out, and so is the
    harness, which has a results version instead.

    Raises:
        BenchError: there is no source, as for a class typed into an interpreter.
    """
    files = _Files(cls.__module__.partition(".")[0])
    found: dict[str, str] = {}
    try:
        for base in cls.__mro__:
            _collect(base.__module__, files, found)
    except _UNREADABLE as error:
        raise BenchError(
            f"the source of strategy class {cls.__qualname__} cannot be read ({error}), so its "
            "results could not be told from those of another version. Put it into a file."
        ) from error
    return Source(cls.__qualname__, found)


def _collect(module: str, files: "_Files", found: dict[str, str]) -> None:
    """Add a module and those that it uses."""
    if module in found or not files.counts(module):
        return
    found[module] = files.text(module)
    for use in files.code(module).uses:
        for target in files.homes(use, module):
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
        if top in sys.stdlib_module_names:
            return False
        return top == self.own or (self.own != PACKAGE and _come_together(top, self.own))

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

    def homes(self, use: Use, place: str, faces: int = 0) -> Iterator[str]:
        """Yield where what a module uses is defined: through all that only pass it on."""
        binding, attribute = use.binding, use.attribute
        target, name = _absolute(binding, place), binding.name or attribute
        inner = f"{target}.{binding.name}"
        if binding.name and self.counts(inner) and location(inner) is not None:
            target, name = inner, attribute
        if not self.counts(target) or not self.has_text(target):
            yield from _late(target, name)
            return
        code = self.code(target)
        passed_on = code.imported.get(name, ())
        if name == "*":
            passed_on = [one for found in code.imported.values() for one in found]
        if name in code.defined or name == "*" or not passed_on:
            yield target
            yield from _late(target, name)
        if faces < (3 if name == "*" else _MOST_FACES):
            for one in passed_on:
                yield from self.homes(Use(one), target, faces + 1)


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
    except Exception:  # whatever a face of somebody else's raises
        return
    home = getattr(value, "__module__", None)
    if isinstance(home, str) and home != module:
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
