"""Runners that behave as an entrant's name says; imported by worker processes."""

import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
    if name == "leaves":
        sys.exit(0)
    if name == "leaves at once":
        os._exit(0)
    if name == "surrogate":
        raise ValueError("\ud800 cannot be written")
    if name == "talks":
        raise ValueError("x" * 100_000)
    if name == "cannot say":
        raise Mute
    if name == "notes and loops":
        (data_dir / "process").write_text(str(os.getpid()))
        name = "loops"
    if name == "loops":
        while True:
            pass
    if name == "holds on":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if name == "writes into the pipe":
        for number in range(3, 50):  # the pipe is among them
            with suppress(OSError):
                os.write(number, b"\0\0\0\x04junk" * 10)
        time.sleep(600)
    if name == "tells":
        limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
        raise ValueError(f"{os.environ.get('ASKED_WITH')} {limit}")
    if name == "changes everything":
        change_everything()
    if name == "waits":
        (data_dir / "waiting").touch()
        time.sleep(60)


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def change_everything() -> None:
    """Do to the process, and to libraries, what would change the runs of others."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    torch.relu = torch.sigmoid
    np.random.seed(1)
    random.seed(1)
    os.environ["CHANGED"] = "1"
    os.chdir("/")
    sys.path.clear()
    threading.excepthook = print
    print("printed")


def looks(
    specs: Sequence[RunSpec], data_dir: Path, device: str, report: Callable[[int, int], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Behave as `run`; the first number of each replica tells whether anything was changed."""
    changed = torch.tensor(0.5).dtype != torch.float32 or not torch.is_grad_enabled()
    changed |= torch.relu is torch.sigmoid or "CHANGED" in os.environ
    changed |= threading.excepthook is print or Path.cwd() == Path("/")
    for replica, row in run(specs, data_dir, device, report):
        yield replica, {**row, "changed": changed} if row["kind"] == "task" else row


def stops_early(
    specs: Sequence[RunSpec], data_dir: Path, device: str, report: Callable[[int, int], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Forget the last row of each replica but the first."""
    for replica, row in run(specs, data_dir, device, report):
        if row["kind"] != "end" or replica == 0:
            yield replica, row
