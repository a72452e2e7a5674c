"""Is there an account, a server, a place to publish to? Answered in seconds, without wandb."""

import base64
import json
import netrc
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlsplit

from ...harness.errors import BenchError, unknown_name
from .job import Target

PATIENCE = 3.0
"""Seconds that a server has to answer a question."""
KEY_LENGTH = 40
"""W&B keys have at least that many characters."""
_LOCAL = "The local board needs none of this: plasticity-bench leaderboard."


class Deferred(Exception):
    """Nothing is wrong here, but the server cannot be used now: publish again later."""


def connect(entity: str | None, project: str) -> tuple[Target, bool]:
    """Return where to publish, and whether the project is there already.

    Args:
        entity: a user or team; None takes the account's own.
        project: is made at the first run where it is not there.

    Raises:
        BenchError: there is no account, its key is refused, or the entity is not the account's.
        Deferred: the server does not answer.
    """
    base_url = server_url()
    key = account_key(base_url)
    viewer = ask(base_url, key, _VIEWER, {}).get("viewer")
    if not viewer:
        raise _refused(base_url)
    teams = [edge["node"]["name"] for edge in (viewer.get("teams") or {}).get("edges", [])]
    own = viewer.get("entity") or viewer.get("username")
    chosen = entity or own
    if chosen is None:
        raise BenchError("this W&B account has no entity of its own. Name one with --entity.")
    place = {"entity": chosen, "project": project}
    there = bool(ask(base_url, key, _PROJECT, place).get("project"))
    known = {name for name in (own, viewer.get("username"), *teams) if name}
    if not there and chosen not in known:
        # A project that can be seen is proof enough: not every entity is listed.
        remedy = "Choose one of them with --entity, or ask for access to it."
        raise unknown_name("W&B entity", chosen, known, remedy)
    return Target(base_url=base_url, entity=chosen, project=project), there


def server_url() -> str:
    """Return the server that wandb uses here: WANDB_BASE_URL, its settings file or its default.

    Raises:
        BenchError: wandb cannot be asked.
    """
    chosen = os.environ.get("WANDB_BASE_URL")
    if not chosen:
        ask = "import wandb; print(wandb.setup().settings.base_url)"
        command = [sys.executable, "-c", ask]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
            chosen = run.stdout.split()[-1]
        except (subprocess.SubprocessError, IndexError) as error:
            message = f"wandb does not start here. Try: python -m pip install wandb. {_LOCAL}"
            raise BenchError(message) from error
    if urlsplit(chosen).scheme not in ("http", "https"):
        raise BenchError(f"WANDB_BASE_URL is '{chosen}': it must begin with https:// or http://.")
    return chosen.rstrip("/")


def account_key(base_url: str) -> str:
    """Return the API key of the account for a server, which goes nowhere but to it.

    Raises:
        BenchError: there is none, or it is too short.
    """
    key = os.environ.get("WANDB_API_KEY") or _from_netrc(base_url)
    if not key:
        raise BenchError(
            f"no W&B account is set up here for {base_url}. Log in once with: wandb login, or set "
            f"WANDB_API_KEY. {_LOCAL}"
        )
    if len(key) < KEY_LENGTH:
        raise BenchError(
            f"the W&B key for {base_url} has {len(key)} characters, and needs at least "
            f"{KEY_LENGTH}: copy it again, whole. {_LOCAL}"
        )
    return key


def _from_netrc(base_url: str) -> str | None:
    path = os.environ.get("NETRC")
    names = [Path(path)] if path else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for file in names:
        try:
            found = netrc.netrc(str(file)).authenticators(urlsplit(base_url).hostname or "")
        except (OSError, netrc.NetrcParseError):
            continue
        if found:
            return found[2]
    return None


_VIEWER = "query Viewer { viewer { id entity username teams { edges { node { name } } } } }"
_PROJECT = (
    "query ProjectThere($entity: String!, $project: String!) "
    "{ project(name: $project, entityName: $entity) { id } }"
)


def ask(base_url: str, key: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data that answers one question, and wait no longer than `PATIENCE`.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not answer, or not to this.
    """
    answers: Queue[dict[str, Any] | Exception] = Queue()

    def put_answer() -> None:
        try:
            answers.put(_asked(base_url, key, query, variables))
        except Exception as error:
            answers.put(error)

    # A time limit of a socket is one for each piece of an answer, and a name server has none.
    threading.Thread(target=put_answer, daemon=True).start()
    try:
        answer = answers.get(timeout=PATIENCE)
    except Empty:
        raise Deferred(f"{base_url} does not answer in {PATIENCE:g} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _asked(base_url: str, key: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    name = query.split()[1].split("(")[0]
    body = {"query": query, "variables": variables, "operationName": name}
    login = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        f"{base_url}/graphql", json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return dict(json.load(answer).get("data") or {})
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise _refused(base_url) from None
        raise Deferred(f"{base_url} answers with status {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Deferred(f"{base_url} does not answer ({reason})") from None


def _refused(base_url: str) -> BenchError:
    return BenchError(
        f"{base_url} does not accept the W&B key that is set up here. Get another from your "
        f"account's settings, then: wandb login --relogin, or set WANDB_API_KEY. {_LOCAL}"
    )
