import pytest

from plasticity_bench.harness.plural import plural


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), ("1", "1 run"), ("1k", "1k runs")],
)
def test_one_is_in_the_singular(number: int | str, text: str) -> None:
    assert plural(number, "run") == text


def test_a_verb_and_an_odd_plural_follow_their_number() -> None:
    assert plural(1, "entry is", "entries are") == "1 entry is"
    assert plural(3, "entry is", "entries are") == "3 entries are"
