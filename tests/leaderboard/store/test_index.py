import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.leaderboard.store import index, index_row
from plasticity_bench.leaderboard.store.result import Record
from plasticity_bench.leaderboard.store.result_file import Signature, read_result, scan
from plasticity_bench.leaderboard.store.result_store import ResultStore

MakeDraft = Callable[..., dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def written(store: ResultStore, drafts: list[dict[str, Any]]) -> list[str]:
    for draft in drafts:
        store.write(draft)
    return sorted(draft["fingerprint"] for draft in drafts)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the result files that are read for the index."""
    read: list[str] = []

    def counting(path: Path) -> Any:
        read.append(path.stem)
        return read_result(path)

    monkeypatch.setattr(index_row, "read_result", counting)
    return read


def test_records_are_results_without_rows(store: ResultStore, make_draft: MakeDraft) -> None:
    drafts = [
        make_draft(seed=seed, rows=[{"kind": "task"}], metrics={"a": None}) for seed in (0, 1)
    ]
    names = written(store, drafts)
    for _ in range(2):  # as the index is made, and from it
        records = list(store.records())
        assert [type(record) for record in records] == [Record, Record]
        assert [record.fingerprint for record in records] == names
        for record in records:
            whole = store.read(record.fingerprint)
            assert record.model_dump() == whole.model_dump(exclude={"rows"})
            assert record == whole.record


def test_only_new_changed_and_deleted_files_are_looked_at(
    store: ResultStore, make_draft: MakeDraft, read_files: list[str]
) -> None:
    names = written(store, [make_draft(seed=seed) for seed in range(4)])
    assert len(list(store.records())) == 4
    assert sorted(read_files) == names
    read_files.clear()
    assert len(list(store.records())) == 4
    assert read_files == []
    (new,) = written(store, [make_draft(seed=4)])
    store.path(names[0]).write_text("{}", encoding="utf-8")
    store.path(names[1]).unlink()
    messages: list[str] = []
    assert [r.fingerprint for r in store.records(report=messages.append)] == sorted(
        [*names[2:], new]
    )
    assert sorted(read_files) == sorted([new, names[0]])
    (message,) = messages
    assert message.startswith(f"left out: {store.path(names[0])} is not a result")


def test_a_change_is_seen_though_size_and_time_are_put_back(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    path = store.write(make_draft(metrics={"taoa": 0.25}))
    assert len(list(store.records())) == 1
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.75"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    messages: list[str] = []
    assert list(store.records(report=messages.append)) == []
    assert "was changed: its hashes" in messages[0]
    assert not store.has(path.stem)


def test_records_are_chosen_by_stream_entrant_and_fingerprint(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    drafts = [
        make_draft(stream=stream, entrant=entrant) for stream in ("a", "b") for entrant in "xy"
    ]
    written(store, drafts)
    store.path(drafts[0]["fingerprint"]).write_text("", encoding="utf-8")
    messages: list[str] = []
    found = store.records(streams=["b"], entrants={"y"}, report=messages.append)
    assert [record.fingerprint for record in found] == [drafts[3]["fingerprint"]]
    assert len(messages) == 1  # whose it was nobody can tell
    only = [drafts[1]["fingerprint"], "0" * 64]
    messages.clear()
    found = store.records(fingerprints=only, report=messages.append)
    assert [record.fingerprint for record in found] == only[:1]
    assert messages == []


def overwrite(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def flip_a_digit(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b'"taoa":0.25') == 3
    path.write_bytes(content.replace(b'"taoa":0.25', b'"taoa":0.75', 1))


def change_a_status(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE results SET status = 'failed'")


def other_format(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA user_version = {index_row.FORMAT + 1}")


def add_a_trigger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE VIEW more AS SELECT * FROM results")


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, overwrite, cut, flip_a_digit, change_a_status, other_format, add_a_trigger],
)
def test_a_spoilt_index_is_made_anew(
    store: ResultStore, make_draft: MakeDraft, spoil: Callable[[Path], None]
) -> None:
    names = written(store, [make_draft(seed=seed, metrics={"taoa": 0.25}) for seed in range(3)])
    list(store.records())
    spoil(store.folder / index.FILE)
    assert all(store.has(name) for name in names)
    records = list(store.records())
    assert [record.metrics for record in records] == [{"taoa": 0.25}] * 3
    assert index.rows_on_disk(store.folder).keys() == set(names)


def test_an_index_that_cannot_be_written_still_answers(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(store, [make_draft(seed=seed) for seed in range(3)])

    def refuse(*_: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    assert len(list(store.records())) == 3
    assert not (store.folder / index.FILE).exists()
    assert [path.name for path in store.folder.glob(".*")] == []


def test_the_known_status_is_that_of_this_very_file(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    path = store.write(make_draft(status="failed"))
    list(store.records())
    signature = Signature.of(path.stat())
    assert index.known_status(store.folder, path.stem, signature) == "failed"
    assert index.known_status(store.folder, "0" * 64, signature) is None
    store.write(make_draft())
    assert store.has(path.stem)  # though the index still says that it failed
    assert index.known_status(store.folder, path.stem, Signature.of(path.stat())) is None


def test_a_store_that_is_not_there_gets_no_index(store: ResultStore) -> None:
    assert list(store.records()) == []
    assert not store.folder.exists()
    store.folder.mkdir()
    assert list(store.records()) == []
    assert os.listdir(store.folder) == []


def test_a_file_deleted_while_others_are_read_is_left_out(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    names = written(store, [make_draft(seed=seed) for seed in range(2)])
    there = scan(store.folder)
    store.path(names[0]).unlink()
    assert [row.fingerprint for row in index_row.read_rows(store.folder, there)] == names[1:]


def test_many_files_are_read_by_several_processes_all_alike(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(store, [make_draft(seed=seed) for seed in range(7)])
    there = scan(store.folder)
    alone = list(index_row.read_rows(store.folder, there))
    monkeypatch.setattr(index_row, "WORTH_PROCESSES", 2)
    monkeypatch.setattr(index_row, "_AT_A_TIME", 2)
    assert list(index_row.read_rows(store.folder, there)) == alone
    assert len(alone) == 7


def test_hostile_text_in_a_file_spoils_no_index(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft())
    content = json.loads(path.read_text(encoding="utf-8"))
    content["\ud800<script>\0"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    good = store.write(make_draft(seed=1, entrant="a\0b<i>"))
    for _ in range(2):
        messages: list[str] = []
        assert [r.fingerprint for r in store.records(report=messages.append)] == [good.stem]
        assert len(messages) == 1
