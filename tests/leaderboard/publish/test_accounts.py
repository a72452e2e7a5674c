"""A user without an account, with a wrong key, a wrong entity, a new project: a clear word each."""

import contextlib
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.sources import RESULTS_VERSION
from plasticity_bench.harness.specs.suite import load_suite
from plasticity_bench.leaderboard.publish.connect import PATIENCE, Deferred, connect
from plasticity_bench.leaderboard.publish.job import Target
from tests.wandb_server import KEY, Fault

from ..conftest import draft
from .publishing import Lab


def test_an_account_publishes_to_its_own_entity_or_its_team(lab: Lab) -> None:
    url = lab.server.url
    assert connect(None, "p") == (Target(base_url=url, entity="tester", project="p"), False)
    lab.state.project("lab", "p", make=True)
    assert connect("lab", "p") == (Target(base_url=url, entity="lab", project="p"), True)


def test_no_account_says_what_to_do(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(BenchError, match=r"no W&B account .* wandb login.*local board needs none"):
        connect(None, "p")


def test_a_key_is_found_where_wandb_login_puts_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    file = Path.home() / ".netrc"
    file.write_text(f"machine 127.0.0.1\n  login user\n  password {KEY}\n")
    file.chmod(0o600)
    assert connect(None, "p")[0].entity == "tester"


@pytest.mark.parametrize(
    ("key", "message"),
    [("x" * 40, "does not accept the W&B key"), ("short", "has 5 characters, and needs")],
)
def test_a_wrong_key_is_refused_without_showing_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, key: str, message: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(BenchError, match=message) as caught:
        connect(None, "p")
    assert key not in str(caught.value)


def test_an_entity_of_others_is_refused_with_the_nearest_name(lab: Lab) -> None:
    with pytest.raises(BenchError, match="no W&B entity 'lap'; did you mean 'lab'"):
        connect("lap", "p")


def test_an_entity_that_is_not_listed_will_do_if_its_project_can_be_seen(lab: Lab) -> None:
    lab.state.teams = ("lab", "others")
    lab.state.project("others", "p", make=True)
    lab.state.teams = ("lab",)
    assert connect("others", "p")[1]


def test_a_broken_server_defers(lab: Lab) -> None:
    lab.server.fail(Fault("Viewer", 502))
    with pytest.raises(Deferred, match="answers with status 502"):
        connect(None, "p")


def test_a_server_that_answers_drop_by_drop_defers_in_seconds(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        os.environ["WANDB_BASE_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"

        def drip() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" " * 99:
                    client.send(bytes([byte]))
                    time.sleep(0.2)

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        start = time.monotonic()
        with pytest.raises(Deferred, match="does not answer in 3 seconds"):
            connect(None, "p")
        assert time.monotonic() - start < PATIENCE + 1


def test_a_base_url_without_a_scheme_is_refused(lab: Lab) -> None:
    os.environ["WANDB_BASE_URL"] = "wandb.example.org"
    with pytest.raises(BenchError, match="must begin with https"):
        connect(None, "p")


def _run(lab: Lab, *words: str) -> tuple[int, str]:
    """Publish the results of one made-up selection by the command line."""
    options = ["--results", str(lab.store.folder), *words]
    result = CliRunner().invoke(app, ["publish", "quick", *options])
    return result.exit_code, re.sub(r"\s+", " ", result.output)


@pytest.fixture
def quick(lab: Lab) -> Lab:
    """Put one result into the store that belongs to the suite quick."""
    from plasticity_bench.harness.commands.selection import Selection
    from plasticity_bench.harness.fingerprint import fingerprint

    spec = json.loads(json.dumps(Selection("quick").runs()[0].as_json()))
    made = draft()
    made["spec"] = spec
    made["fingerprint"] = fingerprint(spec, made["sources"], RESULTS_VERSION)
    lab.store.write(made)
    assert load_suite("quick").metric is None  # the stream's own, which is TAOA
    return lab


def test_the_command_says_what_it_would_send(quick: Lab) -> None:
    status, said = _run(quick, "--dry-run", "--project", "boards")
    assert (status, quick.state.runs) == (0, {})
    assert "1 run," in said
    assert "project boards is not there yet" in said


def test_the_command_without_a_server_is_deferred_in_seconds(quick: Lab) -> None:
    quick.server.stop()
    start = time.monotonic()
    status, said = _run(quick)
    assert status == 75
    assert "deferred" in said
    assert "Nothing is lost" in said
    assert time.monotonic() - start < 5


def test_the_command_without_an_account_ends_with_status_2(
    quick: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    status, said = _run(quick)
    assert status == 2
    assert "wandb login" in said
    board = CliRunner().invoke(app, ["leaderboard", "quick", "--results", str(quick.store.folder)])
    assert board.exit_code == 0, "the local board works"


@pytest.mark.usefixtures("wandb_runs")
def test_the_command_publishes(quick: Lab) -> None:
    status, said = _run(quick, "--entity", "lab", "--project", "boards")
    assert (status, "published and read back" in said) == (0, True)
    assert len(quick.state.of_job("seed-run")) == 1
    assert {run.project.entity for run in quick.state.runs.values()} == {"lab"}


def test_an_empty_store_says_what_to_run(lab: Lab, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["publish", "quick", "--results", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "Run it first: plasticity-bench run quick" in re.sub(r"\s+", " ", result.output)
    assert not lab.state.runs
