"""A number of a report in words: printed, measured, compared."""

from ..statistics.numbers import p_number
from .paper import Printed, Scale, is_parity, metric_unit
from .verdicts import Cell

OTHER_PROTOCOL = "full protocol"
"""What is said of a printed number beside runs at another scale."""


def shown(one: Cell, scale: Scale) -> tuple[str, str, str, str, str]:
    """Write a cell: printed, measured, seeds, difference, verdict."""
    printed = "-" if one.printed is None else _printed(one.printed, scale)
    if one.mean is None:
        return printed, "-", "0", "-", one.verdict
    seeds, difference = str(one.count), "-" if one.difference is None else f"{one.difference:+.2f}"
    if one.comparison is not None:
        seeds += f" vs {one.comparison.printed_count}"
        difference += f" ±{one.comparison.half_width:.2f}"
    return printed, _measured(one, one.mean), seeds, difference, one.verdict


def _measured(one: Cell, mean: float) -> str:
    digits = 2 if metric_unit(one.metric) in ("%", "points") else 3
    if one.interval is None:
        return f"{mean:.{digits}f}"
    if is_parity(one.metric):
        return f"{mean:.{digits}f} [{one.interval.low:.{digits}f}, {one.interval.high:.{digits}f}]"
    return f"{mean:.{digits}f} ±{one.interval.half_width:.{digits}f}"


def _printed(one: Printed, scale: Scale) -> str:
    """Write a printed number with what is printed about it, and of which protocol it is."""
    half, words = one.half_width or 0.0, [] if scale == "paper" else [OTHER_PROTOCOL]
    match one.source:
        case "printed":
            number = f"{one.value:.2f} ±{half:.2f}"
        case "range":
            number = f"{one.value - half:.2f} .. {one.value + half:.2f}"
        case "bound" | "alone":
            number = f"{one.value:.2f}"
    if one.source == "bound":
        words.insert(0, f"at most ±{half:.2f}")
    return f"{number} ({', '.join(words)})" if words else number


def p_values(one: Cell) -> str:
    """Write the corrected p-values of being equivalent, and of being no different."""
    if one.comparison is None:
        return "-"
    return f"{p_number(one.comparison.p_equivalent)}, {p_number(one.comparison.p_different)}"
