"""Import lines are no code, but what they bind names to is, and so is what they load."""

import sys
from pathlib import Path

import pytest

from .packages import Files, source

SHARED = {
    "idea/__init__.py": "from .up import step\nfrom .down import step as other\n",
    "idea/up.py": "def step(x):\n    return x\n",
    "idea/down.py": "def step(x):\n    return x or 1\n",
    "idea/effects.py": "import keyword\n\nkeyword.mark = 3\nvalue = 1\n",
    "idea/more.py": "value = 2\n",
    "idea/sub/__init__.py": "from ..down import step as step\n",
    "idea/sub/deep.py": "def f(x):\n    return x\n",
    "idea/sub/step.py": "def step(x):\n    return -x\n",
}
BOTH = "from . import up, down\n"


def main(lines: str, said: str = "1") -> Files:
    text = f"{lines}\n\nclass Idea:\n    def act(self, x):\n        return {said}\n"
    return {**SHARED, "idea/main.py": text}


ALIKE = {
    "an inner module of a library": (
        main("import os", "os.sep"),
        main("import os\nimport os.path", "os.sep"),
    ),
    "an inner module of a library, and not": (
        main("import os.path\nimport os", "os.path.join"),
        main("import os\nimport os.path", "os.path.join"),
    ),
    "a chain of names": (
        main("import xml.etree.ElementTree", "xml.etree.ElementTree.XML(x)"),
        main("from xml.etree.ElementTree import XML", "XML(x)"),
    ),
    "a chain of names for types": (
        main("import collections.abc\nX: collections.abc.Sized"),
        main("from typing import Sized\nX: Sized"),
    ),
    "the order of effects": (
        main("from . import effects, more"),
        main("import idea.more as _, idea.effects"),
    ),
    "another name for nothing": (main("from . import up"), main("from . import up as other")),
    "the future": (main(""), main("from __future__ import annotations")),
    "a version of the package": (
        {**main(""), "idea/__init__.py": "__version__ = '1'\n"},
        {**main(""), "idea/__init__.py": "__version__ = '2'\n__all__ = []\n"},
    ),
    "a function in the package that nobody asks for": (
        main(""),
        {**main(""), "idea/__init__.py": "def f(): ...\nclass C:\n    x = f()\n"},
    ),
    "one import written twice": (
        main("from .up import step\nfrom .up import step", "step(x)"),
        main("from .up import step", "step(x)"),
    ),
    "an annotation": (main("def f(x: int) -> int: ..."), main("def f(x: float) -> str: ...")),
}
TWO = {"idea/two.py": "def small(x):\n    return 0\n\ndef large(x):\n    return 1\n"}
FACE = "from . import up\nfrom .up import step\n"
LOCAL = "\n".join(f"def f{n}(x):\n    from .{{}} import step\n    return step(x)" for n in range(3))


def passed(name: str) -> str:
    return f"from .two import {name} as share\n"


BRANCHES = "FAST = 1\nif {}:\n    from .{} import step\nelse:\n    from .{} import step"
OTHER = {
    "where all names come from": (
        main("from math import *", "sqrt(x)"),
        main("from cmath import *", "sqrt(x)"),
    ),
    "that all names come from somewhere": (main("from math import *"), main("")),
    "a condition of imports": (
        main(BRANCHES.format("FAST", "up", "down"), "step(x)"),
        main(BRANCHES.format("not FAST", "up", "down"), "step(x)"),
    ),
    "the branches of imports": (
        main(BRANCHES.format("FAST", "up", "down"), "step(x)"),
        main(BRANCHES.format("FAST", "down", "up"), "step(x)"),
    ),
    "which of two": (
        main(f"{BOTH}from .up import step", "up.step, down.step, step(x)"),
        main(f"{BOTH}from .down import step", "up.step, down.step, step(x)"),
    ),
    "two that are swapped": (
        main(
            f"{BOTH}from .up import step as a\nfrom .down import step as b",
            "up.step, down.step, a(x) - b(x)",
        ),
        main(
            f"{BOTH}from .down import step as a\nfrom .up import step as b",
            "up.step, down.step, a(x) - b(x)",
        ),
    ),
    "what a decorator may read": (
        main("from functools import cache\n@cache\ndef f(x: int): ..."),
        main("from functools import cache\n@cache\ndef f(x: float): ..."),
    ),
    "what a decorator may read of what comes back": (
        main("from functools import cache\n@cache\ndef f(x) -> int: ..."),
        main("from functools import cache\n@cache\ndef f(x): ..."),
    ),
    "under which name something is passed on": (
        {**main("from .api import share", "share(x)"), **TWO, "idea/api.py": passed("small")},
        {**main("from .api import share", "share(x)"), **TWO, "idea/api.py": passed("large")},
    ),
    "what a package does": (
        {**main(""), "idea/__init__.py": "import keyword\nkeyword.mark = 3\n"},
        {**main(""), "idea/__init__.py": "import keyword\nkeyword.mark = 4\n"},
    ),
    "what a package around a package does": (
        {**main("from .sub.deep import f", "f(x)"), "idea/sub/__init__.py": "print(1)\n"},
        {**main("from .sub.deep import f", "f(x)"), "idea/sub/__init__.py": "print(2)\n"},
    ),
    "what a module does that passes on": (
        {**main("from .api import step", "step(x)"), "idea/api.py": f"{FACE}up.K = 1\n"},
        {**main("from .api import step", "step(x)"), "idea/api.py": f"{FACE}up.K = 2\n"},
    ),
    "an attribute of a class": (
        {**main("class A:\n    from .two import small as step"), **TWO},
        {**main("class A:\n    from .two import large as step"), **TWO},
    ),
    "which function imports which": (
        main(LOCAL.format("up", "up", "down")),
        main(LOCAL.format("up", "down", "down")),
    ),
    "when a name becomes another": (
        main("from .up import step\nX = step(1)\nfrom .down import step"),
        main("from .up import step\nfrom .down import step\nX = step(1)"),
    ),
    "whether a name becomes another": (
        main("from .up import step\nF = 1\nif F:\n    from .down import step", "step(x)"),
        main("from .up import step\nF = 1\nif F:\n    F = 1\nfrom .down import step", "step(x)"),
    ),
    "the name of a module that the code names": (
        main("from . import up", "up.step(x)"),
        main("from . import up as higher, down as up", "up.step(x), higher"),
    ),
}


@pytest.mark.parametrize("what", ALIKE)
def test_what_does_the_same_has_the_same_digest(what: str, tmp_path: Path) -> None:
    before, after = ALIKE[what]
    first = source(tmp_path / "before", before)
    assert source(tmp_path / "after", after).digest == first.digest


@pytest.mark.parametrize("what", OTHER)
def test_what_does_something_else_has_another_digest(what: str, tmp_path: Path) -> None:
    before, after = OTHER[what]
    first = source(tmp_path / "before", before)
    assert source(tmp_path / "after", after).digest != first.digest


EFFECTS = {
    "a module": main("from . import effects"),
    "its absolute name": main("import idea.effects"),
    "beside another one that is used": main("import idea.effects, idea.up", "idea.up.step(x)"),
    "a name of it": main("from .effects import value"),
    "in the body of a class": main("class A:\n    from .effects import value", "A().value"),
    "if it is there": main("try: from . import effects\nexcept ImportError: ..."),
    "by a string": main("from importlib import import_module\nimport_module('idea.effects')"),
    "by a relative string": main(
        "import importlib\nimportlib.import_module('.effects', __package__)"
    ),
    "by the function of Python's own": main("__import__('idea.effects')"),
}


@pytest.mark.parametrize("what", EFFECTS)
def test_what_is_imported_for_its_effects_counts(what: str, tmp_path: Path) -> None:
    first = source(tmp_path / "a", EFFECTS[what])
    assert "idea.effects" in first.modules
    assert "idea.more" not in first.modules
    other = {**EFFECTS[what], "idea/effects.py": "import keyword\n\nkeyword.mark = 4\nvalue = 1\n"}
    assert source(tmp_path / "b", other).digest != first.digest


def test_files_that_are_imported_for_their_effects_may_be_moved(tmp_path: Path) -> None:
    first = source(tmp_path / "a", main("from . import effects, more"))
    assert list(first.modules)[1:] == ["idea.more", "idea.effects"]
    moved = dict(main("from . import a_effects, z_more"))
    moved["idea/a_effects.py"] = moved.pop("idea/effects.py")
    moved["idea/z_more.py"] = moved.pop("idea/more.py")
    second = source(tmp_path / "b", moved)
    assert list(second.modules)[1:] == ["idea.z_more", "idea.a_effects"]
    assert second.digest == first.digest


@pytest.mark.parametrize(
    "lines",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .effects import value",
        "from .effects import value\ndef f(x: value): ...",
    ],
)
def test_what_is_imported_for_types_alone_does_not_count(lines: str, tmp_path: Path) -> None:
    assert list(source(tmp_path, main(lines)).modules) == ["idea.main"]


FOUND = {
    "from idea import step": ("step(x)", ["up"]),
    "import idea": ("idea.step(x)", ["up"]),
    "import idea as top": ("top.sub.deep.f(x)", ["sub.deep"]),
    "import idea.sub.deep": ("idea.sub.deep.f(x).size", ["sub.deep"]),
    "from . import sub": ("sub.deep.f(x)", ["sub.deep"]),
    "from idea import sub as deep": ("deep.deep.f.size", ["sub.deep"]),
    "from .sub import step": ("step(x)", ["sub.step", "down"]),  # it may be the one or the other
}


@pytest.mark.parametrize("line", FOUND)
def test_no_more_is_found_than_what_is_asked_for(line: str, tmp_path: Path) -> None:
    said, expected = FOUND[line]
    found = list(source(tmp_path, main(line, said)).modules)
    assert found == ["idea.main", *(f"idea.{name}" for name in expected)]


def test_a_package_may_be_called_as_a_module_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdlib_module_names", sys.stdlib_module_names | {"idea"})
    found = source(tmp_path, main("from .up import step", "step(x)"))
    assert list(found.modules) == ["idea.main", "idea.up"]


@pytest.mark.parametrize(
    "face",
    [
        "def __getattr__(name):\n    raise SystemExit\n",
        "def __getattr__(name):\n    raise GeneratorExit\n",
        "class Odd:\n    @property\n    def __module__(self): raise SystemExit\nthing = Odd()\n",
        "class Odd:\n    __module__ = property(lambda self: 1 / 0)\nthing = Odd()\n",
    ],
)
def test_a_face_may_raise_what_it_likes(face: str, tmp_path: Path) -> None:
    files = {**main("", "thing"), "idea/__init__.py": face}
    text = "class Idea:\n    def act(self):\n        from idea import thing\n        return thing\n"
    found = source(tmp_path, {**files, "idea/main.py": text})
    assert list(found.modules) == ["idea.main", "idea"]
