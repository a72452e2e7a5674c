import pytest

from plasticity_bench.leaderboard.statistics.inference import Interval
from plasticity_bench.leaderboard.statistics.numbers import (
    count,
    duration,
    estimate,
    number,
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
