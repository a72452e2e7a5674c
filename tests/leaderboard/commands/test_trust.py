"""`submit`, `verify` and `import`, as users type them, with runs that are really made again."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.metrics.summary import summarise
from plasticity_bench.leaderboard.store.result import sealed
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.trust.archive_reading import read_archive

from ..conftest import MakeDraft
from ..trust import archives

SMALL = [
    *("--stream", "permuted-digits(tasks=2,batch_size=200)"),
    *("--stream", "shifting-labels-digits(tasks=2,batch_size=200)"),
    *("--seeds", "0:2"),
]
HERE = ("--workers", "1")


def call(*words: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "120"})
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    call("run", *SMALL, "--entrant", "reset", *HERE, "--results", folder)
    return folder


@pytest.fixture
def packed(results: Path, tmp_path: Path) -> Path:
    out = tmp_path / "mine.zip"
    call("submit", *SMALL, "--entrant", "reset", "--results", results, "--out", out)
    return out


def test_submit_packs_all_results_and_says_so(results: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for out in outs:
        done = call("submit", *SMALL, "--entrant", "reset", "--results", results, "--out", out)
        assert f"{out} has 4 results of reset; SHA-256 " in done.stdout
    assert outs[0].read_bytes() == outs[1].read_bytes()
    archive = read_archive(outs[0])
    assert archive.manifest.suite == "quick"
    assert archive.manifest.sources.keys() == {"reset"}
    more = [*SMALL[:-1], "0:5"]
    done = call("submit", *more, "--entrant", "reset", "--results", results, "--out", outs[1])
    assert "6 of 10 runs have no result: run what is missing to submit all." in done.stderr


def test_submit_of_what_was_not_run_is_refused(results: Path, tmp_path: Path) -> None:
    words = ("--results", results, "--out", tmp_path / "mine.zip")
    done = call("submit", *SMALL, "--entrant", "dense", *words, status=2)
    assert "no results of dense in" in done.stderr
    done = call("submit", *SMALL, "--entrant", "rest", *words, status=2)
    assert "did you mean 'reset'?" in done.stderr


def test_an_entrant_with_a_hostile_name_is_not_run(tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'name = "mine"\ndescription = "made up"\nseeds = "0:1"\n'
        'streams = ["permuted-digits(tasks=2,batch_size=200)"]\n'
        'entrants = [{ name = "<img src=x onerror=alert(1)>", strategies = "dense" }]\n',
        encoding="utf-8",
    )
    done = call("run", suite, *HERE, "--results", tmp_path / "results", status=2)
    assert "'<img src=x onerror=alert(1)>', has markup in it, <" in done.stderr
    assert not (tmp_path / "results").exists()


def test_an_archive_is_not_written_over_a_folder(results: Path, tmp_path: Path) -> None:
    words = ("--entrant", "reset", "--results", results, "--out", tmp_path)
    done = call("submit", *SMALL, *words, status=1)
    assert f"cannot write to {tmp_path}: Is a directory" in done.stderr


def test_runs_that_are_made_again_agree_and_are_attested(packed: Path, tmp_path: Path) -> None:
    done = call("verify", packed, *HERE, "--seed", "3")
    assert "reset is verified: 3 of 4 runs made again (choice 3), 3 agree" in done.stdout
    attestation = packed.with_name("mine.zip.verified.json")
    content = json.loads(attestation.read_text(encoding="utf-8"))
    assert {one["stream"] for one in content["checked"]} == {
        "permuted-digits",
        "shifting-labels-digits",
    }
    assert all(one["agrees"] and one["deviation"] <= 0.01 for one in content["checked"])
    other = tmp_path / "other"
    done = call("import", packed, "--results", other)
    assert "reset: 4 results added, 0 were here, 0 conflicts; self-reported." in done.stdout
    done = call("import", packed, "--attestation", attestation, "--results", other, "--json")
    found = json.loads(done.stdout)
    assert (found["kept"], found["trust"]) == (4, "verified")
    call("store", "verify", "--results", other)


def spoilt(results: Path, folder: Path, online_accuracy: float | None = None, **parts: Any) -> Path:
    """Return a folder of results with other parts, and metrics and hashes made to fit."""
    store = ResultStore(folder)
    for result in ResultStore(results).results():
        content = {**result.model_dump(exclude_unset=True), **parts}
        for row in content["rows"]:
            if row["kind"] == "task" and online_accuracy is not None:
                row["online_accuracy"] = online_accuracy
        content["metrics"] = {**result.metrics, **summarise(content["rows"])}
        name = fingerprint(content["spec"], content["sources"], content["results_version"])
        store.write(sealed({**content, "fingerprint": name}))
    return folder


def test_better_numbers_than_the_code_gives_are_found_out(results: Path, tmp_path: Path) -> None:
    lies = spoilt(results, tmp_path / "lies", online_accuracy=0.999)
    out = tmp_path / "lies.zip"
    call("submit", *SMALL, "--entrant", "reset", "--results", lies, "--out", out)
    done = call("verify", out, *HERE, "--runs", "1", status=1)
    assert "taoa is off by more than 0.02" in done.stdout
    assert "reset is self-reported: 1 of 4 runs made again" in done.stdout
    attestation = json.loads((tmp_path / "lies.zip.verified.json").read_text(encoding="utf-8"))
    assert attestation["level"] == "self-reported"


def test_results_of_another_version_are_not_submitted(results: Path, tmp_path: Path) -> None:
    old = spoilt(results, tmp_path / "old", results_version=0)
    words = ("--results", old, "--out", tmp_path / "old.zip")
    done = call("submit", *SMALL, "--entrant", "reset", *words, status=2)
    assert "left out: 4 results that were made with other code" in done.stderr


def test_a_damaged_archive_and_a_wrong_suite_are_refused(packed: Path, tmp_path: Path) -> None:
    done = call("verify", packed, "--suite", "quik", status=2)
    assert "did you mean 'quick'?" in done.stderr
    packed.write_bytes(packed.read_bytes()[:-5])
    commands: list[list[str | Path]] = [["verify"], ["import", "--results", tmp_path / "none"]]
    for words in commands:
        done = call(*words, packed, status=2)
        assert "is refused: it is not a zip archive as submit writes them" in done.stderr
    assert not (tmp_path / "none").exists()


def test_an_archive_of_before_is_taken_in_but_cannot_be_verified(
    make_draft: MakeDraft, tmp_path: Path
) -> None:
    def before(draft: dict[str, Any]) -> None:
        draft["sources"]["strategies"] = {"mine": archives.OLD_HASH}

    path = tmp_path / "old.zip"
    made = archives.archive([archives.result(make_draft, before)])
    path.write_bytes(archives.of_before(made))
    done = call("verify", path, *HERE, status=2)
    assert "nobody can say whether the code that is installed here is the same" in done.stderr
    done = call("import", path, "--results", tmp_path / "store")
    assert "mine: 1 result added" in done.stdout
