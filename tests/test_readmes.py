"""What the READMEs say holds: commands run, blocks run, tables are whole, links lead somewhere."""

import re
import runpy
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from typer.core import TyperCommand
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.commands import selection
from plasticity_bench.harness.commands.selection import Selection
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins import registry, resolve
from plasticity_bench.harness.plugins.registry import OURS, LoadedStream, load_stream
from plasticity_bench.harness.specs.suite import Suite, load_suite
from plasticity_bench.leaderboard.papers.runs import choose
from plasticity_bench.strategies import BUILT_IN
from plasticity_bench.streams.data.sources import reader_of
from tests import readme_files as readmes
from tests.helpers import undrawn
from tests.readme_files import CONTRIBUTING, FILES, OF_FOLDERS, README, ROOT, Command

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import tensors_benchmark

SHORT: Mapping[str, Any] = {"tasks": 2, "passes": 1, "samples_per_task": 80}
"""What streams are cut down to where a command does not say otherwise, so that it takes seconds."""
FIRST = 2
"""How many streams and seeds of a suite are run."""
PLAIN_SHORT = ("--passes", "1", "--seeds", "0:1")
PLUGIN = ("my_package", "my_module")
LONGEST = 150
ANY_COMMAND: Any = next(cls for cls in TyperCommand.__mro__ if "invoke" in vars(cls))
"""The class that all commands have their `invoke` from: click's, or typer's own copy of it."""
STORED = "\n".join(
    file.read_text(encoding="utf-8") for file in sorted((ROOT / ".readme").rglob("*.md"))
)

by_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


# -- commands --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Types what READMEs say, in a folder of its own, on short streams."""

    place: Path
    patch: pytest.MonkeyPatch

    def follow(self, text: str) -> None:
        """Do all that a README's blocks of shell say."""
        for command in readmes.commands(text):
            self.type(command)

    def type(self, command: Command) -> None:
        """Run a command, or check what can be known of it where a mark says why it is not run."""
        match command.words:
            case (".", ".venv/bin/activate"):
                return
            case ("make", target):
                for line in made_by(target):
                    check_arguments(shlex.split(line), self.patch)
            case ("python", "-m", module, *rest):
                self.run_module(module, rest)
            case ("plasticity-bench", *words) if command.mark:
                check_arguments(words, self.patch)
            case ("plasticity-bench", *words):
                self.run(words)
            case _:
                raise AssertionError(f"nobody knows whether this works: {command}")

    def run(self, words: list[str]) -> None:
        """Run a command of plasticity-bench, in this process alone."""
        alone = ["--workers", "1"] if "workers" in parsed(words, self.patch) else []
        done = CliRunner().invoke(app, [*words, *alone], env={"COLUMNS": "120"})
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}{done.exception!r}"

    def run_module(self, module: str, words: list[str]) -> None:
        """Run a script of the tests, shortened."""
        with self.patch.context() as patch:
            patch.setattr(sys, "argv", [module, *words, *PLAIN_SHORT])
            patch.delitem(sys.modules, module, raising=False)  # other tests import it
            try:
                runpy.run_module(module, run_name="__main__")
            except (ImportError, SystemExit) as error:
                raise AssertionError(f"python -m {module} {shlex.join(words)}: {error}") from error


def parsed(words: list[str], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return every option and argument of a command as it is understood, and do nothing."""
    contexts: list[Any] = []
    with patch.context() as nothing:
        nothing.setattr(ANY_COMMAND, "invoke", lambda _, context: contexts.append(context))
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}"
    return dict(contexts[-1].params) if contexts else {}


def check_arguments(words: list[str], patch: pytest.MonkeyPatch) -> None:
    """Check options, and whether there are all streams, entrants, tables and sources named."""
    given = parsed(words, patch)
    try:
        if "suite" in given and "stream" in given:
            chosen = (given[key] for key in ("suite", "stream", "entrant", "seeds", "set_"))
            Selection(*chosen).runs()
        if given.get("target", "list") != "list":
            rows = given["rows"].split(",") if given["rows"] else []
            choose(given["target"], rows, given["variant"])
        for name in given.get("names", ()):
            reader_of(name, Path("data"), None)
    except BenchError as error:
        raise AssertionError(f"{shlex.join(words)}: {error}") from error


def made_by(target: str) -> list[str]:
    """Return the arguments of the product's commands that a target of the Makefile runs."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(rf"^{target}:(?! export).*\n((?:\t.*\n)*)", text, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return re.findall(r"\$\(BIN\)/plasticity-bench (.+)", found[0])


def first_part(name: str) -> Suite:
    """Load a suite with its first streams and seeds alone."""
    suite = load_suite(name)
    kept = suite.streams[:FIRST]
    anchors = {stream: suite.anchors[stream] for stream in kept}
    return replace(suite, streams=kept, seeds=suite.seeds[:FIRST], anchors=anchors)


def shortened(name: str) -> LoadedStream:
    """Load a stream with fewer tasks and samples than it has, where it is one of small digits."""
    loaded = load_stream(name)
    if loaded.settings.get("source", loaded.cls.source) != "digits":
        return loaded
    known = {part.name for part in fields(loaded.cls)}
    short = {key: value for key, value in SHORT.items() if key in known}
    return replace(loaded, settings={**loaded.settings, **short})


def write_plugin(place: Path) -> None:
    """Write the README's strategy as an installed package."""
    package, module = PLUGIN
    text = README.read_text(encoding="utf-8")
    (place / package).mkdir()
    (place / package / f"{module}.py").write_text(readmes.block(README, "python", "(Strategy)"))
    (group,) = readmes.blocks(text, "toml")
    found = re.fullmatch(r'\[project\.entry-points\."(.+)"\]\n(.+) = "(.+)"\n', group)
    assert found, group
    information = place / f"{package}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*found.groups()))


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Who has installed the README's strategy and has written its modules, and nothing else."""
    write_plugin(tmp_path)
    for file in FILES:
        for code in readmes.blocks(file.read_text(encoding="utf-8"), "python"):
            if found := re.match(r"# (\w+\.py)\n", code):
                (tmp_path / found[1]).write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("PLASTICITY_BENCH_RESULTS", "PLASTICITY_BENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PLASTICITY_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(resolve, "load_stream", shortened)
    monkeypatch.setattr(selection, "load_suite", first_part)
    monkeypatch.setattr(Figure, "savefig", undrawn)
    return Reader(tmp_path, monkeypatch)


@by_file
def test_every_command_runs_or_says_why_not(file: Path, reader: Reader) -> None:
    first, *_ = made_by("quickstart")
    reader.run(shlex.split(first))
    reader.follow(file.read_text(encoding="utf-8"))


@by_file
def test_commands_in_sentences_are_understood(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in readmes.inline_commands(file.read_text(encoding="utf-8")):
        check_arguments(list(command.words[1:]), monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "plasticity-bench rnu quick",
        "plasticity-bench run --sedes 0:5  # (hours)",
        "plasticity-bench run --entrant grwo  # (hours)",
        "plasticity-bench run --stream permuted-mnst  # (needs data)",
        "plasticity-bench run --stream 'permuted-mnist(taks=5)'  # (needs data)",
        "plasticity-bench reproduce lillo2026/table33  # (hours)",
        "plasticity-bench data fetch mnst  # (downloads)",
        "plasticity-bench leaderboard quick  # of which nothing was run",
        "plasticity-bench leaderboard quick  # takes hours",
        "python -m tests.strategies.plain_avalanche",
        "make quikstart",
        "pip install plasticity-bench",
    ],
)
def test_a_wrong_command_is_found(line: str, reader: Reader) -> None:
    with pytest.raises(AssertionError):
        reader.follow(f"```sh\n{line}\n```\n")


def test_comments_continued_lines_and_assignments_are_read() -> None:
    text = """
* So:

  ```sh
  A=1 plasticity-bench run --stream 'a(b=["c"])' \\
      --seeds 0:5   # a paper's table (hours)
  make test  # hours
  ```
"""
    assert readmes.commands(text) == [
        Command(
            ("plasticity-bench", "run", "--stream", 'a(b=["c"])', "--seeds", "0:5"),
            "hours",
            {"A": "1"},
        ),
        Command(("make", "test")),
    ]


# -- blocks of Python ------------------------------------------------------------------------------


@by_file
@pytest.mark.filterwarnings("ignore")
def test_every_block_of_python_runs(file: Path) -> None:
    x, y = torch.rand(20, 1, 28, 28), torch.arange(20) % 10
    tasks = [(x[:10], y[:10]), (x[10:], y[10:])]
    benchmark = tensors_benchmark(tasks, tasks, task_labels=[0, 0])
    for code in readmes.blocks(file.read_text(encoding="utf-8"), "python"):
        exec(code, {"__name__": __name__, "benchmark": benchmark})


# -- tables ----------------------------------------------------------------------------------------


def test_every_strategy_is_in_the_table_by_its_family() -> None:
    rows = readmes.rows(OF_FOLDERS["strategies"].read_text(encoding="utf-8"))
    listed = [
        (name, family)
        for cells in rows
        if len(cells) == 4
        for name in readmes.names(cells[1])
        for family in re.findall(r"\[(\w+)\]", cells[0])
    ]
    families = {name: re.split(r"[.:]", target)[0] for name, target in BUILT_IN.items()}
    assert Counter(listed) == Counter(families.items())


def test_every_strategy_of_avalanche_is_in_its_table() -> None:
    rows = readmes.rows(OF_FOLDERS["strategies"].read_text(encoding="utf-8"))
    listed = [name for cells in rows if len(cells) == 3 for name in readmes.names(cells[0])]
    ours = [one.name for one in registry.providers("learner") if one.distribution == OURS]
    assert Counter(listed) == Counter(ours)


def test_every_stream_is_in_the_table_by_its_family() -> None:
    rows = readmes.rows(OF_FOLDERS["streams"].read_text(encoding="utf-8"))
    listed = [
        (name, family)
        for cells in rows
        for family in readmes.names(cells[0])
        for name in readmes.names("".join(cells[2:]))
    ]
    ours = [one for one in registry.providers("stream") if one.distribution == OURS]
    families = {one.name.partition("@")[0]: one.target.rpartition(":")[2] for one in ours}
    assert Counter(listed) == Counter(families.items())


# -- numbers, links, sentences ---------------------------------------------------------------------


@by_file
def test_every_measured_number_stands_in_a_stored_table(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for number, spread in re.findall(r"(-?[\d.]+) ± ([\d.]+)", text):
        assert f"{number} ±{spread}" in STORED, f"no table in .readme has {number} ± {spread}"
    for line in "".join(readmes.blocks(text, "text")).splitlines():
        assert line in STORED


@by_file
def test_every_link_leads_to_something_that_is_there(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for link in readmes.links(text):
        path, _, anchor = link.partition("#")
        if not link.startswith("https://"):
            there = (file.parent / path).resolve() if path else file
            assert there.exists(), link
            assert there.is_relative_to(ROOT), link
            assert not anchor or anchor in readmes.anchors(there.read_text(encoding="utf-8")), link


def test_no_sentence_stands_twice() -> None:
    found = Counter(
        sentence
        for file in FILES
        for sentence in readmes.sentences(file.read_text(encoding="utf-8"))
        if len(sentence.split()) >= 8
    )
    assert [sentence for sentence, times in found.items() if times > 1] == []


def test_a_sentence_that_stands_twice_is_found() -> None:
    twice = "| a | One two three four,\nfive six `seven` eight! |\n* one two three four five six"
    first, second = (s for s in readmes.sentences(f"{twice} seven eight") if len(s.split()) == 8)
    assert first == second


def test_the_readme_has_at_most_three_screens_and_the_two_commands_in_the_first() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST
    first = "\n".join(lines[:25])
    assert "make quickstart " in first
    assert "make test " in first
    assert CONTRIBUTING in FILES
