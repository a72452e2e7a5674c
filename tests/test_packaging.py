import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = Path("src", "plasticity_bench")
FOLDERS = ("harness", "leaderboard", "strategies", "streams")


def run(*words: str | Path, folder: Path, path: Path | None = None) -> str:
    """Run a command in a folder, with nothing but `path` on Python's path; return its output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment = clean if path is None else {**clean, "PYTHONPATH": str(path)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(wheel: Path) -> set[str]:
    """Return what a wheel holds beside its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def imports(file: Path) -> Iterator[str]:
    """Yield the top-level packages that a file imports by their absolute names."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a commit of everything here would hold, so that a build leaves no trace."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a git checkout knows which files belong to the project")
    copy = tmp_path_factory.mktemp("checkout")
    # The checkout may belong to another user than the tests, as in a container.
    git = ("git", "-c", "safe.directory=*")
    listed = run(*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(ROOT / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out)
    run(*build, checkout, folder=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel in it."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", target, wheel, folder=target)
    return target


def test_every_folder_of_the_package_is_a_link_to_the_root() -> None:
    folders = [
        entry
        for entry in (ROOT / PACKAGE).iterdir()
        if entry.is_dir() and entry.name != "__pycache__"
    ]
    assert sorted(entry.name for entry in folders) == sorted(FOLDERS)
    for entry in folders:
        assert entry.readlink() == Path("..", "..", entry.name)


def test_the_wheel_holds_exactly_the_files_of_the_folders(checkout: Path, wheel: Path) -> None:
    """But for the READMEs, which are the repository's: their links lead nowhere in a package."""
    files = [file for folder in FOLDERS for file in (checkout / folder).rglob("*")]
    readmes = [checkout / folder / "README.md" for folder in FOLDERS]
    assert set(readmes) <= set(files)
    expected = {
        str(PurePosixPath("plasticity_bench", *file.relative_to(checkout).parts))
        for file in files
        if file.is_file() and file not in readmes
    }
    assert "plasticity_bench/leaderboard/suites/quick.toml" in expected
    assert "plasticity_bench/harness/metrics/table.py" in expected
    own = {"plasticity_bench/__init__.py", "plasticity_bench/py.typed"}
    assert names(wheel) == expected | own


def test_the_wheel_brings_all_licences(checkout: Path, wheel: Path) -> None:
    vendor = checkout / "leaderboard" / "page" / "vendor"
    libraries = tomllib.loads((vendor / "vendor.toml").read_text(encoding="utf-8"))["library"]
    licences = [checkout / "LICENSE", *(vendor / one["licence_file"] for one in libraries)]
    with zipfile.ZipFile(wheel) as archive:
        (information,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info" in name}
        told = archive.read(f"{information}/METADATA").decode()
        for file in licences:
            name = file.relative_to(checkout).as_posix()
            assert f"\nLicense-File: {name}\n" in told
            assert archive.read(f"{information}/licenses/{name}") == file.read_bytes()
    assert "\nLicense-Expression: MIT\n" in told


def test_citation_and_changelog_are_of_this_version() -> None:
    project = read_project(ROOT)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("name", "version", "license"):
        field = {"name": "title"}.get(key, key)
        assert re.search(rf"^{field}: {re.escape(project[key])}$", citation, re.MULTILINE), key
    for keyword in project["keywords"]:
        assert f"\n  - {keyword}\n" in citation
    assert f"\n## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_workflow_runs_the_two_make_targets() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"- run: (.+)", text) == ["make check", "make test"]


def read_project(root: Path) -> dict[str, Any]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(project, dict)
    return project


def test_every_package_that_is_imported_is_a_dependency(checkout: Path) -> None:
    project = read_project(checkout)
    declared = {re.split(r"[\s<>=!~;\[]", line)[0].lower() for line in project["dependencies"]}
    files = [file for folder in FOLDERS for file in (checkout / folder).rglob("*.py")]
    imported = {name for file in files for name in imports(file)} - sys.stdlib_module_names
    assert {"torch", "sklearn", "joblib"} <= imported
    owners = packages_distributions()
    owned = {name: {owner.lower() for owner in owners[name]} for name in imported}
    assert {name for name in imported if declared.isdisjoint(owned[name])} == set()


def test_the_source_distribution_builds_the_same_wheel(
    checkout: Path, wheel: Path, tmp_path: Path
) -> None:
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path)
    run(*build, checkout, folder=tmp_path)
    (again,) = tmp_path.glob("*.whl")
    assert names(again) == names(wheel)


def test_the_installed_command_lists_what_there_is(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "plasticity-bench"
    shown = run(command, "list", folder=tmp_path, path=installed)
    for word in ("grow", "permuted-digits", "taoa", "quick"):
        assert word in shown
    assert not list(tmp_path.iterdir())


def test_the_installed_package_finds_its_suites(installed: Path, tmp_path: Path) -> None:
    code = (
        "import plasticity_bench\n"
        "from plasticity_bench import load_suite, resolve\n"
        "print(plasticity_bench.__file__)\n"
        "print(len(resolve(load_suite('quick'))))\n"
    )
    place, runs = run(sys.executable, "-c", code, folder=tmp_path, path=installed).splitlines()
    assert Path(place) == installed / "plasticity_bench" / "__init__.py"
    assert int(runs) == 3 * 5 * 5
