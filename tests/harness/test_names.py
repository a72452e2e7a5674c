import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.names import LONGEST_NAME, alike, checked_name, name_problem

ODD = {
    "": "has 0 characters",
    "x" * 201: "has 201 characters",
    "x" * 100_000: "has 100,000 characters",
    "a\x1b[31mred": "has the character U+001B",
    "a\nb": "has the character U+000A",
    "a\x00b": "has the character U+0000",
    "a\x7fb": "has the character U+007F",
    "a\u202etxt": "has the character U+202E",
    "a\u2066b": "has the character U+2066",
    "a\u200bb": "has the character U+200B",
    "a\ufeffb": "has the character U+FEFF",
    "a\u3164b": "has the character U+3164",  # a filler, a letter for Unicode, that shows nothing
    "a\u00adb": "has the character U+00AD",
    "d\u0435nse": "has the character U+0435",  # a Cyrillic e
    "\uff44ense": "has the character U+FF44",
    "de\u0301nse": "has the character U+0301",
    "a\ud800b": "has the character U+D800",
    "a\u00a0b": "has the character U+00A0",
    "<b>dense</b>": "has markup in it, <",
    "a->b": "has markup in it, >",
    " dense": "begins with ' '",
    "=1+1": "begins with '='",
    "-x": "begins with '-'",
    "@x": "begins with '@'",
    "_x": "begins with '_'",
    "#x": "begins with '#'",
    "[x](y)": "begins with '['",
    "dense ": "has spaces at an end, or several in a row",
    "a  b": "has spaces at an end, or several in a row",
    " ": "begins with ' '",
}


@pytest.mark.parametrize(("name", "problem"), ODD.items(), ids=map(ascii, range(len(ODD))))
def test_what_is_no_name_is_said_to_have_what(name: str, problem: str) -> None:
    assert name_problem(name) == problem
    with pytest.raises(BenchError) as caught:
        checked_name(name, "the name of suite x", "Correct the file.")
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 600
    assert problem in text
    assert text.endswith("Correct the file.")


@pytest.mark.parametrize(
    "name",
    [
        "dense",
        'grow(compactness=0.2)+rsl(lower=0.3,init="a b")',
        "kumar2024/permuted-mnist@1",
        "avalanche:SplitMNIST?n_experiences=5&seed=1",
        "Dense, tuned at 1e-3 [ours]",
        "x" * LONGEST_NAME,
    ],
)
def test_what_people_call_things_is_a_name(name: str) -> None:
    assert checked_name(name, "it", "") == name


@given(st.text())
def test_a_name_is_shown_as_it_is_everywhere(text: str) -> None:
    if name_problem(text) is None:
        assert text.isascii()
        assert text.isprintable()
        assert text.split(" ") == text.split()


def test_names_that_readers_take_for_one() -> None:
    assert alike("Dense") == alike("d ense") == alike("dense")
    assert alike("dense") != alike("dens")
