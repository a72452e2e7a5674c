import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.grammar import (
    Call,
    format_calls,
    format_value,
    parse_call,
    parse_calls,
    parse_value,
)

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text()
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS, lambda item: st.lists(item, max_size=3)
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.@/:-]*(\?[a-z0-9=&\[\],._-]*)?", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
CALLS = st.builds(Call, NAMES, st.dictionaries(KEYS, VALUES, max_size=3))


def test_a_number_beyond_all_floats_is_written_as_it_is() -> None:
    assert format_value(10**399) == f"1{'0' * 399}"
    assert parse_value(format_value(10**399), "value") == 10**399


def test_an_entrant_is_read_into_its_strategies_and_settings() -> None:
    assert parse_calls("grow(compactness=0.2)+shrink-perturb(keep=0.8)", "entrant") == (
        Call("grow", {"compactness": 0.2}),
        Call("shrink-perturb", {"keep": 0.8}),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("1.0", 1.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("none", "none"),
        ("magnitude", "magnitude"),
        ("'two words'", "two words"),
        (r'"say \"it\""', 'say "it"'),
        ('"3"', "3"),
        ("[100, 100]", [100, 100]),
        ("[]", []),
        ("[[1],[x]]", [[1], ["x"]]),
        ("leaky(slope=0.1,p=(2))", "leaky(slope=0.1,p=(2))"),
        ("/data/pictures", "/data/pictures"),
        (" 7 ", 7),
    ],
)
def test_values_are_read_as_the_type_they_look_like(text: str, value: JsonValue) -> None:
    read = parse_value(text, "setting")
    assert read == value
    assert type(read) is type(value)


def test_spaces_mean_nothing_and_empty_parentheses_are_none() -> None:
    spaced = parse_calls(" a ( x = 1 , y = [ 2 ] ) + b ( ) ", "entrant")
    assert format_calls(spaced) == "a(x=1,y=[2])+b"


@given(st.lists(CALLS, min_size=1, max_size=3))
def test_canonical_text_is_read_back_unchanged(calls: list[Call]) -> None:
    text = format_calls(calls)
    assert parse_calls(text, "entrant") == tuple(calls)
    assert format_calls(parse_calls(text, "entrant")) == text


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("avalanche:SplitMNIST?n_experiences=5", "avalanche:SplitMNIST?n_experiences=5", {}),
        ("avalanche:A?x=1&y=[1,2](batch_size=3)", "avalanche:A?x=1&y=[1,2]", {"batch_size": 3}),
        ("avalanche:my.own:make?a='b (c)+'", "avalanche:my.own:make?a='b (c)+'", {}),
        ('a/b?c="say \\"(\\""(d=1)', 'a/b?c="say \\"(\\""', {"d": 1}),
    ],
)
def test_arguments_behind_a_question_mark_belong_to_the_name(
    text: str, name: str, settings: dict[str, JsonValue]
) -> None:
    call = parse_call(text, "stream")
    assert call.name == name
    assert call.settings == settings
    assert format_calls([call]) == text


@given(st.text(alphabet="ab1.-+()=,[]'\" \\"))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    calls: tuple[Call, ...] = ()
    message = ""
    try:
        calls = parse_calls(text, "entrant")
    except BenchError as error:
        message = str(error)
    assert bool(calls) != ("at position" in message)
    assert not calls or parse_calls(format_calls(calls), "entrant") == calls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a name at position 1, found the end"),
        ("grow(", "expected the name of a setting at position 6, found the end"),
        ("grow(x", "expected '=' after x at position 7, found the end"),
        ("grow(x=", "expected a value at position 8, found the end"),
        ("grow(x=1", "expected ',' or ')' at position 9, found the end"),
        ("grow(x=1 y=2)", "expected ',' or ')' at position 10, found 'y'"),
        ("grow(x=1,x=2)", "expected each setting once, but x is given twice at position 10"),
        ("grow(x=[1)", "expected ',' or ']' at position 10, found ')'"),
        ("grow(x=a(b)", "expected ',' or ')' at position 12, found the end"),
        ("grow(x=a(b", "expected ')' at position 11, found the end"),
        ("grow(x=1e999)", "expected a finite number at position 8, found '1'"),
        ("grow shrink", "expected '+' or the end at position 6, found 's'"),
        ("grow+", "expected a name at position 6, found the end"),
        ("grow(0.2)", "expected the name of a setting at position 6, found '0'"),
    ],
)
def test_an_error_says_what_was_expected_where(text: str, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        parse_calls(text, "entrant")
    assert str(caught.value).startswith(f"cannot read the entrant '{text}': {expected}")


def test_an_error_points_at_the_place() -> None:
    with pytest.raises(BenchError) as caught:
        parse_call("grow(x=?)", "entrant")
    lines = str(caught.value).splitlines()
    assert lines[1][lines[2].index("^")] == "?"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": 1}])
def test_what_the_language_cannot_say_is_refused(value: JsonValue) -> None:
    with pytest.raises(BenchError, match="cannot be written as a setting"):
        format_value(value)
