"""The key goes to no other place than was named, and an error is never taken for an absence."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.leaderboard.publish import listing, question
from plasticity_bench.leaderboard.publish.connect import Deferred, connect
from plasticity_bench.leaderboard.publish.job import Target
from plasticity_bench.leaderboard.publish.listing import listed_runs, withdraw
from plasticity_bench.leaderboard.publish.publication import publish, to_do
from tests.wandb_server import KEY, Fault, StandIn

from ..conftest import Published
from .publishing import PROJECT, Lab, assert_all_there_once, receipts

LOGIN = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()


def data(**parts: Any) -> bytes:
    return json.dumps({"data": parts}).encode()


def runs(*nodes: Any, more: bool = False, cursor: Any = "1") -> bytes:
    edges = [{"node": node} for node in nodes]
    page = {"hasNextPage": more, "endCursor": cursor}
    return data(project={"runs": {"edges": edges, "pageInfo": page}})


@pytest.fixture
def elsewhere() -> Iterator[StandIn]:
    """Another server, whom the key is not for."""
    with StandIn() as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
@pytest.mark.parametrize("operation", ["Viewer", "ProjectThere", "RunsThere"])
def test_no_redirect_is_followed_with_the_key(
    lab: Lab, elsewhere: StandIn, status: int, operation: str
) -> None:
    lab.state.project("tester", PROJECT, make=True)
    lab.server.fail(Fault(operation, status, location=elsewhere.url))
    with pytest.raises(Deferred, match=rf"sends on to {elsewhere.url}.*status {status}.*no other"):
        listed_runs(connect(None, PROJECT)[0])
    assert elsewhere.state.requests == []


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1:1", "//localhost", "file:///etc/passwd?", "\x1b[2J", ""]
)
def test_wherever_a_redirect_leads_it_is_one_line(lab: Lab, location: str) -> None:
    lab.server.fail(Fault("Viewer", 302, location=location))
    with pytest.raises(Deferred) as caught:
        connect(None, PROJECT)
    assert str(caught.value).isprintable()
    lab.server.fail(Fault("Viewer", 302))
    with pytest.raises(Deferred, match="sends on to another place"):
        connect(None, PROJECT)


def test_a_redirect_on_the_same_server_is_not_followed_either(lab: Lab) -> None:
    lab.server.fail(Fault("Viewer", 307, location=f"{lab.server.url}/elsewhere", times=1))
    with pytest.raises(Deferred, match="set WANDB_BASE_URL"):
        connect(None, PROJECT)
    assert len(lab.state.requests) == 1


def test_a_page_that_sends_a_browser_on_is_no_answer(lab: Lab, elsewhere: StandIn) -> None:
    page = f'<meta http-equiv="refresh" content="0; url={elsewhere.url}">'
    refresh = (("Refresh", f"0; url={elsewhere.url}"), ("Content-Type", "text/html"))
    lab.server.fail(Fault("Viewer", 200, answer=page.encode(), headers=refresh))
    with pytest.raises(Deferred, match="something else than JSON"):
        connect(None, PROJECT)
    assert elsewhere.state.requests == []


ODD = {
    "an error": (b'{"errors": [{"message": "internal\\u001b[2J error"}]}', "internal\ufffd.2J err"),
    "an error beside null": (b'{"data": null, "errors": [{"message": "no"}]}', "an error: no"),
    "an error beside data": (
        json.dumps({"data": {"project": None, "viewer": None}, "errors": [{"message": "no"}]}),
        "with an error: no",
    ),
    "an error that is text": (b'{"errors": "no"}', "an error: no"),
    "an error that is an object": (b'{"errors": {"message": "no"}}', "an error: no"),
    "errors without words": (b'{"errors": [null], "data": {"project": null}}', "an error: None"),
    "a list": (b"[]", "type list"),
    "a list with an answer": (b'[{"data": {"project": null}}]', "type list"),
    "a text": (b'"yes"', "type str"),
    "null": (b"null", "type NoneType"),
    "nothing": (b"", "something else than JSON"),
    "an object without anything": (b"{}", "data: Input should be"),
    "data that is null": (b'{"data": null}', "data: Input should be"),
    "data that is a list": (b'{"data": []}', "data: Input should be"),
    "data without the field": (b'{"data": {}}', "Field required"),
    "a field that is a list": (data(project=[], viewer=[]), "Input should be"),
    "a field that is false": (data(project=False, viewer=False), "Input should be"),
    "HTML": (b"<html><body>Bad gateway</body></html>", "something else than JSON"),
    "bytes that are no text": (b"\xff\xfe\x00", "something else than JSON"),
    "lists without an end": (b"[" * 200_000, "something else than JSON"),
    "a number without an end": (b'{"data": ' + b"9" * 5000 + b"}", "something else than JSON"),
}


def _connect(lab: Lab) -> None:
    connect(None, PROJECT)


@pytest.mark.parametrize(("answer", "said"), ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("operation", ["Viewer", "ProjectThere"])
def test_an_odd_answer_is_one_line(
    lab: Lab, operation: str, answer: bytes | str, said: str
) -> None:
    answer = answer if isinstance(answer, bytes) else answer.encode()
    lab.server.fail(Fault(operation, 200, answer=answer))
    with pytest.raises(Deferred, match=said) as caught:
        connect(None, PROJECT)
    assert f"{lab.server.url} answers {operation}" in str(caught.value)
    assert str(caught.value).isprintable()


SOUND = {"name": "r-1", "state": "finished", "historyLineCount": 6}
ODD_LISTS = {
    "a project without runs": data(project={}),
    "runs that are null": data(project={"runs": None}),
    "runs without edges": data(project={"runs": {"pageInfo": {"hasNextPage": False}}}),
    "runs without pages": data(project={"runs": {"edges": []}}),
    "edges that are null": data(
        project={"runs": {"edges": None, "pageInfo": {"hasNextPage": False}}}
    ),
    "an edge without a node": data(
        project={"runs": {"edges": [{}], "pageInfo": {"hasNextPage": False}}}
    ),
    "a node that is null": runs(None),
    "a node that is a list": runs([]),
    "a run without a state": runs({"name": "r-1"}),
    "a run whose state is null": runs({**SOUND, "state": None}),
    "a run without a name": runs({"state": "finished"}),
    "a run whose name is a number": runs({**SOUND, "name": 1}),
    "rows that are text": runs({**SOUND, "historyLineCount": "6"}),
    "rows that are a share": runs({**SOUND, "historyLineCount": 5.5}),
    "pages that are text": runs(SOUND, more="yes"),  # type: ignore[arg-type]
    "a cursor that is an object": runs(SOUND, more=True, cursor={}),
    "more pages and no cursor": runs(SOUND, more=True, cursor=None),
    "the same page without an end": runs(SOUND, more=True),
    "empty pages without an end": runs(more=True),
}


@pytest.mark.parametrize(
    "answer",
    [*(one for one, _ in ODD.values()), *ODD_LISTS.values()],
    ids=[*ODD.keys(), *ODD_LISTS.keys()],
)
def test_an_odd_list_of_runs_touches_no_receipt(lab: Lab, answer: bytes | str) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    job.receipts.write("run-1", {"id": "r-1", "rows": 6})
    job.receipts.write(f"report-{job.board.key}", {"id": "View:1"})
    before = receipts(lab)
    answer = answer if isinstance(answer, bytes) else answer.encode()
    lab.server.fail(Fault("RunsThere", 200, answer=answer))
    with pytest.raises(Deferred) as caught:
        withdraw(job)
    assert str(caught.value).isprintable()
    with pytest.raises(Deferred):
        lab.job()
    assert receipts(lab) == before


def test_an_error_after_the_first_page_touches_no_receipt(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    for number in range(3):
        job.receipts.write(f"run-{number}", {"id": f"r-{number}", "rows": 0})
    project = lab.state.project("tester", PROJECT, make=True)
    assert project is not None
    monkeypatch.setattr(listing, "PAGE", 1)
    lab.server.fail(
        Fault("RunsThere", 200, answer=runs({**SOUND, "name": "r-0"}, more=True), times=1),
        Fault("RunsThere", 200, answer=data(project=None), times=1),
    )
    with pytest.raises(Deferred, match="was gone while its runs were listed"):
        withdraw(job)
    assert len(receipts(lab)) == 3


def test_a_list_of_more_runs_than_a_project_has_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_PAGES", 2)
    lab.server.fail(
        *(
            Fault("RunsThere", 200, times=1, answer=runs({**SOUND, "name": f"r-{n}"}, more=True))
            for n in range(3)
        )
    )
    with pytest.raises(Deferred, match=r"more than 1,000 runs"):
        listed_runs(Target(base_url=lab.server.url, entity="tester", project=PROJECT))


def test_a_very_large_answer_is_not_read_to_its_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "MOST_BYTES", 1000)
    lab.server.fail(Fault("Viewer", 200, answer=b'{"data": "' + b"x" * 10**6 + b'"}'))
    with pytest.raises(Deferred, match="more than 1,000 bytes"):
        connect(None, PROJECT)


def test_a_slow_answer_touches_no_receipt(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    job.receipts.write("run-1", {"id": "r-1", "rows": 6})
    monkeypatch.setattr(question, "PATIENCE", 0.3)
    lab.server.fail(Fault("RunsThere", 200, delay=2))
    with pytest.raises(Deferred, match=r"does not answer in 0.3 seconds"):
        withdraw(job)
    assert receipts(lab).keys() == {"run-1.json"}


@pytest.mark.parametrize("status", [204, 304, 404, 418, 429, 500, 502, 503])
def test_a_status_of_any_kind_touches_no_receipt(lab: Lab, status: int) -> None:
    lab.add({"dense": 0.5}, [0])
    job = lab.job()
    job.receipts.write("run-1", {"id": "r-1", "rows": 6})
    lab.server.fail(Fault("RunsThere", status, answer=b"" if status in (204, 304) else b"<html>"))
    with pytest.raises(Deferred):
        withdraw(job)
    assert receipts(lab).keys() == {"run-1.json"}


def test_the_command_says_it_in_one_line(lab: Lab) -> None:
    from plasticity_bench.leaderboard.commands.publish import DEFERRED

    lab.server.fail(Fault("Viewer", 200, answer=b'{"errors": [{"message": "internal error"}]}'))
    done = CliRunner().invoke(app, ["publish", "quick", "--results", str(lab.store.folder)])
    said = re.sub(r"\s+", " ", done.output)
    assert done.exit_code == DEFERRED
    assert f"deferred: {lab.server.url} answers Viewer with an error: internal error." in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("wandb_runs")
def test_an_error_instead_of_the_list_sends_nothing_again(published: Published) -> None:
    lab = published.lab
    before = receipts(lab)
    lab.state.requests.clear()
    lab.server.fail(Fault("RunsThere", 200, answer=b'{"errors": [{"message": "internal error"}]}'))
    with pytest.raises(Deferred, match="internal error"):
        lab.job()
    assert receipts(lab) == before
    assert not [name for name, _ in lab.state.requests if "Upsert" in name]
    lab.server.fail()
    assert to_do(lab.job()) == []


@pytest.mark.usefixtures("wandb_runs")
@pytest.mark.parametrize(
    "answer", [b'{"errors": [{"message": "no"}]}', b'{"data": {"project": null}}', b"[]"]
)
def test_an_odd_list_of_reports_makes_no_second_one(
    published: Published, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity_bench.leaderboard.publish.publication.ATTEMPTS_IN_VAIN", 1)
    lab = published.lab
    [report] = lab.state.views
    lab.job().receipts.remove(f"report-{lab.job().board.key}")
    lab.server.fail(Fault("ProjectViews", 200, answer=answer))
    outcome = publish(lab.job())
    assert list(outcome.left) == [f"report-{lab.job().board.key}"]
    assert len(outcome.problems) == 1
    assert outcome.problems[0].startswith("report-")
    lab.server.fail()
    assert not publish(lab.job()).left
    assert list(lab.state.views) == [report]


@pytest.mark.usefixtures("wandb_runs")
def test_a_file_that_was_not_committed_has_no_receipt(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity_bench.leaderboard.publish.publication.ATTEMPTS_IN_VAIN", 1)
    lab.add({"dense": 0.5}, [0])
    lab.server.fail(Fault("CommitArtifact", 200, answer=b'{"data": null}'))
    outcome = publish(lab.job(), deadline=30)
    assert [name for name in outcome.left if name.startswith("run-")]
    assert any("PENDING, not committed" in problem for problem in outcome.problems)
    lab.server.fail()
    assert not publish(lab.job()).left
    assert_all_there_once(lab)


@pytest.mark.usefixtures("wandb_runs")
@pytest.mark.parametrize("operation", ["UpsertBucket", "file_stream", "upsertView", "PUT storage"])
def test_wandb_takes_the_key_to_no_other_port(
    lab: Lab, elsewhere: StandIn, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity_bench.leaderboard.publish.publication.ATTEMPTS_IN_VAIN", 1)
    lab.add({"dense": 0.5}, [0])
    lab.server.fail(Fault(operation, 307, location=elsewhere.url))
    outcome = publish(lab.job(), deadline=8)
    assert outcome.left
    assert LOGIN in lab.state.logins, "the server itself was asked with it"
    assert elsewhere.state.logins == []
    assert KEY.encode() not in b"".join(body for _, body in elsewhere.state.requests)
