"""Live curves on W&B while runs go on: a process beside them, that nothing here waits for.

The runs write their logs as always. The process reads them, under the ids and steps that `publish`
uses, so that a later publish completes the same runs. Whatever becomes of it, the runs go on.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from ...harness.errors import BenchError
from ...harness.specs.fingerprint import digest
from ..store.result import Sources, Spec
from ..store.result_store import ResultStore
from .client import environment, kill_group
from .connect import Deferred, connect
from .job import Target, file_digest
from .run_plan import Begun

Mode = Literal["offline", "online"]
MODES: dict[str, Mode] = {"offline": "offline", "online": "online"}
END_PATIENCE = 30.0
"""Seconds that the process has at the end for what it has not sent."""
STOP = b"stop\n"
"""What it is told at the end; without it the end of its input is the death of its parent."""
_LATER = "the runs are not touched by that, and plasticity-bench publish sends everything"


class Job(Protocol):
    """What is asked of a run that is going to be made."""

    @property
    def run(self) -> Any:
        """Return its spec."""
        ...

    @property
    def fingerprint(self) -> str:
        """Return its name."""
        ...

    @property
    def sources(self) -> Any:
        """Return the hashes of data and code."""
        ...

    @property
    def results_version(self) -> int:
        """Return the engine's."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what it has to be told."""
        ...


class LiveJob(BaseModel):
    """What the process is told."""

    mode: Mode
    target: Target | None
    """None in offline mode."""
    project: str
    store: Path
    runs: list[Begun]
    before: dict[str, str]
    """Digests of result files of earlier attempts that failed, by fingerprint."""


@contextmanager
def live(
    mode: Mode,
    jobs: Iterable[Job],
    store: ResultStore,
    *,
    entity: str | None,
    project: str,
    tell: Callable[[str], None],
) -> Iterator[None]:
    """Show live curves of runs while the context lasts.

    Args:
        mode: "online" sends them; "offline" keeps them under the store's folder `wandb/offline`,
            for `wandb sync`.
        jobs: the runs; those that have a result are left out.
        store: where their logs are.
        entity: user or team; None is the account's own.
        project: on W&B.
        tell: is given one line where there are no curves, or not all.
    """
    try:
        process = _start(mode, jobs, store, entity, project)
    except (BenchError, Deferred, OSError) as reason:
        tell(f"no live curves: {reason} ({_LATER}).")
        yield
        return
    try:
        yield
    finally:
        _stop(process, tell)


def _start(
    mode: Mode, jobs: Iterable[Job], store: ResultStore, entity: str | None, project: str
) -> "subprocess.Popen[bytes]":
    target = connect(entity, project)[0] if mode == "online" else None
    folder = store.folder.absolute() / "wandb" / mode
    folder.mkdir(parents=True, exist_ok=True)
    runs = [_begun(job) for job in jobs if not store.has(job.fingerprint)]
    paths = {run.fingerprint: store.path(run.fingerprint) for run in runs}
    job = LiveJob(
        mode=mode,
        target=target,
        project=project,
        store=store.folder.absolute(),
        runs=runs,
        before={name: file_digest(path) for name, path in paths.items() if path.exists()},
    )
    content = job.model_dump_json()
    job_file = folder / f"live-{digest(content)[:12]}.json"
    job_file.write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", f"{__package__}.live_worker", str(job_file)]
    with (folder / "live.log").open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment(target.base_url if target else None, folder),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _begun(job: Job) -> Begun:
    return Begun(
        fingerprint=job.fingerprint,
        spec=Spec.model_validate(job.run.as_json()),
        sources=Sources.model_validate(job.sources),
        results_version=job.results_version,
        needs=list(job.needs),
    )


def _stop(process: "subprocess.Popen[bytes]", tell: Callable[[str], None]) -> None:
    try:
        process.communicate(STOP, timeout=END_PATIENCE)
        complete = process.returncode == 0
    except (subprocess.TimeoutExpired, OSError):
        complete = False
    finally:
        kill_group(process.pid)
        process.wait()
    if not complete:
        tell(f"the live curves are not complete ({_LATER}).")
