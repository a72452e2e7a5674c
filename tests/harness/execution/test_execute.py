import _thread
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.execution.environment import environment
from plasticity_bench.harness.execution.execute import Advance, Outcome, execute, thread_count
from plasticity_bench.harness.execution.jobs import SEEDS_TOGETHER, Job, Stack, prepare, stacks
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.specs.spec import (
    EntrantSpec,
    NetworkSpec,
    OptimizerSpec,
    RunSpec,
    StrategySpec,
    StreamSpec,
)
from plasticity_bench.leaderboard.store.result_store import ResultStore


def make_job(
    entrant: str, seed: int, *, stream: str = "toy", lr: float = 0.1, updates: int = 3
) -> Job:
    spec = RunSpec(
        StreamSpec(stream, {"tasks": 3}),
        EntrantSpec(entrant, (StrategySpec("dense"),), NetworkSpec(), OptimizerSpec(lr=lr)),
        seed,
    )
    sources = {"data": "0" * 64, "strategies": {"dense": "1" * 64}}
    name = fingerprint(spec.as_json(), sources, 1)
    return Job(spec, name, sources, 1, ("task boundary",), updates)


def make_jobs(entrants: Iterable[str], seeds: Iterable[int] = (0, 1)) -> list[Job]:
    return [make_job(entrant, seed) for entrant in entrants for seed in seeds]


@pytest.fixture(autouse=True)
def _fake_runner_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def run(
    jobs: list[Job],
    folder: Path,
    workers: int | None = 1,
    runner: str = "run",
    advances: list[Advance] | None = None,
    timeout: float | None = None,
) -> tuple[Outcome, ResultStore]:
    store = ResultStore(folder / f"results-{workers}")
    outcome = execute(
        jobs,
        store,
        data_dir=folder,
        workers=workers,
        timeout=timeout,
        progress=(advances if advances is not None else []).append,
        runner=f"fake_runner:{runner}",
    )
    return outcome, store


def statuses(outcome: Outcome) -> dict[str, str]:
    return {f"{end.run.entrant.name}/{end.run.seed}": end.status for end in outcome.ends}


def test_runs_end_as_results_with_their_rows_metrics_and_log(tmp_path: Path) -> None:
    jobs = make_jobs(["fine"])
    outcome, store = run(jobs, tmp_path)
    assert statuses(outcome) == {"fine/0": "done", "fine/1": "done"}
    result = store.read(jobs[1].fingerprint)
    assert [row["loss"] for row in result.rows] == [1.0, 1.1, 1.2]
    assert result.metrics == {"taoa": 0.01, "undefined": None}
    assert (result.status, result.reason, result.needs) == ("done", None, ["task boundary"])
    assert result.spec.model_dump() == jobs[1].run.as_json()
    assert store.read_rows(jobs[1].fingerprint) == result.rows


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    run(make_jobs(["fine"], seeds=[0]), tmp_path)
    outcome, _ = run(make_jobs(["fine"], seeds=[0, 1]), tmp_path)
    assert [job.run.seed for job in outcome.kept] == [0]
    assert statuses(outcome) == {"fine/1": "done"}


def test_a_diverged_run_is_recorded_apart_from_the_others_of_its_stack(tmp_path: Path) -> None:
    jobs = make_jobs(["diverges"])
    outcome, store = run(jobs, tmp_path)
    assert statuses(outcome) == {"diverges/0": "done", "diverges/1": "diverged"}
    assert outcome.ended("diverged")[0].reason == "the loss was not finite"
    assert len(store.read(jobs[1].fingerprint).rows) == 3


@pytest.mark.parametrize(
    ("entrant", "reason"),
    [
        ("raises", "ZeroDivisionError: by a plug-in (fake_runner.py, line "),
        ("explains", "strategy 'mine' raised in end_task: no such layer"),
    ],
)
def test_what_a_plugin_raises_fails_its_runs_only(
    tmp_path: Path, entrant: str, reason: str
) -> None:
    jobs = make_jobs([entrant, "fine"])
    outcome, store = run(jobs, tmp_path)
    assert [end.status for end in outcome.ends] == ["failed"] * 2 + ["done"] * 2
    result = store.read(jobs[0].fingerprint)
    assert (result.reason or "").startswith(reason)
    assert [row["task"] for row in result.rows] == [0, 1]  # the rows it had are kept
    assert store.read_rows(jobs[0].fingerprint) == result.rows


def test_a_failed_run_is_tried_again_from_an_empty_log(tmp_path: Path) -> None:
    jobs = make_jobs(["raises"], seeds=[0])
    run(jobs, tmp_path)
    outcome, store = run(jobs, tmp_path)
    assert statuses(outcome) == {"raises/0": "failed"}
    assert len(store.read_rows(jobs[0].fingerprint)) == 2


def test_a_replica_without_an_end_has_failed(tmp_path: Path) -> None:
    outcome, _ = run(make_jobs(["fine"]), tmp_path, runner="stops_early")
    assert statuses(outcome) == {"fine/0": "done", "fine/1": "failed"}
    assert "without saying why" in (outcome.ended("failed")[0].reason or "")


def test_a_worker_that_dies_fails_only_its_own_runs(tmp_path: Path) -> None:
    jobs = make_jobs(["exits", "killed", "a", "b"])
    outcome, store = run(jobs, tmp_path, workers=2)
    expected = {"exits": "failed", "killed": "failed", "a": "done", "b": "done"}
    assert statuses(outcome) == {f"{n}/{seed}": s for n, s in expected.items() for seed in (0, 1)}
    reasons = {end.run.entrant.name: end.reason for end in outcome.ended("failed")}
    assert reasons["exits"] == "its process ended with status 3 before the run did"
    assert reasons["killed"] is not None
    assert "killed by SIGKILL" in reasons["killed"]
    result = store.read(jobs[0].fingerprint)
    assert result.status == "failed"
    assert [row["task"] for row in result.rows] == [0, 1]  # as far as they were logged


def test_one_worker_and_two_give_the_same_results(tmp_path: Path) -> None:
    jobs = make_jobs(["fine", "diverges", "raises"])
    _, here = run(jobs, tmp_path, workers=1)
    _, there = run(jobs, tmp_path, workers=2)
    for job in jobs:
        one, other = here.read(job.fingerprint), there.read(job.fingerprint)
        assert one.hashes.outputs == other.hashes.outputs
        assert one.reason == other.reason


def test_progress_counts_replica_updates_up_to_all_of_them(tmp_path: Path) -> None:
    advances: list[Advance] = []
    run([*make_jobs(["a"]), *make_jobs(["b"], seeds=[0])], tmp_path, advances=advances)
    assert advances[0] == Advance(done=2, total=9, stacks_done=0, stacks=2)
    assert advances[-1] == Advance(done=9, total=9, stacks_done=2, stacks=2)
    assert [a.done for a in advances] == sorted(a.done for a in advances)


@pytest.mark.parametrize(
    ("entrant", "reason"),
    [
        ("leaves", "SystemExit: 0 (fake_runner.py, line "),
        ("leaves at once", "its process ended with status 0 before the run did"),
        ("interrupts", "KeyboardInterrupt (fake_runner.py, line "),
        ("surrogate", "ValueError: \\ud800 cannot be written (fake_runner.py, line "),
        ("talks", f"ValueError: {'x' * 900}"),
        ("cannot say", "Mute: its text cannot be made (fake_runner.py, line "),
        ("writes into the pipe", "its process sent what "),
    ],
)
def test_no_way_to_end_harms_the_runs_of_others(tmp_path: Path, entrant: str, reason: str) -> None:
    jobs = make_jobs([entrant, "fine"])
    outcome, store = run(jobs, tmp_path)
    assert not outcome.interrupted
    assert [end.status for end in outcome.ends] == ["failed"] * 2 + ["done"] * 2
    result = store.read(jobs[0].fingerprint)
    assert (result.reason or "").startswith(reason)
    assert len(result.reason or "") < 1_200


def test_a_result_keeps_the_traceback_without_anybodys_folders(tmp_path: Path) -> None:
    jobs = make_jobs(["raises"])
    _, store = run(jobs, tmp_path)
    trace = store.read(jobs[0].fingerprint).traceback or ""
    assert trace.startswith("Traceback (most recent call last):")
    assert 'File "fake_runner.py", line ' in trace
    assert 'raise ZeroDivisionError("by a plug-in")' in trace
    assert str(Path(__file__).parent) not in trace


def test_processes_have_the_environment_and_the_limits_of_the_one_that_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(make_jobs(["fine"]), tmp_path / "before")  # what they are forked from is there from now on
    monkeypatch.setenv("ASKED_WITH", "this")
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = 2**40 + 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
    try:
        jobs = make_jobs(["tells"])
        _, store = run(jobs, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
    told = store.read(jobs[0].fingerprint).reason
    assert told is not None
    assert told.startswith(f"ValueError: this {wanted}")


def test_what_a_plugin_does_to_its_process_is_over_with_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = make_jobs(["changes everything", "fine"])
    outcome, store = run(jobs, tmp_path, runner="looks")
    assert [end.status for end in outcome.ends] == ["done"] * 4
    for job in jobs:
        assert not any(row["changed"] for row in store.read(job.fingerprint).rows)
    assert Path.cwd() != Path("/")
    assert capfd.readouterr().out == ""  # stdout may be JSON for programs


@pytest.mark.parametrize("entrant", ["loops", "holds on"])
def test_a_run_that_takes_too_long_is_given_up(tmp_path: Path, entrant: str) -> None:
    jobs = make_jobs([entrant, "fine"])
    started = time.monotonic()
    outcome, store = run(jobs, tmp_path, timeout=4.0)
    assert time.monotonic() - started < 60
    assert statuses(outcome) == {
        f"{entrant}/0": "failed",
        f"{entrant}/1": "failed",
        "fine/0": "done",
        "fine/1": "done",
    }
    result = store.read(jobs[0].fingerprint)
    assert result.reason == "it took longer than the timeout of 4 seconds"


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_lets_something_run(tmp_path: Path, timeout: float) -> None:
    with pytest.raises(BenchError, match=f"a timeout of {timeout:g} seconds lets nothing run"):
        run(make_jobs(["fine"]), tmp_path, timeout=timeout)


def test_a_script_that_asks_for_runs_is_not_run_again_by_their_processes(tmp_path: Path) -> None:
    # No `if __name__ == "__main__"`: a process that imported the script would start more of them.
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from plasticity_bench.harness.execution.execute import execute\n"
        "from plasticity_bench.leaderboard.store.result_store import ResultStore\n"
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent.parent.parent)!r})\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from tests.harness.execution.test_execute import make_jobs\n"
        "print('once')\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "outcome = execute(make_jobs(['fine']), ResultStore(folder / 'r'), data_dir=folder,\n"
        "                  progress=lambda _: None, runner='fake_runner:run')\n"
        "print([end.status for end in outcome.ends])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == ["once", "['done', 'done']"], done.stderr


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "import sys\n"
        f"sys.path[:0] = [{str(Path(__file__).parents[3])!r}, {str(Path(__file__).parent)!r}]\n"
        "from tests.harness.execution.test_execute import make_jobs, run\n"
        f"run(make_jobs(['notes and loops']), Path({str(tmp_path)!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    noted = tmp_path / "process"
    while not noted.exists() or not noted.read_text():
        assert parent.poll() is None
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while _is_alive(int(noted.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_an_interruption_stops_the_workers(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "waiting").exists():
            time.sleep(0.05)
        _thread.interrupt_main()  # as Ctrl-C does

    # A shell starts what it puts into the background with SIGINT ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    before = time.monotonic()
    outcome, _ = run(make_jobs(["waits", "fine"]), tmp_path, workers=2)
    signal.signal(signal.SIGINT, handler)
    assert outcome.interrupted
    assert time.monotonic() - before < 50  # the worker alone would take 60 s
    assert "waits/0" not in statuses(outcome)


@pytest.mark.parametrize(
    ("workers", "device", "message"),
    [
        (0, "cpu", "0 workers cannot run anything. Give 1 or more."),
        (1, "gpu", "the device 'gpu' cannot be used"),
    ],
)
def test_impossible_places_are_refused(
    tmp_path: Path, workers: int, device: str, message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        execute(
            [],
            ResultStore(tmp_path),
            data_dir=tmp_path,
            workers=workers,
            device=device,
            progress=lambda _: None,
        )


def seeds_of(made: Iterable[Stack]) -> list[list[int]]:
    return [[job.run.seed for job in stack.jobs] for stack in made]


def test_seeds_share_a_stack_by_fives_whatever_their_order() -> None:
    asked = (7, 3, 0, 12, 4, 1, 5)
    for order in (asked, asked[::-1], sorted(asked)):
        made = stacks(make_jobs(["a"], seeds=order))
        assert sorted(seeds_of(made)) == [[0, 1, 3, 4], [5, 7], [12]]


def test_other_entrants_streams_networks_and_learning_rates_do_not() -> None:
    first = make_job("a", 0)
    wide = replace(first.run.entrant, network=NetworkSpec(hidden=(9,)))
    others = [
        make_job("b", 0),
        make_job("a", 0, stream="other"),
        make_job("a", 0, lr=0.2),
        replace(first, run=replace(first.run, entrant=wide)),
    ]
    assert seeds_of(stacks([first, *others])) == [[0]] * 5


def test_what_is_done_keeps_the_others_of_its_stack_company() -> None:
    jobs = make_jobs(["a", "b"], seeds=range(7))
    done = {job.fingerprint for job in jobs if job.run.seed in (0, 2, 5, 6)}
    made = stacks(jobs, done)
    assert seeds_of(made) == [[0, 1, 2, 3, 4]] * 2
    assert seeds_of(Stack(stack.missing) for stack in made) == [[1, 3, 4]] * 2


def test_the_longest_stack_is_first() -> None:
    jobs = [make_job("a", 0), make_job("b", 0, updates=9), make_job("c", 0, updates=5)]
    assert [stack.jobs[0].run.entrant.name for stack in stacks(jobs)] == ["b", "c", "a"]


@given(seeds=st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=4))
def test_every_job_is_in_one_stack_and_none_is_too_large(seeds: list[set[int]]) -> None:
    jobs = [job for n, some in enumerate(seeds) for job in make_jobs([f"e{n}"], seeds=some)]
    made = stacks(jobs)
    assert sorted(job.fingerprint for stack in made for job in stack.jobs) == sorted(
        job.fingerprint for job in jobs
    )
    assert max(len(stack.jobs) for stack in made) <= SEEDS_TOGETHER


def test_what_keeps_others_company_is_neither_written_nor_logged_again(tmp_path: Path) -> None:
    jobs = make_jobs(["fine"], seeds=range(3))
    _, store = run(jobs[:2], tmp_path)
    before = {job.fingerprint: store.path(job.fingerprint).stat().st_mtime_ns for job in jobs[:2]}
    outcome, _ = run(jobs, tmp_path)
    assert statuses(outcome) == {"fine/2": "done"}
    for name, time_ns in before.items():
        assert store.path(name).stat().st_mtime_ns == time_ns
        assert len(store.read_rows(name)) == 3  # as the first time wrote them


def test_the_environment_says_versions_and_nothing_personal() -> None:
    found = environment("cpu")
    assert {"python", "torch", "numpy", "plasticity-bench", "avalanche-lib"} <= found.keys()
    assert str(Path.home()) not in str(found)
    assert found["threads"] >= 1


def test_a_prepared_run_knows_its_length_data_and_code(tmp_path: Path) -> None:
    from plasticity_bench.harness.plugins.resolve import resolve
    from plasticity_bench.harness.specs.suite import load_suite, parse_stream

    suite = replace(
        load_suite("quick"),
        streams=(parse_stream("permuted-digits(tasks=2,passes=1,batch_size=100)"),),
        seeds=(0, 1),
    )
    jobs = prepare(resolve(suite), tmp_path)
    assert jobs[0].updates == 2 * 15  # 1,437 samples in batches of 100
    assert len(jobs[0].sources["data"]) == 64
    assert jobs[0].sources["strategies"].keys() == {"dense"}
    assert len({job.fingerprint for job in jobs}) == len(jobs) == 10
    assert {job.run.entrant.name: job.needs for job in jobs}["reset"] == ("task boundary",)


def test_a_worker_computes_with_one_thread_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert thread_count() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert thread_count() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert thread_count() == 1


def test_nothing_runs_where_results_cannot_be_kept(tmp_path: Path) -> None:
    advances: list[Advance] = []
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="results cannot be written"):
        run(make_jobs(["a"]), tmp_path / "file", advances=advances)
    assert advances == []
    assert run([], tmp_path / "file")[0].ends == ()  # nothing to keep, nothing to check
