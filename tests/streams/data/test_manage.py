from pathlib import Path

import numpy as np
import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data import features
from plasticity_bench.streams.data.features import FILE
from plasticity_bench.streams.data.idx import FILES
from plasticity_bench.streams.data.manage import fetch, status
from plasticity_bench.streams.data.reader import Counts
from plasticity_bench.streams.data.sources import READERS, load_source
from tests.streams.data.made_up_files import (
    class_folders,
    know_cifar,
    know_mnist,
    server,
    write_cifar,
    write_cifar_archive,
    write_idx,
    write_imagenet32,
    write_pictures,
)


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_in_an_empty_folder_only_digits_are_here_and_nothing_is_changed(tmp_path: Path) -> None:
    found = {name: status(name, tmp_path) for name in READERS}
    assert {name for name, one in found.items() if one.state != "not here"} == {"digits"}
    assert found["digits"].counts == Counts(1437, 360, 10)
    assert found["mnist"].to_do == f"plasticity-bench data fetch mnist --data {tmp_path}"
    assert "train_data_batch_1.npz" in found["imagenet32"].to_do
    assert FILE in found["mini-imagenet-features"].to_do
    assert "Set the stream's folder" in found["image-folder"].to_do
    assert files_in(tmp_path) == set()


def test_a_source_is_first_here_and_then_cached(tmp_path: Path) -> None:
    write_idx(tmp_path)
    written = files_in(tmp_path)
    here = status("mnist", tmp_path)
    assert (here.state, here.counts, here.place) == ("here", Counts(30, 20, 10), tmp_path)
    assert here.size == sum(path.stat().st_size for path in written)
    assert files_in(tmp_path) == written
    load_source("mnist", tmp_path)
    cached = status("mnist", tmp_path)
    assert (cached.state, cached.counts, cached.size) == ("cached", here.counts, here.size)
    assert cached.to_do == cached.reason == ""


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-10])
    found = status("mnist", tmp_path)
    assert found.state == "damaged"
    assert f"the file {path} is damaged: " in found.reason
    assert f"plasticity-bench data fetch mnist --data {tmp_path}" in found.reason


@pytest.mark.parametrize("part", ["train_x", "test_y"])
def test_one_changed_byte_of_a_cache_is_found_and_fetch_repairs_it(
    tmp_path: Path, part: str
) -> None:
    write_idx(tmp_path)
    load_source("mnist", tmp_path)
    (path,) = tmp_path.glob(f"prepared/*/{part}.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = status("mnist", tmp_path)
    assert found.state == "damaged"
    assert f"{path} has another checksum" in found.reason
    told: list[str] = []
    assert fetch("mnist", tmp_path, report=told.append).state == "cached"
    assert told == [f"the cache is damaged ({path} has another checksum than when it was written)"]
    assert path.read_bytes() == whole


def test_a_cut_off_cache_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path)
    load_source("mnist", tmp_path)
    (path,) = tmp_path.glob("prepared/*/test_x.npy")
    path.write_bytes(path.read_bytes()[:-1000])
    found = status("mnist", tmp_path)
    assert found.state == "damaged"
    assert f"{path} has 14,808 bytes instead of 15,808" in found.reason


def test_an_archive_counts_as_here_unless_it_is_half_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path / "made")
    archive = write_cifar_archive(tmp_path / "made")
    know_cifar(monkeypatch, tmp_path / "made")
    archive.rename(tmp_path / archive.name)
    found = status("cifar10", tmp_path)
    assert (found.state, found.place) == ("here", tmp_path / archive.name)
    content = (tmp_path / archive.name).read_bytes()
    (tmp_path / archive.name).write_bytes(content[:1000])
    found = status("cifar10", tmp_path)
    assert found.state == "damaged"
    assert f"{tmp_path / archive.name} is damaged" in found.reason
    (tmp_path / archive.name).write_bytes(content)
    told: list[str] = []
    assert fetch("cifar10", tmp_path, report=told.append).state == "cached"
    assert told[0] == f"unpacking {tmp_path / archive.name}"


def test_fetch_downloads_in_place_of_a_half_downloaded_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with server(tmp_path / "www") as url:
        write_cifar(tmp_path / "www")
        archive = write_cifar_archive(tmp_path / "www")
        know_cifar(monkeypatch, tmp_path / "www", url=url)
        (data / archive.name).write_bytes(archive.read_bytes()[:1000])
        told: list[str] = []
        assert fetch("cifar10", data, report=told.append).state == "cached"
    assert told[:1] == [f"unpacking {data / archive.name}"]
    assert f"the file {data / archive.name} is damaged" in told[1]
    assert told[2] == "downloading"


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", [".", "MNIST/raw"])
def test_fetch_downloads_in_place_of_damaged_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, packed: bool
) -> None:
    data = tmp_path / "data"
    write_idx(data / place, packed=packed)
    path = data / place / (f"{FILES[2]}.gz" if packed else FILES[2])
    path.write_bytes(path.read_bytes()[:-10])
    with server(tmp_path / "www") as url:
        written = write_idx(tmp_path / "www")
        know_mnist(monkeypatch, tmp_path / "www", url)
        told: list[str] = []
        found = fetch("mnist", data, report=told.append)
    assert (found.state, found.place) == ("cached", data / "MNIST" / "raw")
    assert any(f"the file {path} is damaged" in text for text in told)
    np.testing.assert_array_equal(load_source("mnist", data).test_x, written.test_x)


def test_damaged_files_that_cannot_be_downloaded_again_are_left_alone(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / f"{FILES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-10])
    cut = path.read_bytes()
    told: list[str] = []
    with pytest.raises(BenchError, match=r"'mnist' is damaged and cannot be downloaded again: "):
        fetch("mnist", tmp_path, report=told.append)
    assert any(f"the file {path} is damaged" in text for text in told)
    assert path.read_bytes() == cut


def test_fetch_does_nothing_where_all_is_there(tmp_path: Path) -> None:
    write_idx(tmp_path)
    load_source("mnist", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in files_in(tmp_path)}
    told: list[str] = []
    assert fetch("mnist", tmp_path, report=told.append).state == "cached"
    assert told == []
    assert {path: path.stat().st_mtime_ns for path in files_in(tmp_path)} == before


def test_what_is_not_public_is_not_fetched_but_prepared(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"'imagenet32' is not here and .* no public address"):
        fetch("imagenet32", tmp_path)
    write_imagenet32(tmp_path)
    assert fetch("imagenet32", tmp_path).counts == Counts(60, 6, 12)


def test_damaged_files_that_are_not_public_are_named(tmp_path: Path) -> None:
    write_imagenet32(tmp_path)
    path = tmp_path / "train_data_batch_10.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BenchError, match=rf"{path} is damaged"):
        fetch("imagenet32", tmp_path)
    assert status("imagenet32", tmp_path).state == "damaged"


def test_ones_own_pictures_are_checked_and_prepared(tmp_path: Path) -> None:
    content = class_folders(("a", "b"), {"train": 3, "test": 2})
    write_pictures(tmp_path / "mine", content)
    data, mine = tmp_path / "data", tmp_path / "mine"
    here = status("image-folder", data, mine)
    assert (here.state, here.counts) == ("here", Counts(6, 4, 2))
    assert here.to_do.endswith(f"fetch image-folder --folder {mine} --data {data}")
    assert fetch("image-folder", data, mine).state == "cached"
    path = mine / "train" / "a" / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    found = status("image-folder", data, mine)
    assert found.state == "damaged"
    assert f"the picture {path} cannot be read" in found.reason


def test_pictures_with_weights_are_checked_without_computing_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "mini-imagenet", class_folders(("a", "b"), {"": 5}))
    (tmp_path / features.weights_name()).write_bytes(b"made up")
    assert "its checksum is wrong" in status("mini-imagenet-features", tmp_path).reason
    monkeypatch.setattr(features, "_hash_prefix", lambda _: "")
    monkeypatch.setattr(features, "network_features", lambda *_: pytest.fail("computes"))
    found = status("mini-imagenet-features", tmp_path)
    assert (found.state, found.counts) == ("here", Counts(8, 2, 2))
