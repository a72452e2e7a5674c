"""Serving a page that follows the results: two addresses to read, none to write."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import urlsplit

from ...harness.errors import BenchError
from . import Page

FOLLOW = 30.0
"""Seconds between two looks of an open page at whether there are other results."""
PATIENCE = 10.0
"""Seconds that a client may take to say what it wants."""

_log = logging.getLogger(__name__)
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class PageServer(ThreadingHTTPServer):
    """Answers GET and HEAD of `/` and `/board.json`; the page is made when its content changed."""

    daemon_threads = True

    def __init__(
        self,
        make: Callable[[], Page],
        version: Callable[[], Hashable],
        host: str = "127.0.0.1",
        port: int = 8000,
    ) -> None:
        """Listen.

        Args:
            make: makes the page from the results that there are; give `render` a time to follow.
            version: cheap, and equal as long as `make` would make the same page.
            host: address to listen at; only those on this machine reach a loopback address.
            port: 0 takes any that is free.

        Raises:
            BenchError: nothing can listen there, the port being in use for example.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.loopback = _is_loopback(host)
        self._make, self._version = make, version
        self._made: tuple[Hashable, _Site] | None = None
        self._lock = threading.Lock()
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BenchError(
                f"cannot serve at {host}, port {port}: {reason}. Name a free port with --port, "
                "or 0 to take any that is free, and an address of this machine with --host."
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def site(self) -> "_Site":
        """Return the page as the results are now.

        Raises:
            BenchError: there is nothing to make it of.
        """
        with self._lock:  # of many who ask at once, one makes the page
            version = self._version()
            if self._made is None or self._made[0] != version:
                self._made = (version, _site(self._make()))
            return self._made[1]

    def server_bind(self) -> None:
        """Bind without asking a name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: they may."""


@dataclass(frozen=True)
class _Answer:
    body: bytes
    kind: str


@dataclass(frozen=True)
class _Site:
    answers: dict[str, _Answer]
    page: Page


def _site(page: Page) -> _Site:
    answers = {
        "/": _Answer(page.html, "text/html; charset=utf-8"),
        "/board.json": _Answer(page.data, "application/json; charset=utf-8"),
    }
    return _Site(answers, page)


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "plasticity-bench", ""
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if not self._host_is_ours():
            text = f"this server is {self._page_server.url}; it answers to no other name.\n"
            self._say(HTTPStatus.MISDIRECTED_REQUEST, text, with_body)
            return
        path = self.path.partition("?")[0]
        if path not in ("/", "/board.json"):
            self._say(HTTPStatus.NOT_FOUND, "there is / and /board.json.\n", with_body)
            return
        try:
            site = self._page_server.site()
        except BenchError as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n", with_body)
            return
        except Exception:  # a mistake of ours: whoever looks after the server has to hear of it
            _log.exception("the page cannot be made")
            text = "the page cannot be made; the terminal of the server says why.\n"
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, text, with_body)
            return
        self._give(site.answers[path], site.page, with_body)

    @property
    def _page_server(self) -> PageServer:
        assert isinstance(self.server, PageServer)
        return self.server

    def _host_is_ours(self) -> bool:
        """Refuse names that lead here from elsewhere: a page of theirs could read this one."""
        if not self._page_server.loopback:
            return True
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return False
        return name in _LOOPBACK_NAMES or name == self._page_server.server_address[0]

    def _give(self, answer: _Answer, page: Page, with_body: bool) -> None:
        known = [tag.strip() for tag in self.headers.get("If-None-Match", "").split(",")]
        tag = f'"{page.tag}"'
        unchanged = tag in known
        self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK)
        self.send_header("ETag", tag)
        self.send_header("Content-Security-Policy", f"{page.policy}; frame-ancestors 'none'")
        self._common()
        if not unchanged:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body and not unchanged:
            self.wfile.write(answer.body)

    def _say(self, status: HTTPStatus, text: str, with_body: bool) -> None:
        body = text.encode()
        self.send_response(status)
        self._common()
        if status == HTTPStatus.SERVICE_UNAVAILABLE:  # there may be results soon
            self.send_header("Refresh", f"{FOLLOW:.0f}; url=/")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _common(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for what went wrong."""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
