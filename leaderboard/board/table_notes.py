"""What stands under the tables of a board: every mark explained, every lost run named."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from math import isfinite, isnan

from ...harness.plural import plural
from ..statistics.inference import ALPHA, FEWEST_SEEDS
from ..statistics.numbers import count, number
from ..statistics.power import POWER
from .standings import (
    BESIDE,
    HEADLINE_FROM,
    PROVISIONAL_BELOW,
    Board,
    Incomplete,
    OtherCode,
    Overall,
    OverallStanding,
    Pair,
    Standing,
    StreamBoard,
)

Placed = Standing | OverallStanding
"""A row of a table."""
MOST_NAMED = 6
"""Names in a note that is about any number of them."""


def stream_notes(stream: StreamBoard, board: Board, wide: bool) -> Iterator[str]:
    """Explain the marks of a stream's table, and say what it has no columns for."""
    standings = stream.standings
    if not wide and even(standings):
        covered = standings[0].coverage
        yield f"{covered.done} of {plural(covered.asked, 'seed')} for everybody"
    differences = [s.difference for s in standings if s.difference is not None]
    if stream.reference is None:
        yield "No differences: the reference has no value on this stream."
    is_lost = any(s.lost and s.summary for s in standings)
    if any(s.significant for s in standings):
        first = "lost runs first, " * is_lost
        yield (
            f"* differs from {stream.reference} at {ALPHA:.0%} "
            f"({first}t-test paired by seed, Holm over {plural(tested(stream.pairs), 'pair')})"
        )
    elif differences and all(isnan(difference.p) for difference in differences):
        yield f"Not tested against {stream.reference}: it takes {FEWEST_SEEDS} seeds"
    elif differences:
        yield f"Nobody differs from {stream.reference} at {ALPHA:.0%} (paired t-test, Holm)"
    if not all(difference.paired for difference in differences):
        yield "u unpaired (Welch's test): fewer than two seeds are shared"
    if any(difference.ended for difference in differences):
        yield "e over the runs that ended; in the mean a lost run counts as the worst"
    if (
        wide
        and is_lost
        and (beside := [n for n in BESIDE if any(n in s.beside for s in standings)])
    ):
        yield f"{', '.join(beside)} over the runs that ended"
    if any(s.summary and s.summary.count < FEWEST_SEEDS for s in standings):
        yield f"no interval of fewer than {FEWEST_SEEDS} seeds"
    yield from _rank_notes(standings, tested(stream.pairs))
    if not_run := [s.entrant for s in standings if not s.coverage.done and not s.coverage.lost]:
        yield f"not run yet: {', '.join(not_run)}"
    yield from _undefined_notes(stream)
    yield from (
        _lost_line(s, stream.worst, stream.metric)
        for s in standings
        if s.lost and not _is_silent(s)
    )
    yield from environment_notes({s.entrant: s.environment for s in standings})
    if not wide:
        yield from _cost_notes(standings)


def overall_notes(overall: Overall, wide: bool) -> Iterator[str]:
    """Explain the score, the ranks and the interquartile means of the table over all streams."""
    yield (
        "Score: mean over streams, 0 is the worst anchor and 1 the best; stratified Welch interval."
    )
    yield from _rank_notes(overall.standings, tested(overall.pairs))
    if any(isnan(s.score.interval.low) for s in overall.standings):
        yield f"no interval where a stream has fewer than {FEWEST_SEEDS} seeds"
    if all(s.least_seeds < HEADLINE_FROM for s in overall.standings):
        yield f"IQM without interval: below {HEADLINE_FROM} seeds bootstraps promise too much"
    else:
        for standing in overall.standings:
            low, high = standing.iqm.interval.low, standing.iqm.interval.high
            if isfinite(low) and standing.least_seeds >= HEADLINE_FROM:
                yield f"IQM of {standing.entrant}: {number(low)} to {number(high)}"
    if not wide:
        yield from _updates_notes(overall.standings)


def environment_notes(environments: Mapping[str, str]) -> Iterator[str]:
    """Say who was run with other libraries or on another kind of machine than most."""
    told = [f"{name} ({text})" for name, text in environments.items() if text]
    if told:
        yield f"~ made otherwise than most, last bits may differ: {'; '.join(told)}"


def incomplete_notes(incomplete: Sequence[Incomplete], run: str) -> Iterator[str]:
    """Say who has no place over all streams, what is missing, and how to have it."""
    for one in incomplete:
        parts = [
            f"{stream} seeds {', '.join(map(str, seeds))}" if seeds else stream
            for stream, seeds in one.missing.items()
        ]
        yield f"no place over streams: {one.entrant} has nothing on {'; '.join(parts)}"
    if any(seeds for one in incomplete for seeds in one.missing.values()):
        yield f"run what is missing: {run}"


def other_code_notes(other: OtherCode) -> Iterator[str]:
    """Say what results of other code there are: those left out, and those that are shown.

    Which code is older is not said: who goes back to earlier code has results of later code.

    Of the latter some may be of the same code: hashes from before they were over what code does
    cannot tell.
    """
    if other.left_out:
        yield f"left out: {_results(other.left_out)} of other code of {_few(other.left_out)}"
    if other.elsewhere:
        yield (
            f"left out: {_results(other.elsewhere)} on other samples or of another results "
            f"version, of {_few(other.elsewhere)}"
        )
    by_entrant = {entrant: sum(streams.values()) for entrant, streams in other.shown.items()}
    if by_entrant:
        streams = sorted({name for streams in other.shown.values() for name in streams})
        yield (
            f"shown for want of others: {_results(by_entrant)} not known to be of the code "
            f"installed here, of {_few(by_entrant)} on {_few(streams)}"
        )


def tested(pairs: Sequence[Pair]) -> int:
    """Return how many tests there are among pairs: as many as Holm's correction counts."""
    return sum(not isnan(pair.difference.p) for pair in pairs)


def even(standings: Sequence[Placed]) -> bool:
    """Tell whether all have a value from the same number of seeds, and nobody lost or lacks one."""
    covered = [standing.coverage for standing in standings]
    return all(one.done == one.asked == covered[0].done for one in covered)


def _updates_notes(standings: Sequence[Placed]) -> Iterator[str]:
    """Say how many updates were made: most make equally many, so it needs no column."""
    by_number: dict[str, list[str]] = {}
    for standing in standings:
        if standing.cost.updates is not None:
            by_number.setdefault(count(standing.cost.updates), []).append(standing.entrant)
    if len(by_number) == 1:
        yield f"{plural(next(iter(by_number)), 'update')} for everybody"
    elif by_number:
        half = sum(map(len, by_number.values())) / 2
        named = {n: "most" if len(who) > half else ", ".join(who) for n, who in by_number.items()}
        yield f"updates: {'; '.join(f'{number} for {who}' for number, who in named.items())}"


def _results(numbers: Mapping[str, int]) -> str:
    return plural(sum(numbers.values()), "result")


def _few(names: Collection[str]) -> str:
    """Return names as a list that is no longer than a line can be."""
    rest = len(names) - MOST_NAMED
    return ", ".join([*islice(names, MOST_NAMED), *([f"{rest} more"] if rest > 0 else [])])


def _rank_notes(standings: Sequence[Placed], tests: int) -> Iterator[str]:
    placed = [s.rank for s in standings if s.rank]
    unsure = next((rank for rank in placed if rank.low < rank.high), None)
    if unsure and not tests:
        yield f"({unsure.low}-{unsure.high}) nothing is tested, so all ranks are possible"
    elif unsure:
        yield (
            f"({unsure.low}-{unsure.high}) ranks that the data allow at {ALPHA:.0%}, Holm over "
            f"{plural(tests, 'pair')}; a place is shared where they cannot tell apart"
        )
    hidden = {s.entrant: s.detectable for s in standings if s.detectable is not None}
    if hidden:
        few = islice(sorted(hidden.items(), key=lambda one: one[1]), MOST_NAMED)
        yield (
            f"shared places may hide differences: these data would have found, in {POWER:.0%} of "
            f"cases, {', '.join(f'{number(size)} ({name})' for name, size in few)}"
        )
    if any(s.provisional for s in standings):
        yield f"? provisional: fewer than {PROVISIONAL_BELOW} seeds"


def _cost_notes(standings: Sequence[Placed]) -> Iterator[str]:
    yield from _updates_notes(standings)
    for need in sorted({need for s in standings for need in s.needs}):
        yield f"needs {need}: {', '.join(s.entrant for s in standings if need in s.needs)}"
    yield from _tuning_notes(standings)
    levels = {s.trust for s in standings}
    if len(levels) == 1:
        yield f"trust: all {levels.pop()}"
        return
    for level in ("own", "reproduced", "verified"):
        if trusted := [s.entrant for s in standings if s.trust == level]:
            yield f"{level}: {', '.join(trusted)}"


def _tuning_notes(standings: Sequence[Placed]) -> Iterator[str]:
    """Say what was spent on tuning; nobody who says nothing is taken for one who spent nothing."""
    spent = {s.entrant: s.cost.tuning_trials for s in standings if s.cost.tuning_trials}
    silent = [s.entrant for s in standings if s.cost.tuning_trials is None]
    parts = [f"{name} {count(trials)}" for name, trials in spent.items()]
    if silent and len(silent) < len(standings):
        parts.append(f"not declared by {_few(silent)}")
    if parts and len(spent) + len(silent) < len(standings):
        parts.append("others none")
    if parts:
        yield f"tuning trials: {', '.join(parts)}"


def _undefined_notes(stream: StreamBoard) -> Iterator[str]:
    """Say who has no value of the metric on a run that is done, and what it would take."""
    names = [s.entrant for s in stream.standings if "undefined" in s.lost.values()]
    if names:
        all_of = len(names) == len(stream.standings) > 1
        who = "anybody" if all_of else _few(names)
        yield f"no value of {stream.metric} for {who}: {stream.undefined}"


def _is_silent(standing: Standing) -> bool:
    """Tell whether the metric says nothing about an entrant: one sentence is said of all such."""
    return standing.summary is None and set(standing.lost.values()) == {"undefined"}


def _lost_line(standing: Standing, worst: float | None, metric: str) -> str:
    by_reason: dict[str, list[str]] = {}
    for seed, reason in sorted(standing.lost.items()):
        by_reason.setdefault(reason, []).append(str(seed))
    seeds = ", ".join(
        f"seed{'s' * (len(found) > 1)} {', '.join(found)} {reason}"
        for reason, found in by_reason.items()
    )
    if worst is None or standing.summary is None:
        return f"! {standing.entrant}: {seeds}; without a value"
    return f"! {standing.entrant}: {seeds}; counted as the worst {metric}, {number(worst)}"
