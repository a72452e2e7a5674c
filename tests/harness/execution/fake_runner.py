"""Runners that behave as an entrant's name says; imported by worker processes."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.execution.worker import LOG_EVERY
from plasticity_bench.harness.specs.spec import RunSpec

ROWS = 3


def run(
    specs: Sequence[RunSpec], data_dir: Path, device: str, report: Callable[[int, int], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield rows whose numbers depend on the seed alone; misbehave after the second round."""
    assert device == "cpu"
    name = specs[0].entrant.name
    for number in range(ROWS):
        if name == "exits":
            time.sleep(number * (LOG_EVERY + 0.1))  # so that the rows are logged before it does
        for replica, spec in enumerate(specs):
            yield replica, {"kind": "task", "task": number, "loss": spec.seed + number / 10}
        report(number + 1, ROWS)
        if number == 1:
            _misbehave(name, data_dir)
    for replica, spec in enumerate(specs):
        diverged = name == "diverges" and spec.seed == 1
        end = {
            "kind": "end",
            "status": "diverged" if diverged else "done",
            "reason": "the loss was not finite" if diverged else None,
            "stream_digest": "0" * 64,
            "metrics": {"taoa": spec.seed / 100, "undefined": float("nan")},
        }
        yield replica, end


def _misbehave(name: str, data_dir: Path) -> None:
    if name == "exits":
        os._exit(3)
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raises":
        raise ZeroDivisionError("by a plug-in")
    if name == "explains":
        raise BenchError("strategy 'mine' raised in end_task: no such layer")
    if name == "interrupts":
        raise KeyboardInterrupt
    if name == "waits":
        (data_dir / "waiting").touch()
        time.sleep(60)


def stops_early(
    specs: Sequence[RunSpec], data_dir: Path, device: str, report: Callable[[int, int], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Forget the last row of each replica but the first."""
    for replica, row in run(specs, data_dir, device, report):
        if row["kind"] != "end" or replica == 0:
            yield replica, row
