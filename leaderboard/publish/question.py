"""One question to a W&B server: the key goes to no other place, and an error is no answer."""

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from queue import Empty, Queue
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ...harness.errors import BenchError
from ...harness.visible import visible

PATIENCE = 3.0
"""Seconds that a server has to answer a question."""
MOST_BYTES = 16 * 2**20
"""Of one answer."""
LOCAL = "The local board needs none of this: plasticity-bench leaderboard."
_MOST_SAID = 200
"""Characters of a server's own words."""


class Deferred(Exception):
    """Nothing is wrong here, but the server cannot be used now: publish again later."""


class NotTaken(Deferred):
    """The server does not take this very question, as an older one may not know it."""


class Answer(BaseModel):
    """What a question asks for; whatever is not of this form is no answer to it."""

    model_config = ConfigDict(strict=True, frozen=True)


A = TypeVar("A", bound=Answer)


def ask(base_url: str, key: str, query: str, variables: Mapping[str, Any], form: type[A]) -> A:
    """Return the answer to one question, and wait no longer than `PATIENCE`.

    Args:
        base_url: of the server.
        key: of the account there.
        query: in GraphQL, with a name.
        variables: of the query.
        form: that its data must have.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not answer, sends on to another place, has an error to tell or
            something else than was asked.
    """
    answers: Queue[A | Exception] = Queue()

    def put_answer() -> None:
        try:
            answers.put(_asked(base_url, key, query, variables, form))
        except Exception as error:
            answers.put(error)

    # A time limit of a socket is one for each piece of an answer, and a name server has none.
    threading.Thread(target=put_answer, daemon=True).start()
    try:
        answer = answers.get(timeout=PATIENCE)
    except Empty:
        raise _late(base_url) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for what it is: urllib would send the key on to any host and port."""

    def redirect_request(self, *asked: Any, **more: Any) -> None:
        """Make no other request."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _asked(base_url: str, key: str, query: str, variables: Mapping[str, Any], form: type[A]) -> A:
    name = query.split()[1].split("(")[0]
    body = {"query": query, "variables": variables, "operationName": name}
    login = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    try:
        request = urllib.request.Request(
            f"{base_url}/graphql", json.dumps(body).encode(), headers, method="POST"
        )
        with _OPENER.open(request, timeout=PATIENCE) as answer:
            return _read(answer, base_url, name, form)
    except urllib.error.HTTPError as error:
        error.close()
        raise _status(error, base_url) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):  # which may be a moment before our own patience ends
            raise _late(base_url) from None
        raise Deferred(f"{base_url} does not answer ({_said(reason)})") from None


def _late(base_url: str) -> Deferred:
    return Deferred(f"{base_url} does not answer in {PATIENCE:g} seconds")


def _read(answer: IO[bytes], base_url: str, name: str, form: type[A]) -> A:
    content = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Deferred(f"{base_url} answers {name} with more than {MOST_BYTES:,} bytes")
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        raise Deferred(f"{base_url} answers {name} with something else than JSON") from None
    if not isinstance(parsed, dict):
        raise _odd(base_url, name, f"it is of type {type(parsed).__name__}")
    if parsed.get("errors"):  # whatever data stands beside them may lack what could not be had
        raise Deferred(f"{base_url} answers {name} with an error: {_first(parsed['errors'])}")
    try:
        return form.model_validate(parsed.get("data"))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, ("data", *problem["loc"])))
        words = problem["msg"].partition(" or instance")[0]  # of a class that nobody knows
        raise _odd(base_url, name, f"{place}: {words}") from None


def _first(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) else errors
    return _said(first.get("message", first) if isinstance(first, dict) else first)


def _odd(base_url: str, name: str, why: str) -> Deferred:
    return Deferred(f"{base_url} answers {name} with something that is no answer ({_said(why)})")


def _said(words: object) -> str:
    """Return what a server says as it may stand in a message."""
    return visible(words)[:_MOST_SAID]


def _status(error: urllib.error.HTTPError, base_url: str) -> Exception:
    if error.code in (401, 403):
        return refused(base_url)
    if 300 <= error.code < 400:
        place = _said(error.headers.get("Location") or "another place")
        return Deferred(
            f"{base_url} sends on to {place} (status {error.code}), and the key goes to no other "
            "place than was named; if the server is there now, set WANDB_BASE_URL to that"
        )
    kind = NotTaken if error.code in (400, 404, 405, 501) else Deferred
    return kind(f"{base_url} answers with status {error.code}")


def refused(base_url: str) -> BenchError:
    """Build the error for a key that the server does not take."""
    return BenchError(
        f"{base_url} does not accept the W&B key that is set up here. Get another from your "
        f"account's settings, then: wandb login --relogin, or set WANDB_API_KEY. {LOCAL}"
    )
