"""The process that shows live curves: it reads the logs of runs and never writes to the store."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from ...harness.errors import BenchError
from ..store.result import Result
from ..store.result_store import ResultStore
from .client import define_metrics, kill_group, settings, stay_in_group
from .history import Step, Steps
from .job import file_digest
from .live import STOP, LiveJob
from .run_plan import Begun, finished_run, seed_run
from .upload import published_steps

EVERY = 1.0
"""Seconds between two looks at the logs."""


class _Curve:
    """One run, from the first row of its log to its result."""

    def __init__(self, begun: Begun, job: LiveJob) -> None:
        self.begun = begun
        self.job = job
        self.store = ResultStore(job.store)
        self.run: Any = None
        self.over = False
        self._steps = Steps()
        self._read = 0
        self._made = 0
        self._sent = 0

    def look(self) -> None:
        """Send what has come since the last look; end where the result is there."""
        result = self._result()
        if result is not None:
            self._end(result)
            return
        for step in self._new_steps():
            self._made += 1
            if self._made > self._sent:
                self._send(step)

    def _result(self) -> Result | None:
        name = self.begun.fingerprint
        path = self.store.path(name)
        try:
            if not path.exists() or file_digest(path) == self.job.before.get(name):
                return None
            return self.store.read(name)
        except BenchError:
            return None

    def _new_steps(self) -> list[Step]:
        try:
            with self.store.log_path(self.begun.fingerprint).open("rb") as log:
                if os.fstat(log.fileno()).st_size < self._read:
                    # Another attempt has begun; its rows are the same as far as they were sent.
                    self._read, self._made, self._steps = 0, 0, Steps()
                log.seek(self._read)
                whole = log.read().rpartition(b"\n")[0]
        except OSError:
            return []
        self._read += len(whole) + bool(whole)
        rows = [json.loads(line) for line in whole.splitlines()]
        return [step for row in rows for step in self._steps.add(row)]

    def _send(self, step: Step) -> None:
        if self.run is None:
            self.run = self._start()
        self.run.log(step, step=self._sent)
        self._sent += 1

    def _start(self) -> Any:
        import wandb

        plan, target = seed_run(self.begun), self.job.target
        run = wandb.init(
            entity=target.entity if target else None,
            project=self.job.project,
            id=plan.id,
            name=plan.name,
            job_type=plan.job_type,
            config=dict(plan.config),
            resume="allow",
            reinit="create_new",
            settings=settings(self.job.mode),
        )
        define_metrics(run)
        return run

    def _end(self, result: Result) -> None:
        for step in published_steps(result)[self._sent :]:
            self._send(step)
        self.over = True
        if self.run is not None:
            self.run.summary.update(dict(finished_run(result).summary))
            self.run.finish(exit_code=0 if result.status == "done" else 1)

    def abandon(self) -> None:
        """End a run whose result has not come."""
        if self.run is not None and not self.over:
            self.run.finish(exit_code=1)


def main(job_file: str) -> None:
    """Follow the runs of a job until the word to stop comes."""
    job = LiveJob.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    curves = [_Curve(begun, job) for begun in job.runs]
    stopping = _told_to_stop()
    while True:
        last = stopping.wait(EVERY)
        for curve in curves:
            if not curve.over:
                curve.look()
        if last or all(curve.over for curve in curves):
            break
    for curve in curves:
        curve.abandon()


def _told_to_stop() -> threading.Event:
    told = threading.Event()

    def listen() -> None:
        if sys.stdin.buffer.readline() != STOP:
            kill_group(os.getpid())  # the parent is gone
        told.set()

    threading.Thread(target=listen, daemon=True).start()
    return told


if __name__ == "__main__":
    stay_in_group()
    main(sys.argv[1])
    os._exit(0)  # wandb would wait for its service at the exit, for as long as that likes
