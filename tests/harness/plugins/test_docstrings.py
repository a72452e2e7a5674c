"""First lines of docstrings: found wherever a class is, and nothing runs for them."""

from pathlib import Path

import pytest

from plasticity_bench.harness.plugins.docstrings import first_line

FILES = {
    "__init__.py": """
        '''The package.'''
        1 / 0
        from .deep import Plain, Written as Renamed
        from .deep.inner import Inner
        from {package}.plain import Outer
        from .nowhere import Missing
        from .deep import Circle
        from ..... import Above
        """,
    "deep/__init__.py": """
        1 / 0
        from ..plain import Plain
        from .inner import Inner as Written
        from .. import Circle
        """,
    "deep/inner.py": """
        class Inner:
            '''Deep inside.

            More of it.'''
        """,
    "plain.py": """
        1 / 0
        from .deep.inner import Inner
        class Plain:
            '''As it stands.'''
        class Outer:
            class Inner:
                '''Within another.'''
                class Innermost(Plain): pass
        if 1 / 0:
            class Conditional:
                '''Under a condition.'''
        else:
            class Otherwise:
                '''Under the other.'''
        try:
            from nothing_anywhere import Tried
        except ImportError:
            class Excepted:
                '''Where an import failed.'''
                if True:
                    class Inner:
                        '''Both.'''
        class Child(Elsewhere, Plain):
            name = "child"
        class Grandchild(Child): pass
        class OfAnotherModule(Inner): pass
        class Empty: pass
        class Own(Own): pass
        class OfInner(Outer.Inner): pass
        """,
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"docstrings_{tmp_path.name}"
    for place, code in FILES.items():
        file = tmp_path / name / place
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = code.replace("{package}", name).splitlines()
        file.write_text("\n".join(line[8:] for line in lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("", "The package."),
        (":Plain", "As it stands."),
        (":Renamed", "Deep inside."),
        (":Inner", "Deep inside."),
        (":Outer.Inner", "Within another."),
        (".deep:Plain", "As it stands."),
        (".plain:Outer.Inner", "Within another."),
        (".plain:Outer.Inner.Innermost", "As it stands."),
        (".plain:Conditional", "Under a condition."),
        (".plain:Otherwise", "Under the other."),
        (".plain:Excepted", "Where an import failed."),
        (".plain:Excepted.Inner", "Both."),
        (".plain:Child", "As it stands."),
        (".plain:Grandchild", "As it stands."),
        (".plain:OfInner", "Within another."),
        (".plain:OfAnotherModule", ""),
        (".plain:Empty", ""),
        (".plain:Own", ""),
        (".plain:Outer.Nothing", ""),
        (".plain:Plain.name", ""),
        (".plain:Tried", ""),
        (":Missing", ""),
        (":Circle", ""),
        (":Above", ""),
        (":Nowhere", ""),
        (".nowhere:Plain", ""),
    ],
)
def test_the_docstring_is_found_where_the_class_is(package: str, target: str, line: str) -> None:
    assert first_line(f"{package}{target}") == line
