import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import canonical, fingerprint
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.result import plain
from plasticity_bench.leaderboard.store.result_file import DamagedResult, read_result
from plasticity_bench.leaderboard.store.result_store import ResultStore, default_folder

MakeDraft = Callable[..., dict[str, Any]]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=20,
)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def messages(store: ResultStore) -> list[str]:
    found: list[str] = []
    assert list(store.results(report=found.append)) == []
    return found


def test_canonical_json_is_sorted_compact_and_utf8() -> None:
    assert canonical({"b": [1, 0.1], "a": "ä"}) == '{"a":"ä","b":[1,0.1]}'.encode()


def test_canonical_json_refuses_what_json_has_no_number_for() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@given(json_values)
def test_plain_values_survive_canonical_json(value: Any) -> None:
    assert json.loads(canonical(plain(value))) == plain(value)


def test_plain_turns_numpy_and_non_finite_numbers_into_json() -> None:
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": (float("inf"), np.float64("nan"))}
    assert plain(value) == {"a": 0.5, "b": [0, 1], "c": [None, None]}


def test_fingerprint_is_the_hash_of_the_canonical_json() -> None:
    text = b'{"results_version":1,"sources":{"data":"x"},"spec":{"seed":0}}'
    assert fingerprint({"seed": 0}, {"data": "x"}, 1) == hashlib.sha256(text).hexdigest()


def test_a_result_comes_back_as_it_was_written(store: ResultStore, make_draft: MakeDraft) -> None:
    rows = [{"kind": "task", "task": 0, "step": 5, "loss": 0.25, "alive": [3, 4]}]
    draft = make_draft(rows=rows, metrics={"taoa": 0.1, "fresh_gap": None}, needs=["task boundary"])
    path = store.write(draft)
    assert path == store.folder / f"{draft['fingerprint']}.json"
    read = store.read(draft["fingerprint"]).model_dump(exclude_unset=True)
    hashes = read.pop("hashes")
    assert read == draft
    outputs = {"metrics": draft["metrics"], "rows": rows, "status": "done"}
    assert hashes["outputs"] == hashlib.sha256(canonical(outputs)).hexdigest()


def test_non_finite_numbers_are_written_as_null(store: ResultStore, make_draft: MakeDraft) -> None:
    draft = make_draft(
        status="diverged", metrics={"taoa": float("nan")}, rows=[{"kind": "task", "loss": 1e999}]
    )
    store.write(draft)
    result = store.read(draft["fingerprint"])
    assert result.metrics == {"taoa": None}
    assert result.rows == [{"kind": "task", "loss": None}]


def test_nothing_but_the_result_is_left_behind(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft())
    assert sorted(os.listdir(store.folder)) == sorted([path.name, "journal"])
    assert len(os.listdir(store.folder / "journal")) == 1


def test_a_write_that_fails_leaves_the_old_file_and_no_part(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = make_draft(status="failed")
    path = store.write(failed)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.write(make_draft())
    assert path.read_bytes() == before
    assert sorted(os.listdir(store.folder)) == sorted([path.name, "journal"])
    assert not store.has(failed["fingerprint"])


def test_a_done_result_is_never_replaced(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft(metrics={"taoa": 0.5}))
    before = path.read_bytes()
    assert store.write(make_draft(metrics={"taoa": 0.6})) == path
    assert store.write(make_draft(status="failed")) == path
    assert path.read_bytes() == before


def test_a_failed_attempt_may_be_made_again(store: ResultStore, make_draft: MakeDraft) -> None:
    draft = make_draft(status="failed")
    store.write(draft)
    assert not store.has(draft["fingerprint"])
    store.write(make_draft())
    assert store.has(draft["fingerprint"])
    assert store.read(draft["fingerprint"]).status == "done"


def test_a_failed_result_replaces_nothing(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft(status="failed"))
    before = path.read_bytes()
    store.write(make_draft(status="failed", metrics={"taoa": 0.1}))
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    store.write(make_draft(status="failed"))
    assert path.read_bytes() == before[:-9]
    store.write(make_draft())
    assert store.has(path.stem)


def test_of_two_writers_at_once_the_first_stays_and_is_written_down_once(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        ResultStore(store.folder).write(make_draft(metrics={"taoa": 0.1}))  # just before us
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    path = store.write(make_draft(metrics={"taoa": 0.2}))
    assert store.read(path.stem).metrics == {"taoa": 0.1}
    assert len(Journal.read(store.folder).entries(path.stem)) == 1


def test_a_file_system_without_hard_links_will_do(
    store: ResultStore, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("not supported here")

    monkeypatch.setattr(os, "link", refuse)
    path = store.write(make_draft(metrics={"taoa": 0.1}))
    store.write(make_draft(metrics={"taoa": 0.2}))
    assert store.read(path.stem).metrics == {"taoa": 0.1}


def test_a_diverged_run_is_a_result_that_stays(store: ResultStore, make_draft: MakeDraft) -> None:
    draft = make_draft(status="diverged")
    store.write(draft)
    assert store.has(draft["fingerprint"])
    store.write(make_draft())
    assert store.read(draft["fingerprint"]).status == "diverged"


def test_a_truncated_file_is_named_and_may_be_run_again(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    draft = make_draft()
    path = store.write(draft)
    path.write_bytes(path.read_bytes()[:-20])
    assert not store.has(draft["fingerprint"])
    (message,) = messages(store)
    assert message.startswith(f"left out: {path} is truncated or not JSON")
    store.write(draft)
    assert [result.fingerprint for result in store.results()] == [draft["fingerprint"]]


def tamper_metric(content: dict[str, Any]) -> None:
    content["metrics"]["taoa"] = 0.99


def tamper_status(content: dict[str, Any]) -> None:
    content["status"] = "failed"


def tamper_rows(content: dict[str, Any]) -> None:
    content["rows"].append({"kind": "task"})


def tamper_environment(content: dict[str, Any]) -> None:
    content["environment"]["torch"] = "1.0"


def tamper_needs(content: dict[str, Any]) -> None:
    content["needs"] = []


def tamper_reason(content: dict[str, Any]) -> None:
    content["reason"] = "it was Monday"


def tamper_stream_digest(content: dict[str, Any]) -> None:
    content["stream_digest"] = "f" * 64


def tamper_seed(content: dict[str, Any]) -> None:
    content["spec"]["seed"] = 7


def tamper_number(content: dict[str, Any]) -> None:
    content["metrics"]["taoa"] = float("inf")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (tamper_metric, "was changed: its hashes are not those of its content"),
        (tamper_status, "was changed: its hashes"),
        (tamper_rows, "was changed: its hashes"),
        (tamper_environment, "was changed: its hashes"),
        (tamper_needs, "was changed: its hashes"),
        (tamper_reason, "was changed: its hashes"),
        (tamper_stream_digest, "was changed: its hashes"),
        (tamper_seed, "was changed: its fingerprint"),
        (tamper_number, "is truncated or not JSON"),
        (lambda content: content.pop("needs"), "is not a result: needs: Field required"),
        (lambda content: content.update(extra=1), "is not a result: extra: Extra inputs"),
        (lambda content: content.update(format=2), "is not a result: format: Input should be 1"),
    ],
)
def test_a_changed_file_is_named_and_left_out(
    store: ResultStore,
    make_draft: MakeDraft,
    change: Callable[[dict[str, Any]], object],
    said: str,
) -> None:
    path = store.write(make_draft(needs=["task boundary"]))
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    (message,) = messages(store)
    assert str(path) in message
    assert said in message
    assert "Delete the file and run it again." in message


def test_every_flipped_byte_of_a_file_is_noticed(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft(status="failed", needs=["task boundary"]))
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedResult):
            read_result(path)


def test_a_file_from_before_all_was_hashed_is_read(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    path = store.write(make_draft())
    content = json.loads(path.read_bytes())
    del content["hashes"]["about"]
    path.write_bytes(canonical(content) + b"\n")
    assert read_result(path).metrics["taoa"] == 0.9
    content["hashes"]["outputs"] = content["hashes"]["environment"]
    path.write_bytes(canonical(content) + b"\n")
    with pytest.raises(DamagedResult, match="its hashes"):
        read_result(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '"\ud800"'])
def test_a_file_that_is_no_result_is_named(
    store: ResultStore, make_draft: MakeDraft, text: str
) -> None:
    path = store.write(make_draft())
    path.write_bytes(text.encode(errors="surrogatepass"))
    (message,) = messages(store)
    assert str(path) in message


def test_a_result_under_another_name_is_left_out(store: ResultStore, make_draft: MakeDraft) -> None:
    path = store.write(make_draft())
    path.rename(path.with_name("0" * 64 + ".json"))
    (message,) = messages(store)
    assert "holds another run" in message


def test_damage_is_logged_where_nobody_asks(
    store: ResultStore, make_draft: MakeDraft, caplog: pytest.LogCaptureFixture
) -> None:
    path = store.write(make_draft())
    path.write_text("", encoding="utf-8")
    assert list(store.results()) == []
    assert str(path) in caplog.text


def test_other_files_in_the_folder_are_not_results(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    store.write(make_draft())
    (store.folder / "notes.json").write_text("{}", encoding="utf-8")
    (store.folder / f".{'0' * 64}.json.1.tmp").write_text("{", encoding="utf-8")
    assert len(list(store.results())) == 1


def test_a_wrong_fingerprint_is_refused(store: ResultStore, make_draft: MakeDraft) -> None:
    with pytest.raises(BenchError, match="was changed: its fingerprint 00000"):
        store.write(make_draft() | {"fingerprint": "0" * 64})
    with pytest.raises(BenchError, match="is not a fingerprint"):
        store.path("../../etc/passwd")


def test_results_are_filtered_by_stream_entrant_and_fingerprint(
    store: ResultStore, make_draft: MakeDraft
) -> None:
    drafts = [
        make_draft(stream=stream, entrant=entrant)
        for stream in ("permuted-digits", "stationary-digits")
        for entrant in ("dense", "grow")
    ]
    for draft in drafts:
        store.write(draft)
    names = sorted(draft["fingerprint"] for draft in drafts)
    assert [result.fingerprint for result in store.results()] == names
    only = store.results(streams={"permuted-digits"}, entrants=["grow"])
    assert [(r.spec.stream.name, r.spec.entrant.name) for r in only] == [
        ("permuted-digits", "grow")
    ]
    asked = [drafts[2]["fingerprint"], "0" * 64]  # the second was never run
    assert [r.fingerprint for r in store.results(fingerprints=asked)] == asked[:1]


def test_an_empty_store_has_no_results(store: ResultStore) -> None:
    assert list(store.results()) == []
    assert not store.has("0" * 64)
    with pytest.raises(BenchError, match="no result 000000000000 in"):
        store.read("0" * 64)


def test_copied_files_merge_stores(tmp_path: Path, make_draft: MakeDraft) -> None:
    here, there = ResultStore(tmp_path / "here"), ResultStore(tmp_path / "there")
    here.write(make_draft(seed=0))
    path = there.write(make_draft(seed=1))
    (here.folder / path.name).write_bytes(path.read_bytes())
    assert sorted(result.spec.seed for result in here.results()) == [0, 1]


def test_rows_are_appended_one_line_each(store: ResultStore) -> None:
    name = "a" * 64
    store.append_rows(name, [{"kind": "task", "task": 0}, {"kind": "task", "loss": float("nan")}])
    store.append_rows(name, [{"kind": "task", "task": 2}])
    assert store.log_path(name).read_bytes().count(b"\n") == 3
    assert store.read_rows(name) == [
        {"kind": "task", "task": 0},
        {"kind": "task", "loss": None},
        {"kind": "task", "task": 2},
    ]


def test_a_torn_last_line_is_not_read_and_gives_way(store: ResultStore) -> None:
    name = "a" * 64
    store.append_rows(name, [{"task": 0}, {"task": 1}])
    log = store.log_path(name)
    log.write_bytes(log.read_bytes()[:-3])
    assert store.read_rows(name) == [{"task": 0}]
    store.append_rows(name, [{"task": 2}])
    assert store.read_rows(name) == [{"task": 0}, {"task": 2}]


@given(st.integers(min_value=0))
def test_every_torn_log_reads_as_its_whole_lines(tmp_path_factory: Any, cut: int) -> None:
    store = ResultStore(tmp_path_factory.mktemp("store"))
    rows = [{"text": "ä", "task": task} for task in range(3)]
    store.append_rows("a" * 64, rows)
    log = store.log_path("a" * 64)
    kept = log.read_bytes()[: cut % (log.stat().st_size + 1)]
    log.write_bytes(kept)
    assert store.read_rows("a" * 64) == rows[: kept.count(b"\n")]


def test_a_damaged_line_in_the_middle_of_a_log_is_named(store: ResultStore) -> None:
    store.append_rows("a" * 64, [{"task": 0}])
    log = store.log_path("a" * 64)
    log.write_bytes(b'{"ta\n' + log.read_bytes())
    with pytest.raises(BenchError, match=r"\.jsonl, line 1 is not JSON"):
        store.read_rows("a" * 64)
    log.write_bytes(b"3\n")
    with pytest.raises(BenchError, match="line 1 is not a row"):
        store.read_rows("a" * 64)


def test_a_log_can_be_begun_anew(store: ResultStore) -> None:
    store.append_rows("a" * 64, [{"task": 0}])
    store.clear_log("a" * 64)
    store.clear_log("b" * 64)
    assert store.read_rows("a" * 64) == []


def test_the_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLASTICITY_BENCH_RESULTS", raising=False)
    assert default_folder() == Path("results")
    monkeypatch.setenv("PLASTICITY_BENCH_RESULTS", "elsewhere")
    assert default_folder() == Path("elsewhere")


def test_a_place_that_takes_no_files_is_told_before_anything_runs(
    store: ResultStore, tmp_path: Path
) -> None:
    store.check()
    assert not any(path.is_file() for path in store.folder.rglob("*"))
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"cannot be written to .*file/results: .*--results"):
        ResultStore(tmp_path / "file" / "results").check()
