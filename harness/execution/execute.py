"""Where runs run: every stack in a process of its own; what is done already is left out."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from joblib import cpu_count  # type: ignore[import-untyped]

from ..errors import BenchError, shortened
from .jobs import Job, Stack, stacks
from .processes import StackProcess
from .worker import RunEnd, Store, Workplace, fail_stack, memory_limits

MOST_THREADS = 4096
LONGEST_WAIT = 1.0
"""Seconds until clocks are looked at, and Ctrl-C gets through where it does not wake this up."""


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
    timeout: float | None = None,
    progress: Callable[[Advance], None],
    runner: str = "plasticity_bench.harness.loop.stack:run_stack",
) -> Outcome:
    """Run what is not done yet and put the results into the store.

    Seeds train in lockstep in stacks, see `jobs.stacks`. Each stack has a process of its own: what
    a plug-in does there, to libraries or to the process, fails the runs of its stack at most.
    Ctrl-C stops the processes and keeps what has ended.

    Args:
        jobs: of `prepare`.
        store: where results and logs go; written from the workers, so it must be picklable.
        data_dir: where data sets are cached.
        workers: processes at a time. None takes one per physical core, or one on a GPU.
        device: for example "cpu" or "cuda".
        timeout: seconds that a run may take, those in lockstep taken together, above 0; None for
            no limit. Runs that take longer have failed.
        progress: called every so often.
        runner: trains a stack, as "module:function"; see `worker.Runner`.

    Raises:
        BenchError: the device is not there, `workers` is below 1, `timeout` is not above 0, or
            results cannot be kept.
    """
    _check_device(device)
    done = {job.fingerprint for job in jobs if store.has(job.fingerprint)}
    kept = tuple(job for job in jobs if job.fingerprint in done)
    at_once = _checked_workers(workers, device)
    if timeout is not None and not timeout > 0:
        raise BenchError(f"a timeout of {timeout:g} seconds lets nothing run. Give more than 0.")
    todo = stacks(jobs, done)
    if todo:
        store.check()
    place = Workplace(
        store, data_dir, device, thread_count(), runner, dict(os.environ), memory_limits()
    )
    tracker = _Tracker(todo, progress)
    try:
        _train(todo, place, at_once, timeout, tracker)
    except KeyboardInterrupt:
        return Outcome(tuple(tracker.ends), kept, interrupted=True)
    return Outcome(tuple(tracker.ends), kept)


def thread_count() -> int:
    """Return how many threads a worker computes with: one, or what the user has set.

    Their number may change the last bits of a run, so it does not depend on that of the workers.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if not chosen.isdecimal() or not chosen.strip("0"):
        return 1
    if len(chosen) > 6 or int(chosen) > MOST_THREADS:
        raise BenchError(
            f"OMP_NUM_THREADS is {shortened(chosen)}; no machine here has so many cores. Set it to "
            f"{MOST_THREADS:,} at most, or leave it out."
        )
    return int(chosen)


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


def _train(
    todo: Sequence[Stack],
    place: Workplace,
    at_once: int,
    timeout: float | None,
    tracker: _Tracker,
) -> None:
    waiting = deque(todo)
    running: list[StackProcess] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(StackProcess.start(waiting.popleft(), place, timeout))
            ready = wait([one.connection for one in running], timeout=LONGEST_WAIT)
            for one in [*running]:
                if one.connection in ready:
                    ended = _listen(one, place, tracker)
                else:
                    ended = one.is_late and _give_up(one, place, tracker)
                if ended:
                    running.remove(one)
    finally:
        for one in running:
            one.stop()


def _listen(one: StackProcess, place: Workplace, tracker: _Tracker) -> bool:
    """Take one message of a process; return whether it was the last."""
    message = one.receive()
    if isinstance(message, tuple):
        tracker.advance(one.stack, *message)
        return one.is_late and _give_up(one, place, tracker)
    one.stop()
    ends = fail_stack(one.stack, place, message) if isinstance(message, str) else message
    tracker.finish(one.stack, ends)
    return True


def _give_up(one: StackProcess, place: Workplace, tracker: _Tracker) -> bool:
    """Stop a process that has taken too long, and fail its runs."""
    one.stop()
    reason = f"it took longer than the timeout of {one.timeout:g} seconds"
    tracker.finish(one.stack, fail_stack(one.stack, place, reason))
    return True
