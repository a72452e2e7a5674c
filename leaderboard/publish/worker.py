"""The publishing process: what has no receipt is put on W&B, read back, and gets one."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .client import end_with_parent, stay_in_group
from .job import GONE, SAID, Job, file_digest
from .privacy import scrubbed_text
from .run_plan import RunPlan
from .upload import Uploader

GIVE_UP_AFTER = 3
"""Things in a row that fail, after which the server is taken to be down."""
MOST_SAID = 400
"""Characters of one complaint."""
Task = tuple[str, Callable[[], dict[str, Any]]]
"""Name of a receipt, and what earns it."""


def main(job_file: str) -> int:
    """Do what can be done of a job; return 0 if that is all of it."""
    job = Job.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    lock = FileLock(job.folder / "lock")  # the system drops it with the process
    try:
        lock.acquire(timeout=5)
    except Timeout:
        _say("another publish to this project is going on")
        return 1
    in_a_row = failed = 0
    late = _Late(job.folder / "failed.txt")
    for name, task in late.last(_tasks(job, Uploader(job))):
        try:
            job.receipts.write(name, task())
            in_a_row = 0
        except Exception as error:
            failed, in_a_row = failed + 1, in_a_row + 1
            late.add(name)
            _say(f"{name}: {type(error).__name__}: {error}")
            if in_a_row == GIVE_UP_AFTER:
                return 1
    late.forget()
    return 1 if failed else 0


class _Late:
    """Names of what has failed: it is tried after all the rest, so that it keeps nothing back.

    Three results that the server will never take would otherwise pass for a server that is down.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = path.read_text(encoding="utf-8").split() if path.exists() else []

    def last(self, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks with those that have failed behind the others."""
        return sorted(tasks, key=lambda task: task[0] in self._names)

    def add(self, name: str) -> None:
        self._names.append(name)
        self._path.write_text("\n".join(self._names), encoding="utf-8")

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _tasks(job: Job, uploader: Uploader) -> Iterator[Task]:
    for fingerprint in list(job.runs_to_do()):
        yield f"run-{fingerprint}", partial(_run, job, uploader, fingerprint)
    plans = {f"entry-{job.board.key}-{plan.id}": plan for plan in job.board.entries}
    plans |= {name: _gone(job.receipts.read(name)) for name in job.gone()}
    for name in list(job.board_to_do()):
        if name in plans:
            yield name, partial(_entry, job, uploader, name, plans[name])
        elif name.startswith("board-"):
            yield name, partial(uploader.board, job.board)
        else:
            yield name, partial(_report, job)


def _run(job: Job, uploader: Uploader, fingerprint: str) -> dict[str, Any]:
    before = file_digest(job.results.path(fingerprint))
    return {"file": before, "fingerprint": fingerprint, **uploader.result(fingerprint)}


def _entry(job: Job, uploader: Uploader, name: str, plan: RunPlan) -> dict[str, Any]:
    receipt = uploader.entry(plan)
    return receipt if name not in job.gone() else {**receipt, "digest": GONE}


def _gone(receipt: dict[str, Any] | None) -> RunPlan:
    """Return the plan of an entry that is off the board now."""
    plan = RunPlan.model_validate((receipt or {})["plan"])
    return plan.model_copy(update={"summary": {"on_board": 0}})


def _report(job: Job) -> dict[str, Any]:
    from .report import publish_report

    known = job.receipts.read(f"report-{job.board.key}") or {}
    id_ = publish_report(job, known.get("id"))
    return {"id": id_, "digest": job.board.report_digest}


def _say(problem: str) -> None:
    print(SAID + scrubbed_text(" ".join(problem.split()))[:MOST_SAID], flush=True)


if __name__ == "__main__":
    end_with_parent()
    stay_in_group()
    status = main(sys.argv[1])
    # wandb would wait for its service at the exit, for as long as that likes.
    sys.stdout.flush()
    os._exit(status)
