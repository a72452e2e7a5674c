"""Processes that train one stack each: what a plug-in does to its own reaches no other run.

On Linux they are forked from a process that has loaded the libraries and nothing else, within some
hundredths of a second; elsewhere they start from nothing, within seconds.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import ModuleType

from .jobs import Stack
from .worker import RunEnd, Workplace, serve

LIBRARIES = ("torch", "sklearn.datasets")
"""Loaded before processes are forked, where they are loaded here: that takes long."""


@dataclass(eq=False)
class StackProcess:
    """A process that trains a stack, and our end of its pipe.

    Each has a pipe of its own: a queue shared by all could be left locked by one that is killed.
    """

    stack: Stack
    process: BaseProcess
    connection: Connection
    timeout: float | None
    """Seconds that it may take, above 0; None for no limit."""
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, stack: Stack, place: Workplace, timeout: float | None) -> "StackProcess":
        """Start one."""
        context = _context()
        ours, theirs = context.Pipe()
        with _without_main():
            process: BaseProcess = context.Process(  # type: ignore[attr-defined]
                target=serve, args=(theirs, stack, place), daemon=True
            )
            process.start()
        theirs.close()  # so that our end tells when the process is gone
        return cls(stack, process, ours, timeout)

    def receive(self) -> tuple[int, int] | list[RunEnd] | str:
        """Return its next message: how far it is, how its runs have ended; or why it is gone."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._cause_of_death()
        except Exception as error:  # what a plug-in has written into the pipe
            return f"its process sent what nobody can read: {type(error).__name__}"
        if isinstance(message, tuple | list):
            return message
        return "its process sent what is no message"

    @property
    def is_late(self) -> bool:
        """Whether it has taken longer than it may."""
        return self.timeout is not None and time.monotonic() - self.started > self.timeout

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _cause_of_death(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"its process ended with status {code} before the run did"
        with suppress(ValueError):
            name = signal.Signals(-code).name
            hint = "; perhaps the machine ran out of memory" if name == "SIGKILL" else ""
            return f"its process was killed by {name}{hint}"
        return f"its process was killed by signal {-code}"


def _context() -> BaseContext:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    root = __name__.partition(".")[0]
    own = [name for name in sys.modules if name.partition(".")[0] == root]
    # Plug-ins are not among them: each is loaded by the processes of its own runs.
    context.set_forkserver_preload([*(name for name in LIBRARIES if name in sys.modules), *own])
    return context


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep processes from running the user's script, or notebook, for its definitions."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
