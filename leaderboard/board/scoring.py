"""What one entrant's runs on one stream come to: values by seed, lost seeds, the worst case."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from ...harness.errors import unknown_name
from ...harness.metrics import METRICS, Metric
from ..statistics.losses import Outcomes
from ..store.result import Record
from .grouping import EntrantRuns, R
from .standings import BESIDE, Cost, Coverage, Lost

Pairing = Mapping[tuple[int, str], float]
"""A value by seed, and by what sets its tasks apart from those of the same seed elsewhere."""


@dataclass(frozen=True)
class Score:
    """An entrant's metric on one stream, before it is placed."""

    label: str
    name: str
    runs: tuple[Record, ...]
    """Empty where none of the runs asked for has ended."""
    values: Mapping[int, float]
    """As measured, by seed."""
    lost: Mapping[int, Lost]
    missing: tuple[int, ...]
    other_tasks: frozenset[int] = frozenset()
    """Seeds on which it was given other tasks than most: they are not paired with anybody's."""

    @property
    def done(self) -> tuple[Record, ...]:
        """The runs that neither diverged nor failed."""
        return tuple(run for run in self.runs if run.status == "done")

    @property
    def ranked(self) -> bool:
        """Whether it has a place: not where nothing ran or the metric says nothing about it."""
        return bool(self.values) or any(reason != "undefined" for reason in self.lost.values())

    def counted(self, worst: float | None) -> dict[int, float]:
        """Return the values that statistics count: lost seeds as the worst case, unless None.

        A metric that says nothing about the entrant on any seed has no values to count.
        """
        if worst is None or not self.ranked:
            return dict(self.values)
        return {**self.values, **dict.fromkeys(self.lost, worst)}

    def pairing(self, worst: float | None) -> "Pairing":
        """Return what is counted, under keys that are equal where two runs had the same tasks."""
        return self._keyed(self.counted(worst))

    def outcomes(self, worst: float | None) -> Outcomes:
        """Return what its runs came to, under the keys of `pairing`."""
        counted = self.counted(worst)
        ended = {seed: value for seed, value in counted.items() if seed in self.values}
        return Outcomes(self._keyed(ended), self._keyed(counted))

    def _keyed(self, values: Mapping[int, float]) -> "Pairing":
        return {
            (seed, self.label if seed in self.other_tasks else ""): values[seed]
            for seed in sorted(values)
        }


def score(entrant: EntrantRuns[R], metric: str, asked: Iterable[int] = ()) -> Score:
    """Return what an entrant's runs say by a metric.

    Args:
        entrant: its runs on one stream.
        metric: a name in a result's metrics.
        asked: seeds that were asked for.
    """
    values: dict[int, float] = {}
    lost: dict[int, Lost] = {}
    for run in entrant.runs:
        value = run.metrics.get(metric)
        if run.status != "done":
            lost[run.spec.seed] = run.status
        elif value is None:
            lost[run.spec.seed] = "undefined"
        else:
            values[run.spec.seed] = value
    missing = tuple(sorted(set(asked) - values.keys() - lost.keys()))
    return Score(entrant.label, entrant.name, entrant.runs, values, lost, missing)


def told_apart(scores: Sequence[Score]) -> list[Score]:
    """Return the scores of one stream with the seeds marked that were given other tasks.

    A seed's tasks are known by the content hash in its result. The hash that most runs of a seed
    have is taken for the seed's; a run without one (it did not get to its end) has the same tasks.
    """
    digests: dict[int, Counter[str]] = {}
    for entry in scores:
        for run in entry.runs:
            if run.stream_digest:
                digests.setdefault(run.spec.seed, Counter())[run.stream_digest] += 1
    usual = {seed: found.most_common(1)[0][0] for seed, found in digests.items()}
    return [
        replace(
            entry,
            other_tasks=frozenset(
                run.spec.seed
                for run in entry.runs
                if run.stream_digest and run.stream_digest != usual[run.spec.seed]
            ),
        )
        for entry in scores
    ]


def direction(name: str) -> Literal["higher", "lower", "diagnostic"]:
    """Return which way of a metric is better.

    Raises:
        BenchError: there is no such metric.
    """
    return _metric(name).better


def worst_case(name: str, scores: Sequence[Score]) -> float | None:
    """Return what a lost seed counts as: the worst value that the metric can have.

    Where the metric has no such bound (a loss), it is the worst value that anybody had on the
    stream. None where nobody who is ranked lost a seed, and for a diagnostic metric, which has no
    worst.
    """
    metric = _metric(name)
    if metric.better == "diagnostic" or not any(e.ranked and e.lost for e in scores):
        return None
    higher = metric.better == "higher"
    bound = metric.lower if higher else metric.upper
    if isfinite(bound):
        return bound
    seen = [value for entry in scores for value in entry.values.values()]
    return (min(seen) if higher else max(seen)) if seen else None


def bounds(name: str) -> tuple[float, float] | None:
    """Return the worst and the best value that a performance metric can have; None where endless.

    They are the anchors of a score over streams where a suite fixes no others.
    """
    metric = _metric(name)
    if metric.better == "diagnostic" or not isfinite(metric.lower) or not isfinite(metric.upper):
        return None
    higher = metric.better == "higher"
    return (metric.lower, metric.upper) if higher else (metric.upper, metric.lower)


def cost(runs: Sequence[Record], tuning_trials: float | None) -> Cost:
    """Return the mean cost of the runs that are done."""
    return Cost(
        updates=_mean(runs, "updates"),
        flops=_mean(runs, "flops"),
        seconds=_mean(runs, "seconds"),
        tuning_trials=tuning_trials,
    )


def beside(runs: Sequence[Record], metric: str) -> dict[str, float]:
    """Return the means of the metrics that are shown beside the one that ranks."""
    means = {name: _mean(runs, name) for name in BESIDE if name != metric}
    return {name: mean for name, mean in means.items() if mean is not None}


def coverage(entry: Score) -> Coverage:
    """Count how the runs asked for ended."""
    reasons = list(entry.lost.values())
    return Coverage(
        done=len(entry.values),
        diverged=reasons.count("diverged"),
        failed=reasons.count("failed"),
        undefined=reasons.count("undefined"),
        missing=len(entry.missing),
    )


def _metric(name: str) -> Metric:
    if name not in METRICS:
        ranking = [known for known, metric in METRICS.items() if metric.better != "diagnostic"]
        raise unknown_name("metric", name, METRICS, f"Rank by one of: {', '.join(ranking)}.")
    return METRICS[name]


def _mean(runs: Iterable[Record], name: str) -> float | None:
    values = [value for run in runs if (value := run.metrics.get(name)) is not None]
    return sum(values) / len(values) if values else None
