"""The architecture: what may know what, and what each folder says of itself."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from tests.house import FRONT, PARTS, ROOT, Face, House, Table, face

HOUSE = House(ROOT)
TABLE = Table.read((ROOT / "tests" / "house.toml").read_text(encoding="utf-8"))
FOLDERS = sorted(file.removesuffix("/__init__.py") for file in HOUSE.files if "__init__" in file)


def test_every_import_is_allowed() -> None:
    assert not TABLE.forbidden(HOUSE)


def test_the_harness_imports_none_of_those_who_use_it() -> None:
    assert HOUSE.imports
    assert not [
        one
        for one in HOUSE.imports
        if one.file.startswith("harness/") and not one.target.startswith("harness/")
    ]


def test_every_arrow_of_the_table_is_in_use() -> None:
    stated = {(wing, other) for wing, may in TABLE.arrows.items() for other in may}
    assert stated == TABLE.used(HOUSE)


def test_the_arrows_point_one_way() -> None:
    assert tuple(TopologicalSorter(TABLE.arrows).static_order())  # CycleError names a circle


def test_no_files_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {file: set() for file in HOUSE.files}
    for one in HOUSE.imports:
        graph[one.file].add(one.target)
    assert len(tuple(TopologicalSorter(graph).static_order())) == len(HOUSE.files)


def test_the_ground_stands_on_nothing() -> None:
    assert TABLE.ground <= HOUSE.files.keys()
    assert not [
        one for one in HOUSE.imports if one.file in TABLE.ground and one.target not in TABLE.ground
    ]


def test_the_table_names_every_wing_and_nothing_else() -> None:
    there = {
        TABLE.wing(file) for file in HOUSE.files if file.count("/") > 1 or "__init__" not in file
    }
    assert there == TABLE.arrows.keys() | TABLE.ground


def test_the_package_is_the_four_parts_and_its_front() -> None:
    inside = {entry.name: entry for entry in (ROOT / FRONT).parent.iterdir()}
    inside.pop("__pycache__", None)
    assert inside.keys() == {"__init__.py", "py.typed", *PARTS}
    assert all(inside[part].resolve() == ROOT / part for part in PARTS)


@pytest.fixture
def empty(tmp_path: Path) -> House:
    """The same files, with nothing in them."""
    for file in HOUSE.files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return House(tmp_path)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("harness/engine/edits.py", "from ...leaderboard.store import files"),
        ("harness/engine/edits.py", "from plasticity_bench.leaderboard.store.files import replace"),
        ("harness/engine/edits.py", "import plasticity_bench.leaderboard.store.files"),
        ("harness/engine/edits.py", "from ... import leaderboard"),
        ("harness/engine/edits.py", "if TYPE_CHECKING:\n    from ..loop.run import StackedRun"),
        ("harness/engine/edits.py", "def late() -> None:\n    from ..loop import run"),
        ("harness/engine/edits.py", "from leaderboard.store import files"),
        ("harness/engine/edits.py", "from leaderboard.store.files import replace"),
        ("harness/engine/edits.py", "import leaderboard.store.files"),
        ("harness/engine/edits.py", "__import__('plasticity_bench.leaderboard.store.files')"),
        ("harness/engine/edits.py", "import_module('plasticity_bench.leaderboard.store.files')"),
        ("harness/engine/edits.py", "importlib.import_module('leaderboard')"),
        ("harness/engine/edits.py", "import_module('...leaderboard.store', __package__)"),
        ("harness/engine/edits.py", "import_module('..missing', __package__)"),
        ("harness/engine/edits.py", "importlib.import_module(name='plasticity_bench.leaderboard')"),
        ("harness/engine/edits.py", "pkgutil.resolve_name('plasticity_bench.leaderboard:store')"),
        ("harness/engine/edits.py", "builtins.__import__('plasticity_bench.leaderboard.store')"),
        ("harness/engine/edits.py", "builtins.__import__('leaderboard.store')"),
        ("harness/engine/edits.py", "load = import_module\nload('plasticity_bench.leaderboard')"),
        (
            "harness/engine/edits.py",
            "from importlib import import_module as load\nload('...leaderboard.store.files')",
        ),
        (
            "harness/engine/edits.py",
            "from importlib import import_module as load\n"
            "load('plasticity_bench.leaderboard.store.files')",
        ),
        (
            "harness/engine/edits.py",
            "import plasticity_bench.harness.errors\nplasticity_bench.leaderboard.store.files",
        ),
        ("harness/engine/edits.py", "import plasticity_bench.leaderboard.store.files as files"),
        ("harness/engine/edits.py", "from src.plasticity_bench.leaderboard.store import files"),
        ("harness/engine/edits.py", "from src.plasticity_bench import leaderboard"),
        ("harness/engine/edits.py", "from src import plasticity_bench"),
        ("harness/engine/edits.py", "from ...bridge import files"),
        ("harness/engine/edits.py", "from ... import bridge"),
        ("harness/engine/edits.py", "from .missing import files"),
        ("harness/engine/edits.py", "from plasticity_bench.__init__ import Run"),
        ("harness/engine/edits.py", "from ...__init__ import Run"),
        ("strategies/growth/grow.py", "from ... import ScheduledEdits"),
        ("strategies/growth/grow.py", "from plasticity_bench import ScheduledEdits"),
        ("strategies/growth/grow.py", "from plasticity_bench import *"),
        ("strategies/growth/grow.py", "import plasticity_bench"),
        ("strategies/budget.py", "from .. import Context"),
        ("harness/errors.py", "import_module('plasticity_bench').BenchError"),
        ("harness/errors.py", "from .engine.edits import Network"),
        ("leaderboard/store/files.py", "from ...streams.data import fetch"),
        ("streams/data/fetch.py", "from ...harness.commands.options import Json"),
        ("strategies/growth/grow.py", "from ..pruning.prune import Prune"),
        ("streams/__init__.py", "from ..harness.engine import edits"),
    ],
)
def test_a_forbidden_import_is_found(place: str, line: str, empty: House) -> None:
    assert not TABLE.forbidden(empty)
    (empty.root / place).write_text(f"from typing import TYPE_CHECKING\n{line}\n")
    (found,) = TABLE.forbidden(House(empty.root))
    assert found.startswith(f"{place}:")
    assert "may not import" in found


@pytest.mark.parametrize(
    "line",
    [
        "import_module('plasticity_bench.harness.engine.edits')",
        "from plasticity_bench.harness.engine.edits import Network",
        "import plasticity_bench.harness.engine.edits as edits",
        "import_module('leaderboards')",
        "print('leaderboard.store.files')",
        "import_module(PLUG_INS['leaderboard.store.files'])",
    ],
)
def test_an_allowed_import_is_allowed_however_it_is_written(line: str, empty: House) -> None:
    (empty.root / "strategies/growth/grow.py").write_text(line)
    assert not TABLE.forbidden(House(empty.root))


# -- faces ------------------------------------------------------------------------------------


def face_of(folder: str) -> Face:
    return face(ast.get_docstring(HOUSE.tree(f"{folder}/__init__.py")) or "")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_in_a_few_sentences_what_is_inside(folder: str) -> None:
    sentences = face_of(folder).sentences
    assert 2 <= sentences.count(". ") + sentences.count(".\n") + sentences.endswith(".") <= 3


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder not in PARTS])
def test_a_folder_says_what_it_may_import_as_the_table_does(folder: str) -> None:
    wing = TABLE.wing(f"{folder}/__init__.py")
    assert face_of(folder).may_import == TABLE.arrows[wing]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_says_which_parts_its_wings_may_import(part: str) -> None:
    assert face_of(part).may_import == TABLE.parts_of(part)


@pytest.mark.parametrize("folder", FOLDERS)
def test_others_use_only_what_a_folder_offers(folder: str) -> None:
    used = {
        (module, one.name)
        for one in HOUSE.imports
        for place, _, file in [one.target.rpartition("/")]
        for module in [file.removesuffix(".py")]
        if place == folder and module != "__init__"
        if TABLE.wing(one.file) != TABLE.wing(one.target)
    }
    assert not used - face_of(folder).offers


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_folder_offers_is_there(folder: str) -> None:
    for module, name in face_of(folder).offers:
        assert hasattr(import_module(f"plasticity_bench.{folder.replace('/', '.')}.{module}"), name)


def test_the_tests_mirror_the_folders() -> None:
    folders = {
        file.parent.relative_to(ROOT / "tests").as_posix()
        for part in PARTS
        for file in (ROOT / "tests" / part).rglob("test_*.py")
    }
    with_code = {
        file.rpartition("/")[0] for file in HOUSE.files if not file.endswith("/__init__.py")
    }
    assert with_code <= folders <= set(FOLDERS)


def files_named() -> Iterator[tuple[str, str]]:
    """Yield what docstrings and comments call a file of the four parts, with where they do."""
    for place, file in HOUSE.files.items():
        for named in re.finditer(r"\b(\w+)/[\w/]+\.(?:py|toml|md)\b", file.read_text("utf-8")):
            if named[1] in (*PARTS, "tests"):
                yield place, named[0]


def test_a_file_that_is_named_is_there() -> None:
    named = list(files_named())
    assert named
    assert not [(place, file) for place, file in named if not (ROOT / file).is_file()]
