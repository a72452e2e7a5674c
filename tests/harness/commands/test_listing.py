"""What `list` shows: families as the folders, a line for each name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.commands.listing import Entry, entries
from plasticity_bench.harness.plugins.registry import GROUPS
from plasticity_bench.strategies import BUILT_IN

SUITE = """
name = "mine"
description = "A suite of my own."
streams = ["permuted-digits(tasks=2)"]
entrants = ["dense", "reset"]
seeds = "0:3"
"""


IDEA = """
from dataclasses import dataclass
from plasticity_bench import Strategy

@dataclass(frozen=True, kw_only=True)
class Idea(Strategy):
    {0}
    share: float = 0.5
    {0}
"""


def installed(site: Path, docstring: str, *names: str) -> Path:
    """Put a distribution on disk as pip would: strategies by these names, with one docstring."""
    metadata = site / "ideas-1.0.dist-info"
    metadata.mkdir(parents=True)
    module = f"ideas_of_{site.name}"
    (site / f"{module}.py").write_text(IDEA.format(repr(docstring)), encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ideas\nVersion: 1.0\n")
    points = "".join(f"{name} = {module}:Idea\n" for name in names)
    (metadata / "entry_points.txt").write_text(
        f"[{GROUPS['strategy']}]\n{points}", encoding="utf-8"
    )
    return site


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


def test_nothing_of_ours_is_cut_at_a_hundred_columns() -> None:
    assert not [line for line in listed() if "…" in line]


def test_every_metric_has_a_line_that_no_other_has() -> None:
    lines = [entry.description for entry in entries()["metrics"]]
    assert len(set(lines)) == len(lines)


def test_a_very_long_name_does_not_move_what_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "an-idea-" + 20 * "long-"
    monkeypatch.syspath_prepend(str(installed(tmp_path, "Does this.", "brief", "longer", long)))
    assert [line for line in listed("strategies", columns=140) if "Does this." in line] == [
        f"  {long}  Does this.",
        "  brief   Does this.",
        "  longer  Does this.",
    ]
    assert f"  {long}"[:79] + "…" in listed("strategies", columns=80)


UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def test_no_control_character_of_a_plug_in_reaches_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm = "\x1b[2Jcleared \x9b31m \u202eturned\x07"
    name = "odd"
    monkeypatch.syspath_prepend(str(installed(tmp_path, f"Is {harm}.\n\nMore {harm}.", name)))
    assert Entry(name, f"Is {harm}.", "Installed by ideas") in entries()["strategies"]
    for words in (["strategies"], ["strategies", name], [name]):
        lines = listed(*words)
        assert not [line for line in lines if UNSEEN.search(line)]
        assert [line for line in lines if "odd" in line]
        assert [line for line in lines if "\ufffd[2Jcleared \ufffd31m \ufffdturned\ufffd" in line]


def test_a_plug_ins_name_that_is_none_is_listed_as_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "odd\x1b[31m\u202ename"
    monkeypatch.syspath_prepend(str(installed(tmp_path, "Is odd.", name)))
    lines = listed("strategies")
    assert not [line for line in lines if UNSEEN.search(line)]
    (shown,) = [line for line in lines if "odd\\x1b[31m\\u202ename" in line]
    assert "Its name has the character U+001B" in shown


def test_lines_that_go_to_another_program_are_whole(tmp_path: Path) -> None:
    site = installed(tmp_path, 30 * "long " + "docstring.", "mine")
    command = [sys.executable, "-c", "from plasticity_bench.harness.cli import main; main()"]
    done = subprocess.run(
        [*command, "list", "strategies"],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"}
        | {"PYTHONPATH": str(site)},
    )
    assert max(map(len, done.stdout.splitlines())) > 150
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
