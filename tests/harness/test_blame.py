import sys
from pathlib import Path
from types import ModuleType

import pytest

from plasticity_bench.harness import blame
from plasticity_bench.harness.blame import (
    LONGEST_TEXT,
    LONGEST_TRACEBACK,
    defined,
    raised,
    text_of,
    traceback_of,
)


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no unit"), "ValueError: no unit"),
        (ValueError(), "ValueError"),
        (KeyError("fc1"), "KeyError: 'fc1'"),
        (SystemExit(0), "SystemExit: 0"),
        (Silent(), "Silent: its text cannot be made"),
        (ValueError("\ud83d half"), "ValueError: \\ud83d half"),
    ],
)
def test_any_exception_has_a_text_that_can_be_written(error: BaseException, text: str) -> None:
    assert text_of(error) == text
    text_of(error).encode("utf-8")


def test_texts_are_bounded() -> None:
    assert len(text_of(ValueError("x" * 10**6))) < LONGEST_TEXT + 10


def loaded(tmp_path: Path, name: str, code: str, package: bool = False) -> ModuleType:
    """Import code as a plug-in of its own would be."""
    file = tmp_path / name / "__init__.py" if package else tmp_path / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(code)
    sys.path.insert(0, str(tmp_path))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(tmp_path))


CODE = """
import json
from json.decoder import JSONDecodeError

class Idea:
    def edit(self):
        helper()

def helper():
    json.loads("{")
"""


def test_the_innermost_line_of_the_plugin_is_named(tmp_path: Path) -> None:
    idea = loaded(tmp_path, "an_idea_to_blame", CODE).Idea
    with pytest.raises(ValueError, match="Expecting") as caught:
        idea().edit()
    assert raised(caught.value, idea).endswith(" (an_idea_to_blame.py, line 10, in helper)")
    assert raised(caught.value).endswith(" (an_idea_to_blame.py, line 10, in helper)")
    assert defined(idea, "edit") == " (an_idea_to_blame.py, line 6)"
    assert defined(idea, "no_such_hook") == ""


def test_a_plugin_installed_beside_the_libraries_is_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = str(tmp_path)
    monkeypatch.setattr(blame, "_LIBRARIES", (beside, beside, blame._PYTHON))
    idea = loaded(tmp_path, "an_installed_idea_to_blame", CODE).Idea
    with pytest.raises(ValueError, match="Expecting") as caught:
        idea().edit()
    assert raised(caught.value).endswith(" (an_installed_idea_to_blame.py, line 10, in helper)")


def test_files_of_a_plugins_package_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "ideas_to_blame").mkdir()
    (tmp_path / "ideas_to_blame" / "help.py").write_text("def helper():\n    1 / 0\n")
    idea = loaded(
        tmp_path,
        "ideas_to_blame",
        "from .help import helper\n\nclass Idea:\n    def edit(self):\n        helper()\n",
        package=True,
    ).Idea
    with pytest.raises(ZeroDivisionError) as caught:
        idea().edit()
    assert raised(caught.value, idea).endswith(" (help.py, line 2, in helper)")


def test_what_nobody_else_raised_has_no_place() -> None:
    with pytest.raises(TypeError) as caught:
        defined()  # type: ignore[call-arg]
    assert raised(caught.value, Silent).endswith("in test_what_nobody_else_raised_has_no_place)")
    assert raised(ValueError("never raised")) == "ValueError: never raised"


def test_a_traceback_names_no_folder_and_is_bounded(tmp_path: Path) -> None:
    idea = loaded(tmp_path, "a_long_idea_to_blame", CODE).Idea
    with pytest.raises(ValueError, match="Expecting") as caught:
        idea().edit()
    text = traceback_of(caught.value)
    assert str(tmp_path) not in text
    assert str(Path(__file__).parent) not in text
    assert 'File "a_long_idea_to_blame.py", line 10, in helper' in text
    assert 'json.loads("{")' in text
    assert 'File "json/decoder.py"' in text
    assert len(traceback_of(ValueError("x" * 10**6))) <= LONGEST_TRACEBACK


def test_a_traceback_shows_causes_without_folders_too(tmp_path: Path) -> None:
    idea = loaded(tmp_path, "a_cause_to_blame", CODE).Idea

    def above() -> None:
        try:
            idea().edit()
        except ValueError as error:
            raise RuntimeError("above") from error

    with pytest.raises(RuntimeError, match="above") as caught:
        above()
    text = traceback_of(caught.value)
    assert "The above exception was the direct cause" in text
    assert str(tmp_path) not in text
