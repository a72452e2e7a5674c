"""`plasticity-bench store ...`, as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.store.result_store import ResultStore


def call(*words: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done


def draft(seed: int, value: float = 0.5) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "stream": {"name": "made-up", "settings": {}},
        "entrant": {"name": "dense", "strategies": [], "network": {}, "optimizer": {}},
        "seed": seed,
    }
    sources: dict[str, Any] = {"data": "d" * 64, "strategies": {}}
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
        "metrics": {"taoa": value},
        "rows": [],
        "environment": {},
    }


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    store = ResultStore(tmp_path / "here")
    for seed in range(3):
        store.write(draft(seed))
    return store


def test_a_sound_store_is_verified_with_its_head(store: ResultStore) -> None:
    done = call("store", "verify", "--results", store.folder)
    assert done.stdout == f"3 results, 3 entries in the journal, 0 problems. Head: {store.head()}\n"
    found = json.loads(call("store", "verify", "--results", store.folder, "--json").stdout)
    assert found == {"results": 3, "entries": 3, "head": store.head(), "problems": []}


def test_damage_is_named_and_is_exit_status_1(store: ResultStore) -> None:
    first, second, third = (store.path(draft(seed)["fingerprint"]) for seed in range(3))
    first.write_bytes(first.read_bytes()[:-20])
    second.write_bytes(second.read_bytes().replace(b"0.5", b"0.9"))
    third.unlink()
    done = call("store", "verify", "--results", store.folder, status=1)
    assert f"truncated: {first} is truncated or not JSON" in done.stderr
    assert f"tampered: {second} was changed" in done.stderr
    assert f"missing: {third} is gone" in done.stderr
    assert "3 problems" in done.stdout
    found = json.loads(
        call("store", "verify", "--results", store.folder, "--json", status=1).stdout
    )
    assert sorted(problem["kind"] for problem in found["problems"]) == [
        "missing",
        "tampered",
        "truncated",
    ]


def test_rebuild_adopts_what_was_copied_in(store: ResultStore, tmp_path: Path) -> None:
    path = ResultStore(tmp_path / "there").write(draft(7))
    (store.folder / path.name).write_bytes(path.read_bytes())
    done = call("store", "verify", "--results", store.folder, status=1)
    assert f"not in the journal: {path.name}" in done.stderr.replace(f"{store.folder}/", "")
    done = call("store", "rebuild", "--results", store.folder)
    assert done.stdout == (
        "4 results are in the index, 0 files are damaged; 1 was new to the journal; "
        "0 old temporary files removed.\n"
    )
    again = json.loads(call("store", "rebuild", "--results", store.folder, "--json").stdout)
    assert again == {"results": 4, "adopted": 0, "removed": 0, "problems": []}
    call("store", "verify", "--results", store.folder)


def test_two_stores_are_merged_and_conflicts_named(store: ResultStore, tmp_path: Path) -> None:
    other = ResultStore(tmp_path / "there")
    for seed in (2, 3, 4):
        other.write(draft(seed))
    done = call("store", "merge", other.folder, "--results", store.folder)
    assert done.stdout == (
        "2 results added, 0 took the place of failed ones, 1 was here; 0 conflicts, "
        "0 damaged files left out; 1 journal taken in.\n"
    )
    third = ResultStore(tmp_path / "third")
    third.write(draft(2, value=0.6))
    done = call("store", "merge", third.folder, "--results", store.folder, status=1)
    assert "dense on made-up, seed 2" in done.stderr
    found = call("store", "merge", third.folder, "--results", store.folder, "--json", status=1)
    assert len(json.loads(found.stdout)["conflicts"]) == 1
    assert sorted(record.spec.seed for record in store.records()) == [0, 1, 2, 3, 4]
    call("store", "verify", "--results", store.folder)


def test_an_empty_store_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("PLASTICITY_BENCH_RESULTS", str(nowhere))
    done = call("store", "verify")
    assert "0 results, 0 entries in the journal, 0 problems. Head: none" in done.stdout
    assert "0 results are in the index" in call("store", "rebuild").stdout
    assert not nowhere.exists()
    done = call("store", "merge", nowhere, "--results", tmp_path / "here", status=2)
    assert f"there is no folder {nowhere}" in done.stderr


def test_a_mistyped_folder_is_not_found_to_be_sound(tmp_path: Path) -> None:
    for command in ("verify", "rebuild"):
        done = call("store", command, "--results", tmp_path / "heer", status=2)
        assert "there is no folder" in done.stderr


def test_a_place_that_cannot_be_written_to_is_named(store: ResultStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = call("store", "merge", store.folder, "--results", file, status=1)
    assert done.stderr.startswith(f"error: cannot write to {file}: File exists. Name another place")
