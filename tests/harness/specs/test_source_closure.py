"""The code of a class is what it uses, wherever and by whatever name that is imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.source_code import source_digest

from .packages import source, written

TWINS = {
    "idea/__init__.py": "",
    "idea/up.py": "def step(x):\n    return x\n",
    "idea/down.py": "def step(x):\n    return x or 1\n",
    "idea/main.py": (
        "from .up import step as first\nfrom .down import step as second\n"
        "class Idea:\n    def act(self, x): return first(x) * 2 + second(x)\n"
    ),
}


def test_it_matters_what_a_name_is_bound_to_though_every_file_is_the_same(tmp_path: Path) -> None:
    main = TWINS["idea/main.py"]
    swapped = main.replace(".up", ".x").replace(".down", ".up").replace(".x", ".down")
    first = source(tmp_path / "a", TWINS)
    second = source(tmp_path / "b", {**TWINS, "idea/main.py": swapped})
    assert set(first.modules) == set(second.modules)
    assert first.digest != second.digest
    renamed = {path.replace("/up", "/higher"): text for path, text in TWINS.items()}
    renamed["idea/main.py"] = main.replace(".up", ".higher")
    assert source(tmp_path / "c", renamed).digest == first.digest


def test_two_modules_of_one_shape_are_told_apart_by_what_they_use(tmp_path: Path) -> None:
    twin = "from .{} import step\ndef go(x):\n    return step(x)\n"
    files = {
        **TWINS,
        "idea/one.py": twin.format("up"),
        "idea/two.py": twin.format("down"),
        "idea/main.py": (
            "from .one import go as first\nfrom .two import go as second\n"
            "class Idea:\n    def act(self, x): return first(x) - second(x)\n"
        ),
    }
    other = {**files, "idea/one.py": twin.format("down"), "idea/two.py": twin.format("up")}
    assert source(tmp_path / "a", files).digest != source(tmp_path / "b", other).digest


def test_another_class_of_the_same_file_is_other_code(tmp_path: Path) -> None:
    files = {"idea/__init__.py": "", "idea/main.py": "class Idea: x = 1\nclass Other: x = 2\n"}
    first = source(tmp_path / "a", files)
    assert source(tmp_path / "b", files, "idea.main:Other").digest != first.digest


USES = {
    "a default": "def act(self, call=step): return call(1)",
    "what a comprehension goes through": "def act(self): return [step for step in step(1)]",
    "a decorator": "@step\n    def act(self): return 1",
    "a class body": "size = step(1)",
    "a function in a function": "def act(self):\n        def inner(): return step(1)\n",
    "a lambda": "act = lambda self: step(1)",
    "an f-string": "def act(self): return f'{1:{step(2)}}'",
    "a method beside an attribute": "step = 1\n    def act(self): return step(1)",
    "a keyword": "def act(self): return dict(x=step)",
    "an attribute of it": "def act(self): return step.cache.size",
    "what is set on it": "def act(self): step.size = 3",
}


@pytest.mark.parametrize("what", USES)
@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from .up import step", "step"),
        ("from . import up", "up.step"),
        ("import idea.up", "idea.up.step"),
        ("import idea.up as there", "there.step"),
        ("from idea.up import step as other", "other"),
        ("try: from .up import step\nexcept ImportError: step = None", "step"),
        ("from .face import step", "step"),
        ("from .face import *", "step"),
        ("from .stars import step", "step"),
    ],
)
def test_every_use_of_an_import_is_found(what: str, line: str, name: str, tmp_path: Path) -> None:
    use = re.sub(r"\bstep\b(?! = 1)", name, USES[what])
    files = {
        **TWINS,
        "idea/face.py": "from .up import step\n",
        "idea/stars.py": "from .up import *\n",
        "idea/main.py": f"{line}\nclass Idea:\n    {use}\n",
    }
    changed_files = {**files, "idea/up.py": "def step(x):\n    return x or 2\n"}
    first = source(tmp_path / "a", files)
    assert "idea.up" in first.modules
    assert source(tmp_path / "b", changed_files).digest != first.digest


def test_a_name_that_a_face_makes_late_is_found_by_what_it_is(tmp_path: Path) -> None:
    late = (
        "def __getattr__(name):\n"
        "    from importlib import import_module\n"
        "    return getattr(import_module('.up', __name__), name)\n"
    )
    main = "from idea import step\nclass Idea:\n    def act(self): return step(1)\n"
    files = {**TWINS, "idea/__init__.py": late, "idea/main.py": main}
    first = source(tmp_path / "a", files)
    assert list(first.modules) == ["idea.main", "idea", "idea.up"]
    other = {**files, "idea/up.py": TWINS["idea/down.py"]}
    assert source(tmp_path / "b", other).digest != first.digest


def test_our_own_face_leads_to_our_strategies_and_not_to_the_engine(tmp_path: Path) -> None:
    text = (
        "from plasticity_bench import ScheduledEdits, Strategy\n"
        "from plasticity_bench.strategies.selection import best\n"
        "class Idea(ScheduledEdits):\n    def act(self): return best, Strategy\n"
    )
    found = source(tmp_path, {"idea.py": text}, "idea:Idea")
    ours = ["plasticity_bench.strategies.budget", "plasticity_bench.strategies.selection"]
    assert list(found.modules) == ["idea", *ours]


def test_modules_that_use_each_other_are_told_from_others(tmp_path: Path) -> None:
    files = {
        "idea/one/a.py": "from ..two import b\ndef go(x):\n    return b.go(x - 1) if x else 1\n",
        "idea/two/b.py": "def go(x):\n    from idea.one import a\n    return a.go(x - 1)\n",
        "idea/main.py": "import idea.one.a\nclass Idea:\n    x = idea.one.a.go\n",
    }
    first = source(tmp_path / "a", files)
    assert list(first.modules) == ["idea.main", "idea.one.a", "idea.two.b"]
    other = {**files, "idea/two/b.py": files["idea/two/b.py"].replace("x - 1", "x - 2")}
    assert source(tmp_path / "b", other).digest != first.digest


def test_faces_that_import_from_each_other_end_somewhere(tmp_path: Path) -> None:
    files = {
        "idea/__init__.py": "",
        "idea/a.py": "from .b import nothing\n",
        "idea/b.py": "from .a import nothing\n",
        "idea/main.py": (
            "class Idea:\n    def act(self):\n        from .a import nothing\n        nothing()\n"
        ),
    }
    assert "idea.main" in source(tmp_path, files).modules


def test_nothing_is_run_to_read_it(tmp_path: Path) -> None:
    files = {
        **TWINS,
        "idea/up.py": "raise SystemExit('it was run')\ndef step(x): return x\n",
        "idea/main.py": (
            "class Idea:\n    def act(self):\n        from .up import step\n        step(1)\n"
        ),
    }
    assert "idea.up" in source(tmp_path, files).modules


def test_names_in_other_letters_are_followed(tmp_path: Path) -> None:
    files = {
        "größe/__init__.py": "",
        "größe/maß.py": "ZAHL = 1\n",
        "größe/main.py": "from größe.maß import ZAHL\nclass Idea:\n    zahl = ZAHL\n",
    }
    first = source(tmp_path / "a", files, "größe.main:Idea")
    assert list(first.modules) == ["größe.main", "größe.maß"]
    other = {**files, "größe/maß.py": "ZAHL = 2\n"}
    assert source(tmp_path / "b", other, "größe.main:Idea").digest != first.digest
    spelt = {_spelt(path): _spelt(text) for path, text in files.items()}
    assert source(tmp_path / "c", spelt, "groesse.main:Idea").digest == first.digest


def _spelt(text: str) -> str:
    return text.replace("ö", "oe").replace("ß", "ss")


def test_a_script_is_read_as_well_as_a_module(tmp_path: Path) -> None:
    idea = "from helper import X\nclass Idea:\n    x = X\n"
    asked = (
        "from plasticity_bench.harness.specs.source_code import source_of\n"
        "found = source_of(Idea)\nprint(*found.modules, found.digest)\n"
    )
    folder = written(tmp_path, {"helper.py": "X = 1\n", "idea.py": idea + asked})
    *modules, digest = said_by(folder / "idea.py")
    assert modules == ["__main__", "helper"]
    written(tmp_path, {"helper.py": "X = 2\n"})
    assert said_by(folder / "idea.py")[-1] != digest


def said_by(script: Path) -> list[str]:
    command = [sys.executable, str(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_class_without_a_file_has_no_digest() -> None:
    cls = type("Typed", (), {"__module__": "typed_into_an_interpreter"})
    with pytest.raises(BenchError, match=r"source of class Typed cannot be read"):
        source_digest(cls)


def test_it_matters_of_which_class_an_attribute_is(tmp_path: Path) -> None:
    files = {
        "idea/__init__.py": "",
        "idea/rules.py": "class Gentle:\n    share = 1\n\n\nclass Harsh:\n    share = 2\n",
        "idea/main.py": "from .rules import Gentle, Harsh\nclass Idea:\n    x = Gentle.share\n",
    }
    first = source(tmp_path / "a", files)
    other = {**files, "idea/main.py": files["idea/main.py"].replace("= Gentle", "= Harsh")}
    assert source(tmp_path / "b", other).digest != first.digest


def test_an_own_module_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    optional = "try:\n    from ._version import v\nexcept ImportError:\n    v = 1\n"
    text = f"{optional}class Idea:\n    x = v\n"
    found = source(tmp_path, {"idea/__init__.py": "", "idea/main.py": text})
    assert list(found.modules) == ["idea.main"]


def test_all_that_a_name_may_be_bound_to_counts(tmp_path: Path) -> None:
    either = "try:\n    from .up import step\nexcept ImportError:\n    from .down import step\n"
    main = f"{either}class Idea:\n    def act(self): return step(1)\n"
    files = {**TWINS, "idea/main.py": main}
    first = source(tmp_path / "a", files)
    assert list(first.modules) == ["idea.main", "idea.up", "idea.down"]
    for changed in ("up", "down"):
        other = {**files, f"idea/{changed}.py": "def step(x):\n    return x or 9\n"}
        assert source(tmp_path / changed, other).digest != first.digest
