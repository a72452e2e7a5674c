"""How quick ten thousand results are; prints the seconds (pytest -m slow -s)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.specs.fingerprint import canonical
from plasticity_bench.leaderboard.store.result import sealed
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import rebuild, verify
from plasticity_bench.leaderboard.trust.admission import trust_levels

MakeDraft = Callable[..., dict[str, Any]]
RESULTS = 10_000
BYTES = 33_000
"""Size of a result of the quick suite."""


def rows() -> list[dict[str, Any]]:
    """Return as many rows, of the same kind, as a run of the quick suite has."""
    return [
        {
            "kind": "task",
            "task": task,
            "step": task * 90,
            "alive": [100, 100],
            **{f"measure_{number}": (task + 1) / (number + 3) for number in range(12)},
        }
        for task in range(72)
    ]


def timed(what: str, do: Callable[[], Any], limit: float) -> Any:
    start = time.perf_counter()
    value = do()
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:.2f} s")
    assert seconds < limit, what
    return value


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_results_are_indexed_in_30_seconds_and_told_of_in_2(
    tmp_path: Path, make_draft: MakeDraft
) -> None:
    store = ResultStore(tmp_path)
    metrics = {f"metric_{number}": number / 7 for number in range(45)}
    sizes = 0
    for seed in range(RESULTS):
        entrant = f"entrant-{seed % 20}"
        content = sealed(
            make_draft(entrant=entrant, seed=seed, metrics={"taoa": 0.5, **metrics}, rows=rows())
        )
        text = canonical(content) + b"\n"  # without the waits for the disk that write has
        sizes += len(text)
        store.path(content["fingerprint"]).write_bytes(text)
    assert BYTES * 0.8 < sizes / RESULTS < BYTES * 1.3
    rebuilt = timed("rebuilt", lambda: rebuild(store), 30)
    assert (rebuilt.results, rebuilt.adopted) == (RESULTS, RESULTS)
    records = timed("records", lambda: list(store.records()), 2)
    assert len(records) == RESULTS
    few = timed("records of one entrant", lambda: list(store.records(entrants=["entrant-7"])), 1)
    assert len(few) == RESULTS / 20
    level = timed("trust", lambda: trust_levels(store)(records), 1)
    assert level == "self-reported"
    there = timed("has, 1000 times", lambda: [store.has(r.fingerprint) for r in records[:1000]], 2)
    assert all(there)
    assert timed("verified", lambda: verify(store), 60).problems == ()
