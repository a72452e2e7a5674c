"""Training one stack and keeping what comes of it, in a process of its own."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Protocol

from ..blame import raised, text_of, traceback_of
from ..errors import BenchError
from ..process_state import kept_process_state
from ..row import Row
from ..specs.spec import RunSpec
from .environment import environment
from .jobs import Job, Stack

Report = Callable[[int, int], None]
"""Called with the updates done and in all."""
Runner = Callable[[Sequence[RunSpec], Path, str, Report], Iterable[tuple[int, Row]]]
"""Trains a stack, yielding (replica, row); the last row of each replica is of kind "end"."""

LOG_EVERY = 1.0
"""Seconds between writes to the logs, and so the most that a killed worker takes with it."""
REPORT_EVERY = 0.1
"""Seconds between two reports of progress to the parent process."""


class Store(Protocol):
    """What execution asks of a place for results."""

    def has(self, fingerprint: str) -> bool:
        """Say whether the run is done."""
        ...

    def check(self) -> None:
        """Raise a BenchError where results cannot be kept."""
        ...

    def write(self, result: Mapping[str, Any]) -> Path:
        """Keep a finished run."""
        ...

    def append_rows(self, fingerprint: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Keep rows of a run that goes on."""
        ...

    def clear_log(self, fingerprint: str) -> None:
        """Forget the rows of an earlier attempt."""
        ...

    def read_rows(self, fingerprint: str) -> list[Row]:
        """Return the rows kept so far."""
        ...


@dataclass(frozen=True)
class Workplace:
    """What the process of a stack has to know; it is sent there."""

    store: Store
    data_dir: Path
    device: str
    threads: int
    """Of each process alone."""
    runner: str
    """A `Runner` as "module:function"."""
    environ: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables of the process that asks."""
    memory: tuple[int, int] | None = None
    """Limits of the bytes that it may write to, where its system has such; see `memory_limits`."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended."""

    run: RunSpec
    fingerprint: str
    status: Literal["done", "diverged", "failed"]
    reason: str | None


def train_stack(stack: Stack, place: Workplace, report: Report) -> list[RunEnd]:
    """Train a stack, log its rows as they come and write the results that are missing.

    Whatever is raised inside fails the runs that have not ended, and is their reason.
    """
    environment(place.device)  # known from now on, whatever a plug-in does to this process
    module, _, function = place.runner.partition(":")
    log = _Log(stack, place.store)
    reason, trace = "the run stopped before its end without saying why", None
    try:
        runner: Runner = getattr(import_module(module), function)
        specs = [job.run for job in stack.jobs]
        with kept_process_state():
            for replica, row in runner(specs, place.data_dir, place.device, report):
                log.add(replica, row)
    except BaseException as error:  # an exit or an interruption is a plug-in's as well
        reason, trace = _reason(error), traceback_of(error)
    log.flush()
    return [
        write_result(job, place, log.rows[replica], log.ends.get(replica) or _failed(reason, trace))
        for replica, job in enumerate(stack.jobs)
        if job.fingerprint not in stack.done
    ]


def write_result(job: Job, place: Workplace, rows: list[Row], end: Row) -> RunEnd:
    """Write the result of one run: its rows, and the status, reason and metrics of its end."""
    result = {
        "format": 1,
        "fingerprint": job.fingerprint,
        "spec": job.run.as_json(),
        "sources": job.sources,
        "results_version": job.results_version,
        "status": end["status"],
        "reason": end["reason"],
        **({"traceback": end["traceback"]} if end.get("traceback") else {}),
        "needs": list(job.needs),
        "stream_digest": end["stream_digest"],
        "metrics": end["metrics"],
        "rows": rows,
        "environment": environment(place.device),
    }
    try:
        place.store.write(result)
    except (BenchError, OSError) as error:
        reason = f"its result could not be written: {error}"
        return RunEnd(job.run, job.fingerprint, "failed", reason)
    return RunEnd(job.run, job.fingerprint, end["status"], end["reason"])


def fail_stack(stack: Stack, place: Workplace, reason: str) -> list[RunEnd]:
    """Write the results of a stack whose process is gone, with the rows in the logs.

    Those that it had written before are not lost.
    """
    return [
        RunEnd(job.run, job.fingerprint, "done", None)
        if place.store.has(job.fingerprint)
        else write_result(job, place, _logged_rows(job, place.store), _failed(reason))
        for job in stack.missing
    ]


def serve(connection: Connection, stack: Stack, place: Workplace) -> None:
    """Be the process of a stack: train it, send how its runs have ended, and end."""
    os.environ.clear()
    os.environ.update(place.environ)  # that of the process it was forked from may be older
    if place.memory is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, place.memory)
    os.dup2(2, 1)  # stdout may be JSON for programs: what a plug-in prints goes to stderr
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    import torch

    torch.set_num_threads(place.threads)
    _send(connection, train_stack(stack, place, _Reporter(connection)))


def memory_limits() -> tuple[int, int] | None:
    """Return the soft and the hard limit of this process's data; None where there is no such."""
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)


def _end_with_parent(connection: Connection) -> None:
    """Wait until the parent is gone: nobody would stop a plug-in that never ends."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(1)


class _Log:
    """The rows of a stack, in memory and, every so often, in the logs of what is missing."""

    def __init__(self, stack: Stack, store: Store) -> None:
        self.stack = stack
        self.store = store
        self.rows: list[list[Row]] = [[] for _ in stack.jobs]
        self.ends: dict[int, Row] = {}
        self.logged = [0] * len(stack.jobs)
        self.next_flush = time.monotonic() + LOG_EVERY
        for job in stack.missing:
            store.clear_log(job.fingerprint)

    def add(self, replica: int, row: Row) -> None:
        if row["kind"] == "end":
            self.ends[replica] = row
        else:
            self.rows[replica].append(row)
        if time.monotonic() >= self.next_flush:
            self.flush()

    def flush(self) -> None:
        for replica, job in enumerate(self.stack.jobs):
            if job.fingerprint in self.stack.done:
                continue
            new = self.rows[replica][self.logged[replica] :]
            if new:
                self.store.append_rows(job.fingerprint, new)
            self.logged[replica] = len(self.rows[replica])
        self.next_flush = time.monotonic() + LOG_EVERY


class _Reporter:
    """Sends progress to the parent, not too often."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.next_report = 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self.next_report:
            self.next_report = time.monotonic() + REPORT_EVERY
            _send(self.connection, (done, total))


def _send(connection: Connection, message: object) -> None:
    try:
        connection.send(message)
    except OSError:
        # The parent is gone. An exception would pass for one of the plug-in's, so end here.
        os._exit(1)


def _failed(reason: str, trace: str | None = None) -> Row:
    ended = {"status": "failed", "reason": reason, "traceback": trace}
    return {**ended, "stream_digest": None, "metrics": {}}


def _logged_rows(job: Job, store: Store) -> list[Row]:
    try:
        return store.read_rows(job.fingerprint)
    except BenchError:
        return []


def _reason(error: BaseException) -> str:
    return text_of(error, named=False) if isinstance(error, BenchError) else raised(error)
