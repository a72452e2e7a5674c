import pytest

from plasticity_bench.leaderboard.statistics.inference import ALPHA, Interval
from plasticity_bench.leaderboard.statistics.numbers import (
    count,
    duration,
    estimate,
    number,
    p_number,
    p_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9999, "9999"),
        (12345, "12.3k"),
        (268.2e9, "268G"),
        (1.2e12, "1.20T"),
        (999_400, "999k"),
        (3e20, "3.0e+20"),
    ],
)
def test_large_numbers_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(3.94, "3.9 s"), (150, "2 min"), (7200, "2.0 h")])
def test_durations_have_a_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_estimates_show_half_of_their_interval() -> None:
    assert estimate(0.5, Interval(0.4, 0.6)) == "0.5000 ±0.1000"
    assert estimate(0.5, Interval(float("nan"), float("nan")), sign="+") == "+0.5000"
    assert number(1234.56) == "1,234.6"


def test_a_p_value_is_never_zero() -> None:
    assert p_text(0.0) == "p < 0.0001"
    assert p_text(0.0349) == "p = 0.035"


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (0.0497, "0.0497"),
        (0.0503, "0.0503"),
        (0.049999, "0.049999"),
        (0.05, "0.05"),
        (0.0449, "0.045"),
        (0.0996, "0.1"),
        (1.0, "1"),
        (0.00001, "< 0.0001"),
    ],
)
def test_a_printed_p_value_is_on_the_side_of_the_level_that_it_is_on(p: float, shown: str) -> None:
    assert p_number(p) == shown
    if not shown.startswith("<"):
        assert (float(shown) < ALPHA, float(shown) > ALPHA) == (p < ALPHA, p > ALPHA)
        assert p_text(p) == f"p = {shown}"


@pytest.mark.parametrize("value", [-0.0, -0.00001, -0.00004999])
def test_what_rounds_to_zero_has_no_minus(value: float) -> None:
    assert number(value) == "0.0000"
    assert number(value, "+") == "+0.0000"
    assert number(-0.0001, "+") == "-0.0001"
