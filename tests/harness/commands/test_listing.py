"""What `list` shows: families as the folders, a line for each name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.commands.listing import entries
from plasticity_bench.strategies import BUILT_IN

SUITE = """
name = "mine"
description = "A suite of my own."
streams = ["permuted-digits(tasks=2)"]
entrants = ["dense", "reset"]
seeds = "0:3"
"""


def listed(*words: str, columns: int = 100) -> list[str]:
    done = CliRunner().invoke(app, ["list", *words], env={"COLUMNS": str(columns)})
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_every_name_has_one_line_of_its_own(columns: int) -> None:
    lines = listed(columns=columns)
    assert max(map(len, lines)) <= columns
    starts = [line.split()[0] for line in lines if line.startswith("  ")]
    assert starts == [entry.name for names in entries().values() for entry in names]


@pytest.mark.parametrize("kind", ["strategies", "streams"])
def test_nothing_of_ours_is_cut_at_a_hundred_columns(kind: str) -> None:
    assert not [line for line in listed(kind) if line.endswith("…")]


def test_lines_that_go_to_another_program_are_whole() -> None:
    command = [sys.executable, "-c", "from plasticity_bench.harness.cli import main; main()"]
    done = subprocess.run(
        [*command, "list", "metrics"],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
    )
    assert max(map(len, done.stdout.splitlines())) > 100
    assert "…" not in done.stdout


def test_strategies_are_shown_by_the_folders_that_they_are_in() -> None:
    family, shown = "", {}
    for line in listed("strategies"):
        if line.startswith("  "):
            shown[line.split()[0]] = family
        else:
            family = line.partition(":")[0]
    ours = {name: family for name, family in shown.items() if name in BUILT_IN}
    assert ours == {name: target.split(":")[0].split(".")[0] for name, target in BUILT_IN.items()}
    assert shown["avalanche:EWC"] == "Avalanche's own, beside the stack"


@pytest.mark.parametrize(
    ("kind", "families"),
    [
        ("streams", ["Input shift", "No shift", "Published protocols: Kumar et al. 2024"]),
        ("metrics", ["Performance", "Loss of plasticity", "Integration", "Health", "Cost"]),
        ("suites", ["  quick"]),
    ],
)
def test_one_kind_is_shown_by_its_families(kind: str, families: list[str]) -> None:
    lines = listed(kind)
    assert lines[0] == kind.upper()
    for family in families:
        assert [line for line in lines if line.startswith(family)], family
    assert not [line for line in lines[1:] if line.isupper()]


def test_a_suite_file_is_told_about_as_a_suite_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(SUITE)
    for words in (["suites", str(file)], [str(file)]):
        shown = " ".join(listed(*words))
        assert "A suite of my own." in shown
        assert "streams: permuted-digits(tasks=2)" in shown
        assert "entrants: dense, reset" in shown
    file.write_text(SUITE.replace('"reset"', '"rest"'))
    done = CliRunner().invoke(app, ["list", "suites", str(file)])
    assert done.exit_code == 2
    assert "no strategy 'rest'; did you mean 'reset'?" in done.output
    done = CliRunner().invoke(app, ["list", "suites", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert "cannot be read" in done.output


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout.startswith("plasticity-bench ")
    assert done.stdout.split()[1][0].isdigit()
