"""How numbers are written in tables, exports and sentences."""

from math import isfinite, log10

from .inference import ALPHA, Interval


def number(value: float, sign: str = "") -> str:
    """Write a value with four decimals, a large one with one; what rounds to zero is no -0."""
    return f"{value:{sign}z.4f}" if abs(value) < 10 else f"{value:{sign},.1f}"


def estimate(value: float, interval: Interval, sign: str = "") -> str:
    """Write a value with half the width of its symmetric interval, as "0.8663 ±0.0007"."""
    half = interval.half_width
    return number(value, sign) + (f" ±{number(half)}" if isfinite(half) else "")


def count(value: float) -> str:
    """Write a large number short, with three digits: "10.8k", "268G" or "1.20T"."""
    if value < 1e4:
        return f"{value:.0f}"
    for limit, unit in ((1e6, "k"), (1e9, "M"), (1e12, "G"), (1e15, "T"), (1e18, "P")):
        if value < limit:
            shown = value / limit * 1000
            return f"{shown:.{max(0, 2 - int(log10(max(shown, 1))))}f}{unit}"
    return f"{value:.1e}"


def duration(seconds: float) -> str:
    """Write a time short, as "3.9 s", "12 min" or "2.4 h"."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def p_text(p: float) -> str:
    """Write a p-value for a sentence, as "p = 0.035"; see `p_number`."""
    shown = p_number(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def p_number(p: float) -> str:
    """Write a p-value for a table: never as zero, nor as the level that it is above or below.

    Two digits, and as many more as it takes to see on which side of `ALPHA` it is.
    """
    if p < 1e-4:
        return "< 0.0001"
    shown = (f"{p:.{digits}g}" for digits in range(2, 18))
    return next(text for text in shown if p == ALPHA or float(text) != ALPHA)
