"""Putting one thing on W&B and looking whether it is there; in the publishing process alone."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import isclose
from typing import Any

from ...harness.plural import plural
from ..store.result import Result
from .board_plan import COLUMNS, ENTRY_FIELDS, BoardPlan
from .client import FINISH_PATIENCE, define_metrics, settings
from .history import Step, history
from .job import Job
from .run_plan import RunPlan, finished_run, may_leave

Run = Any
"""wandb's own, of which half the methods have no types."""
READ_BACK_PATIENCE = 5.0
"""Seconds until what was sent must be seen."""
DELETED = "previously created and deleted"
"""What W&B says of an id that may never be used again."""
MOST_IDS = 9
_TABLE = "leaderboard"


class NotThere(Exception):
    """What was sent is not on the server, or not as it was sent."""


class Uploader:
    """Puts runs, entries and the board of a job on W&B."""

    def __init__(self, job: Job) -> None:
        import wandb

        self.job = job
        self.target = job.target
        self.api: Any = wandb.Api(timeout=10)

    def result(self, fingerprint: str) -> dict[str, Any]:
        """Publish one result; return what its receipt says."""
        result = self.job.results.read(fingerprint)
        plan = finished_run(result)
        steps = published_steps(result)
        id_, artifact = self._under_some_id(plan, lambda run: self._fill(run, result, plan, steps))
        rows = len(steps) if result.status != "failed" else None
        self._expect(id_, plan, rows)
        return {"id": id_, "rows": len(steps), "artifact": artifact}

    def _fill(self, run: Run, result: Result, plan: RunPlan, steps: Iterable[Step]) -> str | None:
        define_metrics(run)
        for number, step in enumerate(steps):
            run.log(step, step=number)
        _set_summary(run, plan)
        if not may_leave(result):
            return None
        import wandb

        artifact = wandb.Artifact(f"result-{result.fingerprint}", type="result")
        path = self.job.results.path(result.fingerprint)
        artifact.add_file(str(path), name="result.json")
        return _logged(run, artifact)

    def entry(self, plan: RunPlan) -> dict[str, Any]:
        """Publish where one entrant stands; what it had before is replaced."""
        id_, _ = self._under_some_id(plan, lambda run: _set_summary(run, plan, ENTRY_FIELDS))
        self._expect(id_, plan, None, exactly=ENTRY_FIELDS)
        return {"id": id_, "digest": plan.digest, "plan": plan.model_dump()}

    def board(self, plan: BoardPlan) -> dict[str, Any]:
        """Publish the board: another step of its table, another version of its file."""
        id_, artifact = self._under_some_id(plan.run, lambda run: self._fill_board(run, plan))
        self._expect(id_, plan.run, None)
        return {"id": id_, "digest": plan.digest, "artifact": artifact}

    def _fill_board(self, run: Run, plan: BoardPlan) -> str | None:
        import wandb

        if run.summary.get("board_digest") != plan.digest:
            table = wandb.Table(
                columns=list(COLUMNS), data=list(plan.table), allow_mixed_types=True
            )
            # One row for both: the digest is in the summary only if the table is.
            run.log({_TABLE: table, "board_digest": plan.digest})
        head = {"head": plan.head, "board_digest": plan.digest}
        artifact = wandb.Artifact(plan.artifact, type="leaderboard", metadata=head)
        with artifact.new_file("board.json", mode="w", encoding="utf-8") as file:
            json.dump(plan.content, file, sort_keys=True, allow_nan=False)
        if self.job.page is not None:
            artifact.add_file(str(self.job.page), name="leaderboard.html")
        return _logged(run, artifact)

    def _under_some_id(
        self, plan: RunPlan, fill: Callable[[Run], str | None]
    ) -> tuple[str, str | None]:
        """Fill the run of a plan; under another id where somebody has deleted it on W&B."""
        for number in range(1, MOST_IDS + 1):
            id_ = plan.id if number == 1 else f"{plan.id}-{number}"
            try:
                with self._run(plan, id_) as run:
                    return id_, fill(run)
            except Exception as error:
                if DELETED not in str(error):
                    raise
        raise NotThere(f"every id from {plan.id} to {plan.id}-{MOST_IDS} was deleted on W&B")

    @contextmanager
    def _run(self, plan: RunPlan, id_: str) -> Iterator[Run]:
        import wandb

        run: Run
        with wandb.init(
            entity=self.target.entity,
            project=self.target.project,
            id=id_,
            name=plan.name,
            job_type=plan.job_type,
            config=dict(plan.config),
            resume="allow",
            settings=settings("online"),
        ) as run:
            run.config.update(dict(plan.config), allow_val_change=True)
            yield run

    def _expect(
        self, id_: str, plan: RunPlan, rows: int | None, exactly: Iterable[str] = ()
    ) -> None:
        """Read a run back until it is as planned.

        Args:
            id_: of the run.
            plan: as it was sent.
            rows: of history; None where there may be any number.
            exactly: names of the summary that may be there only if they are planned.

        Raises:
            NotThere: it is not so in time.
        """
        path = f"{self.target.entity}/{self.target.project}/{id_}"
        end = time.monotonic() + READ_BACK_PATIENCE
        while True:
            self.api.flush()
            run = self.api.run(path)
            problem = _difference(run, plan, rows, exactly)
            if problem is None:
                return
            if time.monotonic() > end:
                raise NotThere(f"{id_} on W&B {problem}")
            time.sleep(0.3)


def published_steps(result: Result) -> list[Step]:
    """Return the history of a result; a failed run has none, for it may be tried again."""
    return [] if result.status == "failed" else list(history(result.rows))


def _set_summary(run: Run, plan: RunPlan, replaced: Iterable[str] = ()) -> None:
    for name in set(replaced) - plan.summary.keys():
        if name in run.summary.keys():  # noqa: SIM118  (it is no mapping)
            del run.summary[name]
    run.summary.update(dict(plan.summary))


def _logged(run: Run, artifact: Any) -> str:
    logged = run.log_artifact(artifact)
    logged.wait(timeout=FINISH_PATIENCE)
    if logged.state != "COMMITTED":  # wandb takes an odd answer to the commit for a good one
        raise NotThere(f"the file {logged.name} on W&B is {logged.state}, not committed")
    return str(logged.digest)


def _difference(run: Any, plan: RunPlan, rows: int | None, exactly: Iterable[str]) -> str | None:
    if run.state != "finished":
        return f"is {run.state}, not finished"
    for name, value in plan.config.items():
        # The client takes empty parts out of nested values; all of it is sent as one text anyway.
        if isinstance(value, str | int) and run.config.get(name) != value:
            return f"has another {name} in its config"
    summary = run.summary_metrics
    for name in {*plan.summary, *exactly}:
        if not _same(summary.get(name), plan.summary.get(name)):
            return f"has another {name} in its summary"
    # The client has no property for this field of the answer.
    count = run._attrs["historyLineCount"]
    if rows is not None and count != rows:
        return f"has {plural(count, 'row')}, not {rows}"
    return None


def _same(there: Any, here: Any) -> bool:
    if isinstance(here, float) and isinstance(there, int | float):
        return isclose(there, here, rel_tol=1e-12)
    return bool(there == here)
