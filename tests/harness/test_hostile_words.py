"""Words on the command line that are too long, too deep or not what they seem: one clear line."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app, main
from plasticity_bench.harness.errors import LONGEST_ERROR, BenchError
from plasticity_bench.harness.execution.execute import thread_count
from plasticity_bench.harness.seeds import LARGEST_SEED
from plasticity_bench.harness.specs.grammar import DEEPEST, parse_call, parse_calls, parse_value
from plasticity_bench.harness.specs.suite import (
    parse_entrant,
    parse_seeds,
    parse_stream,
    read_suite,
)
from plasticity_bench.harness.specs.toml_text import parsed_toml
from plasticity_bench.leaderboard.papers.paper_file import read_paper

DIGITS = "9" * 5000
WORDS = ("--stream", "permuted-digits(tasks=1,passes=1)", "--entrant", "dense", "--seeds", "0:1")


def told(*words: str) -> str:
    """Return what the command says of wrong words: short, on stderr, without a traceback."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert len(done.output) < 3_000
    assert not any(ord(sign) < 32 and sign != "\n" for sign in done.output)
    assert "\u202e" not in done.output
    return done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("run", "--set", "x=" + "[" * 3000), "cannot read the setting"),
        (("run", "--set", f"network.hidden={'[' * 3000}{']' * 3000}"), "at most 20 lists within"),
        (("run", "--set", f"optimizer.lr={DIGITS}"), "a number of at most 400 characters"),
        (("run", "--set", f"optimizer.lr=-0.{DIGITS}"), "a number of at most 400 characters"),
        (("run", "--set", f"optimizer.name={'x' * 30_000}"), "has 30,000 characters, and 20,000"),
        (("run", "--seeds", f"0:{DIGITS}"), "has too many digits"),
        (("run", "--seeds", DIGITS), "has too many digits"),
        (("run", "--seeds", "4294967296"), "whole numbers from 0 to 4294967295"),
        (("run", "--seeds", "0,4294967297"), "whole numbers from 0 to 4294967295"),
        (("run", "--seeds", "18446744073709551616"), "whole numbers from 0 to 4294967295"),
        (("run", "--seeds", "1," * 3000), "is not a seed or a range"),
        (("run", "--stream", f"permuted-digits(tasks={DIGITS})"), "of at most 400 characters"),
        (("run", "--stream", "permuted-digits(tasks=99999999999999)"), "from 1 to 1,000,000"),
        (("run", "--stream", "permuted-digits(batch_size=99999999999999)"), "from 1 to 1,000,000"),
        (("run", "--stream", "iid-digits(passes=99999999999999)"), "from 1 to 1,000,000"),
        (("run", "x" * 5000), "no suite 'xxx"),
        (("run", "\x1b[31mred"), "no suite '\ufffd[31mred'"),
        (("run", "\u202eevil\u2066"), "no suite '\ufffdevil\ufffd'"),
        (("run", "--entrant", "grow+" * 3000), "a name"),
        (("run", "--entrant", "x" * 5000), "no strategy 'xxx"),
        (("list", "x" * 5000), "nothing is called 'xxx"),
        (("list", "\x1b[2J\x07"), "nothing is called '\ufffd[2J\ufffd'"),
        (("run", "--set", "network.hidden=[10,1000000000]"), "hidden[1]=1000000000 is not"),
        (("run", "--set", f"network.hidden=[{'1,' * 3000}1]"), "at most 1000 items"),
        (("run", "--set", "network.kernel=[3,0]"), "kernel[1]=0 is not allowed"),
        (("run", "--\x1b[31m\u202ex" + "x" * 5000), "No such option"),
        (("\x1b[2J\u202e",), "No such command"),
        (("list", "streams", "iid-digits", "\u202e"), "unexpected extra argument"),
        (("publish", "--project", ""), "what --project names, '', has 0 characters"),
        (("publish", "--project", "a/b"), "what --project names, 'a/b', has /"),
        (("publish", "--entity", "l\u0430b"), "has the character U+0430"),
        (("reproduce", "lillo2026/" + "x" * 5000), "no table of lillo2026 'xxx"),
    ],
)
def test_odd_words_end_in_one_clear_line(words: Sequence[str], text: str) -> None:
    assert text in told(*words)


@pytest.mark.parametrize("value", ["99999999999", "9" * 5000, "4097"])
def test_a_number_of_threads_that_no_machine_has_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(BenchError, match="OMP_NUM_THREADS is "):
        thread_count()


@pytest.mark.parametrize("value", ["", "0", "000", "x", "-3", "1e3", "\u00b3"])
def test_what_is_no_number_of_threads_is_one(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert thread_count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a=" * 3000 + "1" + "}" * 3000,
        f"a = {DIGITS}",
        f"a = {'x' * 3_000_000}",
        "a = \x00",
    ],
)
def test_odd_toml_is_refused_with_one_kind_of_error(text: str) -> None:
    for read in (
        lambda: parsed_toml(text, "it", "Correct it."),
        lambda: read_suite(text, "it"),
        lambda: read_paper(text, "it"),
    ):
        with pytest.raises(BenchError):
            read()


def test_as_many_lists_within_each_other_as_are_allowed_are_read() -> None:
    assert parse_value("[" * DEEPEST + "]" * DEEPEST, "value") != []
    assert parse_value("[[1],[2],[3]]" * 1, "value") == [[1], [2], [3]]
    siblings = ",".join(["[]"] * 100)
    assert len(parse_value(f"[{siblings}]", "value")) == 100  # type: ignore[arg-type]
    assert parse_seeds(f"0,{LARGEST_SEED}") == (0, LARGEST_SEED)


def test_an_error_shows_where_a_long_text_stopped() -> None:
    text = "grow(compactness=0.2)+" * 20 + "?"
    with pytest.raises(BenchError) as caught:
        parse_calls(text, "entrant")
    lines = str(caught.value).split("\n")
    assert lines[1].startswith("  ...")
    assert lines[1][lines[2].index("^")] == "?"


def test_an_error_of_endless_words_keeps_its_beginning_and_its_end() -> None:
    text = str(BenchError(f"no such thing: {'x' * 100_000}. Correct the file."))
    assert len(text) == LONGEST_ERROR + len("...")
    assert text.startswith("no such thing: xxx")
    assert text.endswith("xxx. Correct the file.")
    assert str(BenchError("y" * LONGEST_ERROR)) == "y" * LONGEST_ERROR


def refusal(read: Callable[[], object]) -> str:
    """Return what is said of a text that is refused; nothing where it is read."""
    try:
        read()
    except BenchError as error:
        return str(error)
    return ""


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_seeds, parse_entrant, parse_stream, lambda t: parse_value(t, "value")):
        assert len(refusal(partial(read, text))) < 3_000


WORDS_OF_IT = ("grow", "tasks", "1", "-", ".", "e9", "true", " ", "a.b")
MARKS = st.sampled_from([*"()[],+=?'\"\\", *WORDS_OF_IT])


@given(st.lists(MARKS, max_size=40).map("".join))
@settings(max_examples=500, deadline=None)
def test_any_text_of_the_languages_marks_is_read_or_refused(text: str) -> None:
    for read in (parse_call, parse_calls, parse_value):
        told = refusal(partial(read, text, "word"))
        assert not told or told.startswith("cannot read the word '")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_an_output_that_lacks_signs_has_them_spelled(encoding: str) -> None:
    code = (
        "import sys; from plasticity_bench.harness.cli import main; "
        "import plasticity_bench.harness.cli as cli; "
        "cli.app = lambda **_: print('0.5 \\u00b1 0.1 \\u2264 \\u2026 \\udcff \\u0435'); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": encoding},
    )
    shown = done.stdout.decode(encoding)
    assert "\\udcff" in shown
    if encoding == "ascii":
        assert shown.strip() == "0.5 +- 0.1 <= ... \\udcff \\u0435"


def test_a_place_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "quick", "--results", str(tmp_path), "--out", "/proc/nowhere/x"]
    monkeypatch.setattr(sys, "argv", ["plasticity-bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "Traceback" not in said


def test_a_folder_whose_name_steers_a_terminal_is_shown(tmp_path: Path) -> None:
    for words in (("data", "status"), ("data", "where"), ("data", "fetch", "digits")):
        done = CliRunner().invoke(app, [*words, "--data", str(tmp_path / "x\x1b[31m\u202e")])
        assert "\x1b" not in done.output
        assert "\u202e" not in done.output
        assert "Traceback" not in done.output
