import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.specs.fingerprint import canonical
from plasticity_bench.leaderboard.store import index, journal
from plasticity_bench.leaderboard.store.index_row import IndexRow
from plasticity_bench.leaderboard.store.result import sealed
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import Rebuilt, Verification, rebuild, verify

MakeDraft = Callable[..., dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path, make_draft: MakeDraft) -> ResultStore:
    """A sound store of four results."""
    store = ResultStore(tmp_path / "results")
    for seed in range(4):
        store.write(make_draft(seed=seed, metrics={"taoa": 0.25}))
    return store


def kinds(store: ResultStore) -> list[tuple[str, str]]:
    return [(problem.kind, Path(problem.where).name) for problem in verify(store).problems]


def names(store: ResultStore) -> list[str]:
    return sorted(path.name for path in store.folder.glob("*.json"))


def test_a_sound_store_has_no_problems(store: ResultStore) -> None:
    list(store.records())
    assert verify(store) == Verification(4, 4, store.head(), ())


def test_an_empty_store_has_no_problems(tmp_path: Path) -> None:
    empty = ResultStore(tmp_path / "none")
    assert verify(empty) == Verification(0, 0, None, ())
    assert rebuild(empty) == Rebuilt(0, 0, 0, ())
    assert not empty.folder.exists()


def truncate(store: ResultStore, path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-50])
    return "truncated"


def tamper(store: ResultStore, path: Path) -> str:
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.75"))
    return "tampered"


def rename(store: ResultStore, path: Path) -> str:
    path.write_bytes(store.path(names(store)[1].removesuffix(".json")).read_bytes())
    return "misnamed"


def seal_again(store: ResultStore, path: Path) -> str:
    content = json.loads(path.read_bytes())
    content["metrics"]["taoa"] = 0.75
    path.write_bytes(canonical(sealed(content)) + b"\n")
    store.read(path.stem)  # its own hashes fit
    return "changed"


def delete(store: ResultStore, path: Path) -> str:
    path.unlink()
    return "missing"


@pytest.mark.parametrize("spoil", [truncate, tamper, rename, seal_again, delete])
@pytest.mark.parametrize("indexed", [True, False])
def test_verify_names_the_file_and_records_leave_it_out(
    store: ResultStore, spoil: Callable[[ResultStore, Path], str], indexed: bool
) -> None:
    if indexed:
        list(store.records())
    name, *others = names(store)
    kind = spoil(store, store.folder / name)
    assert kinds(store) == [(kind, name)]
    messages: list[str] = []
    records = store.records(report=messages.append)
    assert [f"{record.fingerprint}.json" for record in records] == others
    assert [name in message for message in messages] == ([] if kind == "missing" else [True])
    assert [f"{r.fingerprint}.json" for r in store.results(report=messages.append)] == others
    rebuild(store)
    assert kinds(store) == [(kind, name)]  # rebuilding hides nothing


def test_a_failed_run_that_was_run_again_is_no_problem(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    store.write(make_draft(seed=9, status="failed"))
    store.write(make_draft(seed=9))
    assert kinds(store) == []


def test_an_older_failed_result_put_back_is_a_change(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    path = store.write(make_draft(seed=9, status="failed"))
    failed = path.read_bytes()
    store.write(make_draft(seed=9))
    path.write_bytes(failed)
    assert kinds(store) == [("changed", path.name)]


def test_what_no_journal_has_is_named_and_adopted(
    store: ResultStore, make_draft: MakeDraft, tmp_path: Path
) -> None:
    path = ResultStore(tmp_path / "other").write(make_draft(seed=9))
    (store.folder / path.name).write_bytes(path.read_bytes())
    assert kinds(store) == [("not in the journal", path.name)]
    assert len(list(store.records())) == 5  # it is sound, and counts
    assert rebuild(store) == Rebuilt(5, 1, 0, ())
    assert kinds(store) == []
    (entry,) = journal.Journal.read(store.folder).entries(path.stem)
    assert entry.origin == "adopted"
    assert rebuild(store) == Rebuilt(5, 0, 0, ())


def test_a_writer_killed_before_the_journal_is_made_good_by_the_next_one(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            store.write(make_draft(seed=9))
    assert [kind for kind, _ in kinds(store)] == ["not in the journal"]
    path = store.write(make_draft(seed=9))
    assert kinds(store) == []
    (entry,) = journal.Journal.read(store.folder).entries(path.stem)
    assert entry.origin == "run"  # the very same outputs were made here now


def test_writing_again_does_not_make_a_changed_result_good(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    path = store.folder / names(store)[0]
    seal_again(store, path)
    seed = json.loads(path.read_bytes())["spec"]["seed"]
    store.write(make_draft(seed=seed, metrics={"taoa": 0.25}))
    assert kinds(store) == [("changed", path.name)]


def test_a_broken_chain_is_named(store: ResultStore) -> None:
    (path,) = journal.paths(store.folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    found = kinds(store)
    assert found[0] == ("broken chain", path.name)
    assert [kind for kind, _ in found[1:]] == ["not in the journal"] * 3
    messages: list[str] = []
    assert len(list(store.records(report=messages.append))) == 4
    assert len(messages) == 1
    assert f"{path} was changed: line 2 does not follow" in messages[0]


def test_an_index_that_says_something_else_is_named(store: ResultStore) -> None:
    rows = index.up_to_date(store.folder)
    name, row = next(iter(rows.items()))
    assert row.record is not None
    lie = IndexRow(
        row.fingerprint,
        row.signature,
        stream=row.stream,
        entrant=row.entrant,
        status=row.status,
        record=row.record.replace("0.25", "0.75"),
    )
    index._save({**rows, name: lie}, store.folder / index.FILE)
    assert kinds(store) == [("wrong index", index.FILE)]
    rebuild(store)
    assert kinds(store) == []


def test_old_temporary_files_go_and_young_ones_stay(store: ResultStore) -> None:
    old, young = (store.folder / f".{'0' * 64}.json.{name}.tmp" for name in ("old", "young"))
    old.write_bytes(b"{")
    young.write_bytes(b"{")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert rebuild(store).removed == 1
    assert not old.exists()
    assert young.exists()
