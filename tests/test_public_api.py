import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import plasticity_bench

ROOT = Path(__file__).parent.parent
FOLDERS = ("harness", "leaderboard", "strategies", "streams")


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def promised_to_type_checkers() -> dict[str, str]:
    """Return name -> module of the imports that only type checkers see."""
    assert plasticity_bench.__file__
    tree = ast.parse(Path(plasticity_bench.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: f"plasticity_bench.{line.module}"
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }


def test_type_checkers_see_exactly_the_public_names() -> None:
    assert sorted(promised_to_type_checkers()) == sorted(plasticity_bench.__all__)


@pytest.mark.parametrize("name", plasticity_bench.__all__)
def test_a_public_name_is_what_type_checkers_are_told(name: str) -> None:
    there = getattr(import_module(promised_to_type_checkers()[name]), name)
    assert getattr(plasticity_bench, name) is there
    assert getattr(there, "__name__", name) in (name, "Literal")  # an alias has no name of its own


def test_all_that_is_importable_is_public() -> None:
    taken: dict[str, object] = {}
    exec("from plasticity_bench import *", taken)
    assert sorted(taken.keys() - {"__builtins__"}) == sorted(plasticity_bench.__all__)
    assert set(plasticity_bench.__all__) <= set(dir(plasticity_bench))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, plasticity_bench\n"
        "plasticity_bench.BenchError\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'avalanche'}\n"
        "heavy.add('plasticity_bench.harness.engine.strategy')\n"
        "print(heavy & set(sys.modules), 'Strategy' in dir(plasticity_bench))"
    )
    assert python(code, ROOT).stdout == "set() True\n"


def test_a_misspelt_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="'plasticity_bench' has no attribute 'Stratgy'"):
        _ = plasticity_bench.Stratgy  # type: ignore[attr-defined]  # checkers refuse it as well


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_not_importable_from_the_repository_root(folder: str) -> None:
    done = python(f"import {folder}", ROOT)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"ImportError: import plasticity_bench.{folder}, not {folder}: "
        "the repository root is on sys.path\n"
    )


def test_the_folders_are_those_of_the_package() -> None:
    assert plasticity_bench.__file__
    package = Path(plasticity_bench.__file__).parent
    held = {entry.name for entry in package.iterdir() if (entry / "__init__.py").exists()}
    assert held == set(FOLDERS)
