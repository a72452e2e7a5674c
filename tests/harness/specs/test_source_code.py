"""A digest of code changes where the code does something else, and only there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import plasticity_bench
from plasticity_bench.harness.plugins.registry import load_entrant, names
from plasticity_bench.harness.specs.source_code import source_digest

from .packages import Files, source

MAIN = '''"""What the file is about."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

from . import tables
from .helpers import scale as by
from .shared import LIMIT

if TYPE_CHECKING:
    from .kinds import Kind


class Base:
    """A base."""

    def base(self, call: Callable[[], int] | None = None) -> int:
        return 1


@dataclass(frozen=True)
class Idea(Base):
    """An idea."""

    share: float = 0.5
    """A share."""
    names: list = field(default_factory=list)

    @property
    def act(self) -> "Kind":
        """Act."""
        from .late import late

        total = by(self.share) + math.sqrt(LIMIT) * late(1)
        for name in ("a", 'b'):
            total += tables.SCORES[name]
        return total if total > 3 else -total
'''
PACKAGE = {
    "idea/__init__.py": "from .main import Idea\n\n__all__ = ['Idea']\n",
    "idea/main.py": MAIN,
    "idea/tables.py": 'SCORES = {"a": 1.0, "b": 2.0}\n',
    "idea/helpers.py": "from .deep import factor\n\ndef scale(x):\n    return factor(x) + 1\n",
    "idea/deep.py": "def factor(x):\n    return 3 * x\n",
    "idea/shared.py": "from .limits import LIMIT as LIMIT\n",
    "idea/limits.py": "LIMIT = 7\n",
    "idea/late.py": "def late(x):\n    return x - 1\n",
    "idea/kinds.py": "class Kind:\n    size = 1\n",
    "idea/unused.py": "NUMBER = 1\n",
}


def changed(path: str, *edits: tuple[str, str]) -> Files:
    text = PACKAGE[path]
    for old, new in edits:
        assert text.count(old) == 1, (path, old)
        text = text.replace(old, new)
    return {**PACKAGE, path: text}


def in_main(*edits: tuple[str, str]) -> Files:
    return changed("idea/main.py", *edits)


def test_the_code_is_what_the_class_uses_and_nothing_else(tmp_path: Path) -> None:
    found = source(tmp_path, PACKAGE)
    order = ["main", "helpers", "deep", "limits", "late", "tables"]
    assert list(found.modules) == [f"idea.{name}" for name in order]
    assert found.modules["idea.main"] == MAIN
    assert found.cls == "Idea"


SUM = "by(self.share) + math.sqrt(LIMIT) * late(1)"
AS_BLACK_BREAKS_IT = """by(
            self.share,
        ) + (
            math.sqrt(LIMIT)
            * late(0x1)
        )"""
SAME = {
    "a comment": in_main(("total = by", "# why\n        total = by")),
    "a comment behind": in_main(("return 1\n", "return 1  # one\n")),
    "no docstring of the module": in_main(('"""What the file is about."""', "")),
    "another docstring of a class": in_main(('"""An idea."""', '"""No idea."""')),
    "a docstring of a method": in_main(("return 1\n", '"""Say."""; return 1\n')),
    "a docstring of a function": changed("idea/deep.py", ("    ret", '    "Say."\n    ret')),
    "another docstring of a field": in_main(('"""A share."""', "'''Shared.'''")),
    "a docstring of another module": changed("idea/tables.py", ("SCORES", '"""So."""\nSCORES')),
    "empty lines": in_main(("class Base:", "\n\n\n\nclass Base:")),
    "other quotes": in_main(("'b'", '"b"')),
    "other line breaks": in_main((SUM, AS_BLACK_BREAKS_IT)),
    "a backslash": in_main(("total = by", "total = \\\n            by")),
    "a number written otherwise": changed("idea/tables.py", ("1.0", "1_0e-1")),
    "pass": in_main(("return 1\n", "return 1\n        pass\n")),
    "an ellipsis": in_main(('"""A base."""', "...")),
    "a type comment": changed("idea/limits.py", ("= 7", "= 7  # type: int")),
    "an import that is not used": in_main(("import math", "import math\nimport os")),
    "imports in another order": in_main(
        ("import math\n", ""), ("from .shared", "import math\nfrom .shared")
    ),
    "one import cut in two": in_main(
        ("dataclass, field", "dataclass\nfrom dataclasses import field")
    ),
    "the same from the module itself": in_main(("from .shared", "from .limits")),
    "an absolute import": in_main(("from .shared", "from idea.shared")),
    "an import under another name": in_main(("scale as by", "scale"), ("by(self", "scale(self")),
    "an import for all functions": in_main(
        ("        from .late import late\n", ""),
        ("import math", "import math\nfrom .late import late"),
    ),
    "other names to annotate with": in_main(
        (", Callable", "\nfrom collections.abc import Callable")
    ),
    "a library's function by itself": in_main(
        ("import math", "from math import sqrt"), ("math.sqrt", "sqrt")
    ),
    "an import of the future": in_main(
        ("import math", "from __future__ import annotations\nimport math")
    ),
    "an import for checkers alone": changed("idea/kinds.py", ("1", "2")),
    "more for checkers": in_main(
        ("import Kind\n", "import Kind\n    from .unused import NUMBER\n    X = 1\n")
    ),
    "a module that nobody uses": changed("idea/unused.py", ("1", "2")),
    "the version of the package": changed(
        "idea/__init__.py", ("__all__", '__version__ = "2"\n\n__all__')
    ),
}

OTHER = {
    "a number": in_main(("> 3", "> 4")),
    "the type of a number": in_main(("> 3", "> 3.0")),
    "the sign of a number": in_main(("late(1)", "late(-1)")),
    "an operator": in_main(("LIMIT) *", "LIMIT) +")),
    "a default": in_main(("0.5", "0.25")),
    "a string": in_main(("'b'", "'a'")),
    "bytes": in_main(("'b'", "b'b'")),
    "a decorator": in_main(("(frozen=True)", "(frozen=True, eq=False)")),
    "a base class": in_main(("Idea(Base)", "Idea(Base, object)")),
    "a method of a base class": in_main(("return 1", "return 2")),
    "a called name": in_main(("math.sqrt", "math.exp")),
    "an assignment": in_main(("total += tables", "total -= tables")),
    "a constant of a module that is imported": changed("idea/tables.py", ("2.0", "2.5")),
    "a constant that was passed on": changed("idea/limits.py", ("7", "8")),
    "a function of a module that is imported": changed("idea/helpers.py", ("+ 1", "+ 2")),
    "a function two modules away": changed("idea/deep.py", ("3", "4")),
    "a function imported in a function": changed("idea/late.py", ("- 1", "- 2")),
    "something else imported by the same name": in_main(
        ("from .shared import LIMIT", "from .tables import SCORES as LIMIT")
    ),
    "a library's function by the same name": in_main(("import math", "import cmath as math")),
    "a default that is made": in_main(("=list)", "=dict)")),
    "an argument's default": changed("idea/deep.py", ("(x)", "(x=1)")),
    "a branch": in_main(("total if total > 3 else -total", "total")),
    "an assertion": changed("idea/deep.py", ("    return", "    assert x\n    return")),
    "an import that may fail": in_main(
        ("import math\n", "import math\ntry:\n    import nix\nexcept ImportError: ...\n")
    ),
    "a module that is only imported": in_main(("import tables", "import tables, unused as _")),
    "a call": changed("idea/late.py", ("    return", "    if x(): pass\n    return")),
}


@pytest.mark.parametrize("what", SAME)
def test_what_does_the_same_has_the_same_digest(what: str, tmp_path: Path) -> None:
    first = source(tmp_path / "before", PACKAGE)
    assert source(tmp_path / "after", SAME[what]).digest == first.digest


@pytest.mark.parametrize("what", OTHER)
def test_what_does_something_else_has_another_digest(what: str, tmp_path: Path) -> None:
    first = source(tmp_path / "before", PACKAGE)
    assert source(tmp_path / "after", OTHER[what]).digest != first.digest


def moved(change: Callable[[str, str], tuple[str, str]]) -> Files:
    return dict(change(path, text) for path, text in PACKAGE.items())


MOVED: dict[str, tuple[Files, str]] = {
    "the package under another name": (
        moved(lambda path, text: (path.replace("idea/", "other/"), text)),
        "other.main:Idea",
    ),
    "all in a package within another": (
        {"lab/__init__.py": "", **moved(lambda path, text: (f"lab/{path}", text))},
        "lab.idea.main:Idea",
    ),
    "the class's file in a folder of its own": (
        {
            **{path: text for path, text in PACKAGE.items() if path != "idea/main.py"},
            "idea/__init__.py": "",
            "idea/inner/__init__.py": "",
            "idea/inner/named.py": MAIN.replace("from .", "from .."),
        },
        "idea.inner.named:Idea",
    ),
    "a helper in a folder of its own": (
        {
            **{path: text for path, text in PACKAGE.items() if path != "idea/deep.py"},
            "idea/maths/__init__.py": "from .product import factor\n",
            "idea/maths/product.py": PACKAGE["idea/deep.py"],
            "idea/helpers.py": PACKAGE["idea/helpers.py"].replace(".deep", ".maths"),
        },
        "idea.main:Idea",
    ),
    "in the file of the package": (
        {**PACKAGE, "idea/__init__.py": MAIN},
        "idea:Idea",
    ),
}


def test_files_that_lie_about_in_one_folder_belong_together(tmp_path: Path) -> None:
    files = {"main.py": "from helper import X\nclass Idea:\n    x = X\n", "helper.py": "X = 1\n"}
    first = source(tmp_path / "a", files, "main:Idea")
    assert list(first.modules) == ["main", "helper"]
    other = {**files, "helper.py": "X = 2\n"}
    assert source(tmp_path / "b", other, "main:Idea").digest != first.digest


@pytest.mark.parametrize("what", MOVED)
def test_a_place_is_nothing(what: str, tmp_path: Path) -> None:
    first = source(tmp_path / "before", PACKAGE)
    files, target = MOVED[what]
    after = source(tmp_path / "after", files, target)
    assert after.digest == first.digest, (list(first.modules), list(after.modules))


@pytest.mark.parametrize("how", ["DOS", "old Mac", "BOM", "latin-1"])
def test_how_a_file_is_stored_is_nothing(how: str, tmp_path: Path) -> None:
    text = 'class Idea:\n    word = "größe"\n    lines = """a\n  b"""\n'
    stored = {
        "DOS": text.replace("\n", "\r\n").encode(),
        "old Mac": text.replace("\n", "\r").encode(),
        "BOM": b"\xef\xbb\xbf" + text.encode(),
        "latin-1": f"# -*- coding: latin-1 -*-\n{text}".encode("latin-1"),
    }
    first = source(tmp_path / "a", {"idea.py": text}, "idea:Idea")
    assert source(tmp_path / "b", {"idea.py": stored[how]}, "idea:Idea").digest == first.digest


HERE = Path(plasticity_bench.__file__).parent
ALL = """
from plasticity_bench.harness.plugins.registry import load_entrant, names
from plasticity_bench.harness.specs.source_code import source_digest
for name in (*names("strategy"), *names("learner")):
    print(name, source_digest(load_entrant(name)))
"""


def test_our_own_files_may_be_moved_and_explained(tmp_path: Path) -> None:
    copy = tmp_path / "plasticity_bench"
    shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    strategies = copy / "strategies"
    move(strategies, "references.dense", "nothing.dense", "from .")
    move(strategies, "resets", "resetting.anew", "from ..")
    move(strategies, "selection", "choosing.units", "from ..")
    move(strategies, "growth.grow", "growing", "from ")
    move(strategies, "newborns.rules", "newborns.laws", "from .")
    for path in strategies.rglob("*.py"):
        path.write_text(f"{path.read_text('utf-8')}\n# Explained.\n'''As well.'''\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ALL],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    after = dict(line.split() for line in done.stdout.splitlines())
    known = [*names("strategy"), *names("learner")]
    assert after == {name: source_digest(load_entrant(name)) for name in known}


def move(strategies: Path, old: str, new: str, first: str) -> None:
    """Move a module of ours, and all that imports it; `first` is what its "from ." becomes."""
    before, after = (strategies / f"{name.replace('.', '/')}.py" for name in (old, new))
    after.parent.mkdir(exist_ok=True)
    (after.parent / "__init__.py").touch()
    text = before.read_text("utf-8").replace("\nfrom .", f"\n{first}")
    before.unlink()
    after.write_text(text, "utf-8")
    for path in strategies.rglob("*.py"):
        text = path.read_text("utf-8").replace(f'"{old}:', f'"{new}:')
        own = path.relative_to(strategies).parts[:-1]
        dots = "." * (len(own) + 1)
        text = text.replace(f"from {dots}{old} import", f"from {dots}{new} import")
        if own and old.startswith(f"{own[0]}."):
            inner = old.removeprefix(f"{own[0]}.")
            text = text.replace(f"from .{inner} import", f"from {dots}{new} import")
        path.write_text(text, "utf-8")


def test_a_file_of_ours_copied_by_somebody_else_does_the_same(tmp_path: Path) -> None:
    files = {"mine/__init__.py": ""}
    for name in ("growth/grow", "budget", "selection"):
        text = (HERE / "strategies" / f"{name}.py").read_text("utf-8")
        text = re.sub(r"from \.+harness", "from plasticity_bench.harness", text)
        files[f"mine/{Path(name).name}.py"] = re.sub(
            r"from \.+(\w+) import", r"from .\1 import", text
        )
    assert source(tmp_path, files, "mine.grow:Grow").digest == source_digest(load_entrant("grow"))


def test_every_strategy_of_ours_is_other_code(tmp_path: Path) -> None:
    known = [*names("strategy"), *names("learner")]
    assert len({source_digest(load_entrant(name)) for name in known}) == len(known)
