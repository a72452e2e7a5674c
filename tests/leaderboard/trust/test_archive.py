"""Archives: the same bytes every time, and hostile ones refused, each with its reason."""

import io
import json
import re
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.harness.specs.source_code import Source
from plasticity_bench.leaderboard.trust import hostile
from plasticity_bench.leaderboard.trust.archive_reading import checked_archive, read_archive

from .archives import (
    CODE,
    OLD_HASH,
    Made,
    archive,
    of_before,
    result,
    task_rows,
    unzipped,
    with_file,
    with_manifest,
    zipped,
)

MakeDraft = Callable[..., dict[str, Any]]


@pytest.fixture
def results(make_draft: MakeDraft) -> list[Made]:
    return [result(make_draft, seed=seed) for seed in (0, 1)]


@pytest.fixture
def sound(results: list[Made]) -> bytes:
    return archive(results)


def reason(content: bytes) -> str:
    """Return why an archive is refused."""
    with pytest.raises(BenchError) as caught:
        checked_archive(content, "mine.zip")
    text = str(caught.value)
    assert text.startswith("the archive mine.zip is refused: ")
    assert text.isascii()  # nothing of a stranger's reaches the terminal as it came
    assert text.isprintable()
    return text


def result_name(content: bytes) -> str:
    return next(name for name in unzipped(content) if name.startswith("results/"))


def test_a_sound_archive_comes_back_as_it_was_packed(
    sound: bytes, results: list[Made], tmp_path: Path
) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(sound)
    read = read_archive(path)
    assert sorted(one.fingerprint for one in results) == [one.fingerprint for one in read.records]
    assert {one.fingerprint: one.record for one in results} == {
        record.fingerprint: record for record in read.records
    }
    assert read.manifest.entrant == "mine"
    assert len(read.digest) == 64
    names = unzipped(sound)
    code = next(name for name in names if name.startswith("sources/"))
    assert code.endswith("/000-my_package.mine.py")
    assert names[code] == CODE.encode()
    (only,) = json.loads(names["settings.json"])
    assert only["entrant"]["name"] == "mine"


def test_the_same_results_give_the_same_bytes(results: list[Made]) -> None:
    assert archive(results) == archive(results[::-1])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"none.zip cannot be read: No such file"):
        read_archive(tmp_path / "none.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.py",
        "/etc/passwd",
        "results/../evil.json",
        "results\\..\\evil.json",
        "C:evil.json",
        "results/" + "0" * 63 + ".json",
        "sources/" + "0" * 64 + "/000-..",
        "sources/" + "0" * 64 + "/000-a/b.py",
        "notes.txt",
        "a\u202egpj.exe",
        "a\x1b[2Jb",
        "x" * 5000,
        "manifest.json\n",
    ],
)
def test_names_of_files_that_have_no_place_are_refused(sound: bytes, name: str) -> None:
    assert "has no place in it" in reason(with_file(sound, name, b"{}\n"))


def test_a_name_that_ends_at_a_zero_byte_is_refused(sound: bytes) -> None:
    name = result_name(sound)
    hidden = "results/" + "0" * 64 + ".json" + "x.exe"
    content = with_file(sound, hidden, unzipped(sound)[name])
    spoilt = content.replace(hidden.encode(), hidden.replace("x.exe", "\0.exe").encode())
    assert "has no place in it" in reason(spoilt)


def special(sound: bytes, mode: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in unzipped(sound).items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (mode if name.startswith("results/") else 0o100644) << 16
            file.writestr(info, content)
    return stream.getvalue()


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o010644, 0o060644])
def test_links_and_special_files_are_refused(sound: bytes, mode: int) -> None:
    checked_archive(special(sound, 0o100644), "an ordinary one")
    assert "is a link or another special file" in reason(special(sound, mode))


def test_two_files_of_one_name_are_refused(sound: bytes) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in unzipped(sound).items():
            file.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("settings.json", b"{}\n")
    assert "two files named settings.json" in reason(stream.getvalue())


def test_bombs_are_refused_before_they_are_unpacked(
    sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(*_: Any) -> bytes:
        raise AssertionError("it was unpacked")

    bomb = with_file(sound, result_name(sound), b" " * 20_000_000)
    assert len(bomb) < 50_000
    monkeypatch.setattr(zipfile.ZipFile, "open", unpack)
    assert re.search(r"would become 20,000,000 bytes from \d\d,\d\d\d", reason(bomb))
    monkeypatch.setattr(hostile, "LARGEST_FILE", 2000)
    assert re.search(r"has [\d,]+ bytes, and 2,000 are allowed", reason(sound))
    monkeypatch.setattr(hostile, "LARGEST_FILE", 20_000)
    monkeypatch.setattr(hostile, "MOST_UNPACKED", 2000)
    assert "and 2,000 are allowed" in reason(sound)
    monkeypatch.setattr(hostile, "MOST_FILES", 3)
    assert "it has 5 files, and 3 are allowed" in reason(sound)
    monkeypatch.setattr(hostile, "MOST_FILES", 0)
    assert "more than 0 files" in reason(sound)
    monkeypatch.setattr(hostile, "MOST_BYTES", 100)
    assert "and 100 are allowed" in reason(sound)


def test_a_size_that_lies_is_refused(sound: bytes) -> None:
    content = zipped({**unzipped(sound), "settings.json": b" " * 100_000})
    assert content.count((100_000).to_bytes(4, "little")) == 2
    lying = content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert "cannot be unpacked" in reason(lying)


def test_a_file_larger_than_it_says_is_not_unpacked_whole(sound: bytes) -> None:
    name, size = result_name(sound), 60_000_000
    honest = unzipped(sound)[name]
    content = zipped({**unzipped(sound), name: honest + b" " * size})
    real = len(honest) + size
    for true, said in ((real, len(honest)), (zlib.crc32(honest + b" " * size), zlib.crc32(honest))):
        assert content.count(true.to_bytes(4, "little")) == 2
        content = content.replace(true.to_bytes(4, "little"), said.to_bytes(4, "little"))
    tracemalloc.start()
    try:
        checked_archive(content, "cut off where it says that it ends")
        assert tracemalloc.get_traced_memory()[1] < size / 10
    finally:
        tracemalloc.stop()


def test_a_file_is_not_read_beyond_the_limit(
    sound: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "MOST_BYTES", 100)
    path = tmp_path / "big.zip"
    path.write_bytes(sound)
    with pytest.raises(BenchError, match=r"it has [0-9,]+ bytes, and at most 100 are read"):
        read_archive(path)


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -1, -10, -30, -200])
def test_a_part_of_an_archive_is_refused(sound: bytes, cut: int) -> None:
    assert "refused" in reason(sound[:cut] if cut >= 0 else sound[: len(sound) + cut])


@pytest.mark.parametrize("other", [b"", b"PK", b"{}", b"\x1f\x8b" + b"\0" * 100, b"%PDF" * 50])
def test_what_is_no_archive_is_refused(other: bytes) -> None:
    assert "is not a zip archive as submit writes them" in reason(other)


def test_every_flipped_byte_is_noticed_or_without_effect(sound: bytes) -> None:
    whole = checked_archive(sound, "sound")
    refused = 0
    for place in range(0, len(sound), 7):
        spoilt = bytearray(sound)
        spoilt[place] ^= 0x55
        try:
            read = checked_archive(bytes(spoilt), "spoilt")
        except BenchError:
            refused += 1
        else:
            assert read.contents == whole.contents
            assert read.manifest == whole.manifest
    assert refused > len(sound) / 7 / 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[" * 100 + b"]" * 100 + b"\n", "nests more than 30 deep"),
        (b'{"a":NaN}\n', "is not JSON"),
        (b'{"a":1e999}\n', "is not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}\n", "is not JSON"),
        (b'{"a":1,"a":2}\n', "not in the form that the store writes"),
        (b'{"b":1,"a":2}\n', "not in the form that the store writes"),
        (b'{"a": 1}\n', "not in the form that the store writes"),
        (b'{"a":1}', "not in the form that the store writes"),
        (b"\xff\xfe\n", "is not JSON"),
        (b'{"a":"\\ud800"}\n', "has the control character U+D800"),
        (b'{"a":"\\u001b[2J"}\n', "has the control character U+001B"),
        ('{"a":"\u202e"}\n'.encode(), "has the control character U+202E"),
        (b'{"a":"' + b"x" * 10_001 + b'"}\n', "has more than 10,000 characters"),
        (b"[]\n", "is not a result"),
        (b'{"a":1}\n', "is not a result"),
    ],
)
def test_bad_json_is_refused(sound: bytes, text: bytes, said: str) -> None:
    assert said in reason(with_file(sound, result_name(sound), text))
    if "result" not in said:
        assert said in reason(zipped({**unzipped(sound), "manifest.json": text}))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"format": 2}, "is not a manifest: format"),
        ({"more": 1}, "is not a manifest: more: Extra inputs"),
        ({"asked": 1}, "2 results of 1 run"),
        ({"asked": 0}, "is not a manifest: asked"),
        ({"entrant": "other"}, "is of another entrant than the manifest's"),
        ({"entrant": ""}, "the entrant's name has 0 characters"),
        ({"suite": "<b>"}, "the suite's name has markup"),
        ({"suite": "x" * 201}, "the suite's name has 201 characters"),
        ({"suite": "a\tb"}, "the suite's name has the character U+0009"),
        ({"files": {}}, "is not in the manifest"),
        ({"sources": {}}, "is the source of no strategy"),
        ({"sources": {"mine": ["../../x"]}}, "is the source of no strategy"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    sound: bytes, parts: dict[str, Any], said: str
) -> None:
    assert said in reason(with_manifest(sound, **parts))


def test_wrong_hashes_are_refused(sound: bytes) -> None:
    name = result_name(sound)
    changed = unzipped(sound)[name].replace(b"0.9", b"0.8")
    assert "was changed: its hash is not the one in the manifest" in reason(
        zipped({**unzipped(sound), name: changed})
    )
    assert "its hashes are not those of its content" in reason(with_file(sound, name, changed))
    other = "results/" + "0" * 64 + ".json"
    assert "holds another run" in reason(with_file(sound, other, unzipped(sound)[name]))


def test_source_that_the_results_were_not_made_with_is_refused(sound: bytes) -> None:
    code = next(name for name in unzipped(sound) if name.startswith("sources/"))
    assert "was made with source of mine that is not in the archive" in reason(
        with_file(sound, code, b"import os\n")
    )
    assert "is not there as text" in reason(with_file(sound, code, b"\xff"))


def code_of(content: bytes) -> str:
    return next(name for name in unzipped(content) if name.startswith("sources/"))


def test_source_is_read_and_not_run_and_may_be_explained(sound: bytes) -> None:
    text = f'"""Explained."""\nimport os  # not used\n{CODE}'
    checked_archive(with_file(sound, code_of(sound), text.encode()), "explained")
    for other in ("class Mine: x = 1\n", f"raise SystemExit\n{CODE}"):
        changed = with_file(sound, code_of(sound), other.encode())
        assert "was made with source of mine that is not in the archive" in reason(changed)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Mine(:\n", "a source cannot be read by Python"),
        ("x = 1\0\n", "null bytes"),
        ("(" * 300, "too many nested parentheses"),
        ("x = " + "-" * 100_000 + "1\n", "a source cannot be read by Python"),
        ("x = a" + ".a" * 100_000, "a source cannot be read by Python"),
        ("x = a" + "+a" * 20_000, "a source cannot be read by Python"),
        ("if a: b\n" + "elif a: b\n" * 20_000, "a source cannot be read by Python"),
        ("x = " + "9" * 5000, "a source cannot be read by Python"),
        ("\u202ex\u0007 = 1\n", "a source cannot be read by Python"),
        ("".join(f"x = {i}\n" for i in range(110_000)), "characters, and 262,144 are allowed"),
        ("from " + "." * 500 + "x import y\ny()\n", "is not in the archive"),
        ("x = '\\d' + 0x" + "f" * 5000 + "\n", "is not in the archive"),
        ("import " + "a." * 130_000 + "a\n", "a source cannot be read by Python"),
    ],
    ids=lambda text: text[:9],
)
def test_source_that_does_harm_when_it_is_read_is_refused(
    sound: bytes, text: str, said: str
) -> None:
    assert said in reason(with_file(sound, code_of(sound), text.encode()))


def test_a_source_has_one_file_a_module(sound: bytes) -> None:
    first = code_of(sound)
    second = first.replace("/000-", "/001-")
    twice = with_file(sound, second, b"x = 1\n")
    listed = with_manifest(twice, sources={"mine": [first, second]})
    assert "two files of one module" in reason(listed)


TWO = Source("Mine", {"mine.a": "class Mine: ...\n", "mine.b": "x = 1\n"}, [["1:x"], []])


def test_the_hash_of_code_is_over_which_of_its_files_use_which(make_draft: MakeDraft) -> None:
    def with_two(draft: dict[str, Any]) -> None:
        draft["sources"]["strategies"] = {"mine": TWO.digest}

    content = archive([result(make_draft, with_two)], sources={"mine": TWO})
    assert checked_archive(content, "two").manifest.links == {"mine": [["1:x"], []]}
    for links in ([["1:x"], ["0:Mine"]], [["1:y"], []]):
        assert "is not in the archive" in reason(with_manifest(content, links={"mine": links}))


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({}, "does not say in its links which files"),
        ({"mine": []}, "does not say in its links which files"),
        ({"mine": [[], []]}, "does not say in its links which files"),
        ({"mine": [["1:x"]]}, "does not say in its links which files"),
        ({"mine": [["-1:"]]}, "does not say in its links which files"),
        ({"mine": [["0x0:y"]]}, "does not say in its links which files"),
        ({"mine": [["0:"] * (2**17 + 1)]}, "does not say in its links which files"),
        ({"mine": [[0]]}, "is not a manifest: links"),
        ({"mine": [0]}, "is not a manifest: links"),
        ([], "is not a manifest: links"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_links_that_do_not_fit_are_refused(sound: bytes, links: Any, said: str) -> None:
    assert said in reason(with_manifest(sound, links=links))


def test_an_archive_of_before_is_read_as_before(make_draft: MakeDraft) -> None:
    def before(draft: dict[str, Any]) -> None:
        draft["sources"]["strategies"] = {"mine": OLD_HASH}

    content = archive([result(make_draft, before)])
    assert "was made with source of mine that is not in the archive" in reason(content)
    old = of_before(content)
    assert checked_archive(old, "old").manifest.classes == {}
    assert "is not in the archive" in reason(with_file(old, code_of(old), b"x = 1\n"))


def test_a_file_that_is_missing_is_named(sound: bytes) -> None:
    for name in unzipped(sound):
        left = {other: text for other, text in unzipped(sound).items() if other != name}
        assert name in reason(zipped(left))


def test_settings_that_are_not_those_of_the_results_are_refused(sound: bytes) -> None:
    assert "does not have the settings of its results" in reason(
        with_file(sound, "settings.json", b"[]\n")
    )


def test_an_archive_without_results_is_refused() -> None:
    assert "it has no results" in reason(archive([], sources={}))


def set_stream(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda draft: draft["spec"]["stream"].update(name=name)


def set_entrant(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda draft: draft["spec"]["entrant"].update(name=name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("<img src=x onerror=alert(1)>", "has markup in it, <"),
        ("</script>", "has markup"),
        ("a\u202eb", "character U+202E"),
        ("a\u2066b", "character U+2066"),
        ("a\u200bb", "character U+200B"),
        ("d\u0435nse", "character U+0435"),
        ("gr\u00f6\u00dfe", "character U+00F6"),
        ("a\nb", "character U+000A"),
        ("a\x1b[31mb", "character U+001B"),
        ("a\0b", "character U+0000"),
        ("x" * 201, "has 201 characters"),
        ("", "has 0 characters"),
    ],
)
def test_hostile_names_are_refused(make_draft: MakeDraft, name: str, said: str) -> None:
    assert said in reason(archive([result(make_draft, set_entrant(name))], entrant=name))
    assert said in reason(archive([result(make_draft, set_stream(name))]))
    assert said in reason(archive([result(make_draft, metrics={name: 0.5})]))
    assert said in reason(archive([result(make_draft, needs=[name])]))


def test_names_of_what_everybody_can_type_are_taken(make_draft: MakeDraft) -> None:
    for name in ("grow(compactness=0.2)+rsl", "Dense, tuned", 'a"b&c', "x" * 200):
        content = archive([result(make_draft, set_entrant(name))], entrant=name)
        assert checked_archive(content, "sound").manifest.entrant == name


def test_a_seed_that_no_run_has_is_refused(make_draft: MakeDraft) -> None:
    for seed in (-1, 2**63, 10**30):
        assert "has a seed that no run has" in reason(archive([result(make_draft, seed=seed)]))


def test_needs_that_would_fill_a_board_are_refused(make_draft: MakeDraft) -> None:
    one = result(make_draft, needs=[f"need {number}" for number in range(21)])
    assert "has 21 needs, and 20 are allowed" in reason(archive([one]))


def test_results_without_the_hash_of_their_code_are_refused(make_draft: MakeDraft) -> None:
    one = result(make_draft, lambda draft: draft["sources"].update(strategies={}))
    assert "does not have the hash of the source" in reason(archive([one]))


def set_in_rows(**fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(draft: dict[str, Any]) -> None:
        for row in draft["rows"]:
            row.update(fields)

    return change


def set_rows(*rows: Any) -> Callable[[dict[str, Any]], None]:
    return lambda draft: draft.update(rows=list(rows))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_rows({"x": 1}), "row 0 of {} does not say of which kind it is"),
        (set_rows({"kind": []}), "row 0 of {} does not say of which kind it is"),
        (set_rows({"kind": "task"}), "{} has rows that no run writes (KeyError: "),
        (set_rows({"kind": "weights", "<b>": 1}), "a name in row 0 of {} has markup"),
        (set_rows(), "{} has another taoa than its rows give"),
        (set_in_rows(online_accuracy=0.1), "{} has another taoa than its rows give"),
        (set_in_rows(online_accuracy="high"), "{} has rows that no run writes"),
        (set_in_rows(online_accuracy=10**400), "row 0 of {} has a number that no run measures"),
        (set_in_rows(alive=[1e101]), "row 0 of {} has a number that no run measures"),
        (set_in_rows(alive="many"), "{} has rows that no run writes (TypeError: "),
        (set_in_rows(task=-1), "row 0 of {} has no whole number from 0 on as its task"),
        (set_in_rows(step=None), "row 0 of {} has no whole number from 0 on as its step"),
        (set_in_rows(step=True), "row 0 of {} has no whole number from 0 on as its step"),
        (lambda draft: draft["metrics"].update(taoa=0.99), "{} has another taoa than its rows"),
        (lambda draft: draft["metrics"].update(taoa=None), "{} has another taoa than its rows"),
        (lambda draft: draft["metrics"].update(acc=0.99), "{} has another acc than its rows"),
        (lambda draft: draft["metrics"].update(flops=1e308), "{}, in its metrics, has a number"),
        (lambda draft: draft.update(rows=task_rows(0.9, 5001)), "{} has 5,001 tasks, and 5,000"),
    ],
)
def test_rows_that_no_run_writes_are_refused(
    make_draft: MakeDraft, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    one = result(make_draft, change)
    assert said.format(f"results/{one.fingerprint}.json") in reason(archive([one]))


def test_what_a_run_that_did_not_end_has_measured_is_no_reason_to_refuse_it(
    make_draft: MakeDraft,
) -> None:
    for status in ("diverged", "failed"):
        one = result(make_draft, set_in_rows(online_accuracy=None), status=status)
        (record,) = checked_archive(archive([one]), "sound").records
        assert record.status == status


def test_a_result_is_in_the_form_of_the_store(sound: bytes, results: list[Made]) -> None:
    files = unzipped(sound)
    for one in results:
        text = files[f"results/{one.fingerprint}.json"]
        assert text == canonical(json.loads(text)) + b"\n"
