"""Where runs run: in this process or in worker processes; what is done already is left out."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from joblib import cpu_count  # type: ignore[import-untyped]

from ..errors import BenchError
from .jobs import Job, Stack, stacks
from .worker import RunEnd, Store, Workplace, fail_stack, serve, train_stack


@dataclass(frozen=True)
class Advance:
    """How far everything is, in updates times replicas."""

    done: int
    total: int
    stacks_done: int
    stacks: int


@dataclass(frozen=True)
class Outcome:
    """What came of the runs asked for."""

    ends: tuple[RunEnd, ...]
    """Runs that ended now."""
    kept: tuple[Job, ...]
    """Runs that were done already."""
    interrupted: bool = False
    """Whether it was stopped from the keyboard; what had not ended then is left to do."""

    def ended(self, status: str) -> list[RunEnd]:
        """Return the runs that ended now with a status."""
        return [end for end in self.ends if end.status == status]


def execute(
    jobs: Sequence[Job],
    store: Store,
    *,
    data_dir: Path,
    workers: int | None = None,
    device: str = "cpu",
    progress: Callable[[Advance], None],
    runner: str = "plasticity_bench.harness.loop.stack:run_stack",
) -> Outcome:
    """Run what is not done yet and put the results into the store.

    Seeds train in lockstep in stacks, see `jobs.stacks`. A worker process that dies fails the runs
    of its stack and is replaced; the others go on. Ctrl-C stops the workers and keeps what has
    ended.

    Args:
        jobs: of `prepare`.
        store: where results and logs go; written from the workers, so it must be picklable.
        data_dir: where data sets are cached.
        workers: processes at a time. None takes one per physical core, or one on a GPU; 1 runs in
            this process.
        device: for example "cpu" or "cuda".
        progress: called every so often.
        runner: trains a stack, as "module:function"; see `worker.Runner`.

    Raises:
        BenchError: the device is not there, `workers` is below 1, or results cannot be kept.
    """
    _check_device(device)
    done = {job.fingerprint for job in jobs if store.has(job.fingerprint)}
    kept = tuple(job for job in jobs if job.fingerprint in done)
    at_once = _checked_workers(workers, device)
    todo = stacks(jobs, done)
    if todo:
        store.check()
    at_once = max(1, min(at_once, len(todo)))
    place = Workplace(store, data_dir, device, thread_count(), runner)
    tracker = _Tracker(todo, progress)
    train = _train_here if at_once == 1 else _train_in_workers
    try:
        train(todo, place, at_once, tracker)
    except KeyboardInterrupt:
        return Outcome(tuple(tracker.ends), kept, interrupted=True)
    return Outcome(tuple(tracker.ends), kept)


def thread_count() -> int:
    """Return how many threads a worker computes with: one, or what the user has set.

    Their number may change the last bits of a run, so it does not depend on that of the workers.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    return int(chosen) if chosen.isdecimal() and int(chosen) > 0 else 1


def _checked_workers(workers: int | None, device: str) -> int:
    if workers is None:
        return 1 if device.startswith("cuda") else int(cpu_count(only_physical_cores=True))
    if workers < 1:
        raise BenchError(f"{workers} workers cannot run anything. Give 1 or more.")
    return workers


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(f"the device '{device}' cannot be used: {reason}. Try cpu.") from error


class _Tracker:
    """Adds up what the stacks report."""

    def __init__(self, todo: Sequence[Stack], progress: Callable[[Advance], None]) -> None:
        self.total = sum(stack.work for stack in todo)
        self.stacks = len(todo)
        self.shares: dict[Stack, float] = {}
        self.ends: list[RunEnd] = []
        self.finished = 0
        self.progress = progress

    def advance(self, stack: Stack, done: int, total: int) -> None:
        """Note that a stack has made some of its updates."""
        self.shares[stack] = done / total
        work = sum(share * each.work for each, share in self.shares.items())
        self.progress(Advance(round(work), self.total, self.finished, self.stacks))

    def finish(self, stack: Stack, ends: Iterable[RunEnd]) -> None:
        """Note that a stack has ended, well or not."""
        self.ends += ends
        self.finished += 1
        self.advance(stack, 1, 1)


def _train_here(todo: Sequence[Stack], place: Workplace, at_once: int, tracker: _Tracker) -> None:
    del at_once
    with _threads(place.threads):
        for stack in todo:

            def report(done: int, total: int, stack: Stack = stack) -> None:
                tracker.advance(stack, done, total)

            tracker.finish(stack, train_stack(stack, place, report))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(eq=False)
class _Worker:
    """A worker process, our end of its pipe, and the stack that it has.

    Each has a pipe of its own: a queue shared by all could be left locked by one that is killed.
    """

    process: BaseProcess
    connection: Connection
    stack: Stack | None = field(default=None)

    @classmethod
    def start(cls, place: Workplace) -> "_Worker":
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, place), daemon=True)
        process.start()
        theirs.close()  # so that our end tells when the process is gone
        return cls(process, ours)

    def give(self, stack: Stack) -> None:
        self.stack = stack
        with suppress(OSError):  # it is gone: reading from it will say so
            self.connection.send(stack)

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()

    def cause_of_death(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"its worker process ended with status {code}"
        name = signal.Signals(-code).name
        hint = "; perhaps the machine ran out of memory" if name == "SIGKILL" else ""
        return f"its worker process was killed by {name}{hint}"


def _train_in_workers(
    todo: Sequence[Stack], place: Workplace, at_once: int, tracker: _Tracker
) -> None:
    waiting = deque(todo)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < at_once:
                workers.append(_Worker.start(place))
                workers[-1].give(waiting.popleft())
            # The timeout lets Ctrl-C through where it does not wake this up, as on Windows.
            ready = wait([worker.connection for worker in workers], timeout=1.0)
            for worker in [worker for worker in workers if worker.connection in ready]:
                if _listen(worker, place, tracker):
                    continue
                if waiting and worker.process.is_alive():
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.stop()
    finally:
        for worker in workers:
            worker.stop()


def _listen(worker: _Worker, place: Workplace, tracker: _Tracker) -> bool:
    """Take one message of a worker; return whether it still works on its stack."""
    stack = worker.stack
    assert stack is not None
    try:
        message: tuple[int, int] | list[RunEnd] = worker.connection.recv()
    except (EOFError, OSError):
        tracker.finish(stack, fail_stack(stack, place, worker.cause_of_death()))
        return False
    if isinstance(message, tuple):
        tracker.advance(stack, *message)
        return True
    tracker.finish(stack, message)
    return False
