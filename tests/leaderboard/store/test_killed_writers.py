"""Writers killed at random moments: nothing reported is lost, nothing is ever half there."""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plasticity_bench.leaderboard.store import index
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import rebuild, verify

PROGRAM = Path(__file__).with_name("store_writer.py")
WRITERS = 4


def start(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@dataclass
class Writer:
    """A writer that is started again, where it was, every time it is killed."""

    folder: Path
    number: int
    next_seed: int = 0
    reported: dict[str, int] = field(default_factory=dict)
    """Seed by fingerprint, of what was said to be done."""
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        self.process = start(str(self.folder), str(self.number), str(self.next_seed))
        self.note(self.process.stdout.readline())  # type: ignore[union-attr]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        # A line is one write, so none is torn.
        for line in self.process.communicate()[0].splitlines():
            self.note(line)

    def note(self, line: str) -> None:
        seed, fingerprint = json.loads(line)
        self.reported[fingerprint] = seed
        self.next_seed = seed % 1_000_000 + 1  # what was under way then is begun again


@pytest.mark.parametrize(
    "kills", [4, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_no_result_reported_done_is_lost_and_no_half_file_read(tmp_path: Path, kills: int) -> None:
    store = ResultStore(tmp_path)
    chance = random.Random(0)
    writers = [Writer(tmp_path, number) for number in range(WRITERS)]
    reader = start(str(tmp_path))
    for writer in writers:
        writer.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0, 0.2))
        victim = chance.choice(writers)
        victim.kill()
        victim.start()
    for writer in writers:
        writer.kill()
    *complaints, rounds = reader.communicate("stop")[0].splitlines()
    assert complaints == []
    assert int(rounds.split()[0]) > 1
    reported = {name: seed for writer in writers for name, seed in writer.reported.items()}
    assert len(reported) > kills + WRITERS
    check_all_there(store, reported)
    rebuild(store)  # takes in what was in place but not yet written down nor reported
    assert verify(store).problems == ()
    anew = Writer(tmp_path, WRITERS)
    anew.start()
    anew.kill()
    check_all_there(store, anew.reported)


def check_all_there(store: ResultStore, reported: dict[str, int]) -> None:
    messages: list[str] = []
    there = {record.fingerprint: record for record in store.records(report=messages.append)}
    assert messages == []
    written = Journal.read(store.folder)
    for fingerprint, seed in reported.items():
        assert there[fingerprint].status == "done"
        assert there[fingerprint].spec.seed == seed
        assert len(store.read(fingerprint).rows) == 300
        assert written.matching(there[fingerprint])
    assert [chain.problem for chain in written.chains] == [None] * len(written.chains)
    unfinished = {problem.kind for problem in verify(store).problems}
    assert unfinished <= {"not in the journal"}
    assert index.rows_on_disk(store.folder).keys() == there.keys()
