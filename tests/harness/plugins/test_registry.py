import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plasticity_bench.harness.commands.about import about_name
from plasticity_bench.harness.engine.strategy import Strategy
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.docstrings import first_line
from plasticity_bench.harness.plugins.registry import (
    GROUPS,
    OURS,
    PLURALS,
    Kind,
    find,
    load,
    load_strategy,
    load_stream,
    names,
    providers,
)

Install = Callable[..., Path]

IDEA = """
from dataclasses import dataclass
from plasticity_bench.harness.engine.strategy import Strategy

@dataclass(frozen=True, kw_only=True)
class Mine(Strategy):
    '''Does nothing of its own.'''
    name = "mine"
"""
STREAM = """
from dataclasses import dataclass
from plasticity_bench.streams.families.permuted import Permuted

@dataclass(frozen=True, kw_only=True)
class Own(Permuted):
    '''A stream of its own.'''
    default_network = {"hidden": [7]}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution on the path as pip would: a module, its metadata, its entry points."""

    def put(distribution: str, module: str, code: str, kind: Kind, name: str, target: str) -> Path:
        site = tmp_path / distribution
        metadata = site / f"{distribution}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{module}.py").write_text(code)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\nSummary: An idea.\n"
        )
        (metadata / "entry_points.txt").write_text(
            f"[{GROUPS[kind]}]\n{name} = {module}:{target}\n"
        )
        monkeypatch.syspath_prepend(str(site))
        return site

    return put


def test_built_in_names_are_there_without_importing_torch() -> None:
    code = (
        "import sys; from plasticity_bench.harness.plugins.registry import names; "
        "print(names('strategy'), names('stream'), names('metric')); "
        "print(sorted({'torch', 'avalanche', 'matplotlib', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, heavy = done.stdout.splitlines()
    for name in ("'grow'", "'permuted-digits'", "'taoa'"):
        assert name in listed
    assert heavy == "[]"


def test_every_built_in_strategy_and_stream_loads_and_describes_itself() -> None:
    for provider in [*providers("strategy"), *providers("stream"), *providers("metric")]:
        if provider.distribution == OURS:
            assert len(provider.description) > 10, provider
    assert {load_strategy(name).name for name in names("strategy")} == set(names("strategy"))
    assert load_stream("permuted-digits").settings["source"] == "digits"
    assert load_stream("permuted-digits").optimizer["name"] == "adam"


@pytest.mark.parametrize("code", ["this is not Python", "import nothing_anywhere", "x = '\0'", ""])
def test_a_plug_in_whose_docstring_cannot_be_read_has_its_packages_summary(
    code: str, install: Install
) -> None:
    install("odd", f"odd_{abs(hash(code))}", code, "strategy", "odd", "Odd")
    assert find("strategy", "odd").description == "An idea."


def test_nothing_of_a_plug_in_runs_to_read_its_docstring(install: Install) -> None:
    site = install("deep", "unused", "", "strategy", "deep", "Unused")
    points = site / "deep-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[{GROUPS['strategy']}]\ndeep = deep_package.ideas:Mine\n")
    (site / "deep_package").mkdir()
    (site / "deep_package" / "__init__.py").write_text("raise SystemExit('it ran')")
    (site / "deep_package" / "ideas.py").write_text(IDEA)
    assert find("strategy", "deep").description == "Does nothing of its own."


def test_an_installed_strategy_is_found_by_its_name(install: Install) -> None:
    install("ideas", "ideas_one", IDEA, "strategy", "mine", "Mine")
    provider = find("strategy", "mine")
    assert (provider.distribution, provider.description) == ("ideas", "Does nothing of its own.")
    assert "ideas_one" not in sys.modules
    cls = load_strategy("mine")
    assert issubclass(cls, Strategy)
    assert cls.__module__ == "ideas_one"


def test_an_installed_stream_may_say_its_usual_network(install: Install) -> None:
    install("flows", "flows_one", STREAM, "stream", "own", "Own")
    loaded = load_stream("own")
    assert loaded.cls.__name__ == "Own"
    assert (loaded.settings, loaded.network, loaded.optimizer) == ({}, {"hidden": [7]}, {})


def test_an_installed_metric_is_loaded_as_it_is(install: Install) -> None:
    install("measures", "measures_one", "METRIC = 'a metric'", "metric", "own", "METRIC")
    assert load("metric", "own") == "a metric"
    assert load("metric", "taoa").name == "taoa"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(BenchError) as caught:
        load("strategy", "shrnk-perturb")
    assert str(caught.value).startswith(
        "no strategy 'shrnk-perturb'; did you mean 'shrink-perturb'? There is: "
    )
    assert ", dense, " in str(caught.value)
    assert ", grow, " in str(caught.value)
    assert str(caught.value).endswith("List all: plasticity-bench list strategies")


def test_a_name_claimed_twice_names_both_packages(install: Install) -> None:
    install("one", "twice_one", IDEA, "strategy", "mine", "Mine")
    install("two", "twice_two", IDEA, "strategy", "mine", "Mine")
    with pytest.raises(BenchError) as caught:
        load_strategy("mine")
    assert str(caught.value) == (
        "the strategy 'mine' is claimed twice: by one (twice_one:Mine) and two (twice_two:Mine). "
        "Uninstall one of them, or rename its entry point."
    )
    assert names("strategy").count("mine") == 1


def test_a_built_in_name_cannot_be_taken_over(install: Install) -> None:
    install("thief", "thief_one", IDEA, "strategy", "grow", "Mine")
    with pytest.raises(BenchError, match=r"claimed twice: by plasticity-bench .* and thief"):
        load_strategy("grow")


@pytest.mark.parametrize(
    ("code", "target", "cause"),
    [
        (
            "import no_such_module",
            "Mine",
            "ModuleNotFoundError: No module named 'no_such_module' (broken_one.py, line 1, "
            "in <module>)",
        ),
        (
            "1 / 0",
            "Mine",
            "ZeroDivisionError: division by zero (broken_one.py, line 1, in <module>)",
        ),
        (IDEA, "Yours", "AttributeError: module 'broken_one' has no attribute 'Yours'"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named_with_its_cause(
    install: Install, monkeypatch: pytest.MonkeyPatch, code: str, target: str, cause: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_one", raising=False)
    install("broken", "broken_one", code, "strategy", "mine", target)
    with pytest.raises(BenchError) as caught:
        load_strategy("mine")
    assert str(caught.value) == (
        f"the strategy 'mine' of broken cannot be imported from broken_one:{target}: {cause}. "
        "Repair or uninstall that package."
    )
    assert caught.value.__cause__ is not None
    assert load_strategy("grow").name == "grow"  # the others are as they were


def test_what_a_plug_in_prints_or_its_exit_harms_nobody(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("talk", "talkative_one", f"print('hello')\n{IDEA}", "strategy", "mine", "Mine")
    assert load_strategy("mine").__name__ == "Mine"
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")
    install("exits", "exiting_one", "import sys\nsys.exit(3)\n", "strategy", "yours", "Yours")
    with pytest.raises(BenchError, match="SystemExit: 3"):
        load_strategy("yours")


@pytest.mark.parametrize("name", ["", "@", "a@", "permuted-mnist@", "permuted-mnist@x", "@2023"])
def test_no_name_is_too_odd_to_be_refused(name: str) -> None:
    for kind in PLURALS:
        with pytest.raises(BenchError, match=rf"^no {kind} '"):
            find(kind, name)


def test_what_is_not_a_strategy_is_refused(install: Install) -> None:
    install("wrong", "wrong_one", "class Mine: pass", "strategy", "mine", "Mine")
    with pytest.raises(
        BenchError, match=r"the strategy 'mine' of wrong is not one: wrong_one:Mine"
    ):
        load_strategy("mine")


def test_the_first_line_is_read_without_running_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "explosive.py").write_text("1 / 0\nclass A:\n    '''First.\n\n    Second.'''\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert first_line("explosive:A") == "First."
    assert first_line("explosive:B") == ""


@pytest.mark.parametrize("name", ["d\u0435nse", "de\u200bnse", "d" * 201, "<b>x"])
def test_an_installed_name_that_is_none_is_shown_as_it_is_spelled_and_cannot_be_asked_for(
    name: str, install: Install
) -> None:
    install("odd", "odd_name", IDEA, "strategy", name, "Mine")
    (shown,) = [one for one in providers("strategy") if one.distribution == "odd"]
    assert shown.name.isascii()
    assert shown.name != "dense"
    assert len(shown.name) <= 210
    assert shown.description.startswith("Its name has ")
    if not name.isascii():
        with pytest.raises(BenchError, match="no strategy"):
            find("strategy", name)


def test_a_class_whose_fields_are_no_settings_is_told_so(install: Install) -> None:
    bare = IDEA + "\n\nclass Bare(Mine):\n    share: float = 0.5\n"
    install("bare", "bare_idea", bare, "strategy", "bare", "Bare")
    with pytest.raises(BenchError, match="strategy bare: class Bare is not a dataclass"):
        load_strategy("bare")
    with pytest.raises(BenchError, match="class Bare is not a dataclass"):
        about_name("strategies", "bare")


def test_a_class_that_cannot_be_looked_at_is_named_with_its_line(install: Install) -> None:
    odd = IDEA + "\n\nclass Odd(Mine):\n    needs = 3\n"
    install("odd", "odd_needs", odd, "strategy", "odd", "Odd")
    with pytest.raises(BenchError, match="'odd' cannot be described: TypeError"):
        about_name("strategies", "odd")
