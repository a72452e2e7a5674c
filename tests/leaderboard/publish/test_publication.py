"""The real wandb client publishes to the stand-in."""

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from plasticity_bench.leaderboard.publish import listing
from plasticity_bench.leaderboard.publish.publication import Outcome, publish, to_do
from tests.wandb_server import KEY, Fault

from ..conftest import Published, draft
from .publishing import Lab, assert_all_there_once, receipts, table

pytestmark = pytest.mark.usefixtures("wandb_runs")
PAGE = b"<!doctype html><title>board</title>"


def test_everything_is_there_once_and_as_in_the_store_then_ranks_follow_new_results(
    lab: Lab,
) -> None:
    lab.add({"dense": 0.5, "grow<b>": 0.7}, [0, 1, 2])
    outcome = publish(lab.job(PAGE))
    assert outcome == Outcome(sent=10, kept=0, left=(), problems=())
    assert_all_there_once(lab, PAGE)

    lab.state.requests.clear()
    before = receipts(lab)
    assert publish(lab.job(PAGE)) == Outcome(sent=0, kept=10, left=(), problems=())
    assert receipts(lab) == before
    assert [name for name, _ in lab.state.requests if "ProjectThere" not in name] == [
        "graphql Viewer",
        "graphql RunsThere",
    ], "a publish without news asks who we are and what is there, and sends nothing"

    lab.add({"reset": 0.9}, [0, 1, 2])
    [report] = lab.state.views
    outcome = publish(lab.job(PAGE))
    assert (outcome.sent, outcome.left) == (3 + 3 + 1, ()), "runs, all entries, the board"
    assert_all_there_once(lab, PAGE)
    assert [row[4] for row in table(lab)][:3] == ["reset", "grow<b>", "dense"]
    assert list(lab.state.views) == [report]
    [board_run] = lab.state.of_job("leaderboard-board")
    assert len(board_run.history) == 2, "each refresh is a step"
    assert [each.version for each in lab.state.committed(lab.job().board.artifact)] == [0, 1]


def test_an_entrant_that_left_the_board_is_marked(published: Published) -> None:
    lab = published.lab
    gone = [one.fingerprint for one in lab.store.results() if one.spec.entrant.name == "grow"]
    assert len(gone) == 2
    for name in gone:
        lab.store.path(name).unlink()
    assert not publish(lab.job()).left
    entries = {
        run.settings["entrant"]: run.summary for run in lab.state.of_job("leaderboard-entry")
    }
    assert entries["grow"]["on_board"] == 0
    assert "rank" not in entries["grow"]
    assert entries["dense"]["on_board"] == 1
    assert entries["dense"]["rank"] == 1
    assert to_do(lab.job()) == []


def test_what_was_deleted_on_the_server_comes_back_under_another_id(lab: Lab) -> None:
    [name] = lab.add({"dense": 0.5}, [0])
    lab.state.deleted.add(f"r-{name[:16]}")
    assert not publish(lab.job()).left
    assert_all_there_once(lab)
    [run] = lab.state.of_job("seed-run")
    assert run.name == f"r-{name[:16]}-2"
    assert run.name.encode() in receipts(lab)[f"run-{name}.json"]


def test_what_is_not_there_any_more_is_published_again(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = published.lab
    assert_all_there_once(lab)
    deleted, running, longer, _ = lab.state.of_job("seed-run")
    del lab.state.runs[deleted.project.entity, deleted.project.name, deleted.name]
    running.state = "running"  # as after a request of a killed publish that was taken in late
    longer.history.pop()
    [entry, _] = lab.state.of_job("leaderboard-entry")
    entry.state = "crashed"
    monkeypatch.setattr(listing, "PAGE", 3)
    job = lab.job()
    left = [*(f"run-{run.settings['fingerprint']}" for run in (deleted, running, longer))]
    left.append(f"entry-{job.board.key}-{entry.name}")
    assert sorted(to_do(job)) == sorted(left)
    assert publish(job) == Outcome(sent=4, kept=4, left=(), problems=())
    assert_all_there_once(lab)


def test_a_project_that_was_deleted_is_published_again_whole(published: Published) -> None:
    lab = published.lab
    lab.state.projects.clear()
    lab.state.runs.clear()
    lab.state.views.clear()
    lab.state.artifacts.clear()
    assert publish(lab.job()) == published.outcome
    assert_all_there_once(lab)


def test_a_server_that_does_not_list_runs_leaves_receipts_as_they_are(lab: Lab) -> None:
    lab.add({"dense": 0.5}, [0])
    lab.server.fail(Fault("RunsThere", 400))
    assert not publish(lab.job()).left
    lab.state.runs.clear()
    assert to_do(lab.job()) == []


def test_no_secret_and_nothing_of_machine_or_user_is_sent_or_written(
    lab: Lab, tmp_path: Path
) -> None:
    home = Path.home()
    lab.add({"dense": 0.5}, [0], stream_settings={"tasks": 10, "folder": f"{home}/pictures"})
    lab.add({"grow": 0.5}, [0])
    reason = f"OSError: no {home}/x on {socket.gethostname()} for alicesmith"
    path = lab.store.write({**draft(entrant="mine", status="failed"), "reason": reason})
    assert reason in path.read_text(), "the store keeps it"
    assert not publish(lab.job()).left

    sent = (
        b"\n".join(body for _, body in lab.state.requests) + "\n".join(lab.state.headers).encode()
    )
    [mine] = [run for run in lab.state.of_job("seed-run") if run.settings["entrant"] == "mine"]
    assert mine.summary["reason"] == "OSError: no <path> on <host> for <user>"
    assert KEY.encode() not in sent
    hidden = [str(tmp_path), str(home), "alicesmith", sys.executable, sys.prefix, os.getcwd()]
    for fact in [*hidden, "publish.worker", "pytest"]:
        assert fact.encode() not in sent, fact
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b".encode(), sent)
    whole = [run for run in lab.state.of_job("seed-run") if run.settings["entrant"] == "grow"]
    assert len(lab.state.committed(f"result-{whole[0].settings['fingerprint']}")) == 1
    for name in lab.fingerprints:
        if name != whole[0].settings["fingerprint"]:
            assert not lab.state.committed(f"result-{name}"), "its file names the home folder"
    for file in Path(lab.store.folder).rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file
