"""The shape of a module is in its code alone, and the same in every version of Python."""

import ast
from pathlib import Path

import pytest

import plasticity_bench
from plasticity_bench.harness.specs.code_shape import Code, parse
from plasticity_bench.harness.specs.source_code import Source

OURS = sorted((Path(plasticity_bench.__file__).parent / "strategies").resolve().rglob("*.py"))


def shape(text: str) -> Code:
    return parse(text, "a.b")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_layout_is_nothing_and_every_number_is_something(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    shapes = {shape(path.read_text(encoding="utf-8")), shape(ast.unparse(tree))}
    assert len(shapes) == 1
    numbers = 0
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=int() | float() as number) if type(number) is not bool:
                node.value = number + 0.5
                shapes.add(shape(ast.unparse(tree)))
                node.value = number
                numbers += 1
    assert len(shapes) == 1 + numbers


HOSTILE = {
    "a name of an import that parsers take gigabytes for": "import " + "a." * 130_000 + "a",
    "and one in pieces": "import a" + " .\\\n\ta" * 40_000,
    "and one from elsewhere": "from ..b·." + "a·." * 80_000 + "a import x",
    "many meanings of a name": "".join(f"from m{i} import x\n" for i in range(6000))
    + "x;" * 60_000,
    "a long meaning of a name": f"from {'m' * 100_000} import x\n" + "x\n" * 70_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_would_fill_the_memory_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"a thousand parts|names of imports too often"):
        shape(HOSTILE[what])


LONG = {
    "chains of names": "import a\n" + f"x = a{'.a' * 800} + f(){'.a' * 800}\n" * 80,
    "branches": ("if a: b\n" + "elif x: pass\n" * 800) * 20,
    "branches for checkers": "if TYPE_CHECKING: b\n" + "elif TYPE_CHECKING: b\n" * 800 + "else: c",
    "blocks for checkers": "".join(" " * i + "if TYPE_CHECKING:\n" for i in range(90))
    + (" " * 90 + "x;" * 1000 + "\n") * 100,
    "parentheses": ("x = " + "(" * 90 + "1" + ")" * 90 + "\n") * 1000,
    "imports": "".join(f"import m{i}; m{i}\n" for i in range(13_000)),
    "imports of one name": "".join(f"from m{i} import x\n" for i in range(13_000)),
    "names from one long module": f"from .{'m' * 100_000} import "
    + ", ".join(f"a{i}" for i in range(18_000)),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", LONG)
def test_the_time_to_read_a_text_grows_with_its_length_alone(what: str) -> None:
    assert len(shape(LONG[what]).shape) > 1


def test_a_whole_number_may_be_of_any_length() -> None:
    long = shape("x = 0x" + "f" * 5000)
    assert long != shape("x = 0x" + "f" * 5001)
    assert shape("x = 255") == shape("x = 0xff")


MUCH = '''
import numpy as np
from torch import *
from . import other


async def f(a, /, b: "x" = 1, *c, d=0x10, **e) -> None:
    async with a as b, c:
        yield lambda *, x=2: {**x, "y": [*x, 1.5e300, -2j, b"\\xff"]}
    match a:
        case {"k": [1, *_], **rest} if rest:
            await np.linalg.norm(b)
        case None | True | C(x=1) as y:
            raise E from y
    return f"{a!r:>{b}}x" "\\U0001fae8{{" f"{c=}" u"e", f"", relu


class C(B, metaclass=M):
    x: int
    """no"""

    def m(self):
        global g
        g = [i async for i in self if i if not i]
        del g
        return ...


try:
    import a
except* E as e:
    e[1:2, ::3] @= 999999999999999999999
while (n := other.n) < 1 <= 2:
    pass
else:
    assert n, "m"
'''


def test_a_digest_is_the_same_in_every_python() -> None:
    # Found by 3.11, 3.12 and 3.13; one that finds another would rename every result.
    known = "5d994d83034ef09e1e603f35be6f4ebd1210e3ad097774fe6ecb6f9132b8c47c"
    assert Source("C", {"p.m": MUCH}, [[]]).digest == known
