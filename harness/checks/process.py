"""The content hash of a stream, here and in a second process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import BenchError
from ..specs.spec import all_settings, build_settings
from ..stream import Samples, Stream, chained_digest


def stream_digest(stream: Stream, samples: Samples, seed: int) -> str:
    """Return the content hash of the whole stream of one seed, as results have it."""
    digest = samples.digest
    for task in stream.task_sequence(samples, seed):
        digest = chained_digest(digest, task)
    return digest


def digests_elsewhere(stream: Stream, data_dir: Path, seeds: Sequence[int]) -> list[str]:
    """Return the content hash of every seed from a process of its own.

    Raises:
        BenchError: the stream's class cannot be imported there, or the process fails.
    """
    cls = type(stream)
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise BenchError(
            f"the class {cls.__qualname__} cannot be imported by a second process. Put it into a "
            "module, outside of any function."
        )
    order = {
        "module": cls.__module__,
        "name": cls.__qualname__,
        "settings": all_settings(stream),
        "data_dir": str(data_dir.expanduser().resolve()),
        "seeds": list(seeds),
    }
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        input=json.dumps(order),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BenchError(f"a second process cannot draw the stream: {reason}")
    digests: list[str] = json.loads(done.stdout.splitlines()[-1])
    return digests


def main() -> None:
    """Read an order from the standard input and print the hashes: the second process."""
    order: dict[str, Any] = json.loads(sys.stdin.read())
    cls: Any = import_module(order["module"])
    for part in order["name"].split("."):
        cls = getattr(cls, part)
    stream: Stream = build_settings(cls, order["settings"], f"stream {order['name']}")
    samples = stream.load(Path(order["data_dir"]))
    print(json.dumps([stream_digest(stream, samples, seed) for seed in order["seeds"]]))
