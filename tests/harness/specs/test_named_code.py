"""What a suite's file names is executed with --trust alone; what a paper's file names, never."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.commands.selection import Selection
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.named_code import is_place, named_code, named_place
from plasticity_bench.harness.specs.spec import StreamSpec
from plasticity_bench.harness.specs.suite import load_suite, parse_stream
from plasticity_bench.leaderboard.papers.paper_file import load_paper

SUITE = """
name = "mine"
description = "made up"
streams = [{streams}]
entrants = ["dense"]
seeds = "0:1"
"""
PAPER = """
paper = "Made up"
seeds = "0:1"

[tables.one]
title = "One"
origin = "Table 1"

[tables.one.rows.first]
stream = "permuted-digits"
entrants = [{ method = "Dense", entrant = "dense" }]

[tables.one.rows.first.scales]
half = { set = { stream = { tasks = 2 } } }
smoke = { set = { stream = { tasks = 2 } } }

[tables.one.rows.first.variants]
plain = { about = "as it is" }
"""
OURS = "avalanche:tests.streams.made_benchmarks:split"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is there as soon as what the files name is imported."""
    path = tmp_path / "mark"
    text = f"from pathlib import Path\nPath({str(path)!r}).touch()\n\n\ndef make(**_): ...\n"
    (tmp_path / "evil_suite.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return path


def suite(folder: Path, *streams: str) -> str:
    path = folder / "mine.toml"
    quoted = ", ".join(f"'''{one}'''" for one in streams)
    path.write_text(SUITE.format(streams=quoted), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "avalanche:evil_suite:make",
        "avalanche:evil_suite:make?classes=5(passes=2)",
        'avalanche:SplitMNIST(maker="evil_suite:make")',
        'permuted-digits(maker="evil_suite:make")',
        "avalanche:SplitMNIST?dataset_root='/tmp'",
        'avalanche:SplitMNIST(arguments="dataset_root=here")',
    ],
)
def test_a_suite_file_names_no_code_without_trust(tmp_path: Path, mark: Path, text: str) -> None:
    name = suite(tmp_path, "permuted-digits", text)
    with pytest.raises(BenchError, match=r"nothing that a file names is executed.*--trust"):
        load_suite(name)
    assert load_suite(name, trust=True).streams[1] == parse_stream(text)
    assert not mark.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["run", "{}"],
        ["run", "{}", "--controls"],
        ["list", "{}"],
        ["list", "suites", "{}"],
        ["leaderboard", "{}"],
        ["leaderboard", "build", "{}"],
        ["leaderboard", "serve", "{}", "--port", "0"],
        ["compare", "dense", "reset", "--suite", "{}"],
        ["report", "{}"],
        ["submit", "{}", "--entrant", "dense", "--out", "x.zip"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_every_command_that_takes_a_file_asks_for_trust(
    tmp_path: Path, mark: Path, words: list[str]
) -> None:
    name = suite(tmp_path, "avalanche:evil_suite:make")
    done = CliRunner().invoke(app, [word.format(name) for word in words])
    assert done.exit_code == 2
    assert "add --trust" in " ".join(done.output.split())
    assert not mark.exists()
    command = words[:2] if words[1] in ("build", "serve") else words[:1]
    command = ["leaderboard", "show"] if command == ["leaderboard"] else command
    assert "--trust" in CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output


def test_with_trust_the_streams_of_a_file_are_made(tmp_path: Path) -> None:
    name = suite(tmp_path, OURS)
    assert CliRunner().invoke(app, ["list", "suites", name]).exit_code == 2
    done = CliRunner().invoke(app, ["list", "suites", name, "--trust"])
    assert done.exit_code == 0, done.output
    selection = Selection(name, trust=True)
    assert [run.stream.name for run in selection.runs()] == [OURS]
    assert selection.words() == f"{name} --trust", "so that the next command that is told works"


def test_the_command_line_names_code_without_more_words(tmp_path: Path) -> None:
    name = suite(tmp_path, "permuted-digits")
    assert [run.stream.name for run in Selection(name, [OURS]).runs()] == [OURS]


@pytest.mark.parametrize("where", ["row", "set", "scale", "variant", "variant's set", "methods"])
def test_a_paper_file_names_no_code_at_all(tmp_path: Path, mark: Path, where: str) -> None:
    evil = "avalanche:evil_suite:make"
    setting = '{ stream = { maker = "evil_suite:make" } }'
    text = {
        "row": PAPER.replace('"permuted-digits"', f'"{evil}"'),
        "set": PAPER.replace(
            "[tables.one.rows.first.scales]", f"set = {setting}\n[tables.one.rows.first.scales]"
        ),
        "scale": PAPER.replace("smoke = {", f'smoke = {{ stream = "{evil}",'),
        "variant": PAPER.replace("plain = {", f'plain = {{ stream = "{evil}",'),
        "variant's set": PAPER.replace("plain = {", f"plain = {{ set = {setting},"),
        "methods": PAPER.replace("plain = {", f"plain = {{ methods = {{ Dense = {setting} }},"),
    }[where]
    path = tmp_path / "paper.toml"
    path.write_text(PAPER, encoding="utf-8")
    assert load_paper(str(path)).tables
    path.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["reproduce", str(path), "--scale", "smoke"])
    assert done.exit_code == 2
    assert "nothing that a file names is executed" in " ".join(done.output.split())
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("permuted-digits", {}, None),
        ("kumar2024/permuted-mnist@1", {}, None),
        ("avalanche:SplitMNIST?n_experiences=5", {"maker": "SplitMNIST"}, None),
        ("avalanche:a.b:c?x='d:e'", {}, "a.b:c"),
        ("avalanche:SplitMNIST", {"maker": "a:b"}, "a:b"),
        ("avalanche:SplitMNIST", {"maker": ["a:b"]}, None),
        ("avalanche:\x1b:c", {}, "\ufffd:c"),
    ],
)
def test_code_is_told_from_names(name: str, settings: dict[str, Any], code: str | None) -> None:
    assert named_code(StreamSpec(name, settings)) == code


def test_usual_arguments_are_no_places() -> None:
    text = "avalanche:SplitCIFAR100?n_experiences=10&return_task_id=true&fixed_class_order=[1,2]"
    assert named_place(StreamSpec(text)) is None
    assert named_place(StreamSpec("avalanche:CORe50?scenario=nicv2_79&mini=true")) is None
    assert named_place(StreamSpec("permuted-digits", {"arguments": "root=/x"})) is None
    usual = ["permuted(share=0.5)", "class-incremental(classes_per_task=[2])", 3, None, [True]]
    assert not any(map(is_place, usual))
