"""What a publishing process is told, and what of it is still to be done."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ...harness.errors import BenchError
from ..store.result_store import ResultStore
from .board_plan import BoardPlan
from .receipts import Receipts


class Target(BaseModel):
    """A project on a W&B server."""

    model_config = ConfigDict(frozen=True)

    base_url: str
    entity: str
    project: str

    @property
    def words(self) -> str:
        """Return how messages name it."""
        return f"{self.entity}/{self.project} on {self.base_url}"


class Job(BaseModel):
    """Everything to be on W&B in the end; written to a file for the publishing process."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    target: Target
    store: Path
    folder: Path
    """Of receipts, and of all that is temporary."""
    fingerprints: list[str]
    board: BoardPlan
    page: Path | None
    """The HTML page, if there is one."""

    @cached_property
    def receipts(self) -> Receipts:
        """Return the receipts of this target."""
        return Receipts(self.folder / "receipts")

    @cached_property
    def results(self) -> ResultStore:
        """Return the store of results."""
        return ResultStore(self.store)

    def runs_to_do(self) -> Iterator[str]:
        """Yield the fingerprints of results that are not on W&B as they are in the store."""
        for fingerprint in self.fingerprints:
            receipt = self.receipts.read(f"run-{fingerprint}")
            if receipt is None or receipt.get("file") != file_digest(
                self.results.path(fingerprint)
            ):
                yield fingerprint

    def board_to_do(self) -> Iterator[str]:
        """Yield the names of receipts that lack for the board to be on W&B as it is here."""
        wanted = {f"entry-{self.board.key}-{plan.id}": plan.digest for plan in self.board.entries}
        wanted[f"board-{self.board.key}"] = self.board.digest
        wanted |= dict.fromkeys(self.gone(), GONE)
        wanted[f"report-{self.board.key}"] = self.board.report_digest
        for name, digest in wanted.items():
            receipt = self.receipts.read(name)
            if receipt is None or receipt.get("digest") != digest:
                yield name

    def gone(self) -> list[str]:
        """Return the receipts of entries that were on the board and are not any more."""
        there = {f"entry-{self.board.key}-{plan.id}" for plan in self.board.entries}
        return [
            name
            for name in self.receipts.names()
            if name.startswith(f"entry-{self.board.key}-")
            and name not in there
            and (self.receipts.read(name) or {}).get("digest") != GONE
        ]


GONE = "gone"
"""Digest of an entry that is off the board."""
SAID = "said: "
"""What a complaint of the publishing process begins with; all else that it prints is wandb's."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BenchError(f"{path.name} cannot be read: {error.strerror}.") from error
