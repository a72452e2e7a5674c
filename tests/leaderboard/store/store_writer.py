"""A process that writes results without end; started by tests as a program, and killed by them.

store_writer.py FOLDER NUMBER START  writes, and prints the seed and fingerprint once each is in
store_writer.py FOLDER               reads, and prints every complaint; ends with its input
"""

import json
import select
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from plasticity_bench.harness.specs.fingerprint import fingerprint
from plasticity_bench.leaderboard.store.result_store import ResultStore


def draft(seed: int) -> dict[str, Any]:
    """Return a result of about 20 kB: a file that takes more than one write to the disk."""
    spec: dict[str, Any] = {
        "stream": {"name": "made-up", "settings": {}},
        "entrant": {
            "name": "dense",
            "strategies": [{"name": "dense", "settings": {}}],
            "network": {},
            "optimizer": {},
        },
        "seed": seed,
    }
    sources: dict[str, Any] = {"data": "d" * 64, "strategies": {"dense": "c" * 64}}
    return {
        "format": 1,
        "fingerprint": fingerprint(spec, sources, 1),
        "spec": spec,
        "sources": sources,
        "results_version": 1,
        "status": "done",
        "reason": None,
        "needs": [],
        "stream_digest": None,
        "metrics": {"taoa": seed / 1e9},
        "rows": [{"kind": "task", "task": task, "loss": seed / (task + 1)} for task in range(300)],
        "environment": {},
    }


def write(store: ResultStore, seeds: Iterator[int]) -> None:
    """Write results; every other one is a failed attempt first, so that files are replaced."""
    for seed in seeds:
        done = draft(seed)
        if seed % 2:
            store.write({**done, "status": "failed", "reason": "made up", "rows": []})
        store.write(done)
        print(json.dumps([seed, done["fingerprint"]]), flush=True)


def read(store: ResultStore) -> None:
    """Read everything over and over."""
    rounds = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for record in store.records(report=print):
            if record.status == "done" and len(store.read(record.fingerprint).rows) != 300:
                print(f"a part of {record.fingerprint}")
        rounds += 1
    print(f"{rounds} rounds")


if __name__ == "__main__":
    place = ResultStore(Path(sys.argv[1]))
    if len(sys.argv) == 2:
        read(place)
    else:
        write(place, count(int(sys.argv[2]) * 1_000_000 + int(sys.argv[3])))
