import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.specs.fingerprint import canonical
from plasticity_bench.leaderboard.store import journal
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.merge import Merged, merge
from plasticity_bench.leaderboard.store.result import sealed
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import verify

MakeDraft = Callable[..., dict[str, Any]]


@pytest.fixture
def here(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "there")


def seeds(store: ResultStore) -> list[int]:
    return sorted(record.spec.seed for record in store.records())


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file but the index."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_stores_become_one_and_again_changes_nothing(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    for seed in (0, 1):
        here.write(make_draft(seed=seed))
    for seed in (1, 2, 3):
        there.write(make_draft(seed=seed))
    before = contents(there.folder)
    assert merge(here, there.folder) == Merged(added=2, kept=1, journals=1)
    assert seeds(here) == [0, 1, 2, 3]
    assert verify(here).problems == ()
    after = contents(here.folder)
    assert merge(here, there.folder) == Merged(kept=3)
    assert contents(here.folder) == after
    assert contents(there.folder) == before
    there.write(make_draft(seed=4))
    assert merge(here, there.folder) == Merged(added=1, kept=3, journals=1)
    assert verify(here).problems == ()
    assert merge(there, here.folder).added == 1
    assert seeds(there) == seeds(here) == [0, 1, 2, 3, 4]
    assert there.head() == here.head()


def test_what_ended_takes_the_place_of_what_failed_or_is_damaged(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    here.write(make_draft(seed=0, status="failed"))
    damaged = here.write(make_draft(seed=1))
    damaged.write_bytes(b"{")
    here.write(make_draft(seed=2))
    there.write(make_draft(seed=0))
    there.write(make_draft(seed=1))
    there.write(make_draft(seed=2, status="failed"))
    assert merge(here, there.folder) == Merged(replaced=2, kept=1, journals=1)
    assert [record.status for record in here.records()] == ["done"] * 3
    assert verify(here).problems == ()


def test_a_run_that_took_longer_there_is_the_same_run(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    path = here.write(make_draft(metrics={"taoa": 0.1, "seconds": 1.0}))
    there.write(make_draft(metrics={"taoa": 0.1, "seconds": 2.0}))
    before = path.read_bytes()
    merged = merge(here, there.folder)
    assert (merged.kept, merged.conflicts, path.read_bytes()) == (1, [], before)
    assert verify(here).problems == ()


def test_other_outputs_of_the_same_run_are_named_and_stay(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    path = here.write(make_draft(metrics={"taoa": 0.1, "seconds": 1.0}))
    there.write(make_draft(metrics={"taoa": 0.2, "seconds": 1.0}))
    before = path.read_bytes()
    for journals in (1, 0):
        merged = merge(here, there.folder)
        (message,) = merged.conflicts
        assert message.startswith("dense on permuted-digits, seed 0")
        assert "in metrics taoa; what is here stays" in message
        assert merged.journals == journals
        assert path.read_bytes() == before
    assert verify(here).problems == ()


def test_damaged_and_changed_files_of_the_other_store_are_left_out(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    torn, changed, _ = (there.write(make_draft(seed=seed)) for seed in range(3))
    torn.write_bytes(torn.read_bytes()[:-9])
    changed.write_bytes(canonical(sealed(make_draft(seed=1, metrics={"taoa": 1.0}))) + b"\n")
    merged = merge(here, there.folder)
    assert seeds(here) == [2]
    assert merged.added == 1
    assert sorted(str(path) in " ".join(merged.damaged) for path in (torn, changed)) == [True] * 2
    assert "the journal says" in " ".join(merged.damaged)


def test_results_without_a_journal_are_adopted(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    path = there.write(make_draft())
    (written,) = journal.paths(there.folder)
    written.write_bytes(b"")
    assert merge(here, there.folder) == Merged(added=1)
    (entry,) = Journal.read(here.folder).entries(path.stem)
    assert entry.origin == "adopted"
    assert merge(here, there.folder) == Merged(kept=1)
    assert len(Journal.read(here.folder).entries(path.stem)) == 1


def test_a_journal_with_a_broken_chain_is_left_out_but_not_its_results(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    for seed in range(3):
        there.write(make_draft(seed=seed))
    (path,) = journal.paths(there.folder)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::2]))
    merged = merge(here, there.folder)
    assert (merged.added, merged.journals) == (3, 0)
    assert "line 2 does not follow" in merged.damaged[0]
    assert verify(here).problems == ()


def test_an_interrupted_merge_is_finished_by_the_next(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    path = there.write(make_draft())
    here.folder.mkdir()
    (here.folder / path.name).write_bytes(path.read_bytes())  # in place, not yet written down
    assert verify(here).problems != ()
    merge(here, there.folder)
    assert verify(here).problems == ()


def test_journals_that_differ_are_a_conflict(
    here: ResultStore, there: ResultStore, make_draft: MakeDraft
) -> None:
    there.write(make_draft(seed=0))
    merge(here, there.folder)
    (path,) = journal.paths(there.folder)
    path.write_bytes(path.read_bytes().replace(b'"run"', b'"adopted"'))
    (message,) = merge(here, there.folder).conflicts
    assert "has other entries than" in message
    assert verify(here).problems == ()


def test_attestations_come_along(here: ResultStore, there: ResultStore) -> None:
    (there.folder / "attestations").mkdir(parents=True)
    (there.folder / "attestations" / "a.json").write_text("{}", encoding="utf-8")
    assert merge(here, there.folder) == Merged()
    assert os.listdir(here.folder / "attestations") == ["a.json"]


def test_an_empty_folder_merges_and_a_wrong_one_is_refused(
    here: ResultStore, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert merge(here, tmp_path / "empty") == Merged()
    with pytest.raises(BenchError, match=r"there is no folder .*nowhere"):
        merge(here, tmp_path / "nowhere")
    here.folder.mkdir()
    with pytest.raises(BenchError, match="is this very store"):
        merge(here, here.folder)
