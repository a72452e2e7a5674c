"""Any archive, result, journal, index and attestation: refused cleanly, or shown without harm.

Whoever writes such a file can make its hashes fit, so mutated ones are sealed anew: what they say
reaches every view. Sound results beside them are read as before.
"""

import atexit
import copy
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st

from plasticity_bench.harness.fingerprint import canonical, digest, fingerprint
from plasticity_bench.harness.metrics.summary import summarise
from plasticity_bench.leaderboard.commands.found import find, results_of
from plasticity_bench.leaderboard.store import index
from plasticity_bench.leaderboard.store.merge import merge
from plasticity_bench.leaderboard.store.result import ABOUT, Record, plain
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.store.upkeep import rebuild
from plasticity_bench.leaderboard.trust.admission import import_archive, trust_levels
from plasticity_bench.leaderboard.trust.archive import MANIFEST, SETTINGS, settings
from plasticity_bench.leaderboard.trust.attestation import read_attestation
from tests.fuzzing import as_json, clean, fuzz, mutated, torn, tries
from tests.harness.test_cli import call

from .trust.archives import CODE, SOURCE, zipped
from .views import SEEDS, SELECTION, STREAM, check_views

GUEST = "grow(compactness=0.5,events=2)"
SOURCE_FILE = f"sources/{SOURCE.digest}/000-my_package.mine.py"


@cache
def _made() -> TemporaryDirectory[str]:
    """Make a store of sound results once, of few and short runs."""
    made = TemporaryDirectory()
    atexit.register(made.cleanup)
    words = ["--stream", STREAM, "--seeds", SEEDS, "--entrant", "dense", "--entrant", GUEST]
    call("run", *words, "--workers", "1", "--results", made.name)
    assert len(known(ResultStore(Path(made.name)))) == 4  # leaves an index
    return made


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A store of sound results that may be spoilt."""
    return fresh(tmp_path / "results")


def fresh(folder: Path) -> ResultStore:
    """Return a store of sound results in a folder, which is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_made().name, folder)
    return ResultStore(folder)


def sound() -> dict[str, Any]:
    """Return a sound result of an entrant that is not installed, with rows of every kind."""
    content: dict[str, Any] = next(
        content
        for path in sorted(Path(_made().name).glob("*.json"))
        for content in [json.loads(path.read_bytes())]
        if content["spec"]["entrant"]["name"] == GUEST
    )
    content["spec"]["entrant"]["name"] = "mine"
    content["spec"]["entrant"]["strategies"][0]["name"] = "mine"
    content["sources"]["strategies"] = {"mine": SOURCE.digest}
    return dict(sealed_anew(content))


def sealed_anew(content: Any) -> Any:
    """Return the content of a result file with fitting hashes, as far as it can have any."""
    try:
        known = json.loads(as_json(content))
    except (ValueError, RecursionError):
        return content
    if not isinstance(known, dict):
        return content
    with suppress(Exception):
        known["fingerprint"] = fingerprint(
            known["spec"], known["sources"], known["results_version"]
        )
    with suppress(Exception):
        about = [*ABOUT] if "traceback" in known else [*ABOUT[:-1]]
        outputs = ("metrics", "rows", "status")
        known["hashes"] = {
            "environment": digest(known.get("environment")),
            "outputs": digest({name: known.get(name) for name in outputs}),
            "about": digest({name: known.get(name) for name in about}),
        }
    kept = {name: known[name] for name in ("fingerprint", "hashes") if name in known}
    return {**content, **kept}


def with_its_metrics(content: Any) -> Any:
    """Return the content with the metrics that its rows give, where they give any."""
    with suppress(Exception):
        metrics = {**content["metrics"], **plain(summarise(content["rows"]))}
        return {**content, "metrics": metrics}
    return content


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """Return the content of a mutated result file, its hashes made to fit."""
    content = draw(mutated(sound(), "json"))
    if draw(st.booleans()):
        content = with_its_metrics(content)
    return sealed_anew(content)


def file_of(content: Any) -> tuple[str, bytes]:
    """Return name and bytes of a result file."""
    name = content.get("fingerprint") if isinstance(content, dict) else None
    is_one = isinstance(name, str) and len(name) == 64 and set(name) <= set("0123456789abcdef")
    return f"{name if is_one else 'a' * 64}.json", as_json(content, canonical=True) + b"\n"


# -- archives ---------------------------------------------------------------------------------


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Return an archive of mutated results, or with a mutated manifest or source."""
    part = draw(st.sampled_from(("result", "result", "result", "manifest", "source", "bytes")))
    content = draw(spoilt()) if part == "result" else sound()
    code = draw(torn(CODE.encode())) if part == "source" else CODE.encode()
    manifest = _manifest(content, code)
    if part == "manifest":
        manifest = draw(mutated(manifest, "json"))
    whole = _archive(content, code, manifest)
    return draw(torn(whole)) if part == "bytes" else whole


def _both_seeds(content: Any) -> list[Any]:
    """Return the results of an archive: the same with two seeds, as far as they have one."""
    other = copy.deepcopy(content)
    try:
        other["spec"]["seed"] += 1
    except Exception:
        return [content]
    return [content, sealed_anew(other)]


def _files(content: Any, code: bytes) -> dict[str, bytes]:
    files = {f"results/{name}": text for name, text in map(file_of, _both_seeds(content))}
    records = []
    for text in files.values():
        with suppress(Exception):
            records.append(
                Record.model_validate({**json.loads(text), "rows": None}, extra="ignore")
            )
    files[SETTINGS] = canonical(settings(records)) + b"\n"
    files[SOURCE_FILE] = code
    return files


def _manifest(content: Any, code: bytes) -> dict[str, Any]:
    entrant, names = "mine", ["mine"]
    with suppress(Exception):
        entrant = content["spec"]["entrant"]["name"]
    with suppress(Exception):
        names = list(content["sources"]["strategies"])
    files = _files(content, code)
    return {
        "format": 1,
        "entrant": entrant,
        "suite": "quick",
        "asked": 5,
        "versions": {"torch": "2.9.0"},
        "sources": {name: [SOURCE_FILE] for name in names},
        "classes": dict.fromkeys(names, SOURCE.cls),
        "links": {name: [[]] for name in names},
        "files": {name: hashlib.sha256(text).hexdigest() for name, text in files.items()},
    }


def _archive(content: Any, code: bytes, manifest: Any) -> bytes:
    return zipped({MANIFEST: as_json(manifest, canonical=True) + b"\n", **_files(content, code)})


def check_archive(content: bytes, store: ResultStore) -> bool:
    """Take an archive in, and show the store; tell whether it was taken."""
    path = store.folder.parent / "mine.zip"
    path.write_bytes(content)
    before = known(store)
    taken = clean(lambda: import_archive(store, path))
    if taken is None:
        assert known(store) == before
        return False
    assert before.items() <= known(store).items()
    trust_levels(store)(taken[0].records)
    check_views(store.folder)
    return True


def known(store: ResultStore) -> dict[str, Any]:
    """Return what a store has: results by fingerprint."""
    return {one.fingerprint: one for one in store.results(report=lambda line: None)}


def test_the_archive_that_is_mutated_is_sound(store: ResultStore) -> None:
    content = sound()
    whole = _archive(content, CODE.encode(), _manifest(content, CODE.encode()))
    assert check_archive(whole, store)
    assert len(known(store)) == 6


@tries(15, 5_000)
def test_any_archive_is_refused_or_shown(tmp_path: Path, examples: int) -> None:
    def body(content: bytes) -> None:
        check_archive(content, fresh(tmp_path / "results"))

    fuzz(body, archives(), examples)


# -- stores -----------------------------------------------------------------------------------


def check_store(store: ResultStore, files: Mapping[str, bytes], before: Mapping[str, Any]) -> None:
    """Sound results are there as before, and every file that is left out is named."""
    said: list[str] = []
    for _ in range(2):  # read, and from the index
        said.clear()
        found = {one.fingerprint: one for one in store.results(report=said.append)}
        assert before.items() <= found.items()
        left_out = {name for name in files if name.removesuffix(".json") not in found}
        for name in left_out:
            assert any(line.startswith(f"left out: {store.folder / name} ") for line in said)


def put_in(store: ResultStore, contents: Sequence[Any]) -> dict[str, bytes]:
    """Put result files into a store's folder by hand, beside the sound ones."""
    files = dict(map(file_of, contents))
    for name, text in files.items():
        if not (store.folder / name).exists():
            (store.folder / name).write_bytes(text)
    return files


@tries(4, 2_000)
def test_any_result_in_the_folder_is_left_out_or_shown(tmp_path: Path, examples: int) -> None:
    def body(contents: Sequence[Any]) -> None:
        store = fresh(tmp_path / "results")
        before = known(store)
        files = put_in(store, contents)
        check_store(store, files, before)
        check_views(store.folder)
        clean(lambda: rebuild(store))
        check_store(store, files, before)
        other = fresh(tmp_path / "other")
        clean(lambda: merge(other, store.folder))
        assert before.items() <= known(other).items()

    fuzz(body, st.lists(spoilt(), min_size=1, max_size=4), examples)


ODD_ROWS: dict[str, list[Any]] = {
    "no kind": [{}],
    "a kind that is a list": [{"kind": []}],
    "a task without fields": [{"kind": "task"}],
    "a cohort without fields": [{"kind": "cohort"}],
    "ages of several types": [
        {"kind": "cohort", "layer": "a", "birth": 1, "newborns": 30, "gradient": 1, "age": age}
        for age in (1, "a", None)
    ],
    "a ratio that is a text": [{**one, "gradient": "x"} for one in ({"kind": "cohort"},)],
    "an enormous number": [{"kind": "checkpoint", "step": 1, "accuracy": 10**400}],
}


@pytest.mark.parametrize("rows", ODD_ROWS.values(), ids=ODD_ROWS.keys())
@pytest.mark.parametrize("status", ["done", "failed"])
def test_rows_that_no_run_writes_are_left_out_of_every_view(
    store: ResultStore, capsys: pytest.CaptureFixture[str], rows: list[Any], status: str
) -> None:
    reason = None if status == "done" else "made up"
    odd = {**sound(), "rows": rows, "status": status, "reason": reason}
    (name,) = put_in(store, [sealed_anew(odd)])
    check_views(store.folder)
    found = find(SELECTION, store)
    shown = {one.fingerprint: one for one in results_of(store, found.fingerprints)}
    told = f"not drawn: {store.folder / name}: " in capsys.readouterr().err
    left_out = [one for one in shown.values() if not one.rows]
    assert len(shown) == 5
    assert [f"{one.fingerprint}.json" for one in left_out] == [name] * told
    assert told or status == "failed"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("examples", [300])
def test_a_report_is_made_of_any_results(tmp_path: Path, examples: int) -> None:
    def body(contents: Sequence[Any]) -> None:
        store = fresh(tmp_path / "results")
        put_in(store, contents)
        check_views(store.folder, tmp_path / "report")

    fuzz(body, st.lists(spoilt(), min_size=1, max_size=4), examples)


JOURNAL = {
    "time": "2026-11-24T12:30:00.000000+00:00",
    "fingerprint": "b" * 64,
    "outputs": "c" * 64,
    "status": "done",
    "origin": "run",
    "previous": None,
}
ATTESTATION = {
    "format": 1,
    "archive": "a" * 64,
    "entrant": "mine",
    "suite": "quick",
    "metric": "taoa",
    "chosen_with": 3,
    "date": "2026-11-24T12:30:00+00:00",
    "checked": [],
    "results": {"b" * 64: "c" * 64},
    "environment": {"python": "3.12.1", "threads": 1},
    "level": "self-reported",
}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Return a file of the journal with a mutated line, or torn."""
    first = canonical(JOURNAL)
    second = {**JOURNAL, "previous": hashlib.sha256(first).hexdigest(), "fingerprint": "d" * 64}
    odd = as_json(draw(mutated(second, "json")))
    whole = b"\n".join((first, odd, canonical(second), b""))
    return draw(st.one_of(st.just(whole), torn(whole)))


@st.composite
def beside(draw: st.DrawFn) -> dict[str, bytes]:
    """Return files of others that lie in a store beside its results."""
    index_file = (Path(_made().name) / index.FILE).read_bytes()
    attestation = as_json(draw(mutated(ATTESTATION, "json")), canonical=True) + b"\n"
    return {
        f"journal/{'b' * 32}.jsonl": draw(lines()),
        "attestations/one.json": attestation,
        index.FILE: draw(torn(index_file)),
    }


@tries(4, 2_000)
def test_any_file_beside_the_results_is_in_nobodys_way(tmp_path: Path, examples: int) -> None:
    def body(files: Mapping[str, bytes]) -> None:
        store = fresh(tmp_path / "results")
        before = known(store)
        for name, text in files.items():
            (store.folder / name).parent.mkdir(exist_ok=True)
            (store.folder / name).write_bytes(text)
        clean(lambda: read_attestation(store.folder / "attestations/one.json"))
        assert known(store) == before
        check_views(store.folder)

    fuzz(body, beside(), examples)


@tries(100, 10_000)
def test_any_log_is_read_or_refused(tmp_path: Path, examples: int) -> None:
    store = ResultStore(tmp_path)
    path = store.log_path("a" * 64)
    path.parent.mkdir()

    def body(content: bytes) -> None:
        path.write_bytes(content)
        for row in clean(lambda: store.read_rows("a" * 64)) or []:
            assert isinstance(row, dict)

    rows = st.lists(mutated(sound()["rows"][0], "json").map(as_json), max_size=3)
    whole = rows.map(lambda every: b"".join(one + b"\n" for one in every))
    fuzz(body, st.one_of(whole, torn(as_json(sound()["rows"][0]) + b"\n")), examples)
