"""Made-up results with everything that a page can show, and their boards."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plasticity_bench.leaderboard.board.ranking import Question, rank
from plasticity_bench.leaderboard.board.standings import Board
from plasticity_bench.leaderboard.store.result import Result, sealed
from tests.leaderboard.conftest import draft

AGES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)


def task_rows(tasks: int, level: float) -> list[dict[str, Any]]:
    """Rows of tasks and checkpoints whose accuracy climbs to a level."""
    climb = [level * (1 - 0.5 / (task + 1)) for task in range(tasks)]
    rows: list[dict[str, Any]] = []
    for task, accuracy in enumerate(climb):
        rows.append({"kind": "task", "task": task, "online_accuracy": accuracy})
        rows.append({"kind": "checkpoint", "step": 100 * (task + 1), "accuracy": accuracy})
    return rows


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


def made_board(results: Sequence[Result], metric: str = "taoa") -> Board:
    """Rank made-up results."""
    return rank(results, Question(suite="made", metric=metric, reference="dense", head="ab" * 32))
