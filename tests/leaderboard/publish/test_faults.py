"""Whatever goes wrong, nothing is lost or doubled, and a later publish completes it."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from plasticity_bench.leaderboard.publish import listing
from plasticity_bench.leaderboard.publish.connect import PATIENCE, Deferred
from plasticity_bench.leaderboard.publish.job import Job
from plasticity_bench.leaderboard.publish.publication import publish, to_do
from tests.wandb_server import Fault

from .publishing import Lab, assert_all_there_once, receipts

pytestmark = pytest.mark.usefixtures("wandb_runs")

FAULTS = {
    "500 for a while": Fault("graphql UpsertBucket", 500, times=4),
    "file stream 404": Fault("POST file_stream", 404, times=2),
    "commit refused": Fault("CommitArtifact", 400, times=3),
    "upsert forbidden": Fault("graphql UpsertBucket", 403, times=2, message="permission denied"),
    "upload broken off": Fault("PUT storage .*result.json", 0, times=2),
    "report refused": Fault("upsertView", 400, times=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_that_passes_is_made_good(lab: Lab, fault: Fault) -> None:
    lab.add({"dense": 0.5, "grow": 0.7}, [0])
    lab.server.fail(fault)
    first = publish(lab.job(), deadline=90)
    assert fault.times == 0, "it was met"
    left = publish(lab.job(), deadline=90).left if first.left else ()
    assert left == ()
    assert_all_there_once(lab)


def test_faults_that_pass_are_made_good(lab: Lab) -> None:
    lab.add({"dense": 0.5, "grow": 0.7}, [0])
    faults = [
        Fault("graphql UpsertBucket", 403, times=1, message="permission denied"),
        Fault("CommitArtifact", 400, times=1),
        Fault("PUT storage .*result.json", 0, times=1, after=1),
        Fault("upsertView", 400, times=1),
    ]
    lab.server.fail(*faults)
    assert publish(lab.job()).left == ()
    assert [fault.times for fault in faults] == [0] * len(faults), "each was met"
    assert_all_there_once(lab)


def test_what_is_not_there_gets_no_receipt(lab: Lab) -> None:
    lab.add({"dense": 0.5}, [0])
    lab.server.fail(Fault("POST file_stream", 404))
    outcome = publish(lab.job(), deadline=6)
    assert outcome.sent == 0
    assert receipts(lab) == {}
    assert len(outcome.left) == 4


def test_a_dead_server_defers_at_once(lab: Lab) -> None:
    lab.add({"dense": 0.5}, [0])
    lab.server.stop()
    start = time.monotonic()
    with pytest.raises(Deferred, match="does not answer"):
        lab.job()
    assert time.monotonic() - start < 1


def test_a_hanging_server_defers_in_seconds(lab: Lab) -> None:
    lab.add({"dense": 0.5}, [0])
    lab.server.fail(Fault(".", 200, delay=6))
    start = time.monotonic()
    with pytest.raises(Deferred, match="does not answer"):
        lab.job()
    assert time.monotonic() - start < PATIENCE + 1


def test_a_server_that_dies_in_the_middle_holds_nobody_up(lab: Lab) -> None:
    lab.add({"dense": 0.5, "grow": 0.7}, [0, 1])
    job = lab.job()
    lab.server.fail(Fault("POST file_stream|graphql", 200, after=20, delay=60))
    start = time.monotonic()
    outcome = publish(job, deadline=4)
    assert time.monotonic() - start < 6
    assert outcome.left
    assert not (job.folder / "scratch").exists()
    lab.server.fail()
    assert publish(lab.job()).left == ()
    assert_all_there_once(lab)


def test_what_is_gone_right_after_it_was_seen_is_sent_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    taken: list[str] = []

    def withdraw(job: Job, patience: float) -> int:
        if not taken:
            [run] = lab.state.of_job("seed-run")
            run.state = "running"
            taken.append(run.name)
            patience = 0.0
        return listing.withdraw(job, patience)

    monkeypatch.setattr("plasticity_bench.leaderboard.publish.publication.withdraw", withdraw)
    assert publish(job).left == ()
    assert taken
    assert_all_there_once(lab)


def test_results_that_can_never_be_sent_do_not_keep_the_others_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity_bench.leaderboard.publish.publication.ATTEMPTS_IN_VAIN", 2)
    lab.add({"dense": 0.5}, range(5))
    job = lab.job()
    spoilt, sound = lab.fingerprints[:3], lab.fingerprints[3:]
    for name in spoilt:
        path = lab.store.path(name)
        path.write_bytes(path.read_bytes()[:-50])
    outcome = publish(job)
    assert sorted(outcome.left) == sorted(f"run-{name}" for name in spoilt)
    assert any("truncated" in problem for problem in outcome.problems)
    assert [run.settings["fingerprint"] for run in lab.state.of_job("seed-run")] == sound


def test_of_two_publishes_at_once_one_is_deferred_and_leaves_the_other_alone(lab: Lab) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    job.folder.mkdir(parents=True)
    note = job.folder / "scratch"
    note.write_text(str(lab.store.folder), encoding="utf-8")
    with (
        FileLock(job.folder / "publishing"),
        pytest.raises(Deferred, match="another publish to this project is going on here"),
    ):
        publish(job)
    assert note.exists()
    assert lab.fingerprints


def test_a_publish_killed_again_and_again_goes_on_where_it_was(lab: Lab) -> None:
    lab.add({"dense": 0.5, "grow": 0.7}, [0, 1, 2])
    job_file = lab.store.folder / "wandb" / "job.json"
    job = lab.job()
    job_file.parent.mkdir(exist_ok=True)
    job_file.write_text(job.model_dump_json())
    done = [len(to_do(job))]
    for requests in (15, 60):
        lab.state.requests.clear()
        killed_publish(job_file, partial(_reached, lab, requests))
        done.append(len(to_do(job)))
        _wait_until_gone(job.folder)
    assert done[-1] < done[0], "something got through in between"
    assert done == sorted(done, reverse=True), "and stayed there"
    assert publish(lab.job()).left == ()
    assert_all_there_once(lab)


def killed_publish(job_file: Path, when: Callable[[], bool]) -> bool:
    """Publish in another process and kill that with -9; return whether it had ended before."""
    code = (
        "import sys; from pathlib import Path\n"
        "from plasticity_bench.leaderboard.publish.job import Job\n"
        "from plasticity_bench.leaderboard.publish.publication import publish\n"
        "publish(Job.model_validate_json(Path(sys.argv[1]).read_text()))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(job_file)], env=os.environ)
    while process.poll() is None:
        if when():
            process.kill()
            process.wait()
            return False
        time.sleep(0.02)
    return True


def _reached(lab: Lab, requests: int) -> bool:
    return len(lab.state.requests) >= requests


def _past(moment: float) -> bool:
    return time.monotonic() > moment


def _left_running(folder: Path) -> list[str]:
    """Return the processes of a publish that were left and are no zombies."""
    note = folder / "scratch"
    if not note.exists():
        return []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            if f"WANDB_DIR={note.read_text()}".encode() in environment:
                found.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return [name for name in found if name]


def _wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + 5
    while left := _left_running(folder):
        assert time.monotonic() < end, left
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_200_results_with_faults_and_kills_published_twice(lab: Lab) -> None:
    entrants = {f"entrant-{number}": number / 25 for number in range(20)}
    lab.add(entrants, range(10), rows=20)
    assert len(lab.fingerprints) == 200
    job = lab.job()
    job_file = lab.store.folder / "job.txt"
    job_file.write_text(job.model_dump_json())
    chance = random.Random(0)
    start, kills = time.monotonic(), 0
    lab.server.fail(
        Fault("CommitArtifact", 400, times=5, after=10),
        Fault("POST file_stream", 404, times=5, after=30),
        Fault("graphql UpsertBucket", 500, times=8, after=60),
        Fault("graphql UpsertBucket", 403, times=3, after=90),
        Fault("PUT storage", 0, times=4, after=120),
        Fault("POST file_stream", 200, times=3, after=150, delay=30),
    )
    while to_do(lab.job()):  # which looks whether what a killed one had sent has undone anything
        moment = time.monotonic() + chance.uniform(3, 25)
        kills += not killed_publish(job_file, partial(_past, moment))
        _wait_until_gone(job.folder)
        assert kills < 60
    took = time.monotonic() - start
    assert kills > 3
    assert_all_there_once(lab)
    lab.state.requests.clear()
    start = time.monotonic()
    assert publish(lab.job()).sent == 0
    print(f"first: {took:.0f} s with {kills} kills; again: {time.monotonic() - start:.1f} s")
    assert not [name for name, _ in lab.state.requests if "Upsert" in name or "PUT" in name]
    assert_all_there_once(lab)
