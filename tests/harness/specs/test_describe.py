from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest

from plasticity_bench.harness.specs.describe import Setting, field_docs, settings_of, type_text


@dataclass(frozen=True, kw_only=True)
class Base:
    told: ClassVar[str] = "x"
    """Not a setting."""
    share: float = 0.5
    """Share of units,
    in [0, 1]."""
    rule: Literal["a", "none"] = "a"


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    """A class docstring is not a field's."""

    share: float = 0.25
    """A share again."""
    at: tuple[Annotated[int, "positive"], ...] = (1, 2)
    made: list[str] = field(default_factory=list)
    required: bool


def test_settings_have_type_default_and_meaning() -> None:
    assert settings_of(Derived) == [
        Setting("share", "float", "0.25", "A share again."),
        Setting("rule", "a | none", "a", ""),
        Setting("at", "list of int", "[1,2]", ""),
        Setting("made", "list of text", "[]", ""),
        Setting("required", "true | false", "", ""),
    ]


def test_values_that_come_with_a_name_replace_the_defaults() -> None:
    assert settings_of(Base, {"share": 1})[0].default == "1"


def test_docs_are_inherited_and_on_one_line() -> None:
    assert field_docs(Base)["share"] == "Share of units, in [0, 1]."
    assert field_docs(Derived) == {"told": "Not a setting.", "share": "A share again."}


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (str | None, "text | null"),
        (tuple[float, ...], "list of float"),
        (Literal[1, 2], "1 | 2"),
        (list[str] | int, "list of text | int"),
    ],
)
def test_types_are_in_words(hint: Any, text: str) -> None:
    assert type_text(hint) == text
