"""What goes wrong on demand."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass
class Fault:
    """Requests whose name matches are answered with a status, late, or not at all."""

    match: str
    """Regular expression, searched in "graphql UpsertBucket", "POST file_stream", "PUT storage"."""
    status: int = 500
    """0 drops the connection without an answer; 200 does what is asked and answers late, unless
    there is an `answer`."""
    times: int = 10**9
    """How many requests it hits before it is over."""
    after: int = 0
    """How many matching requests it lets through first."""
    delay: float = 0.0
    """Seconds before the answer."""
    message: str = "made to fail"
    answer: bytes | None = None
    """What is answered instead, whatever was asked, which is not done."""
    location: str | None = None
    """Where a redirect leads to; the path that was asked for is put behind it."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further ones of the answer."""

    @property
    def passes(self) -> bool:
        """Whether what is asked is done all the same."""
        return self.status == 200 and self.answer is None


class Faults:
    """The faults that are on, shared by the threads of the server."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace all faults; none clears them."""
        with self._lock:
            self._faults = list(faults)

    def hit(self, name: str) -> Fault | None:
        """Return the fault that a request meets, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.times <= 0 or not re.search(fault.match, name):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return replace(fault, times=1)
        return None
