"""Order, workers and interruption change no bit of a result."""

import json
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.leaderboard.store.result_store import ResultStore
from tests.harness.test_cli import call

RUN = [
    *(
        "run",
        "--stream",
        "shifting-labels-digits(tasks=3,samples_per_task=480)",
        "--entrant",
        "dense",
    ),
    *("--entrant", "grow", "--entrant", "reset"),
]
"""On this stream differences in the last bit grow soonest."""


def made(folder: Path, seeds: str, workers: int = 1) -> dict[str, Any]:
    call(*RUN, "--seeds", seeds, "--workers", str(workers), "--results", str(folder))
    return outputs(folder)


def outputs(folder: Path) -> dict[str, Any]:
    """Return the outputs but times of every result, by its name."""
    return {
        result.fingerprint: json.dumps(
            [result.rows, {**result.metrics, "seconds": None}, result.status], sort_keys=True
        )
        for result in ResultStore(folder).results()
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(tmp_path_factory.mktemp("expected"), "0:5")


def test_the_order_of_seeds_changes_no_bit(tmp_path: Path, expected: dict[str, Any]) -> None:
    assert made(tmp_path, "4,2,0,1,3") == expected


def test_the_number_of_workers_changes_no_bit(tmp_path: Path, expected: dict[str, Any]) -> None:
    assert made(tmp_path, "0:5", workers=2) == expected


def test_seeds_of_other_stacks_change_no_bit(tmp_path: Path, expected: dict[str, Any]) -> None:
    assert made(tmp_path, "0:7").items() >= expected.items()


def test_an_interruption_between_the_results_of_a_stack_changes_no_bit(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    made(tmp_path, "0:5")
    store = ResultStore(tmp_path)
    lost = [result.fingerprint for result in store.results() if result.spec.seed in (1, 4)]
    for name in lost:
        store.path(name).unlink()
    assert made(tmp_path, "0:5") == expected
    assert len(lost) == 6
