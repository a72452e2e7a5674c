"""Made-up results: whole and valid, with only the parts that a test is about set by it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from plasticity_bench.leaderboard.result import Result, fingerprint, sealed

MakeDraft = Callable[..., dict[str, Any]]
MakeResult = Callable[..., Result]


def draft(
    *,
    stream: str = "permuted-digits",
    stream_settings: dict[str, Any] | None = None,
    entrant: str = "dense",
    settings: dict[str, Any] | None = None,
    lr: float = 0.01,
    seed: int = 0,
    status: str = "done",
    metrics: dict[str, Any] | None = None,
    rows: Sequence[dict[str, Any]] = (),
    needs: Sequence[str] = (),
    data: str = "d" * 64,
    results_version: int = 1,
) -> dict[str, Any]:
    spec = {
        "stream": {"name": stream, "settings": stream_settings or {"tasks": 10}},
        "entrant": {
            "name": entrant,
            "strategies": [{"name": entrant, "settings": settings or {}}],
            "network": {"kind": "mlp", "hidden": [100, 100]},
            "optimizer": {"name": "sgd", "lr": lr},
        },
        "seed": seed,
    }
    sources = {"data": data, "strategies": {entrant: "c" * 64}}
    return {
        "format": 1,
        "fingerprint": fingerprint(spec, sources, results_version),
        "spec": spec,
        "sources": sources,
        "results_version": results_version,
        "status": status,
        "reason": None if status == "done" else "made up",
        "needs": list(needs),
        "stream_digest": "e" * 64,
        "metrics": {"taoa": 0.9, "updates": 1000, "seconds": 2.5} if metrics is None else metrics,
        "rows": list(rows),
        "environment": {"python": "3.12.1", "torch": "2.9.0"},
    }


@pytest.fixture(scope="session")
def make_draft() -> MakeDraft:
    return draft


@pytest.fixture(scope="session")
def make_result() -> MakeResult:
    return lambda **parts: Result.model_validate(sealed(draft(**parts)))
