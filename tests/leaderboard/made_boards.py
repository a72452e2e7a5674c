"""Boards put together by hand from made-up results: everything a page can show, in small."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plasticity_bench.leaderboard.board import (
    Board,
    Cost,
    Coverage,
    Estimate,
    Lost,
    Overall,
    OverallStanding,
    Pair,
    Profile,
    Rank,
    Standing,
    StreamBoard,
)
from plasticity_bench.leaderboard.grouping import EntrantRuns, StreamRuns, grouped
from plasticity_bench.leaderboard.result import Result, sealed
from plasticity_bench.leaderboard.statistics import Interval, compare, holm, summarise
from tests.leaderboard.conftest import draft

AGES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)


def task_rows(tasks: int, level: float) -> list[dict[str, Any]]:
    """Rows of tasks whose accuracy climbs to a level."""
    return [
        {"kind": "task", "task": task, "online_accuracy": level * (1 - 0.5 / (task + 1))}
        for task in range(tasks)
    ]


def cohort_rows(births: int, pace: float) -> list[dict[str, Any]]:
    """Rows of newborns that near parity; `pace` is the age at which they are half there."""
    return [
        {
            "kind": "cohort",
            "layer": "hidden1",
            "birth": 100 * (birth + 1),
            "age": age,
            "newborns": 10,
            **dict.fromkeys(
                ("activation", "gradient", "incoming_gradient", "utility"),
                age / (age + pace * (1 + 0.2 * birth)),
            ),
        }
        for birth in range(births)
        for age in AGES
    ]


def made_results(
    entrants: Sequence[str],
    streams: Sequence[str] = ("permuted-digits", "shifting-labels-digits"),
    seeds: int = 3,
    *,
    tasks: int = 8,
    newborns: Sequence[str] = (),
    lost: Mapping[tuple[str, int], str] | None = None,
    unchecked: bool = False,
) -> list[Result]:
    """Make results: each entrant a little worse than the one before, seeds a little apart.

    Args:
        entrants: names.
        streams: names.
        seeds: of each.
        tasks: rows of tasks in each.
        newborns: entrants that have cohorts.
        lost: status by entrant and seed, on the first stream.
        unchecked: without the checks of a result file, which take their time.
    """
    generator = np.random.default_rng(0)
    results = []
    for stream in streams:
        for number, entrant in enumerate(entrants):
            for seed in range(seeds):
                value = 0.9 - 0.02 * number + float(generator.normal(0, 0.003))
                status = (lost or {}).get((entrant, seed), "done") if stream == streams[0] else ""
                rows = task_rows(tasks, value)
                rows += cohort_rows(3, 20 + 5 * number) if entrant in newborns else []
                content = draft(
                    stream=stream,
                    entrant=entrant,
                    seed=seed,
                    status=status or "done",
                    metrics={"taoa": value, "updates": 1000 + number, "seconds": 2.5},
                    rows=rows,
                    needs=("task boundary",) if number == 1 else (),
                )
                hashes = {"environment": "0" * 64, "outputs": "0" * 64}
                full = {**content, "hashes": hashes} if unchecked else sealed(content)
                results.append(Result.model_validate(full))
    return results


def made_board(results: Sequence[Result], *, overall: bool = True, better: str = "higher") -> Board:
    """Put a board together; ranks are by the means alone, which is enough for a page."""
    streams = tuple(_stream(stream, better) for stream in grouped(results))
    return Board(
        suite="made",
        metric="taoa",
        better=better,  # type: ignore[arg-type]
        streams=streams,
        overall=_overall(streams) if overall else None,
        no_overall=None if overall else "no anchors are fixed for permuted-digits.",
        head="ab" * 32,
    )


def _stream(stream: StreamRuns, better: str) -> StreamBoard:
    found = {entrant.label: _values(entrant) for entrant in stream.entrants}
    order = sorted(found, key=lambda label: -float(np.mean(list(found[label].values()) or [-1])))
    reference = order[0]
    runs = {entrant.label: entrant for entrant in stream.entrants}
    standings = tuple(
        _standing(runs[label], found, reference, place, len(order), better)
        for place, label in enumerate(order, 1)
    )
    return StreamBoard(
        stream=stream.label,
        settings={"tasks": 10},
        worst=0.1,
        anchors=(0.1, 1.0),
        reference=reference,
        comparisons=len(order) - 1,
        standings=standings,
        pairs=_pairs({label: found[label] for label in order if found[label]}),
    )


def _values(entrant: EntrantRuns) -> dict[int, float]:
    return {run.spec.seed: run.metrics["taoa"] or 0.0 for run in entrant.done}


def _standing(
    entrant: EntrantRuns,
    found: Mapping[str, Mapping[int, float]],
    reference: str,
    place: int,
    count: int,
    better: str,
) -> Standing:
    values = found[entrant.label]
    lost: dict[int, Lost] = {
        run.spec.seed: "diverged" if run.status == "diverged" else "failed"
        for run in entrant.runs
        if run.status != "done"
    }
    compared = compare(values, found[reference]) if values and entrant.label != reference else None
    rank = Rank(place, max(1, place - 1), min(count, place + 1), tied=False)
    return Standing(
        entrant=entrant.label,
        rank=None if better == "diagnostic" or not values else rank,
        summary=summarise(list(values.values())) if values else None,
        values=values,
        lost=lost,
        missing=(),
        runs={run.spec.seed: run.fingerprint for run in entrant.runs},
        difference=compared,
        p_holm=compared.p if compared else float("nan"),
        p_leader=float("nan"),
        needs=tuple(entrant.runs[0].needs),
        cost=Cost(1000.0, 1.5e12, 2.5, None),
        coverage=Coverage(
            done=len(values),
            diverged=list(lost.values()).count("diverged"),
            failed=list(lost.values()).count("failed"),
            undefined=0,
            missing=0,
        ),
        trust="self-reported",
    )


def _pairs(found: Mapping[str, Mapping[int, float]]) -> tuple[Pair, ...]:
    labels = list(found)
    pairs = [(a, b) for number, a in enumerate(labels) for b in labels[number + 1 :]]
    differences = [compare(found[a], found[b]) for a, b in pairs]
    corrected = holm([difference.p for difference in differences])
    return tuple(
        Pair(a, b, difference, p)
        for (a, b), difference, p in zip(pairs, differences, corrected, strict=True)
    )


def _overall(streams: Sequence[StreamBoard]) -> Overall:
    first = streams[0]
    thresholds = tuple(float(at) for at in np.linspace(0, 1, 51))
    ranked = [standing for standing in first.standings if standing.rank and standing.summary]
    standings = tuple(
        OverallStanding(
            entrant=standing.entrant,
            rank=standing.rank or Rank(1, 1, 1, tied=False),
            score=Estimate(score := 0.9 - 0.01 * number, Interval(score - 0.01, score + 0.01)),
            iqm=Estimate(score, Interval(score - 0.005, score + 0.005)),
            by_stream={stream.stream: score for stream in streams},
            p_leader=0.5,
            least_seeds=len(standing.values),
            needs=standing.needs,
            cost=standing.cost,
            coverage=standing.coverage,
            trust=standing.trust,
        )
        for number, standing in enumerate(ranked)
    )
    profiles = tuple(
        Profile(
            standing.entrant,
            thresholds,
            tuple(max(0.0, min(1.0, 2 * (standing.score.value - at) + 0.5)) for at in thresholds),
            (0.0,) * 51,
            (1.0,) * 51,
        )
        for standing in standings
    )
    return Overall(standings, first.pairs, profiles)
