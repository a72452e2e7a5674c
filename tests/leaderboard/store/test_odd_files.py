"""What lies in a folder of results and is no result: named, and in nobody's way."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.reading import read_file
from plasticity_bench.leaderboard.store import index
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.merge import merge
from plasticity_bench.leaderboard.store.result_store import ResultStore

MakeDraft = Callable[..., dict[str, Any]]
ODD = "a" * 64


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "x").write_text("y")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_no_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def enormous(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(6 * 2**30)


def deep(path: Path) -> None:
    path.write_text("[" * 200_000)


def long_number(path: Path) -> None:
    path.write_text('{"format":' + "9" * 6000 + "}")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 100)


def empty(path: Path) -> None:
    path.write_text("")


KINDS = (
    *(pipe, folder, link_to_itself, link_to_no_end, enormous),
    *(deep, long_number, no_text, empty),
)


@pytest.fixture
def store(tmp_path: Path, make_draft: MakeDraft) -> ResultStore:
    """A store of two results."""
    made = ResultStore(tmp_path / "results")
    for seed in (0, 1):
        made.write(make_draft(seed=seed))
    return made


def seen(store: ResultStore) -> tuple[int, list[str]]:
    """Return how many results a store has, and what it says of others; that is quick."""
    said: list[str] = []
    started = time.process_time()
    found = len(list(store.results(report=said.append)))
    assert time.process_time() - started < 5
    return found, said


@pytest.mark.parametrize("make", KINDS)
def test_an_odd_file_among_the_results_is_named_and_left_out(
    store: ResultStore, make: Callable[[Path], None]
) -> None:
    make(store.folder / f"{ODD}.json")
    for _ in range(2):  # read, and from the index
        found, said = seen(store)
        assert found == 2
        assert [line.startswith(f"left out: {store.folder / ODD}.json ") for line in said] == [True]
    assert not store.has(ODD)


@pytest.mark.parametrize("make", KINDS)
def test_an_odd_file_of_another_store_stops_no_merge(
    store: ResultStore, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    other = ResultStore(tmp_path / "other")
    (other.folder / "attestations").mkdir(parents=True)
    for name in (f"{ODD}.json", "attestations/one.json"):
        make(other.folder / name)
    shutil.copytree(store.folder / "journal", other.folder / "journal")
    for file in store.folder.glob("*.json"):
        shutil.copy(file, other.folder)
    made = ResultStore(tmp_path / "made")
    merged = merge(made, other.folder)
    assert seen(made)[0] == 2
    assert any(f"{ODD}.json" in line for line in merged.damaged)


@pytest.mark.parametrize("make", KINDS)
def test_an_odd_file_of_the_journal_breaks_its_own_chain_only(
    store: ResultStore, make: Callable[[Path], None]
) -> None:
    make(store.folder / "journal" / f"{'b' * 32}.jsonl")
    assert seen(store)[0] == 2
    assert len(Journal.read(store.folder).by_fingerprint) == 2


@pytest.mark.parametrize("make", KINDS)
def test_an_odd_index_is_made_anew_or_done_without(
    store: ResultStore, make: Callable[[Path], None]
) -> None:
    (store.folder / index.FILE).unlink(missing_ok=True)
    make(store.folder / index.FILE)
    assert seen(store) == (2, [])


@pytest.mark.parametrize("name", ["\x1b[2J", "a\u202eb", "x" * 100_000, "\n"])
def test_a_name_in_a_file_that_is_no_result_does_nothing_to_a_terminal(
    store: ResultStore, name: str
) -> None:
    (path, *_) = sorted(store.folder.glob("*.json"))
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, name: 1}), encoding="utf-8")
    found, (line,) = seen(store)
    assert found == 1
    assert line.isprintable()
    assert len(line) < 1_000


@pytest.mark.parametrize("make", [folder, deep, long_number, no_text])
def test_an_odd_log_is_refused(store: ResultStore, make: Callable[[Path], None]) -> None:
    path = store.log_path(ODD)
    path.parent.mkdir(exist_ok=True)
    make(path)
    if path.is_file():
        path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BenchError, match="Delete the file and run it again"):
        store.read_rows(ODD)


@pytest.mark.parametrize("part", ["journal", "logs"])
@pytest.mark.parametrize("make", [pipe, empty, link_to_itself])
def test_results_that_cannot_be_written_down_are_known_of_before_any_training(
    tmp_path: Path, part: str, make: Callable[[Path], None]
) -> None:
    store = ResultStore(tmp_path / "results")
    store.folder.mkdir()
    make(store.folder / part)
    with pytest.raises(BenchError, match=f"results cannot be written to .*{part}"):
        store.check()


@pytest.mark.parametrize("make", [pipe, folder, link_to_itself, link_to_no_end, enormous])
def test_what_is_no_file_or_too_large_is_not_read(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "odd")
    with pytest.raises(OSError, match="odd"):
        read_file(tmp_path / "odd")


def test_a_file_of_as_many_bytes_as_are_allowed_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, and at most 4 are read"):
        read_file(tmp_path / "link", 4)
