import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.streams.data import sources
from tests.streams.data.made_up_files import class_folders, write_idx, write_pictures


@pytest.fixture(autouse=True)
def _nothing_kept_or_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network in tests")

    sources._load.cache_clear()
    monkeypatch.setattr("urllib.request.urlopen", refuse)


def call(*words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(app, ["data", *words], env={"COLUMNS": "100"})
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done


def test_where_names_every_source(tmp_path: Path) -> None:
    done = call("where", "--data", str(tmp_path))
    assert done.stdout.startswith(f"data sets are kept in {tmp_path}\n")
    assert "mnist: not there. Looked in: " in done.stdout
    assert "digits: /" in done.stdout


def test_status_shows_every_source_and_what_to_do(tmp_path: Path) -> None:
    write_idx(tmp_path)
    done = call("status", "--data", str(tmp_path))
    rows = [line.replace("│", " ").split() for line in done.stdout.splitlines() if "│" in line]
    assert ["digits", "here", "1,437", "360", "10", "0.1"] in rows
    assert ["mnist", "here", "30", "20", "10", "0.0"] in rows
    assert ["cifar10", "not", "here"] in rows
    assert len(rows) == len(sources.READERS)
    assert f"cifar10: plasticity-bench data fetch cifar10 --data {tmp_path}" in done.stdout


def test_status_for_programs(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mine", class_folders(("a", "b"), {"train": 3, "test": 2}))
    done = call("status", "--data", str(tmp_path), "--folder", str(tmp_path / "mine"), "--json")
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert set(found) == set(sources.READERS)
    mine = found["image-folder"]
    assert (mine["state"], mine["train"], mine["test"], mine["classes"]) == ("here", 6, 4, 2)
    assert mine["place"] == str(tmp_path / "mine")
    assert found["emnist"]["state"] == "not here"
    assert found["emnist"]["bytes"] is None


def test_something_damaged_is_named_and_is_status_1(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"something else"))
    done = call("status", "--data", str(tmp_path), status=1)
    assert f"mnist: the file {path} is damaged: it does not start like an IDX" in done.stdout


def test_fetch_prepares_what_is_here_and_says_what_it_has(tmp_path: Path) -> None:
    write_idx(tmp_path)
    done = call("fetch", "mnist", "digits", "--data", str(tmp_path))
    assert done.stdout.splitlines() == [
        f"mnist: preparing what is in {tmp_path}",
        "mnist: ready, 30 train and 20 test samples of 10 classes",
        "digits: ready, 1,437 train and 360 test samples of 10 classes",
    ]
    again = call("fetch", "mnist", "--data", str(tmp_path))
    assert again.stdout == "mnist: ready, 30 train and 20 test samples of 10 classes\n"


def test_a_source_that_cannot_be_fetched_does_not_stop_the_others(tmp_path: Path) -> None:
    done = call("fetch", "cifar10", "digits", "--data", str(tmp_path), status=1)
    assert "cifar10: failed: the data set 'cifar10' is not here" in done.stderr
    assert "no network in tests" in done.stderr
    assert "digits: ready" in done.stdout


def test_an_unknown_source_is_wrong_usage_before_anything_is_fetched(tmp_path: Path) -> None:
    done = call("fetch", "digits", "mnits", "--data", str(tmp_path), status=2)
    assert "error: no source 'mnits'; did you mean 'mnist'?" in done.stderr
    assert done.stdout == ""


def test_fetch_without_a_name_is_wrong_usage() -> None:
    assert "Missing argument" in call("fetch", status=2).stderr


def test_ones_own_pictures_are_prepared(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mine", class_folders(("a", "b"), {"train": 3, "test": 2}))
    words = ["--folder", str(tmp_path / "mine"), "--data", str(tmp_path)]
    done = call("fetch", "image-folder", *words)
    assert "image-folder: ready, 6 train and 4 test samples of 2 classes" in done.stdout
