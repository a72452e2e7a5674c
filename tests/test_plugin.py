"""Plug-ins as their authors write them: folders of their own, installed by pip, found by name."""

import inspect
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench import Context, Network, Strategy
from tests.readme_files import README, block


@dataclass(frozen=True, kw_only=True)
class RandomReset(Strategy):
    """Re-initialise a random share of the units of each hidden layer at every task boundary."""

    name = "random-reset"
    needs = frozenset({"task boundary"})
    share: float = 0.1
    """Share of alive units, in [0, 1]."""

    def end_task(self, net: Network, ctx: Context) -> None:
        for layer in net.hidden:
            chosen = layer.alive & (ctx.uniform(layer.alive.shape) < self.share)  # (R, units)
            net.reset(layer, chosen)


IMPORTS = """from dataclasses import dataclass

from plasticity_bench import Context, Network, Strategy
"""
IDEA = block(README, "python", "class RandomReset")
FALLING = f"""{IMPORTS}
@dataclass(frozen=True, kw_only=True)
class Falling(Strategy):
    name = "falling"

    def begin_task(self, net: Network, ctx: Context) -> None:
        if ctx.task == 1:
            raise ZeroDivisionError("the idea ends here")
"""
HARMFUL = f"""import torch
{IMPORTS}
torch.set_default_dtype(torch.float64)

@dataclass(frozen=True, kw_only=True)
class Harmful(Strategy):
    name = "harmful"
    exits: bool = False

    def __post_init__(self) -> None:
        torch.set_num_threads(2)
        torch.manual_seed(0)

    def begin_task(self, net: Network, ctx: Context) -> None:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.relu = torch.Tensor.sigmoid
        if self.exits and ctx.task == 1:
            raise SystemExit(0)
"""
UNFINISHED = "import a_package_that_nobody_has\n"

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "their-{name}"
version = "1.0"
description = "{description}"

[project.entry-points."plasticity_bench.strategies"]
{name} = "{module}:{target}"

[tool.setuptools]
py-modules = ["{module}"]
"""
SUITE = """
name = "theirs"
description = "a suite of the author's own"
streams = ["permuted-digits(tasks=2,samples_per_task=320,passes=1)"]
entrants = {entrants}
seeds = "0:1"

[network]
hidden = [8, 6]
"""
UPDATES_PER_TASK = 320 // 16

Command = Callable[..., subprocess.CompletedProcess[str]]


def write_plugin(folder: Path, name: str, target: str, code: str, description: str) -> Path:
    module = f"their_{name.replace('-', '_')}"
    folder.mkdir()
    (folder / f"{module}.py").write_text(code)
    project = PROJECT.format(name=name, module=module, target=target, description=description)
    (folder / "pyproject.toml").write_text(project)
    return folder


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed one good plug-in and two bad ones."""
    base = tmp_path_factory.mktemp("plugins")
    written = [
        write_plugin(base / "idea", "random-reset", "RandomReset", IDEA, "Resets units by chance."),
        write_plugin(base / "falling", "falling", "Falling", FALLING, "Raises in its second task."),
        write_plugin(base / "harmful", "harmful", "Harmful", HARMFUL, "Harms all that it can."),
        write_plugin(base / "unfinished", "unfinished", "Unfinished", UNFINISHED, "Lacks a part."),
    ]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = base / "installed"
    words = [*pip, "--no-build-isolation", "--target", str(target), *map(str, written)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def command(plugins: Path, tmp_path: Path) -> Command:
    """Call the command line as a user who has installed the plug-ins, in an empty folder."""
    script = Path(sysconfig.get_path("scripts"), "plasticity-bench")
    environment = {**os.environ, "PYTHONPATH": str(plugins), "COLUMNS": "120"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return call


def write_suite(folder: Path, *entrants: str) -> str:
    (folder / "theirs.toml").write_text(SUITE.format(entrants=json.dumps(entrants)))
    return "theirs.toml"


def read_results(folder: Path, name: str = "results") -> dict[str, dict[str, Any]]:
    """Return the results in a folder by the name of the entrant."""
    results = [json.loads(file.read_text()) for file in (folder / name).glob("*.json")]
    return {result["spec"]["entrant"]["name"]: result for result in results}


def test_the_idea_in_the_readme_is_the_one_that_type_checkers_read_here() -> None:
    assert f"{IMPORTS}\n\n{inspect.getsource(RandomReset)}" == IDEA


def test_an_idea_takes_at_most_fifteen_lines() -> None:
    assert len([line for line in IDEA.splitlines() if line.strip()]) <= 15


def test_installed_plugins_are_listed_even_where_one_cannot_be_imported(command: Command) -> None:
    done = command("list", "strategies")
    assert done.returncode == 0, done.stderr
    own_words = "Re-initialise a random share of the units"  # of the docstring, where it has one
    packages = ("Raises in its second task.", "Lacks a part.")
    for text in ("random-reset", own_words, "falling", "unfinished", *packages, "grow"):
        assert text in done.stdout


def test_a_plugin_tells_its_settings(command: Command) -> None:
    done = command("list", "random-reset")
    assert done.returncode == 0, done.stderr
    for text in ("share", "0.1", "Share of alive units, in [0, 1]."):
        assert text in done.stdout


def test_a_suite_runs_a_plugin_by_name(command: Command, tmp_path: Path) -> None:
    done = command("run", write_suite(tmp_path, "random-reset(share=1.0)"), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 run done, 0 were done before.\n")
    result = read_results(tmp_path)["random-reset(share=1.0)"]
    assert result["status"] == "done"
    assert result["sources"]["strategies"].keys() == {"random-reset"}
    edits = [row for row in result["rows"] if row["kind"] == "edit"]
    assert [(row["edit"], row["step"], row["layer"], row["units"]) for row in edits] == [
        ("reset", step, layer, list(range(units)))
        for step in (UPDATES_PER_TASK, 2 * UPDATES_PER_TASK)
        for layer, units in (("fc1", 8), ("fc2", 6))
    ]
    assert result["metrics"]["edits"] == 4


def test_a_plugin_that_raises_fails_its_own_runs_only(command: Command, tmp_path: Path) -> None:
    done = command("run", write_suite(tmp_path, "falling", "dense"), "--workers", "2")
    assert done.returncode == 1, done.stderr
    cause = f"strategy 'falling' raised in begin_task after {UPDATES_PER_TASK} updates: "
    cause += "ZeroDivisionError: the idea ends here (their_falling.py, line 11, in begin_task)"
    assert f"failed: falling on permuted-digits, seed 0: {cause}\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    results = read_results(tmp_path)
    assert {name: result["status"] for name, result in results.items()} == {
        "falling": "failed",
        "dense": "done",
    }
    assert results["falling"]["reason"] == cause
    assert 'File "their_falling.py", line 11, in begin_task' in results["falling"]["traceback"]
    kept = [row for row in results["falling"]["rows"] if row["kind"] == "task"]
    assert [row["task"] for row in kept] == [0]


def test_a_plugin_changes_no_bit_of_anybodys_runs(command: Command, tmp_path: Path) -> None:
    alone = command("run", write_suite(tmp_path, "dense", "leaky-relu"), "--results", "alone")
    assert alone.returncode == 0, alone.stderr
    suite = write_suite(tmp_path, "harmful", "dense", "harmful(exits=true)", "leaky-relu")
    done = command("run", suite, "--workers", "1")
    assert done.returncode == 1, done.stderr
    cause = f"strategy 'harmful' raised in begin_task after {UPDATES_PER_TASK} updates: SystemExit"
    assert f"seed 0: {cause}: 0 (their_harmful.py, line " in done.stdout
    expected, found = read_results(tmp_path, "alone"), read_results(tmp_path)
    assert found["harmful"]["status"] == "done"
    for name in ("dense", "leaky-relu"):
        assert found[name]["fingerprint"] == expected[name]["fingerprint"]
        assert found[name]["rows"] == expected[name]["rows"]
        assert found[name]["hashes"]["environment"] == expected[name]["hashes"]["environment"]


def test_a_run_may_be_given_a_time(command: Command, tmp_path: Path) -> None:
    done = command("run", write_suite(tmp_path, "dense"), "--timeout", "0.01")
    assert done.returncode == 1, done.stderr
    assert "failed: dense on permuted-digits, seed 0: it took longer than the timeout" in (
        done.stdout
    )
    again = command("run", "theirs.toml", "--timeout", "600")
    assert again.returncode == 0, again.stdout
    refused = command("run", "theirs.toml", "--timeout", "-3")
    assert refused.returncode == 2
    assert "a timeout of -3 seconds lets nothing run" in refused.stderr


def test_a_plugin_that_cannot_be_imported_is_named_before_any_training(
    command: Command, tmp_path: Path
) -> None:
    done = command("run", write_suite(tmp_path, "dense", "unfinished"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: the strategy 'unfinished' of their-unfinished cannot be imported from "
        "their_unfinished:Unfinished: ModuleNotFoundError: No module named "
        "'a_package_that_nobody_has' (their_unfinished.py, line 1, in <module>). Repair or "
        "uninstall that package.\n"
    )
    assert not (tmp_path / "results").exists()
