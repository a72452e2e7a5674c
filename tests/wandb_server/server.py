"""The stand-in as an HTTP server on loopback."""

import base64
import json
import re
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from . import artifact_operations, run_operations
from .faults import Fault, Faults
from .state import Refusal, State

KEY = "0123456789abcdef0123456789abcdef01234567"
OPERATIONS = {**run_operations.OPERATIONS, **artifact_operations.OPERATIONS}


class StandIn:
    """A server that can be stopped and started again with all that it was given."""

    def __init__(self, key: str = KEY, state: State | None = None, port: int = 0) -> None:
        self.key = key
        self.state = state or State()
        self.faults = Faults()
        self.port = port
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Return where it is, or was before it was stopped."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen; the port stays the same from the first start on."""
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Be dead: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def fail(self, *faults: Fault) -> None:
        """Fail as said from now on; without faults be well again."""
        self.faults.set(faults)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are killed break their connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def stand_in(self) -> StandIn:
        assert isinstance(self.server, _Server)
        return self.server.stand_in

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        name = _name(self.command, path, body)
        stand_in, state = self.stand_in, self.stand_in.state
        with state.lock:
            state.requests.append((name, self.path.encode() + b"\n" + body))
            state.headers += [f"{k}: {v}" for k, v in self.headers.items() if k != "Authorization"]
            if "Authorization" in self.headers:
                state.logins.append(self.headers["Authorization"])
        fault = stand_in.faults.hit(name)
        if fault is not None and not fault.passes:
            self._fail(fault)
            return
        try:
            with state.lock:
                status, answer = 200, self._reply(path, body)
        except Refusal as refusal:
            status, answer = refusal.status, _error(str(refusal))
        if fault is not None:
            time.sleep(fault.delay)
        self._send(status, answer)

    def _fail(self, fault: Fault) -> None:
        time.sleep(fault.delay)
        if fault.status == 0:
            self.close_connection = True
            return
        body = _error(fault.message) if fault.answer is None else fault.answer
        headers = fault.headers
        if fault.location is not None:
            headers += (("Location", fault.location + self.path),)
        self._send(fault.status, body, headers)

    def _reply(self, path: str, body: bytes) -> bytes:
        state = self.stand_in.state
        if path.startswith("/storage/"):
            stored = path.removeprefix("/storage/")
            if self.command == "PUT":
                state.put(stored, body, self.headers.get("Content-MD5"))
                return b""
            if stored not in state.blobs:
                raise Refusal(404, f"nothing at {path}")
            return state.blobs[stored]
        if not self._authorised():
            raise Refusal(401, "user is not logged in")
        if path == "/graphql":
            return _graphql(state, json.loads(body), self.stand_in.url)
        if match := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", path):
            _stream(state, match.groups(), json.loads(body))
            return b"{}"
        raise Refusal(404, f"nothing at {path}")

    def _authorised(self) -> bool:
        expected = base64.b64encode(f"api:{self.stand_in.key}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _send(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for header, value in (("Content-Type", "application/json"), *headers):
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _error(message: str) -> bytes:
    return json.dumps({"errors": [{"message": message}], "error": message}).encode()


def _name(method: str, path: str, body: bytes) -> str:
    """Name a request for faults and records."""
    if path == "/graphql":
        found = re.search(rb"(?:query|mutation)\s+(\w+)", body)
        return f"graphql {found[1].decode() if found else '?'}"
    if path.endswith("/file_stream"):
        return "POST file_stream"
    return f"{method} {path.split('/')[1]} {path}"


def _graphql(state: State, request: dict[str, Any], base: str) -> bytes:
    found = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])
    name = request.get("operationName") or (found[1] if found else "")
    if name not in OPERATIONS:
        raise Refusal(400, f"the stand-in does not know the operation {name}")
    data = OPERATIONS[name](state, request.get("variables") or {}, base)
    return json.dumps({"data": data}).encode()


def _stream(state: State, place: Sequence[str], sent: dict[str, Any]) -> None:
    """Take lines of a run: history by absolute offset, the last summary, and the end."""
    run = state.run(*place)
    if run is None:
        raise Refusal(404, f"no run {place[2]}")
    run.streams += 1
    files = sent.get("files") or {}
    if history := files.get("wandb-history.jsonl"):
        offset = history["offset"]
        if offset > len(run.history):
            raise Refusal(400, f"history of {run.name} has a hole at {len(run.history)}")
        run.history[offset : offset + len(history["content"])] = history["content"]
    if summary := files.get("wandb-summary.json"):
        run.summary = json.loads(summary["content"][-1])
    if sent.get("complete"):
        run.state = "finished" if sent.get("exitcode") == 0 else "failed"


__all__ = ["KEY", "Fault", "StandIn"]
