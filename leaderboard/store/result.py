"""One run's result: its fields, its canonical JSON and the hashes that show a changed file."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ...harness.errors import BenchError, shortened
from ...harness.fingerprint import digest, fingerprint
from ...harness.row import Row
from ...harness.visible import visible

Status = Literal["done", "diverged", "failed"]

ABOUT = ("reason", "needs", "stream_digest", "traceback")
"""What the hash `about` is over; the last only where it is there."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NamedSettings(_Strict):
    """A stream or a strategy: its name and every setting with its value."""

    name: str
    settings: dict[str, JsonValue]


class Entrant(_Strict):
    """What is ranked: named strategies with settings, a network and an optimiser."""

    name: str
    strategies: list[NamedSettings]
    network: dict[str, JsonValue]
    optimizer: dict[str, JsonValue]


class Spec(_Strict):
    """One replica of one entrant on one stream, with all settings resolved."""

    stream: NamedSettings
    entrant: Entrant
    seed: int


class Sources(_Strict):
    """SHA-256 of the samples and of the code: other code or data is another run; see `code_of`."""

    data: str
    strategies: dict[str, str]
    versions: dict[str, str] = Field(default_factory=dict)
    """Version by package, where a library's code is the learner."""
    stream: str | None = None
    """Of the stream's source, where that is a plug-in."""
    engine: str | None = None
    """Of the engine's code, where that is not the one of the results version."""

    @property
    def code(self) -> dict[str, JsonValue]:
        """What the run was made with, in the form of `code_of`, which says what is here."""
        return {name: value for name, value in self.model_dump(exclude={"data"}).items() if value}


class Hashes(_Strict):
    """SHA-256 of the canonical JSON of parts of a result; the fingerprint is over the others."""

    environment: str
    outputs: str
    """Over metrics, rows and status."""
    about: str | None = None
    """Over reason, needs and stream digest; None in files from before it was taken."""


class Record(_Strict):
    """All that a result says but for its rows: what boards are made of."""

    format: Literal[1]
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    spec: Spec
    sources: Sources
    results_version: int
    """Raised when the engine's numbers may change: versions are never compared with each other."""
    status: Status
    reason: str | None
    """Why the run diverged or failed; None for a run that is done."""
    traceback: str | None = None
    """Where an exception that ended the run came from: the last part of its traceback."""
    needs: list[str]
    """What the entrant has to be told, for example "task boundary"."""
    stream_digest: str | None = None
    """Content hash of all tasks that the run was given; None where it did not get to its end."""
    metrics: dict[str, float | None]
    """Numbers of the whole run by name; None where one is undefined."""
    environment: dict[str, JsonValue]
    hashes: Hashes


class Result(Record):
    """One finished run, as its file holds it; see `ResultStore`."""

    rows: list[Row]

    @property
    def record(self) -> Record:
        """The result without its rows."""
        parts = {name: getattr(self, name) for name in Record.model_fields}
        return Record.model_construct(self.model_fields_set - {"rows"}, **parts)


def plain(value: Any) -> Any:
    """Return the value as JSON knows it: numpy numbers become Python's, non-finite ones None."""
    match value:
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case _:
            return value


def sealed(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result as plain JSON values with its hashes filled in.

    Raises:
        BenchError: a field is missing, unknown or of the wrong type, or the fingerprint is not
            that of the spec, sources and results version.
    """
    content = plain(result)
    content["hashes"] = _hashes(content)
    checked(content, "the result to be written")
    return dict(content)


def checked(content: Any, where: str) -> Result:
    """Return the result that plain JSON values describe, if it is whole and unchanged.

    Args:
        content: what a result file holds.
        where: how messages name it.

    Raises:
        BenchError: it is not a result, or its parts do not belong together.
    """
    try:
        result = Result.model_validate(content)
    except ValidationError as error:
        raise BenchError(f"{where} is not a result: {_first_problem(error)}") from error
    expected = fingerprint(content["spec"], content["sources"], content["results_version"])
    if result.fingerprint != expected:
        raise BenchError(
            f"{where} was changed: its fingerprint {result.fingerprint[:12]} is not the one of "
            f"its spec and sources, {expected[:12]}."
        )
    hashes = _hashes(content)
    if result.hashes.about is None:
        del hashes["about"]
    if result.hashes.model_dump(exclude_none=True) != hashes:
        raise BenchError(f"{where} was changed: its hashes are not those of its content.")
    return result


def _hashes(content: Mapping[str, Any]) -> dict[str, str]:
    return {
        "environment": digest(content.get("environment")),
        "outputs": _digest_of(content, ("metrics", "rows", "status")),
        "about": _digest_of(content, ABOUT if "traceback" in content else ABOUT[:-1]),
    }


def _digest_of(content: Mapping[str, Any], names: Iterable[str]) -> str:
    return digest({name: content.get(name) for name in names})


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "the whole"
    # A place may be a name of somebody else's, and what is told of a file goes to a terminal.
    return f"{visible(shortened(place))}: {problem['msg']}."
