import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.leaderboard.store import journal
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.result import Result
from plasticity_bench.leaderboard.store.result_store import ResultStore

MakeDraft = Callable[..., dict[str, Any]]
MakeResult = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def lines(folder: Path) -> list[bytes]:
    (path,) = journal.paths(folder)
    return path.read_bytes().splitlines()


def test_every_line_names_the_hash_of_the_line_before(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    drafts = [make_draft(seed=seed) for seed in range(3)]
    for draft in drafts:
        store.write(draft)
    written = lines(store.folder)
    entries = [json.loads(line) for line in written]
    assert [entry["fingerprint"] for entry in entries] == [d["fingerprint"] for d in drafts]
    assert [entry["previous"] for entry in entries] == [
        None,
        hashlib.sha256(written[0]).hexdigest(),
        hashlib.sha256(written[1]).hexdigest(),
    ]
    result = store.read(drafts[0]["fingerprint"])
    assert entries[0]["outputs"] == result.hashes.outputs
    assert entries[0]["status"] == "done"
    assert entries[0]["origin"] == "run"
    assert entries[0]["time"].endswith("+00:00")


def test_the_head_sums_up_the_ends_of_all_chains(store: ResultStore, make_draft: MakeDraft) -> None:
    assert store.head() is None
    store.write(make_draft(seed=0))
    first = hashlib.sha256(lines(store.folder)[-1]).hexdigest()
    assert store.head() == hashlib.sha256(first.encode()).hexdigest()
    thread = threading.Thread(target=store.write, args=[make_draft(seed=1)])
    thread.start()
    thread.join()
    assert len(journal.paths(store.folder)) == 2  # nobody waits for another's file
    ends = sorted(
        hashlib.sha256(path.read_bytes().splitlines()[-1]).hexdigest()
        for path in journal.paths(store.folder)
    )
    assert store.head() == hashlib.sha256("\n".join(ends).encode()).hexdigest()


def _write_in_a_fork(store: ResultStore, draft: dict[str, Any]) -> None:
    store.write(draft)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_chain_of_its_own(store: ResultStore, make_draft: MakeDraft) -> None:
    store.write(make_draft(seed=0))
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_write_in_a_fork, args=(store, make_draft(seed=1)))
    process.start()
    process.join()
    store.write(make_draft(seed=2))
    chains = Journal.read(store.folder).chains
    assert sorted(len(chain.entries) for chain in chains) == [1, 2]
    assert [chain.problem for chain in chains] == [None, None]


def test_a_torn_last_line_is_no_break_and_a_new_file_goes_on(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    store.write(make_draft(seed=0))
    store.write(make_draft(seed=1))
    (path,) = journal.paths(store.folder)
    path.write_bytes(path.read_bytes()[:-10])
    (chain,) = Journal.read(store.folder).chains
    assert (len(chain.entries), chain.problem) == (1, None)
    store.write(make_draft(seed=2))
    chains = Journal.read(store.folder).chains
    assert sorted(len(chain.entries) for chain in chains) == [1, 1]
    assert [chain.problem for chain in chains] == [None, None]


def test_a_journal_that_was_deleted_begins_anew(store: ResultStore, make_draft: MakeDraft) -> None:
    store.write(make_draft(seed=0))
    for path in journal.paths(store.folder):
        path.unlink()
    store.write(make_draft(seed=1))
    (chain,) = Journal.read(store.folder).chains
    assert (len(chain.entries), chain.problem) == (1, None)


def change(written: list[bytes]) -> list[bytes]:
    return [written[0], written[1].replace(b'"done"', b'"failed"'), *written[2:]]


def take_out(written: list[bytes]) -> list[bytes]:
    return [written[0], *written[2:]]


def swap(written: list[bytes]) -> list[bytes]:
    return [written[1], written[0], *written[2:]]


def add_nonsense(written: list[bytes]) -> list[bytes]:
    return [written[0], b"{", *written[1:]]


def add_an_entry(written: list[bytes]) -> list[bytes]:
    return [written[0], written[0], *written[1:]]


@pytest.mark.parametrize(
    ("spoil", "sound", "said"),
    [
        (change, 2, "line 3 does not follow"),
        (take_out, 1, "line 2 does not follow"),
        (swap, 0, "line 1 does not follow"),
        (add_nonsense, 1, "line 2 is not an entry"),
        (add_an_entry, 1, "line 2 does not follow"),
    ],
)
def test_a_changed_chain_counts_up_to_its_break(
    store: ResultStore,
    make_draft: MakeDraft,
    spoil: Callable[[list[bytes]], list[bytes]],
    sound: int,
    said: str,
) -> None:
    for seed in range(4):
        store.write(make_draft(seed=seed))
    (path,) = journal.paths(store.folder)
    path.write_bytes(b"".join(line + b"\n" for line in spoil(path.read_bytes().splitlines())))
    (chain,) = Journal.read(store.folder).chains
    assert len(chain.entries) == sound
    assert said in (chain.problem or "")


def test_the_head_tells_that_the_end_was_cut_off(store: ResultStore, make_draft: MakeDraft) -> None:
    heads = []
    for seed in range(2):
        store.write(make_draft(seed=seed))
        heads.append(store.head())
    (path,) = journal.paths(store.folder)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert store.head() == heads[0] != heads[1]


def test_a_result_is_contradicted_only_by_other_outputs_of_a_run_that_ended(
    store: ResultStore, make_result: MakeResult
) -> None:
    done, other = make_result(metrics={"a": 1.0}), make_result(metrics={"a": 2.0})
    failed, again = (make_result(status="failed", metrics={"a": x}) for x in (3.0, 4.0))

    def contradicted(result: Result) -> bool:
        return Journal.read(store.folder).contradicts(result)

    assert not contradicted(done)
    journal.append(store.folder, [failed], "run")
    assert not any(map(contradicted, [failed, again, done]))
    journal.append(store.folder, [done], "run")
    assert not contradicted(done)
    assert all(map(contradicted, [other, failed, again]))
    journal.append(store.folder, [other], "run")  # made twice at the same time
    assert not any(map(contradicted, [done, other]))
    journal.append(store.folder, [failed], "run")  # deleted by somebody, and run again
    assert not contradicted(failed)
    assert contradicted(again)


def test_other_files_are_no_journals(store: ResultStore, make_draft: MakeDraft) -> None:
    store.write(make_draft())
    (store.folder / "journal" / "notes.jsonl").write_text("hello\n", encoding="utf-8")
    assert len(Journal.read(store.folder).chains) == 1
