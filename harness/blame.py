"""Whose mistake it was: an exception's text, and the file and line of the plug-in behind it."""

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

LONGEST_TEXT = 1_000
"""Characters of an exception's text that a message repeats."""
LONGEST_TRACEBACK = 10_000
"""Characters of a traceback that a result keeps: the last ones."""
FRAMES = 20
"""Calls of a traceback that are kept: the innermost."""

_OURS = str(Path(__file__).parent.parent)  # as frames name it: links are not followed
_PYTHON = sysconfig.get_path("stdlib")
_LIBRARIES = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), _PYTHON)
USED = frozenset(
    {
        *("avalanche", "joblib", "numpy", "pandas", "PIL", "pydantic", "pydantic_core", "scipy"),
        *("sklearn", "torch", "torchvision", "typer", "wandb"),
    }
)
"""Packages in which a mistake of a plug-in may show."""


def text_of(error: BaseException, *, named: bool = True) -> str:
    """Return an exception's text, of bounded length, as UTF-8 can hold it.

    Args:
        error: the exception.
        named: whether its type stands in front.
    """
    try:
        text = str(error)
    except Exception:  # an exception's own __str__ may raise whatever it likes
        text = "its text cannot be made"
    if named:
        name = type(error).__name__
        text = f"{name}: {text}" if text else name
    return _bounded(text, LONGEST_TEXT)


def _bounded(text: str, length: int) -> str:
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole if len(whole) <= length else f"{whole[:length]} ..."


def raised(error: BaseException, owner: type | None = None) -> str:
    """Return what was raised and where: "ValueError: no unit (mine.py, line 12, in edit)".

    Where no call was in the plug-in's files, only what was raised.

    Args:
        error: with its traceback.
        owner: class of the plug-in that was called, where that is known; else the innermost call
            outside this project and outside libraries counts.
    """
    return f"{text_of(error)}{_place(error.__traceback__, owner)}"


def defined(owner: type, method: str) -> str:
    """Return where a class has a method from: " (mine.py, line 12)"; nothing where unknown."""
    code = getattr(getattr(owner, method, None), "__code__", None)
    return "" if code is None else f" ({Path(code.co_filename).name}, line {code.co_firstlineno})"


def traceback_of(error: BaseException) -> str:
    """Return the last part of a traceback; its files are named without the folders they lie in."""
    told = traceback.TracebackException.from_exception(error, limit=-FRAMES)
    for one in _with_causes(told):
        for frame in one.stack:
            frame.filename = _shortened(frame.filename)
    text = "".join(told.format()).encode("utf-8", "backslashreplace").decode("utf-8")
    return text[-LONGEST_TRACEBACK:]


def _with_causes(told: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    one: traceback.TracebackException | None = told
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _shortened(file: str) -> str:
    """Return where a file lies within this project or its library; of others the name alone."""
    for folder in (*_LIBRARIES, _OURS):
        if file.startswith(f"{folder}/"):
            return file.removeprefix(f"{folder}/")
    return Path(file).name


def _place(trace: TracebackType | None, owner: type | None) -> str:
    own = [frame for frame in traceback.extract_tb(trace) if _belongs(frame.filename, owner)]
    if not own:
        return ""
    innermost = own[-1]
    return f" ({Path(innermost.filename).name}, line {innermost.lineno}, in {innermost.name})"


def _belongs(file: str, owner: type | None) -> bool:
    """Tell whether a file is the plug-in's: of its package, or of nobody that we know."""
    if owner is None:
        return not (file.startswith((_OURS, "<frozen")) or _is_of_a_library(file))
    return any(file == home or file.startswith(f"{home}/") for home in map(_home, _classes(owner)))


def _is_of_a_library(file: str) -> bool:
    """Tell whether a file is Python's, or of a library that this project uses.

    Plug-ins are installed beside those libraries.
    """
    for folder in _LIBRARIES:
        if file.startswith(f"{folder}/"):
            first = file.removeprefix(f"{folder}/").partition("/")[0]
            return folder == _PYTHON or first in USED
    return False


def _classes(owner: type) -> list[type]:
    """Return a class and those that it inherits from, but for the ones that belong to nobody."""
    return [one for one in owner.__mro__ if one.__module__ in sys.modules and one is not object]


def _home(cls: type) -> str:
    """Return the file of a class; of a plug-in in a package, the package's folder."""
    module = sys.modules[cls.__module__]
    file = getattr(module, "__file__", None) or "<unknown>"
    package = sys.modules.get(cls.__module__.partition(".")[0])
    paths = list(getattr(package, "__path__", []))
    return file if file.startswith(_OURS) or not paths else str(paths[0])
