"""Publish a board and its results: what lacks is sent by a process that can be killed any time."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from ...harness.fingerprint import digest
from ..board.standings import Board
from ..page import Page
from ..store.result_store import ResultStore
from .board_plan import plan_board
from .client import environment, kill_group
from .connect import PATIENCE, Deferred, connect
from .job import SAID, Job, Target
from .listing import withdraw
from .privacy import is_clean
from .question import NotTaken
from .run_plan import stream_key

DEADLINE = 3600.0
"""Seconds after which a publish ends, done or not."""
ATTEMPTS_IN_VAIN = 3
"""Attempts in a row that publish nothing, after which it is left for another time."""
BETWEEN_ATTEMPTS = 2.0
"""Seconds."""
LISTING_PATIENCE = 5.0
"""Seconds until the list of runs must have what was sent."""

Advance = Callable[[int, int], None]
"""Called with how many things are published, and of how many."""


@dataclass(frozen=True)
class Outcome:
    """What came of a publish."""

    sent: int
    """Things published now: runs, entries, the board, the report."""
    kept: int
    """Things that were there already."""
    left: tuple[str, ...]
    """Names of receipts of what is not there yet."""
    problems: tuple[str, ...]
    """Why, as far as it was said."""


def plan(
    board: Board,
    store: ResultStore,
    fingerprints: Iterable[str],
    page: Page | None,
    target: Target,
) -> Job:
    """Plan what is to be on W&B, and look whether what has a receipt is still there.

    Args:
        board: as every view shows it.
        store: of the results; receipts and temporary files go to its folder `wandb`.
        fingerprints: of the results to publish.
        page: of the board; left out where anything in it names a machine or a person.
        target: where to.

    Raises:
        BenchError: the account is not accepted.
        Deferred: the server does not say what is there, or says something odd.
    """
    place = digest([target.base_url, target.entity, target.project])[:16]
    folder = store.folder.absolute() / "wandb" / place
    page_file = None
    if page is not None and is_clean(json.loads(page.data)):
        page_file = folder / "leaderboard.html"
        folder.mkdir(parents=True, exist_ok=True)
        page_file.write_bytes(page.html)
    job = Job(
        target=target,
        store=store.folder.absolute(),
        folder=folder,
        fingerprints=sorted(set(fingerprints)),
        board=plan_board(board, _stream_keys(board, store)),
        page=page_file,
    )
    with suppress(NotTaken):  # a server that lists no runs is read back run by run all the same
        withdraw(job, 0.0)
    return job


def _stream_keys(board: Board, store: ResultStore) -> Mapping[str, str]:
    keys = {}
    for stream in board.streams:
        runs = [name for standing in stream.standings for name in standing.runs.values()]
        if runs:
            keys[stream.stream] = stream_key(store.read(runs[0]))
    return keys


def publish(
    job: Job, deadline: float = DEADLINE, advance: Advance = lambda done, of: None
) -> Outcome:
    """Publish what lacks. What was seen to be there has a receipt and is not sent again.

    Args:
        job: of `plan`.
        deadline: seconds, after which everything that still goes on is killed.
        advance: called every so often.

    Raises:
        BenchError: the account is not accepted.
        Deferred: another process publishes there; nothing was sent.
    """
    end = time.monotonic() + deadline
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        # Another would remove the temporary files of this one. The system drops it with us.
        with FileLock(job.folder / "publishing", timeout=1):
            return _publish(job, end, advance)
    except Timeout:
        raise Deferred("another publish to this project is going on here") from None


def _publish(job: Job, end: float, advance: Advance) -> Outcome:
    first = left = to_do(job)
    total = len(job.fingerprints) + len(job.board.entries) + 2
    in_vain, problems = 0, tuple[str, ...]()
    while left and time.monotonic() < end and in_vain < ATTEMPTS_IN_VAIN:
        said = _attempt(job, end, lambda: advance(total - len(to_do(job)), total))
        before, left = left, to_do(job)
        if not left:
            said = _last_look(job, min(LISTING_PATIENCE, end - time.monotonic()))
            left = to_do(job)
        problems = said
        in_vain = 0 if len(left) < len(before) else in_vain + 1
        if left and end - time.monotonic() > BETWEEN_ATTEMPTS + 2 * PATIENCE:
            time.sleep(BETWEEN_ATTEMPTS)
            try:
                connect(job.target.entity, job.target.project)
            except Deferred as error:
                problems = (str(error),)
                in_vain += 1
    return Outcome(len(first) - len(left), total - len(first), tuple(left), problems)


def _last_look(job: Job, patience: float) -> tuple[str, ...]:
    """Take back the receipts of what is not there any more; return what is to be said of that."""
    try:
        return ("some of it was gone or changed right after",) if withdraw(job, patience) else ()
    except NotTaken:
        return ()
    except Deferred as reason:  # each thing was read back; only the list of all of them lacks
        return (f"it was not looked at once more: {reason}",)


def to_do(job: Job) -> list[str]:
    """Return the names of receipts that lack."""
    return [*(f"run-{name}" for name in job.runs_to_do()), *job.board_to_do()]


def _attempt(job: Job, end: float, advance: Callable[[], None]) -> tuple[str, ...]:
    """Run one publishing process until it ends or time is over; return what it complained of."""
    job_file, log = job.folder / "job.json", job.folder / "publish.log"
    job_file.write_text(job.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", f"{__package__}.worker", str(job_file)]
    with _scratch(job.folder / "scratch") as scratch, log.open("wb") as output:
        process = _start(command, environment(job.target.base_url, scratch), output)
        try:
            look = time.monotonic()
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.2)
                if (now := time.monotonic()) >= look:
                    advance()
                    look = now + 10 * (time.monotonic() - now)  # it may take seconds of thousands
        finally:
            kill_group(process.pid)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
    return _complaints(log)


@contextmanager
def _scratch(note: Path) -> Iterator[Path]:
    """Lend a folder for all that wandb writes, whose path names nobody.

    wandb tells the server the local path of every file of an artifact. The note says where the
    folder is, so that what a killed publish has left is removed by the next.
    """
    if note.exists():
        shutil.rmtree(note.read_text(encoding="utf-8"), ignore_errors=True)
    places = [place for place in ("/tmp", "/var/tmp") if os.access(place, os.W_OK)]
    made = tempfile.mkdtemp(prefix="plasticity-bench-", dir=places[0] if places else None)
    note.write_text(made, encoding="utf-8")
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        note.unlink(missing_ok=True)


def _start(
    command: list[str], variables: dict[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    # Its stdin is a pipe that we hold: when we are gone, it sees that and ends.
    return subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _complaints(log: Path) -> tuple[str, ...]:
    from .privacy import scrubbed_text

    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.removeprefix(SAID) for line in lines if line.startswith(SAID)]
    ended = [line for line in lines if not line.startswith("wandb:")]  # without a word of ours
    return tuple(scrubbed_text(line) for line in said[-5:] or ended[-1:])
