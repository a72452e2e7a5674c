import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.leaderboard.store.journal import Journal
from plasticity_bench.leaderboard.store.result import Record, Result
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import rebuild, verify
from plasticity_bench.leaderboard.trust.admission import import_archive, trust_levels
from plasticity_bench.leaderboard.trust.archive_reading import checked_archive
from plasticity_bench.leaderboard.trust.attestation import (
    Attestation,
    as_file,
    attest,
    level_of,
    read_attestation,
)
from plasticity_bench.leaderboard.trust.reproduction import Check, choose, compared

from .archives import SOURCE, Made, archive, result

MakeDraft = Callable[..., dict[str, Any]]
MakeResult = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def results(make_draft: MakeDraft) -> list[Made]:
    return [result(make_draft, seed=seed) for seed in range(4)]


@pytest.fixture
def packed(results: list[Made], tmp_path: Path) -> Path:
    path = tmp_path / "mine.zip"
    path.write_bytes(archive(results))
    return path


def check(made: Made, agrees: bool = True) -> Check:
    return Check(
        fingerprint=made.fingerprint,
        stream=made.record.spec.stream.name,
        seed=made.record.spec.seed,
        reported=0.9,
        measured=0.9 if agrees else 0.5,
        deviation=0.0 if agrees else 0.4,
        tolerance=0.01,
        same_bits=agrees,
        agrees=agrees,
        reason=None if agrees else "taoa is off",
    )


def attested(packed: Path, checks: list[Check], name: str = "attestation.json") -> Path:
    read = checked_archive(packed.read_bytes(), str(packed))
    attestation = attest(read, checks, metric="taoa", chosen_with=0, device="cpu")
    path = packed.with_name(name)
    path.write_bytes(as_file(attestation))
    return path


def level(store: ResultStore, records: list[Record] | None = None) -> str:
    return trust_levels(store)(list(store.records()) if records is None else records)


def test_runs_made_here_are_the_keepers_own_and_others_are_not(
    store: ResultStore, make_draft: MakeDraft, packed: Path, tmp_path: Path
) -> None:
    assert level(store) == "self-reported"  # of nothing
    store.write(make_draft(seed=0))
    assert level(store) == "own"
    copied = ResultStore(tmp_path / "other").write(make_draft(seed=1))
    (store.folder / copied.name).write_bytes(copied.read_bytes())
    assert level(store) == "self-reported"  # all are as sure as the least sure one
    rebuild(store)
    assert level(store) == "self-reported"
    own = [record for record in store.records() if record.spec.seed == 0]
    import_archive(store, packed)
    assert level(store, own) == "own"
    mine = list(store.records(entrants={"mine"}))
    assert len(mine) == 4
    assert level(store, mine) == "self-reported"


def test_imported_results_are_as_in_the_archive_and_again_changes_nothing(
    store: ResultStore, results: list[Made], packed: Path
) -> None:
    _, merged = import_archive(store, packed)
    assert (merged.added, merged.kept, merged.conflicts) == (4, 0, [])
    for made in results:
        assert store.path(made.fingerprint).read_bytes() == made.content
        (entry,) = Journal.read(store.folder).entries(made.fingerprint)
        assert entry.origin == "imported"
    head = store.head()
    _, merged = import_archive(store, packed)
    assert (merged.added, merged.kept) == (0, 4)
    assert store.head() == head
    assert verify(store).problems == ()


def test_an_import_never_takes_the_place_of_a_run_made_here(
    store: ResultStore, make_draft: MakeDraft, tmp_path: Path
) -> None:
    made = result(make_draft, metrics={"taoa": 0.5})
    store.write(json.loads(made.content))
    better = result(make_draft, metrics={"taoa": 1.0})
    assert better.fingerprint == made.fingerprint
    path = tmp_path / "better.zip"
    path.write_bytes(archive([better]))
    _, merged = import_archive(store, path)
    (message,) = merged.conflicts
    assert "has other outputs here, in metrics taoa" in message
    assert store.path(made.fingerprint).read_bytes() == made.content
    assert level(store) == "own"
    assert verify(store).problems == ()


def test_the_same_result_imported_is_no_own_run(
    store: ResultStore, results: list[Made], packed: Path
) -> None:
    import_archive(store, packed)
    assert level(store) == "self-reported"
    for made in results:  # a run here is kept from being made again, so it is no proof
        store.write({**json.loads(made.content), "metrics": {"taoa": 0.1}})
    assert level(store) == "self-reported"


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "reproduced"), (2, "reproduced"), (3, "verified")]
)
def test_an_attestation_speaks_for_all_results_of_its_archive(
    store: ResultStore, results: list[Made], packed: Path, count: int, expected: str
) -> None:
    path = attested(packed, [check(made) for made in results[:count]])
    import_archive(store, packed, path)
    assert level(store) == expected
    head = store.head()
    import_archive(store, packed, path)
    assert len(list((store.folder / "attestations").iterdir())) == 1
    assert store.head() == head


def test_one_that_does_not_agree_speaks_against_all(
    store: ResultStore, results: list[Made], packed: Path
) -> None:
    good = attested(packed, [check(made) for made in results[:3]])
    bad = attested(packed, [check(results[0]), check(results[3], agrees=False)], "bad.json")
    assert read_attestation(bad).level == "self-reported"
    import_archive(store, packed, good)
    assert level(store) == "verified"
    import_archive(store, packed, bad)
    assert level(store) == "self-reported"


def test_an_attestation_of_other_outputs_says_nothing(
    store: ResultStore, results: list[Made], packed: Path, make_draft: MakeDraft, tmp_path: Path
) -> None:
    path = attested(packed, [check(made) for made in results[:3]])
    others = [result(make_draft, seed=seed, metrics={"taoa": 1.0}) for seed in range(4)]
    other = tmp_path / "other.zip"
    other.write_bytes(archive(others))
    with pytest.raises(BenchError, match="the attestation is of another archive"):
        import_archive(store, other, path)
    assert not store.folder.exists()
    import_archive(store, other)
    (store.folder / "attestations").mkdir()
    (store.folder / "attestations" / "a.json").write_bytes(path.read_bytes())
    assert level(store) == "self-reported"


def test_levels_follow_from_the_checks(results: list[Made]) -> None:
    good, bad = check(results[0]), check(results[1], agrees=False)
    assert level_of([]) == "self-reported"
    assert level_of([good]) == level_of([good] * 2) == "reproduced"
    assert level_of([good] * 3) == "verified"
    assert level_of([good, good, good, bad]) == "self-reported"


def claim_more(content: dict[str, Any]) -> None:
    content["level"] = "verified"


def claim_a_stranger(content: dict[str, Any]) -> None:
    content["checked"][0]["fingerprint"] = "0" * 64


def claim_twice(content: dict[str, Any]) -> None:
    content["checked"] *= 3
    content["level"] = "verified"


def leave_out(content: dict[str, Any]) -> None:
    del content["results"]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (claim_more, "its level does not follow from its checks"),
        (claim_a_stranger, "its checks are not of its results"),
        (claim_twice, "its checks are not of its results, once each"),
        (leave_out, "Field required"),
    ],
)
def test_an_attestation_that_does_not_hold_together_is_refused(
    store: ResultStore,
    results: list[Made],
    packed: Path,
    lie: Callable[[dict[str, Any]], None],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = attested(packed, [check(results[0])])
    content = json.loads(path.read_bytes())
    lie(content)
    path.write_bytes(canonical(content) + b"\n")
    with pytest.raises(BenchError, match=said):
        import_archive(store, packed, path)
    import_archive(store, packed)
    (store.folder / "attestations").mkdir()
    (store.folder / "attestations" / "a.json").write_bytes(path.read_bytes())
    assert level(store) == "self-reported"
    assert said in caplog.text


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b'{"a":NaN}\n', b"[]\n", b'{"a": 1}\n'])
def test_a_file_that_is_no_attestation_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(BenchError, match=r"a\.json is (refused|not an attestation)"):
        read_attestation(path)


def test_an_attestation_comes_back_as_it_was_written(results: list[Made], packed: Path) -> None:
    path = attested(packed, [check(results[0])])
    read = read_attestation(path)
    assert isinstance(read, Attestation)
    assert as_file(read) == path.read_bytes()
    assert read.environment["device"] == "cpu"


def test_runs_are_chosen_at_random_from_as_many_streams_as_can_be(make_draft: MakeDraft) -> None:
    records = [
        result(make_draft, stream=stream, seed=seed).record for stream in "abc" for seed in range(4)
    ]
    failed = result(make_draft, stream="d", status="failed").record
    chosen = {seed: choose([*records, failed], 3, seed) for seed in range(20)}
    assert all({r.spec.stream.name for r in three} == set("abc") for three in chosen.values())
    assert len({tuple(r.fingerprint for r in three) for three in chosen.values()}) > 10
    assert choose(records[::-1], 3, 7) == choose(records, 3, 7)
    assert choose([failed], 3, 0) == []
    assert len(choose(records, 100, 0)) == 12


def test_a_run_agrees_within_the_tolerance_only(make_result: MakeResult) -> None:
    def check(made: dict[str, Any], reported: dict[str, Any] | None = None) -> Check:
        parts = reported or {"metrics": {"taoa": 0.5, "seconds": 1.0}}
        return compared(make_result(**parts), make_result(**made), "taoa", 0.01)

    same = check({"metrics": {"taoa": 0.5, "seconds": 9.0}})
    assert (same.agrees, same.same_bits, same.deviation, same.reason) == (True, True, 0.0, None)
    near = check({"metrics": {"taoa": 0.509, "seconds": 1.0}})
    assert (near.agrees, near.same_bits) == (True, False)
    assert near.deviation == pytest.approx(0.009)
    far = check({"metrics": {"taoa": 0.52}})
    assert (far.agrees, far.reason) == (False, "taoa is off by more than 0.01")
    undefined: dict[str, Any] = {"metrics": {"taoa": None}}
    assert not check(undefined).agrees
    assert check(undefined).deviation is None
    assert check(undefined, undefined).agrees
    diverged = check({"status": "diverged", "metrics": {"taoa": 0.5}})
    assert (diverged.agrees, diverged.reason) == (
        False,
        "it was done, and here it diverged: made up",
    )


@pytest.mark.parametrize("name", ["Mine", "m ine", "MINE"])
def test_an_entrant_that_readers_take_for_one_here_is_refused(
    make_draft: MakeDraft, store: ResultStore, packed: Path, tmp_path: Path, name: str
) -> None:
    import_archive(store, packed)
    path = _named(make_draft, tmp_path, name)
    with pytest.raises(BenchError, match="readers take for an entrant here, 'mine'"):
        import_archive(store, path)
    assert {record.spec.entrant.name for record in store.records()} == {"mine"}


@pytest.mark.parametrize("name", ["dense", "Dense", "avalanche:Naive"])
def test_an_entrant_called_as_a_strategy_is_of_it(
    make_draft: MakeDraft, store: ResultStore, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BenchError, match="take for a strategy that it does not have"):
        import_archive(store, _named(make_draft, tmp_path, name))
    assert not list(store.records())


def _named(make_draft: MakeDraft, tmp_path: Path, name: str) -> Path:
    """Return the archive of an entrant of the strategy `grow` under another name."""

    def rename(draft: dict[str, Any]) -> None:
        draft["spec"]["entrant"].update(name=name)
        draft["spec"]["entrant"]["strategies"] = [{"name": "grow", "settings": {}}]
        draft["sources"]["strategies"] = {"grow": SOURCE.digest}

    path = tmp_path / "other.zip"
    path.write_bytes(archive([result(make_draft, rename, seed=9)], entrant=name))
    return path
