"""Live curves: the same runs that a later publish completes, and never a danger to a run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.execution.jobs import Job
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.plugins.sources import RESULTS_VERSION
from plasticity_bench.harness.specs.spec import (
    EntrantSpec,
    NetworkSpec,
    OptimizerSpec,
    RunSpec,
    StrategySpec,
    StreamSpec,
)
from plasticity_bench.leaderboard.publish.history import history
from plasticity_bench.leaderboard.publish.live import live
from plasticity_bench.leaderboard.publish.publication import publish
from tests.wandb_server import Fault

from ..conftest import draft
from .publishing import PROJECT, Lab, assert_all_there_once, made_rows

ROWS = made_rows(4, 0.5)


def make_job(seed: int = 0) -> Job:
    entrant = EntrantSpec("dense", (StrategySpec("dense", {}),), NetworkSpec(), OptimizerSpec())
    run = RunSpec(StreamSpec("permuted-digits", {"tasks": 10}), entrant, seed)
    sources = {"data": "d" * 64, "strategies": {"dense": "c" * 64}}
    return Job(
        run, fingerprint(run.as_json(), sources, RESULTS_VERSION), sources, RESULTS_VERSION, (), 40
    )


def result_of(job: Job, status: str = "done") -> dict[str, Any]:
    made = draft(rows=ROWS, status=status)
    own = {"spec": json.loads(json.dumps(job.run.as_json())), "sources": dict(job.sources)}
    return {**made, **own, "fingerprint": job.fingerprint}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.usefixtures("wandb_runs")
@pytest.mark.parametrize(
    "rows_before_the_end",
    [0, pytest.param(4, marks=pytest.mark.slow)],  # the client sends rows every 15 seconds
)
def test_curves_are_there_while_the_run_goes_on_and_publish_completes_them(
    lab: Lab, said: list[str], rows_before_the_end: int
) -> None:
    job = make_job()
    with live("online", [job], lab.store, entity=None, project=PROJECT, tell=said.append):
        lab.store.append_rows(job.fingerprint, ROWS[:7])
        _wait(lambda: lab.state.runs)
        [run] = lab.state.runs.values()
        _wait(lambda: len(run.rows) >= rows_before_the_end)
        assert run.state == "running"
        lab.store.append_rows(job.fingerprint, ROWS[7:])
        lab.store.write(result_of(job))
    assert said == []
    assert run.name == f"r-{job.fingerprint[:16]}"
    assert run.rows == [{"_step": n, **step} for n, step in enumerate(history(ROWS))]
    assert run.summary["score/taoa"] == 0.9
    assert run.state == "finished"
    assert not publish(lab.job()).left
    assert_all_there_once(lab)


@pytest.mark.usefixtures("wandb_runs")
def test_offline_curves_wait_in_a_folder(account: None, tmp_path: Path, said: list[str]) -> None:
    from plasticity_bench.leaderboard.store.result_store import ResultStore

    store, job = ResultStore(tmp_path / "store"), make_job()
    with live("offline", [job], store, entity=None, project=PROJECT, tell=said.append):
        store.append_rows(job.fingerprint, ROWS)
        store.write(result_of(job))
    assert said == []
    [folder] = (store.folder / "wandb" / "offline").glob("wandb/offline-run-*")
    assert folder.name.endswith(f"r-{job.fingerprint[:16]}")


def test_without_a_server_the_run_goes_on_and_one_line_says_so(lab: Lab, said: list[str]) -> None:
    lab.server.stop()
    with live("online", [make_job()], lab.store, entity=None, project=PROJECT, tell=said.append):
        pass
    assert len(said) == 1
    assert "no live curves" in said[0]
    assert "does not answer" in said[0]


@pytest.mark.usefixtures("wandb_runs")
def test_a_server_that_hangs_holds_the_run_up_for_a_bounded_time(
    lab: Lab, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity_bench.leaderboard.publish.live.END_PATIENCE", 1.0)
    job = make_job()
    with live("online", [job], lab.store, entity=None, project=PROJECT, tell=said.append):
        lab.server.fail(Fault("Upsert|file_stream", 200, delay=30))
        lab.store.append_rows(job.fingerprint, ROWS)
        lab.store.write(result_of(job))
        time.sleep(1.5)
        start = time.monotonic()
    assert time.monotonic() - start < 3
    assert len(said) == 1
    assert "not complete" in said[0]


def test_what_the_run_raises_comes_through(lab: Lab, said: list[str]) -> None:
    lab.server.stop()
    with (
        pytest.raises(ZeroDivisionError),
        live("online", [], lab.store, entity=None, project=PROJECT, tell=said.append),
    ):
        raise ZeroDivisionError


def test_an_unknown_mode_is_refused() -> None:
    from plasticity_bench.leaderboard.commands.publish import live_curves
    from plasticity_bench.leaderboard.store.result_store import ResultStore

    with (
        pytest.raises(BenchError, match="no mode of --wandb 'onlin'; did you mean 'online'"),
        live_curves("onlin", [], ResultStore(Path("nowhere"))),
    ):
        raise AssertionError("it must not begin")


def test_the_commands_help_imports_no_wandb() -> None:
    code = "import sys, plasticity_bench.harness.cli; print('wandb' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ran.stdout.strip() == "False"


def _wait(condition: Any) -> None:
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
