"""Of several versions of an entrant's code one is shown: the one here, else the last written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.board import versions
from plasticity_bench.leaderboard.board.grouping import Marks, grouped
from plasticity_bench.leaderboard.board.standings import OtherCode
from plasticity_bench.leaderboard.board.table_notes import other_code_notes
from plasticity_bench.leaderboard.board.versions import Versions
from plasticity_bench.leaderboard.store import journal
from plasticity_bench.leaderboard.store.result import Record, Result, sealed

Make = Callable[..., Record]
NEW, OLD, OLDER = "a" * 64, "b" * 64, "f" * 64


@pytest.fixture
def make(make_draft: Callable[..., dict[str, Any]]) -> Make:
    def one(code: str = NEW, libraries: dict[str, str] | None = None, **parts: Any) -> Record:
        draft = make_draft(**parts)
        (name,) = draft["sources"]["strategies"]
        draft["sources"]["strategies"] = {name: code}
        if libraries:
            draft["sources"]["versions"] = libraries
        made = (draft["spec"], draft["sources"], draft["results_version"])
        return Result.model_validate(sealed({**draft, "fingerprint": fingerprint(*made)})).record

    return one


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is installed here, by name; the test changes it."""
    here: dict[str, Any] = {"dense": NEW, "grow": NEW}

    def code_of(names: tuple[str, ...], stream: str) -> Any:
        if not here.keys() >= set(names):
            raise BenchError("no such strategy")
        return {"strategies": {name: here[name] for name in names}}

    monkeypatch.setattr(versions, "code_of", code_of)
    return here


def codes(records: list[Record]) -> list[tuple[str, int, str]]:
    """Return stream, seed and first letter of the code of each."""
    return sorted(
        (one.spec.stream.name, one.spec.seed, "".join(one.sources.strategies.values())[:1])
        for one in records
    )


def counts(other: OtherCode) -> tuple[Any, Any]:
    return other.left_out, other.shown


def test_the_version_that_is_here_is_kept_whatever_else_there_is(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    older = [make(OLD, seed=seed) for seed in range(5)]
    newer = make(NEW, seed=0)
    journal.append(tmp_path, [newer], "run")
    journal.append(tmp_path, older, "run")
    found = Versions(tmp_path).current([*older, newer])
    assert found.records == [newer]  # seed 1 is missing: versions are never mixed
    assert counts(found.other_code) == ({"dense": 5}, {})
    assert list(other_code_notes(found.other_code)) == [
        "left out: 5 results of other code of dense"
    ]


def test_without_it_the_version_that_was_written_down_last_is_kept(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    first = [make(OLDER, seed=seed) for seed in range(3)]
    second = [make(OLD, seed=seed) for seed in range(2)]
    unknown = [make("e" * 64, seed=seed) for seed in range(9)]
    journal.append(tmp_path, first, "run")
    journal.append(tmp_path, second, "run")
    found = Versions(tmp_path).current([*unknown, *first, *second])
    assert codes(found.records) == [("permuted-digits", 0, "b"), ("permuted-digits", 1, "b")]
    assert counts(found.other_code) == ({"dense": 12}, {"dense": {"permuted-digits": 2}})
    assert list(other_code_notes(found.other_code)) == [
        "left out: 12 results of other code of dense",
        "shown for want of others: 2 results not known to be of the code installed here, of dense "
        "on permuted-digits",
    ]
    journal.append(tmp_path, first[:1], "run")
    assert codes(Versions(tmp_path).current([*first, *second]).records)[0][2] == "f"


def test_of_versions_that_nobody_wrote_down_the_one_with_most_runs_is_kept(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    results = [make(OLDER, seed=0), make(OLD, seed=0), make(OLD, seed=1)]
    for order in (results, results[::-1]):
        assert codes(Versions(tmp_path).current(order).records) == [
            ("permuted-digits", 0, "b"),
            ("permuted-digits", 1, "b"),
        ]
    even = [make(OLDER, seed=0), make(OLD, seed=0)]
    chosen = [Versions(tmp_path).current(order).records for order in (even, even[::-1])]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 1


def test_what_is_not_here_is_not_called_other_code(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    del installed["dense"]
    first, second = make(OLDER), make(OLD)
    journal.append(tmp_path, [second], "run")
    found = Versions(tmp_path).current([first, second])
    assert found.records == [second]
    assert counts(found.other_code) == ({"dense": 1}, {"dense": {"permuted-digits": 1}})
    assert Versions(tmp_path).current([first]).other_code == OtherCode()


def test_a_version_is_chosen_on_every_stream_by_itself(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    records = [
        *(make(NEW, stream="a", seed=seed) for seed in range(2)),
        *(make(OLD, stream="a", seed=seed) for seed in range(3)),
        *(make(OLD, stream="b", seed=seed) for seed in range(3)),
        make(NEW, stream="b", entrant="grow"),
    ]
    found = Versions(tmp_path).current(records)
    assert codes(found.records) == [
        ("a", 0, "a"),
        ("a", 1, "a"),
        *(("b", 0, "a"), ("b", 0, "b")),
        ("b", 1, "b"),
        ("b", 2, "b"),
    ]
    assert counts(found.other_code) == ({"dense": 3}, {"dense": {"b": 3}})


def chosen(folder: Path, own: list[Record], imported: list[Record]) -> list[Record]:
    journal.append(folder, own, "run")
    journal.append(folder, imported, "imported")
    found = Versions(folder).current([*own, *imported])
    left_out = len(own) + len(imported) - len(found.records)
    assert (
        sum([*found.other_code.elsewhere.values(), *found.other_code.left_out.values()]) == left_out
    )
    return found.records


def test_a_board_is_of_one_results_version_on_one_set_of_samples(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    own = [make(NEW, seed=seed) for seed in range(3)]
    before = [make(NEW, seed=seed, results_version=1) for seed in range(5)]
    others = [make(NEW, seed=seed, data="e" * 64) for seed in range(2)]
    assert codes(chosen(tmp_path, [*own, *before, *others], [])) == codes(own)
    found = Versions(tmp_path).current([*own, *before, *others])
    assert found.other_code.elsewhere == {"dense": 7}
    assert list(other_code_notes(found.other_code)) == [
        "left out: 7 results on other samples or of another results version, of dense"
    ]
    assert codes(chosen(tmp_path / "before", before, [])) == codes(before)


@pytest.mark.parametrize(
    "strange",
    [
        {"data": "e" * 64},
        {"results_version": 0},
        {"results_version": 99},
        {"entrant": "stranger", "data": "e" * 64},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [1, 2])
def test_no_imported_result_takes_the_place_of_those_made_here(
    tmp_path: Path, make: Make, installed: Any, strange: dict[str, Any], version: int
) -> None:
    own = [make(NEW, seed=0, results_version=version)]
    theirs = [make(**{"code": NEW, "seed": seed, **strange}) for seed in range(5)]
    assert chosen(tmp_path, own, theirs) == own


def test_of_imported_results_alone_those_of_this_results_version_are_shown(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    versions_of = {v: [make(NEW, seed=s, results_version=v) for s in range(v)] for v in (1, 2, 9)}
    everything = [one for found in versions_of.values() for one in found]
    assert codes(chosen(tmp_path, [], everything)) == codes(versions_of[2])


def test_code_made_here_goes_before_imported_code(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    del installed["dense"]
    own, theirs = [make(OLD)], [make(OLDER, seed=seed) for seed in range(3)]
    assert chosen(tmp_path, own, theirs) == own


def test_other_networks_and_optimisers_are_other_entrants(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    records = [make(NEW, lr=0.1), make(OLD, lr=0.2), make(NEW, entrant="grow")]
    found = Versions(tmp_path).current(records)
    assert len(found.records) == 3
    assert counts(found.other_code) == ({}, {"dense": {"permuted-digits": 1}})


def test_code_may_have_had_other_settings(tmp_path: Path, make: Make, installed: Any) -> None:
    records = [
        make(NEW, settings={"share": 0.2, "more": 1}),
        make(NEW, settings={"share": 0.3, "more": 1}),
        make(OLD, settings={"share": 0.1}),
    ]
    found = Versions(tmp_path).current(records)
    assert codes(found.records) == [("permuted-digits", 0, "a")] * 2
    assert counts(found.other_code) == ({"dense": 1}, {})


def test_of_what_is_not_here_other_settings_are_another_entrant(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    del installed["dense"]
    first, second = make(OLDER, settings={"share": 0.1}), make(OLD, settings={"share": 0.2})
    found = Versions(tmp_path).current([first, second])
    assert sorted(found.records, key=id) == sorted([first, second], key=id)
    assert found.other_code == OtherCode()


def test_what_is_shown_of_other_code_is_marked(tmp_path: Path, make: Make, installed: Any) -> None:
    records = [make(NEW), make(OLD, stream="b"), make(OLD)]
    found = Versions(tmp_path).current(records)
    assert found.other_code.runs == (records[1].fingerprint,)
    labels = {
        (stream.label, entrant.label)
        for stream in grouped(found.records, Marks(found.other_code.runs))
        for entrant in stream.entrants
    }
    assert labels == {("permuted-digits", "dense"), ("b", "dense [code.dense=bbbbbbbb]")}
    everything = Versions(tmp_path).all(records)
    assert set(everything.other_code.runs) == {one.fingerprint for one in records[1:]}
    assert len(everything.records) == 3


def test_what_is_said_of_two_sets_of_results_is_put_together() -> None:
    first = OtherCode({"a": 1, "b": 2}, {"c": {"x": 1}}, ("1",))
    second = OtherCode({"a": 1}, {"c": {"y": 2}, "d": {"x": 3}}, ("2",))
    assert first + second == OtherCode(
        {"a": 2, "b": 2}, {"c": {"x": 1, "y": 2}, "d": {"x": 3}}, ("1", "2")
    )


def test_a_library_that_is_the_code_makes_versions_too(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"strategies": {"dense": NEW}, "versions": {"avalanche-lib": "0.6"}}
    monkeypatch.setattr(versions, "code_of", lambda names, stream: here)
    records = [make(libraries={"avalanche-lib": version}) for version in ("0.5", "0.6")]
    found = Versions(tmp_path).current(records)
    assert found.records == [records[1]]
    (stream,) = grouped(records)
    assert [entrant.label for entrant in stream.entrants] == [
        "dense [version.avalanche-lib=0.5]",
        "dense [version.avalanche-lib=0.6]",
    ]


def test_a_line_names_only_some_of_many() -> None:
    many = OtherCode({f"e{number}": 2 for number in range(9)}, {})
    assert list(other_code_notes(many)) == [
        "left out: 18 results of other code of e0, e1, e2, e3, e4, e5, 3 more"
    ]
    assert list(other_code_notes(OtherCode({"dense": 1}))) == [
        "left out: 1 result of other code of dense"
    ]
    assert list(other_code_notes(OtherCode())) == []


def test_results_of_later_code_are_not_called_older_after_going_back(
    tmp_path: Path, make: Make, installed: Any
) -> None:
    installed["dense"] = OLD  # as after the checkout of an earlier commit
    earlier, later = make(OLD), make(NEW)
    journal.append(tmp_path, [earlier], "run")
    journal.append(tmp_path, [later], "run")
    found = Versions(tmp_path).current([earlier, later])
    assert found.records == [earlier]
    (note,) = other_code_notes(found.other_code)
    assert note == "left out: 1 result of other code of dense"
    only = Versions(tmp_path).current([later])
    notes = " ".join([*other_code_notes(only.other_code), note])
    assert "shown for want of others: 1 result not known to be of the code" in notes
    assert not any(word in notes for word in ("older", "newer"))
