"""All that the stand-in has been given."""

import base64
import hashlib
import json
import threading
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

NOW = "2026-01-01T00:00:00Z"


class Refusal(Exception):
    """What the server will not do, with the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Project:
    entity: str
    name: str
    number: int

    @property
    def id(self) -> str:
        return f"Project:{self.number}"


@dataclass
class Run:
    project: Project
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    """As the client sends it: {key: {"value": ...}}."""
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    """JSON lines by absolute offset."""
    files: dict[str, str] = field(default_factory=dict)
    """Storage name by file name."""
    fields: dict[str, Any] = field(default_factory=dict)
    """displayName, groupName, jobType, tags, notes as last sent."""
    state: str = "running"
    streams: int = 0
    """Requests of the file stream, to see what a second publish sends."""

    @property
    def id(self) -> str:
        return f"Run:{self.project.entity}:{self.project.name}:{self.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """Return the config without the client's own part."""
        return {key: entry["value"] for key, entry in self.config.items() if key != "_wandb"}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the history without the client's own fields but for the step."""
        parsed = [json.loads(line) for line in self.history]
        own = ("_runtime", "_timestamp", "_wandb")
        return [{k: v for k, v in row.items() if k not in own} for row in parsed]


@dataclass
class Artifact:
    project: Project
    collection: str
    type: str
    digest: str
    id: str
    run: str
    metadata: Any
    aliases: list[str] = field(default_factory=list)
    state: str = "PENDING"
    version: int | None = None
    files: dict[str, str] = field(default_factory=dict)
    """Storage name by path in the artifact."""
    md5: dict[str, str] = field(default_factory=dict)
    manifest: str | None = None
    """Storage name of the manifest."""


@dataclass
class View:
    id: str
    project: Project
    fields: dict[str, Any]


class State:
    """What is there; every access holds the lock."""

    def __init__(self, user: str = "tester", teams: tuple[str, ...] = ("lab",)) -> None:
        self.user = user
        self.teams = teams
        self.lock = threading.RLock()
        self.projects: dict[tuple[str, str], Project] = {}
        self.runs: dict[tuple[str, str, str], Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.views: dict[str, View] = {}
        self.blobs: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        """Names of runs that were deleted, which may not come back."""
        self.requests: list[tuple[str, bytes]] = []
        """Name and body of every request."""
        self.headers: list[str] = []
        """All header lines but the authorisation."""
        self.logins: list[str] = []
        """The authorisation of every request that had one, as it came."""

    def copy(self) -> "State":
        """Return another with the same in it, of which nothing is shared."""
        with self.lock:
            made = State(self.user, self.teams)
            own = {name: value for name, value in vars(self).items() if name != "lock"}
            vars(made).update(deepcopy(own))
        return made

    def project(self, entity: str | None, name: str, make: bool = False) -> Project | None:
        """Return a project; make it where asked to, and where the user may."""
        entity = entity or self.user
        key = (entity, name)
        if key not in self.projects and make:
            if entity != self.user and entity not in self.teams:
                raise Refusal(403, f"permission denied: no access to entity {entity}")
            self.projects[key] = Project(entity, name, len(self.projects) + 1)
        return self.projects.get(key)

    def run(self, entity: str | None, project: str, name: str) -> Run | None:
        """Return a run if it is there."""
        return self.runs.get((entity or self.user, project, name))

    def put(self, name: str, body: bytes, md5: str | None) -> None:
        """Keep a file that was uploaded, if it is whole."""
        if md5 is not None and base64.b64encode(hashlib.md5(body).digest()).decode() != md5:
            raise Refusal(400, f"{name}: Content-MD5 does not fit the body")
        self.blobs[name] = body

    def committed(self, collection: str) -> list[Artifact]:
        """Return the whole versions of an artifact, the oldest first."""
        found = [
            artifact
            for artifact in self.artifacts.values()
            if artifact.collection == collection and artifact.state == "COMMITTED"
        ]
        return sorted(found, key=lambda artifact: artifact.version or 0)

    def content(self, artifact: Artifact) -> dict[str, bytes]:
        """Return the files of an artifact."""
        return {path: self.blobs[stored] for path, stored in artifact.files.items()}

    def of_job(self, job: str) -> list[Run]:
        """Return the runs of a job type, by name."""
        found = [run for run in self.runs.values() if run.fields.get("jobType") == job]
        return sorted(found, key=lambda run: run.name)
