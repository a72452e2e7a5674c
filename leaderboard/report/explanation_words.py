"""What one entrant's runs say in words: each sentence from a stated rule, where the data exist."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from statistics import fmean, median

from ...harness.metrics.summary import FACTORS
from ...harness.plural import plural
from ...harness.visible import in_markdown
from ..board.grouping import EntrantRuns, StreamRuns
from ..board.scoring import Score, direction, score, told_apart, worst_case
from ..curves.integration_study import Cohort, Key, pace
from ..curves.over_time import edit_steps
from ..statistics.inference import ALPHA, CONFIDENCE, FEWEST_SEEDS, Difference, Interval, summarise
from ..statistics.losses import difference
from ..store.result import Result
from .integration_tables import ratio_at_birth, ratio_over_cycle

_ORDER = ("taoa", "acc", "online_loss")
"""How well a run did is said by the first of these that it has."""
_NAMES = {
    "taoa": "mean online accuracy",
    "acc": "final accuracy on the tasks seen",
    "online_loss": "mean online loss",
}


def sentences(
    stream: StreamRuns[Result], entrant: EntrantRuns[Result], cohorts: Sequence[Cohort]
) -> Iterator[str]:
    """Yield sentences on how an entrant did and why: accuracy, edits, newborns, health, cost."""
    runs = entrant.done
    if not runs:
        yield "No run of this entrant is done, so there is nothing to explain."
        return
    yield from _accuracy(stream, entrant)
    yield from _trend(runs)
    yield from _edits(runs)
    if cohorts:
        yield from _parity(cohorts)
        yield from _integration(cohorts)
    yield from _health(runs)
    yield from _cost(stream, entrant)


def _accuracy(stream: StreamRuns[Result], entrant: EntrantRuns[Result]) -> Iterator[str]:
    metric = next((name for name in _ORDER if by_key(entrant.done, name)), None)
    if metric is None:
        return
    scores = told_apart([score(one, metric) for one in stream.entrants])
    by_label = {one.label: one for one in scores}
    own, worst = by_label[entrant.label], worst_case(metric, scores)
    yield from _means(own, worst, _NAMES[metric])
    better = -1 if direction(metric) == "lower" else 1
    for name in ("dense", "reset"):
        other = next((one for one in scores if one.name == name), None)
        if other and other is not own and other.counted(worst):
            pair = own.outcomes(worst), other.outcomes(worst)
            yield _against(difference([pair], better), in_markdown(other.label))


def _means(own: Score, worst: float | None, name: str) -> Iterator[str]:
    """Give the mean over the runs that ended and, where some did not, that of the board as well."""
    values = list(own.values.values())
    ended = " that ended" * bool(own.lost)
    yield f"Its {name} is {_mean(values, 3)} over {plural(len(values), 'seed')}{ended}."
    if own.lost and worst is not None:
        lost = plural(len(own.lost), "lost run counts", "lost runs count")
        mean = fmean(own.counted(worst).values())
        yield f"On the board {lost} as the worst case, {worst:.3f}, and the mean is {mean:z.3f}."


def _against(found: Difference, label: str) -> str:
    """Say it is above or below only where the test that the board makes says so by itself."""
    how = "paired by seed" if found.paired else "not paired"
    ended = ", over the runs that ended" * found.ended
    numbers = f"{found.mean:+z.3f}{_interval(found.interval, 3, sign=True)}, {how}{ended}"
    if isnan(found.p):
        return f"That takes {FEWEST_SEEDS} seeds to be tested against {label} ({numbers})."
    if not found.p < ALPHA:
        return f"That is not told apart from {label} ({numbers})."
    return f"That is {'above' if found.mean > 0 else 'below'} {label} ({numbers})."


def _trend(runs: Sequence[Result]) -> Iterator[str]:
    """Say it falls or rises only where the interval over seeds leaves out 0."""
    slopes = list(by_key(runs, "plasticity_slope").values())
    if not slopes:
        return
    found = summarise(slopes)
    side = _side(found.interval)
    numbers = f"{found.mean:+z.3f} per 100 tasks{_interval(found.interval, 3, sign=True)}"
    if isnan(found.interval.low):
        yield f"For a trend over tasks it takes {FEWEST_SEEDS} seeds ({numbers})."
    elif side == 0:
        yield f"Over tasks its online accuracy has no trend told from chance ({numbers})."
    else:
        yield f"Over tasks its online accuracy {'rises' if side > 0 else 'falls'} ({numbers})."


def _edits(runs: Sequence[Result]) -> Iterator[str]:
    for kind, steps in edit_steps(runs).items():
        if kind == "restart":
            yield f"All its weights are rewound or drawn anew at {plural(len(steps), 'moment')}."
            continue
        rows = [row for run in runs for row in run.rows if row["kind"] == "edit"]
        own = [row for row in rows if row["edit"] == kind]
        units = sum(len(row["units"]) for row in own) / len(runs)
        known = [s for row in own if (s := row.get("insertion_shock")) is not None]
        shock = f"; the loss changes by {fmean(known):+z.3f} at once, in the mean" if known else ""
        moments, edited = plural(len(steps), "moment"), plural(f"{units:,.0f}", "unit")
        yield f"It edits ({kind}) at {moments}, {edited} a run in all{shock}."


def _parity(cohorts: Sequence[Cohort]) -> Iterator[str]:
    """Give medians over cohorts, at age 0 and of the means over the time they were followed."""
    fires, receives = (_at_birth(cohorts, name) for name in ("activation", "gradient"))
    if fires is not None and receives is not None:
        yield (
            f"At birth newborns fire {fires:.2f} times as often as incumbents and receive "
            f"{receives:.2f} of their gradient (medians over {plural(len(cohorts), 'cohort')})."
        )
    factors = {n: v for n in FACTORS if (v := _at_birth(cohorts, n)) is not None}
    if factors:
        least = min(factors, key=lambda name: factors[name])
        listed = ", ".join(f"{name.replace('_', ' ')} {v:.2f}" for name, v in factors.items())
        yield (
            f"Of the three factors of that gradient the smallest at birth is the "
            f"{least.replace('_', ' ')} (newborns over incumbents: {listed})."
        )
    over = [v for c in cohorts if (v := ratio_over_cycle(c, "gradient")) is not None]
    if over and receives is not None:
        yield (
            f"Over the cycle the gradient ratio is {median(over):.2f} in the mean over updates, "
            f"{'more' if median(over) > receives else 'not more'} than at birth."
        )


def _at_birth(cohorts: Sequence[Cohort], name: str) -> float | None:
    known = [v for cohort in cohorts if (v := ratio_at_birth(cohort, name)) is not None]
    return median(known) if known else None


def _integration(cohorts: Sequence[Cohort]) -> Iterator[str]:
    found = pace(cohorts, ("gradient", 0.5), 0)
    if found.median is None:
        yield (
            "Fewer than half of the cohorts are seen to reach half of the incumbents' gradient "
            f"(Kaplan-Meier); {found.censored:.0%} are cut off before."
        )
    else:
        age = plural(f"{found.median:,.0f}", "update")
        yield (
            "Half of the cohorts integrate, at half of the incumbents' gradient, "
            f"{f'within {age} of' if found.median else 'at'} their birth "
            f"(Kaplan-Meier); {found.censored:.0%} are cut off before they do."
        )
    if found.overshooting:
        yield f"{found.overshooting:.0%} of cohorts at some age receive more than twice as much."
    ends = {ended: sum(c.ended == ended for c in cohorts) for ended in ("edit", "death")}
    yield (
        f"Of {plural(len(cohorts), 'cohort')}, followed to the next edit in their layer: "
        f"{ends['edit']}; to their death: {ends['death']}; to the end of the run: "
        f"{len(cohorts) - sum(ends.values())}."
    )


def _health(runs: Sequence[Result]) -> Iterator[str]:
    """Compare the first with the last measurement: means over layers, then over seeds.

    Where there is one measurement only it is the one at the end.
    """
    many = any(len({r["step"] for r in run.rows if r["kind"] == "health"}) > 1 for run in runs)

    def first(value: float, form: str) -> str:
        return f", {value:{form}} at first" if many else ""

    dormant = _first_and_last(runs, "health", "dormant")
    if dormant:
        yield f"{dormant[1]:.0%} of units are dormant at the end{first(dormant[0], '.0%')}."
    rank = _first_and_last(runs, "health", "effective_rank")
    if rank:
        yield (
            f"A layer's features have an effective rank of {rank[1]:.1f} at the end"
            f"{first(rank[0], '.1f')}."
        )
    norm = _first_and_last(runs, "weights", "weight_norm")
    if norm and norm[0] and many:
        yield f"The norm of its live weights is {norm[1] / norm[0]:.2f} times that at first."


def _first_and_last(runs: Sequence[Result], kind: str, name: str) -> tuple[float, float] | None:
    ends = []
    for run in runs:
        rows = [r for r in run.rows if r["kind"] == kind and r.get(name) is not None]
        if rows:
            ends.append(
                [
                    fmean(row[name] for row in rows if row["step"] == rows[at]["step"])
                    for at in (0, -1)
                ]
            )
    if not ends:
        return None
    return fmean(first for first, _ in ends), fmean(last for _, last in ends)


def _cost(stream: StreamRuns[Result], entrant: EntrantRuns[Result]) -> Iterator[str]:
    flops = list(by_key(entrant.done, "flops").values())
    if not flops:
        return
    dense = next((one.done for one in stream.entrants if one.name == "dense" != entrant.name), ())
    full = list(by_key(dense, "flops").values())
    share = f", {fmean(flops) / fmean(full):.0%} of dense's" if full and fmean(full) else ""
    yield f"A run costs {fmean(flops):.2e} operations{share}."


def by_key(runs: Sequence[Result], metric: str) -> Mapping[Key, float]:
    """Return a metric of runs by seed and tasks, where it has a value."""
    return {
        (run.spec.seed, run.stream_digest): value
        for run in runs
        if (value := run.metrics.get(metric)) is not None
    }


def _side(interval: Interval) -> int:
    """Return on which side of 0 an interval lies: 1, -1, or 0 if it holds it or is unknown."""
    return (interval.low > 0) - (interval.high < 0)


def _mean(values: Sequence[float], digits: int) -> str:
    found = summarise(values)
    return f"{found.mean:z.{digits}f}{_interval(found.interval, digits)}"


def _interval(interval: Interval, digits: int, *, sign: bool = False) -> str:
    if isnan(interval.low):
        return ""
    form = f"{'+' if sign else ''}z.{digits}f"
    return f" ({CONFIDENCE:.0%} CI {interval.low:{form}} to {interval.high:{form}})"
