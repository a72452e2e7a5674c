"""The board: who stands where on each stream and over all, and how sure that is; computed once."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import nan
from typing import Any, Literal

from pydantic import JsonValue

from ...harness.errors import BenchError
from ...harness.fingerprint import canonical
from ..statistics.inference import summarise
from ..statistics.losses import difference
from ..store.result import Record
from .environments import unusual_environments
from .grouping import EntrantRuns, Marks, StreamRuns, grouped
from .overall import overall
from .placing import between, detectable, pairs, ranks
from .scoring import (
    Score,
    beside,
    bounds,
    cost,
    coverage,
    direction,
    score,
    told_apart,
    worst_case,
)
from .standings import Board, OtherCode, Pair, Rank, Standing, StreamBoard, Trust
from .undefined import why_undefined

Anchors = tuple[float, float]
"""Values of the metric that become 0 and 1."""


def _self_reported(runs: Sequence[Record]) -> Trust:
    del runs
    return "self-reported"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a board is asked for."""

    suite: str = "results"
    """What the selection is called."""
    metric: str | None = None
    """None: the stream's own."""
    metrics: Mapping[bytes, str] = field(default_factory=dict)
    """The streams' own metrics by `stream_key`; TAOA for others."""
    reference: str = "dense"
    """Differences are to this entrant; of several variants of that name, to the best one."""
    specs: Sequence[Mapping[str, Any]] = ()
    """Every run asked for, as `RunSpec.as_json` gives it; those without a result are shown."""
    anchors: Mapping[bytes, Anchors] = field(default_factory=dict)
    """By the canonical JSON of a stream's spec; else the metric's bounds."""
    tuning_trials: Mapping[str, int] = field(default_factory=dict)
    """By entrant's name: trials spent on its settings, as the suite declares."""
    trust: Callable[[Sequence[Record]], Trust] = _self_reported
    """How far the runs of one entrant on one stream have been checked."""
    head: str | None = None
    """Hash over the store's journal."""
    run: str = "plasticity-bench run"
    """The command that makes the runs asked for."""
    usual: Mapping[bytes, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Settings of the usual learner on a stream, as "network.hidden", by `stream_key`."""
    other_code: OtherCode = field(default_factory=OtherCode)
    """What was left out of the records, or is of other code among them."""

    def metric_on(self, stream: Mapping[str, Any]) -> str:
        """Return what a stream's entrants are ranked by.

        Args:
            stream: its spec as plain JSON values; nothing for one that is not known.
        """
        own = self.metrics.get(stream_key(stream)) if stream else None
        return next(one for one in (self.metric, own, "taoa") if one is not None)


def rank(records: Iterable[Record], question: Question | None = None) -> Board:
    """Rank the entrants of every stream, and over all streams, by performance metrics.

    Entrants are ordered by their mean over seeds. A seed that was lost (its run diverged, failed,
    or has no value) counts as the worst case, see `scoring.worst_case`; a seed that was not run
    is shown as missing and does not count. Places are shared where the data cannot tell entrants
    apart, see `placing.ranks`: tests that take losses first, see `statistics.losses`, and values by
    paired t-tests over shared seeds, Welch's where fewer than two are shared (a seed is not, where
    two runs were given other tasks, see `scoring.told_apart`), Holm-corrected over all pairs of the
    stream: the one family of tests that ranks, differences to the reference and `comparison` use.

    By a diagnostic metric entrants are listed by its value, smallest first, without places.

    Args:
        records: of any streams and entrants; those that cannot be compared are kept apart.
        question: what is asked; by default a board of all records by TAOA.

    Raises:
        BenchError: there is no such metric, or the streams' own differ in which way is better.
    """
    asked = question or Question()
    direction(asked.metric_on({}))  # refuses what is no metric
    listed = [*records]
    unusual = {
        record.fingerprint: settings
        for record in listed
        if (settings := unusual_settings(record, asked.usual))
    }
    marks = Marks(asked.other_code.runs, unusual)
    scored = [(stream, _scores(stream, asked)) for stream in grouped(listed, marks)]
    streams = [_stream_board(stream, scores, asked) for stream, scores in scored]
    better = _one_direction(streams)
    over_all, why_not = overall(
        [(board, scores) for board, (_, scores) in zip(streams, scored, strict=True)],
        better,
        asked.run,
    )
    return Board(
        suite=asked.suite,
        metric=" / ".join(dict.fromkeys(stream.metric for stream in streams))
        or asked.metric_on({}),
        better=better,
        streams=tuple(streams),
        overall=over_all,
        no_overall=why_not,
        head=asked.head,
        not_run=_not_run(asked, scored),
        other_code=asked.other_code,
        unusual=unusual,
    )


def _one_direction(streams: Sequence[StreamBoard]) -> Literal["higher", "lower", "diagnostic"]:
    found = {stream.better for stream in streams} or {"higher"}
    if len(found) > 1:
        metrics = ", ".join(dict.fromkeys(stream.metric for stream in streams))
        raise BenchError(
            f"the streams ask for metrics of which higher and lower values are better: {metrics}. "
            "Give one for all of them, as --by taoa, or choose streams."
        )
    return found.pop()


def unusual_settings(
    record: Record, usual: Mapping[bytes, Mapping[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Return the settings of network and optimiser in which a learner is not the usual one.

    Args:
        record: a result.
        usual: as in `Question`; on other streams every learner is usual.
    """
    entrant = record.spec.entrant
    here = usual.get(stream_key(record.spec.stream.model_dump()), {})
    parts = {"network": entrant.network, "optimizer": entrant.optimizer}
    return {
        f"{part}.{name}": value
        for part, settings in parts.items()
        for name, value in settings.items()
        if f"{part}.{name}" in here and here[f"{part}.{name}"] != value
    }


def stream_key(stream: Mapping[str, Any]) -> bytes:
    """Return what anchors are found by: the canonical JSON of a stream's name and settings."""
    return canonical({"name": stream["name"], "settings": stream["settings"]})


def _not_run(
    asked: Question, scored: Sequence[tuple[StreamRuns[Record], Sequence[Score]]]
) -> tuple[str, ...]:
    there = {
        stream_key(stream.entrants[0].runs[0].spec.stream.model_dump()) for stream, _ in scored
    }
    wanted = {stream_key(run["stream"]): run["stream"]["name"] for run in asked.specs}
    return tuple(name for key, name in wanted.items() if key not in there)


def _stream_board(
    stream: StreamRuns[Record], scores: Sequence[Score], asked: Question
) -> StreamBoard:
    spec = next(iter(stream.entrants)).runs[0].spec.stream.model_dump()
    metric = asked.metric_on(spec)
    better = direction(metric)
    sign = -1 if better == "lower" else 1
    order = sign if better != "diagnostic" else -1
    worst = worst_case(metric, scores)
    with_place = [entry for entry in scores if entry.ranked and entry.counted(worst)]
    with_place.sort(key=lambda entry: (-order * _mean(entry, worst), entry.label))
    labels = [entry.label for entry in with_place]
    counted = {entry.label: entry.outcomes(worst) for entry in with_place}
    compared = pairs(
        labels,
        [difference([(counted[a], counted[b])], sign) for a, b in combinations(labels, 2)],
    )
    places: Sequence[Rank | None] = (
        [None] * len(labels)
        if better == "diagnostic"
        else ranks(labels, compared, sign, {entry.label: len(entry.lost) for entry in with_place})
    )
    without = [entry for entry in scores if entry.label not in counted]
    builder = _Standings(
        stream,
        asked,
        metric,
        worst,
        _reference(with_place, asked.reference),
        compared,
        detectable(labels, places, compared),
    )
    return StreamBoard(
        stream=stream.label,
        name=spec["name"],
        metric=metric,
        better=better,
        settings=spec["settings"],
        worst=worst,
        anchors=asked.anchors.get(stream_key(spec)) or bounds(metric),
        reference=builder.reference,
        standings=tuple(
            builder.standing(entry, place)
            for entry, place in zip(
                [*with_place, *without], [*places, *(None for _ in without)], strict=True
            )
        ),
        pairs=compared,
        undefined=why_undefined(metric, spec["settings"])
        if any("undefined" in entry.lost.values() for entry in scores)
        else None,
    )


def _scores(stream: StreamRuns[Record], asked: Question) -> list[Score]:
    """Return what the entrants of a stream come to, those without any result included."""
    spec = stream.entrants[0].runs[0].spec.stream.model_dump()
    seeds: dict[bytes, list[int]] = {}
    names: dict[bytes, str] = {}
    for run in asked.specs:
        if run["stream"] == spec:
            key = canonical(run["entrant"])
            seeds.setdefault(key, []).append(run["seed"])
            names[key] = run["entrant"]["name"]
    found = []
    for entrant in stream.entrants:
        key = canonical(entrant.runs[0].spec.entrant.model_dump())
        found.append(score(entrant, asked.metric_on(spec), seeds.get(key, ())))
        names.pop(key, None)
    taken = {entry.label for entry in found}
    return told_apart(found) + [
        Score(_free(name, taken), name, (), {}, {}, tuple(sorted(seeds[key])))
        for key, name in names.items()
    ]


def _free(name: str, taken: Container[str]) -> str:
    """Return a label for what was not run, beside an entrant of that name with other settings."""
    return f"{name} [not run]" if name in taken else name


class _Standings:
    """Makes the standings of one stream; what all of them share is computed once."""

    def __init__(
        self,
        stream: StreamRuns[Record],
        asked: Question,
        metric: str,
        worst: float | None,
        reference: str | None,
        compared: Sequence[Pair],
        hidden: Mapping[str, float],
    ) -> None:
        self.asked = asked
        self.metric = metric
        self.worst = worst
        self.reference = reference
        self.hidden = hidden
        self.environments = unusual_environments({e.label: e.runs for e in stream.entrants})
        self.leader = compared[0].first if compared else None
        self.by_labels = between(compared)
        self.entrants: dict[str, EntrantRuns[Record]] = {e.label: e for e in stream.entrants}

    def standing(self, entry: Score, place: Rank | None) -> Standing:
        counted = entry.counted(self.worst)
        label = entry.label
        leader = self.by_labels.get((label, self.leader or ""))
        to_reference = self.by_labels.get((label, self.reference or ""))
        return Standing(
            entrant=label,
            rank=place,
            summary=summarise([counted[seed] for seed in sorted(counted)]) if counted else None,
            values=entry.values,
            lost=entry.lost,
            missing=entry.missing,
            other_tasks=tuple(sorted(entry.other_tasks)),
            runs={run.spec.seed: run.fingerprint for run in entry.runs},
            difference=to_reference.difference if to_reference else None,
            p_holm=to_reference.p_holm if to_reference else nan,
            p_leader=leader.p_holm if leader else nan,
            detectable=self.hidden.get(label),
            needs=tuple(sorted({need for run in entry.runs for need in run.needs})),
            cost=cost(entry.done, self.asked.tuning_trials.get(entry.name)),
            coverage=coverage(entry),
            trust=self.asked.trust(entry.runs),
            environment=self.environments.get(label, ""),
            beside=beside(entry.done, self.metric),
        )


def _reference(ranked: Sequence[Score], name: str) -> str | None:
    """Return the label of the entrant meant; of several, the best and so the hardest to beat."""
    return next((entry.label for entry in ranked if name in (entry.name, entry.label)), None)


def _mean(entry: Score, worst: float | None) -> float:
    values = entry.counted(worst).values()
    return sum(values) / len(values)
