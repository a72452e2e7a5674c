import socket
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data import fetch
from plasticity_bench.streams.data.fetch import PATIENCE
from plasticity_bench.streams.data.idx import FILES
from plasticity_bench.streams.data.sources import load_source, where
from tests.streams.data.made_up_files import (
    CIFAR,
    Made,
    know_cifar,
    know_emnist,
    know_mnist,
    server,
    write_cifar,
    write_cifar_archive,
    write_emnist_archive,
    write_idx,
)

NAMES = ["mnist", "emnist", "cifar10", "cifar100"]
each_set = pytest.mark.parametrize("name", NAMES)


def publish(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, url: str) -> Made:
    """Put the files of a source where the server has them, and let torchvision know."""
    folder.mkdir(exist_ok=True)
    if name == "mnist":
        content = write_idx(folder)
        know_mnist(monkeypatch, folder, url)
    elif name == "emnist":
        content = write_emnist_archive(folder)
        know_emnist(monkeypatch, folder, url)
    else:
        content = write_cifar(folder, name)
        write_cifar_archive(folder, name)
        know_cifar(monkeypatch, folder, name, url)
    return content


def files_in(folder: Path) -> set[str]:
    """Name all files but locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)) for path in found}


@each_set
def test_a_source_is_downloaded_once_and_found_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / "data"
    with server(tmp_path / "www") as url:
        written = publish(monkeypatch, tmp_path / "www", name, url)
        read = load_source(name, data)
    expected = written.train_x.swapaxes(2, 3) if name == "emnist" else written.train_x
    np.testing.assert_array_equal(read.train_x, expected)
    place = {"mnist": "MNIST/raw", "emnist": "EMNIST/raw"}.get(name)
    assert where(name, data) == data / (place or CIFAR[name].base_folder)
    kept = {path.split("/")[0] for path in files_in(data)}
    assert kept == {"prepared", (place or CIFAR[name].base_folder).split("/")[0]}


@each_set
def test_what_was_changed_on_the_way_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / "data"
    with server(tmp_path / "www") as url:
        publish(monkeypatch, tmp_path / "www", name, url)
        for path in (path for path in (tmp_path / "www").iterdir() if path.is_file()):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        with pytest.raises(BenchError, match=r"what arrived is cut off or changed.*try again"):
            load_source(name, data)
    assert files_in(data) == set()


@each_set
def test_a_download_that_breaks_off_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / "data"
    with server(tmp_path / "www", breaks_off=True) as url:
        publish(monkeypatch, tmp_path / "www", name, url)
        with pytest.raises(BenchError, match=f"'{name}' is not here and cannot be downloaded"):
            load_source(name, data)
    assert files_in(data) == set()


def test_a_server_that_does_not_answer_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = []

    def download(self: datasets.MNIST) -> None:
        patience.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(datasets.MNIST, "download", download)
    before = socket.getdefaulttimeout()
    with pytest.raises(BenchError, match="cannot be downloaded: timed out"):
        load_source("mnist", tmp_path)
    assert patience == [PATIENCE]
    assert socket.getdefaulttimeout() == before


def test_what_a_killed_download_left_is_taken_away_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "data" / "prepared" / "mnist.part" / "MNIST" / "raw"
    write_idx(left)
    (left / f"{FILES[0]}.gz").write_bytes(b"half")
    with server(tmp_path / "www") as url:
        written = publish(monkeypatch, tmp_path / "www", "mnist", url)
        read = load_source("mnist", tmp_path / "data")
    np.testing.assert_array_equal(read.train_x, written.train_x)
    assert not left.exists()


def test_an_archive_that_was_given_is_used_before_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, tmp_path, "cifar10", "http://nowhere/")
    for path in (tmp_path / "cifar-10-batches-py").iterdir():
        path.unlink()
    monkeypatch.setattr(fetch, "_quiet_unless_terminal", lambda: pytest.fail("downloads"))
    assert load_source("cifar10", tmp_path).classes == 10
