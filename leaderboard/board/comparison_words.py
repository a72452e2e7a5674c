"""A comparison of two entrants in words."""

from collections.abc import Iterator, Sequence
from math import isnan

from ...harness.plural import plural
from ...harness.visible import visible
from ..statistics.inference import ALPHA, CONFIDENCE, FEWEST_SEEDS, Difference
from ..statistics.numbers import number, p_text
from ..statistics.power import POWER
from .comparison import Comparison, StreamComparison
from .standings import PROVISIONAL_BELOW, Pair


def sentences(found: Comparison) -> Iterator[str]:
    """Say in words what a comparison found."""
    return map(visible, _sentences(found))


def _sentences(found: Comparison) -> Iterator[str]:
    direction = "" if found.better == "diagnostic" else f" ({found.better} is better)"
    tests = f"tests at {ALPHA:.0%}, Holm over all pairs of each board ({_listed(found.tests)})"
    yield (
        f"{found.first} against {found.second} by {found.metric}{direction}; "
        f"{tests if found.tests else 'nothing is tested'}:"
    )
    yield from (f"* {_stream_sentence(found, stream)}" for stream in found.streams)
    if found.score:
        yield _score_sentence(found, found.score)
    if found.no_score:
        yield f"Over all streams they are not compared: {found.no_score}."
    if len(found.tests) > 1:
        yield family_sentence(len(found.tests))
    if found.improvement:
        low, high = found.improvement.interval.low, found.improvement.interval.high
        limits = f"[{low:.2f}, {high:.2f}] (bootstrap over seeds)"
        if isnan(low):
            limits = f"(without an interval below {PROVISIONAL_BELOW} seeds)"
        yield (
            f"A run of {found.first} is {_ahead(found)} than one of {found.second} with "
            f"probability {found.improvement.value:.2f} {limits}."
        )


def _stream_sentence(found: Comparison, stream: StreamComparison) -> str:
    difference = stream.difference
    if difference is None:
        return f"{stream.stream}: not compared ({_lacking(stream)})."
    if isnan(stream.p_holm):
        return (
            f"{stream.stream}: {_numbers(difference)}, not tested: "
            f"it takes {FEWEST_SEEDS} seeds of both."
        )
    word = _words(found, difference.mean, stream.p_holm < ALPHA, found.better)
    test = (
        f"paired t-test over {plural(difference.count, 'seed')}"
        if difference.paired
        else "Welch's test"
    )
    if any(stream.lost):
        lost = f"{stream.lost[0]} against {stream.lost[1]}"
        test = f"lost runs first, {lost}, then a {'paired' * difference.paired or 'Welch'} t-test"
    wins = (
        f"; {_ahead(found)} on {stream.wins} of {plural(stream.shared, 'seed')}"
        if stream.shared
        else ""
    )
    effect = (
        "" if isnan(difference.effect_size) else f", effect size {difference.effect_size:+z.1f}"
    )
    return (
        f"{stream.stream}: {found.first} is {word}: {_numbers(difference)}, "
        f"{p_text(stream.p_holm)}{effect} ({test}){wins}.{_needed(stream)}"
    )


def _needed(stream: StreamComparison) -> str:
    difference = stream.difference
    if stream.seeds_needed is None or difference is None:
        return ""
    more = max(1, stream.seeds_needed - difference.count)
    return (
        f" If the difference and its spread are what they seem, "
        f"{plural(more, 'more seed')} would tell them apart in {POWER:.0%} of cases."
    )


def family_sentence(families: int) -> str:
    """Say what may be concluded from several boards with a family of tests each."""
    return (
        f"Each board is a family of its own: on each, some difference is false in at most "
        f"{ALPHA:.0%} of cases, on {families} together in up to {1 - (1 - ALPHA) ** families:.0%}."
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _score_sentence(found: Comparison, pair: Pair) -> str:
    score = pair.difference
    if isnan(pair.p_holm):
        return f"Over all streams not tested: it takes {FEWEST_SEEDS} seeds of both."
    word = _words(found, score.mean, pair.p_holm < ALPHA, "higher")
    return (
        f"Over all streams {found.first} is {word}: score {_numbers(score)}, {p_text(pair.p_holm)}."
    )


def _ahead(found: Comparison) -> str:
    return "higher" if found.better == "diagnostic" else "better"


def _words(found: Comparison, mean: float, apart: bool, better: str) -> str:
    if not apart:
        return f"not told apart from {found.second}"
    if better == "diagnostic":
        return f"{'higher' if mean > 0 else 'lower'} than {found.second}"
    return f"{'better' if (mean > 0) == (better == 'higher') else 'worse'} than {found.second}"


def _numbers(difference: Difference) -> str:
    low, high = difference.interval.low, difference.interval.high
    limits = f" ({CONFIDENCE:.0%} CI [{number(low, '+')}, {number(high, '+')}])"
    of_ended = " over the runs that ended" * difference.ended
    return f"{number(difference.mean, '+')}{'' if isnan(low) else limits}{of_ended}"


def _lacking(stream: StreamComparison) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, why in stream.lacking.items():
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{' and '.join(names)}: {why}" for why, names in by_reason.items())


def not_run(found: Comparison) -> str:
    """Say who of the two lacks which runs on which streams; empty where nothing is missing."""
    parts = [
        f"{name} on {stream.stream}{_seeds(seeds)}"
        for stream in found.streams
        for name, seeds in stream.missing.items()
    ]
    return visible(f"Not run: {'; '.join(parts)}.") if parts else ""


def _seeds(seeds: Sequence[int]) -> str:
    return f" (seed{'s' * (len(seeds) > 1)} {_listed(seeds)})" if seeds else ""
