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
    known = "3c907841ed49490e1bf0b77bc52398cff020264dae423f35f6ab70bce28a5cf2"
    assert Source("C", {"p.m": MUCH}).digest == known
