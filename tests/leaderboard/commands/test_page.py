import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.commands.selection import Selection
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.commands.page import state_of
from plasticity_bench.leaderboard.page import serve
from plasticity_bench.leaderboard.store.result_store import ResultStore

SMALL = ["--stream", "permuted-digits", "--entrant", "dense", "--entrant", "reset"]


def call(*words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == status, done.output
    return done


def add_results(folder: Path, seeds: str) -> None:
    """Write results of the runs that the words select, without running them."""
    for run in Selection("quick", SMALL[1:2], SMALL[3::2], seeds).runs():
        spec, sources = run.as_json(), {"data": "d" * 64, "strategies": {}}
        result: dict[str, Any] = {
            "format": 1,
            "fingerprint": fingerprint(spec, sources, 1),
            "spec": spec,
            "sources": sources,
            "results_version": 1,
            "status": "done",
            "reason": None,
            "needs": [],
            "stream_digest": "e" * 64,
            "metrics": {"taoa": 0.5 + 0.01 * run.seed, "updates": 10.0, "seconds": 1.0},
            "rows": [],
            "environment": {"python": "3.12.1"},
        }
        ResultStore(folder).write(result)


def test_build_writes_the_page_and_tells_what_is_missing(tmp_path: Path) -> None:
    add_results(tmp_path / "results", "0:2")
    words = [*SMALL, "--seeds", "0:3", "--results", str(tmp_path / "results")]
    done = call("leaderboard", "build", *words, "--out", str(tmp_path / "out"))
    assert f"The page is {tmp_path / 'out' / 'index.html'}, 0." in done.stdout
    assert "6 runs have no result by the code installed here: plasticity-bench run" in done.stderr
    data = json.loads((tmp_path / "out" / "board.json").read_text(encoding="utf-8"))
    assert list(data["entrants"]) == ["dense", "reset"]
    assert data["board"]["streams"][0]["standings"][0]["missing"] == [2]
    assert data["board"]["head"] is not None


def test_build_takes_the_metric_and_the_reference(tmp_path: Path) -> None:
    add_results(tmp_path, "0:2")
    words = [*SMALL, "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    call("leaderboard", "build", *words, "--by", "updates", "--against", "reset")
    board = json.loads((tmp_path / "out" / "board.json").read_text(encoding="utf-8"))["board"]
    assert (board["metric"], board["better"]) == ("updates", "diagnostic")
    assert board["streams"][0]["reference"] == "reset"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build"], "error: no results of quick"),
        (["build", "nosuch"], "error: no suite 'nosuch'"),
        (["serve", "nosuch"], "error: no suite 'nosuch'"),
    ],
)
def test_a_mistake_is_one_message(tmp_path: Path, words: list[str], message: str) -> None:
    done = call("leaderboard", *words, "--results", str(tmp_path / "none"), status=2)
    assert message in done.stderr


def test_a_port_in_use_is_one_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = call("leaderboard", "serve", "--port", port, status=2)
    assert f"error: cannot serve at 127.0.0.1, port {port}" in done.stderr


def test_serve_shows_results_as_they_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def two_visits(server: serve.PageServer) -> None:
        for seeds in ("0:2", "2:3"):
            add_results(tmp_path, seeds)
            data = json.loads(server.site().page.data)
            seen.append(list(data["board"]["streams"][0]["standings"][0]["values"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(serve.PageServer, "serve_forever", two_visits)
    done = call("leaderboard", "serve", *SMALL, "--results", str(tmp_path), "--port", "0")
    assert seen == [["0", "1"], ["0", "1", "2"]]
    assert "The board is at http://127.0.0.1:" in done.stdout
    assert done.stdout.endswith("stopped.\n")


def test_the_state_changes_with_what_a_page_shows_and_with_nothing_else(tmp_path: Path) -> None:
    states = {state_of(tmp_path / "none")}
    for name in ("a.json", "b.json", "journal/c.jsonl", "attestations/d.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
        states.add(state_of(tmp_path))
    os.utime(tmp_path / "a.json", (1, 1))
    states.add(state_of(tmp_path))
    assert len(states) == 6
    before = state_of(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "e.jsonl").write_text("{}")
    (tmp_path / "index.sqlite").write_text("")
    assert state_of(tmp_path) == before
