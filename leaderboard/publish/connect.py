"""Is there an account, a server, a place to publish to? Answered in seconds, without wandb."""

import netrc
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ...harness.errors import BenchError, shortened, unknown_name
from ...harness.names import checked_name
from .job import Target
from .question import LOCAL, PATIENCE, Answer, Deferred, ask, refused

__all__ = ["KEY_LENGTH", "PATIENCE", "Deferred", "account_key", "connect", "server_url"]

KEY_LENGTH = 40
"""W&B keys have at least that many characters."""
LONGEST_PLACE = 128
"""Characters of a project's name that W&B takes."""
_NOT_IN_PLACES = frozenset("/\\#?%:")
_PLACE = f"W&B takes names of at most {LONGEST_PLACE} characters without # % / : ? and backslashes."
_VIEWER = "query Viewer { viewer { id entity username teams { edges { node { name } } } } }"
_PROJECT = (
    "query ProjectThere($entity: String!, $project: String!) "
    "{ project(name: $project, entityName: $entity) { id } }"
)


class _Named(Answer):
    name: str


class _Team(Answer):
    node: _Named


class _Teams(Answer):
    edges: list[_Team]


class _Viewer(Answer):
    entity: str | None = None
    username: str | None = None
    teams: _Teams | None = None


class _WhoWeAre(Answer):
    viewer: _Viewer | None


class _Project(Answer):
    id: str


class _ProjectThere(Answer):
    project: _Project | None


def connect(entity: str | None, project: str) -> tuple[Target, bool]:
    """Return where to publish, and whether the project is there already.

    Args:
        entity: a user or team; None takes the account's own.
        project: is made at the first run where it is not there.

    Raises:
        BenchError: there is no account, its key is refused, the entity is not the account's, or
            W&B takes no such name.
        Deferred: the server does not answer.
    """
    for option, name in (("--entity", entity), ("--project", project)):
        if name is not None:
            _check_place(option, name)
    base_url = server_url()
    key = account_key(base_url)
    viewer = ask(base_url, key, _VIEWER, {}, _WhoWeAre).viewer
    if viewer is None:
        raise refused(base_url)
    teams = [edge.node.name for edge in viewer.teams.edges] if viewer.teams else []
    own = viewer.entity or viewer.username
    chosen = own if entity is None else entity
    if chosen is None:
        raise BenchError("this W&B account has no entity of its own. Name one with --entity.")
    place = {"entity": chosen, "project": project}
    there = ask(base_url, key, _PROJECT, place, _ProjectThere).project is not None
    known = {name for name in (own, viewer.username, *teams) if name}
    if not there and chosen not in known:
        # A project that can be seen is proof enough: not every entity is listed.
        remedy = "Choose one of them with --entity, or ask for access to it."
        raise unknown_name("W&B entity", chosen, known, remedy)
    return Target(base_url=base_url, entity=chosen, project=project), there


def _check_place(option: str, name: str) -> None:
    """Refuse what W&B takes for no name of a project or an entity, before it is asked."""
    checked_name(name, f"what {option} names", _PLACE)
    odd = sorted(_NOT_IN_PLACES & set(name))
    if odd or len(name) > LONGEST_PLACE:
        has = f"has {odd[0]}" if odd else f"has {len(name)} characters"
        raise BenchError(f"what {option} names, '{shortened(name)}', {has}. {_PLACE}")


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
            message = f"wandb does not start here. Try: python -m pip install wandb. {LOCAL}"
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
            f"WANDB_API_KEY. {LOCAL}"
        )
    if len(key) < KEY_LENGTH:
        raise BenchError(
            f"the W&B key for {base_url} has {len(key)} characters, and needs at least "
            f"{KEY_LENGTH}: copy it again, whole. {LOCAL}"
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
