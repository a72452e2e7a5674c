import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.leaderboard.page import Page
from plasticity_bench.leaderboard.page.serve import FOLLOW, PageServer

PAGE = Page(b"<!doctype html>\n<title>board</title>", b'{"board": 1}', "default-src 'none'", "a1")
NEW = Page(b"new", b"{}", "default-src 'none'", "b2")
Response = tuple[int, dict[str, str], bytes]


class Site:
    """What is served, and how often it was made."""

    def __init__(self) -> None:
        self.page: Page | Exception = PAGE
        self.version = 0
        self.times_made = 0

    def make(self) -> Page:
        self.times_made += 1
        if isinstance(self.page, Exception):
            raise self.page
        return self.page


@contextmanager
def running(site: Site, host: str = "127.0.0.1") -> Iterator[PageServer]:
    with PageServer(site.make, lambda: site.version, host, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def ask(site: Site) -> Iterator[Callable[..., Response]]:
    with running(site) as server:

        def request(path: str = "/", method: str = "GET", **headers: str) -> Response:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            connection.close()
            return found

        yield request


def test_the_page_and_its_data_are_at_two_addresses(ask: Callable[..., Response]) -> None:
    status, headers, body = ask("/")
    assert (status, body) == (200, PAGE.html)
    assert headers["content-type"] == "text/html; charset=utf-8"
    status, headers, body = ask("/board.json")
    assert (status, json.loads(body)) == (200, {"board": 1})
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert ask("/?from=link")[0] == 200


def test_a_browser_is_told_what_the_page_may_do(ask: Callable[..., Response]) -> None:
    _, headers, _ = ask("/")
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    assert headers["server"].strip() == "plasticity-bench"


def test_head_says_what_get_would_without_the_body(ask: Callable[..., Response]) -> None:
    _, asked, body = ask("/", "HEAD")
    _, got, _ = ask("/", "GET")
    assert body == b""
    assert {**asked, "date": ""} == {**got, "date": ""}


@pytest.mark.parametrize("path", ["/index.html", "/etc/passwd", "/../board.json", "/%2e%2e/", "/x"])
def test_there_is_nothing_else(ask: Callable[..., Response], path: str) -> None:
    status, _, body = ask(path)
    assert (status, body) == (404, b"there is / and /board.json.\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(ask: Callable[..., Response], site: Site, method: str) -> None:
    assert ask("/", method)[0] == 501
    assert site.times_made == 0


def test_the_page_is_made_again_only_when_the_version_changes(
    ask: Callable[..., Response], site: Site
) -> None:
    for path in ("/", "/", "/board.json"):
        ask(path)
    assert site.times_made == 1
    site.page = NEW
    assert ask("/")[2] == PAGE.html
    site.version = 1
    assert ask("/")[2] == b"new"
    assert site.times_made == 2


def test_what_a_browser_has_already_is_not_sent_again(
    ask: Callable[..., Response], site: Site
) -> None:
    tag = ask("/")[1]["etag"]
    assert tag == '"a1"' == ask("/board.json")[1]["etag"]
    status, headers, body = ask("/", If_None_Match=f'"other", {tag}')
    assert (status, body) == (304, b"")
    site.page, site.version = NEW, 1
    status, headers, body = ask("/", If_None_Match=tag)
    assert (status, body) == (200, b"new")
    assert headers["etag"] == '"b2"'


def test_without_results_it_says_so_and_follows(ask: Callable[..., Response], site: Site) -> None:
    site.page = BenchError("no results of quick. Run it first.")
    status, headers, body = ask("/")
    assert (status, body) == (503, b"no results of quick. Run it first.\n")
    assert headers["refresh"] == f"{FOLLOW:.0f}; url=/"
    assert headers["content-type"].startswith("text/plain")
    site.page = PAGE
    assert ask("/")[0] == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_leads_here_from_elsewhere_is_refused(
    ask: Callable[..., Response], site: Site, name: str
) -> None:
    status, _, body = ask("/", Host=name)
    assert status == 421
    assert b"answers to no other name" in body
    assert site.times_made == 0


@pytest.mark.parametrize("name", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_this_machine_are_answered(ask: Callable[..., Response], name: str) -> None:
    assert ask("/", Host=name)[0] == 200


def test_many_who_ask_at_once_have_it_made_once(ask: Callable[..., Response], site: Site) -> None:
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.times_made == 1


def test_a_port_in_use_says_what_to_do(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BenchError, match=rf"127\.0\.0\.1, port {port}: .*in use.*--port"):
            PageServer(site.make, lambda: 0, "127.0.0.1", port)


def test_an_address_of_no_interface_says_what_to_do(site: Site) -> None:
    with pytest.raises(BenchError, match=r"cannot serve at no\.such\.invalid.*--host"):
        PageServer(site.make, lambda: 0, "no.such.invalid", 0)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_it_knows_whether_others_can_reach_it(site: Site, host: str, loopback: bool) -> None:
    with PageServer(site.make, lambda: 0, host, 0) as server:
        assert server.loopback is loopback
        assert server.url.endswith(f":{server.server_port}/")


def test_beyond_this_machine_any_name_is_answered(site: Site) -> None:
    with running(site, "0.0.0.0") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        connection.request("GET", "/", headers={"Host": "lab.example"})
        assert connection.getresponse().status == 200
        connection.close()


def test_a_mistake_of_ours_is_said_to_the_browser_and_to_the_terminal(
    site: Site, ask: Callable[..., Response], caplog: pytest.LogCaptureFixture
) -> None:
    site.page = KeyError("kind")
    status, _, body = ask("/")
    assert status == 500
    assert b"the terminal of the server says why" in body
    assert "KeyError: 'kind'" in caplog.text
    site.page = PAGE
    assert ask("/")[0] == 200
