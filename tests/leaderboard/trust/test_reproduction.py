"""Runs are made again only with exactly what they were made with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.commands.selection import Selection
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.execution.execute import Outcome, execute
from plasticity_bench.harness.execution.jobs import prepare
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.store.result import Record, Result, sealed
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.trust import reproduction
from plasticity_bench.leaderboard.trust.reproduction import jobs_of, reproduce
from plasticity_bench.leaderboard.trust.work import Bounds

Change = Callable[[dict[str, Any]], object]


def record(folder: Path, entrant: str, change: Change = lambda content: None) -> Record:
    """Return the record of a run as it would be made here, but for a change."""
    selection = Selection("quick", ["permuted-digits(tasks=2)"], [entrant], "0:1")
    (job,) = prepare(selection.runs(), folder)
    content: dict[str, Any] = {
        "format": 1,
        "spec": job.run.as_json(),
        "sources": {**job.sources, "strategies": dict(job.sources["strategies"])},
        "results_version": job.results_version,
        "status": "done",
        "reason": None,
        "needs": [],
        "stream_digest": None,
        "metrics": {},
        "rows": [],
        "environment": {},
    }
    change(content)
    parts = (content["spec"], content["sources"], content["results_version"])
    return Result.model_validate(sealed({**content, "fingerprint": fingerprint(*parts)})).record


@pytest.mark.parametrize("entrant", ["reset", "grow(compactness=0.3)+reset", "avalanche:Naive"])
def test_a_run_made_here_can_be_made_again_here(tmp_path: Path, entrant: str) -> None:
    one = record(tmp_path, entrant)
    (job,) = jobs_of([one], tmp_path)
    assert job.fingerprint == one.fingerprint
    assert job.run.as_json() == one.spec.model_dump()


def strategy(content: dict[str, Any]) -> Any:
    return content["spec"]["entrant"]["strategies"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["sources"]["strategies"].update(reset="0" * 64), "the code of reset that is"),
        (lambda c: c["sources"].update(data="0" * 64), "the samples here are others"),
        (lambda c: c.update(results_version=0), "made with results version 0, and here is"),
        (lambda c: c["sources"].update(versions={"torch": "0.1"}), "it needs torch 0.1, and here"),
        (lambda c: c["spec"]["entrant"]["network"].pop("init"), "its settings are others"),
        (lambda c: strategy(c).update(name="rest"), "no strategy 'rest'; did you mean 'reset'"),
        (lambda c: strategy(c)["settings"].update(more=1), "no setting of strategy reset named"),
        (lambda c: c["spec"]["stream"].update(name="nowhere"), "no stream 'nowhere'"),
        (lambda c: c["spec"]["stream"]["settings"].update(tasks=-1), "tasks is -1"),
        (lambda c: c["spec"]["entrant"]["optimizer"].update(lr="x"), "lr='x' is not allowed"),
        (lambda c: c["spec"]["entrant"]["network"].update(widths=1), "named 'widths'"),
    ],
)
def test_what_differs_is_said_before_anything_runs(
    tmp_path: Path, change: Change, said: str
) -> None:
    with pytest.raises(BenchError) as caught:
        jobs_of([record(tmp_path, "reset", change)], tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("entrant", "run_beside"), [("dense", [0, 1, 2]), ("avalanche:Naive", [1])]
)
def test_a_run_is_made_again_in_the_company_of_its_other_seeds(
    entrant: str, run_beside: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = "permuted-digits(tasks=2,batch_size=200)"
    runs = Selection("quick", [stream], [entrant], "0:3").runs()
    store = ResultStore(tmp_path)
    jobs = prepare(runs, tmp_path)
    execute(jobs, store, data_dir=tmp_path, workers=1, progress=lambda _: None)
    reported = [result for result in store.results() if result.spec.seed == 1]
    elsewhere = record(tmp_path, "reset")  # of another entrant, on another variant
    made: list[list[int]] = []

    def watched(jobs: Any, *rest: Any, **options: Any) -> Outcome:
        made.append([job.run.seed for job in jobs])
        return execute(jobs, *rest, **options)

    monkeypatch.setattr(reproduction, "execute", watched)
    (check,) = reproduce(
        reported,
        [*store.records(), elsewhere],
        lambda _: "taoa",
        lambda _: 0.5,
        data_dir=tmp_path,
        workers=None,
        device="cpu",
        progress=lambda _: None,
    )
    assert made == [run_beside]
    assert (check.same_bits, check.deviation, check.tolerance) == (True, 0.0, 0.5)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 1e9])
@pytest.mark.parametrize("name", ["minutes", "gigabytes"])
def test_a_bound_that_bounds_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(BenchError, match=f"--{name} .* is not from 0 to"):
        Bounds(**{name: value})  # type: ignore[arg-type]
