import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data import idx
from plasticity_bench.streams.data.emnist import EmnistReader
from plasticity_bench.streams.data.idx import FILES
from plasticity_bench.streams.data.sources import load_source, where
from tests.streams.data.made_up_files import (
    Made,
    know_emnist,
    made,
    write_emnist,
    write_emnist_archive,
    write_idx,
)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "."),
        ("mnist", "MNIST/raw"),
        ("mnist", "mnist"),
        ("fashion-mnist", "."),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "debian/fashion-mnist"),
    ],
)
def test_idx_files_are_found_and_read_without_download(
    tmp_path: Path, name: str, place: str, packed: bool
) -> None:
    written = write_idx(tmp_path / place, packed=packed)
    read = load_source(name, tmp_path)
    assert where(name, tmp_path) == (tmp_path / place).resolve()
    np.testing.assert_array_equal(read.train_x, written.train_x)
    np.testing.assert_array_equal(read.train_y, written.train_y)
    np.testing.assert_array_equal(read.test_x, written.test_x)
    np.testing.assert_array_equal(read.test_y, written.test_y)
    assert read.train_x.dtype == torch.uint8
    assert read.train_y.dtype == torch.int64
    assert read.scale == pytest.approx(1 / 255)


def test_the_digest_depends_on_the_pixels_not_on_packing(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", packed=True)
    write_idx(tmp_path / "b", packed=False)
    write_idx(tmp_path / "c", packed=False)
    file = tmp_path / "c" / FILES[0]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    a, b, c = (load_source("mnist", tmp_path / folder).digest for folder in "abc")
    assert a == b != c


def know_these(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """Make the unpacked files of a folder those of the true data set."""
    sums = [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES]
    monkeypatch.setattr(idx, "KNOWN", {name: tuple(sums)})


def test_files_of_another_data_set_are_not_taken_for_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path, packed=False)
    know_these(monkeypatch, tmp_path, "fashion-mnist")
    assert where("fashion-mnist", tmp_path) == tmp_path
    assert where("mnist", tmp_path) is None
    with pytest.raises(BenchError, match=r"\(holds fashion-mnist\)"):
        load_source("mnist", tmp_path)


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_a_known_data_set_with_one_changed_byte_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    write_idx(tmp_path, packed=False)
    know_these(monkeypatch, tmp_path, "mnist")
    content = bytearray((tmp_path / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(BenchError, match=rf"{tmp_path / file} is damaged: its checksum is wrong"):
        load_source("mnist", tmp_path)


def test_the_checksums_of_known_data_sets_are_those_of_their_own_files() -> None:
    sums = [one for known in idx.KNOWN.values() for one in known]
    assert len(set(sums)) == len(sums) == 8
    assert all(len(one) == 64 for one in sums)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("file", FILES)
def test_a_truncated_file_is_named_with_what_to_do(tmp_path: Path, file: str, packed: bool) -> None:
    write_idx(tmp_path, packed=packed)
    path = tmp_path / (f"{file}.gz" if packed else file)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BenchError, match=rf"{path} is damaged.*good copy.*data fetch mnist --data"):
        load_source("mnist", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"<html>not found</html>", b"\0\0\x08\x03\0\0"])
def test_a_file_that_is_not_idx_is_named(tmp_path: Path, content: bytes) -> None:
    write_idx(tmp_path, packed=False)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=f"{path} is damaged"):
        load_source("mnist", tmp_path)


def test_a_gz_file_with_a_flipped_byte_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BenchError, match=f"{path} is damaged"):
        load_source("mnist", tmp_path)


def test_images_and_labels_of_different_length_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    train, test = (tmp_path / f"{part}-labels-idx1-ubyte.gz" for part in ("train", "t10k"))
    train.write_bytes(test.read_bytes())
    with pytest.raises(BenchError, match=r"do not belong together: images \(30, 28, 28\)"):
        load_source("mnist", tmp_path)


# EMNIST


def lying() -> Made:
    """Make EMNIST's content with a first picture that is black but for its upper right corner."""
    content = made(94, 47, 47)
    content.train_x[0] = 0
    content.train_x[0, 0, 27, 0] = 255  # as stored: transposed
    return content


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", [".", "EMNIST/raw", "emnist", "gzip"])
def test_emnist_is_found_and_turned_upright(tmp_path: Path, place: str, packed: bool) -> None:
    written = write_emnist(tmp_path / place, lying(), packed)
    read = load_source("emnist", tmp_path)
    assert read.train_x[0].nonzero().tolist() == [[0, 0, 27]]
    np.testing.assert_array_equal(read.train_x, written.train_x.swapaxes(2, 3))
    np.testing.assert_array_equal(read.test_x, written.test_x.swapaxes(2, 3))
    np.testing.assert_array_equal(read.train_y, written.train_y)
    np.testing.assert_array_equal(read.test_y, written.test_y)
    assert read.classes == 47
    assert read.train_x.is_contiguous()


def test_files_of_mnist_are_not_taken_for_emnist(tmp_path: Path) -> None:
    write_idx(tmp_path)
    assert where("emnist", tmp_path) is None


@pytest.mark.parametrize("place", [".", "EMNIST/raw"])
def test_the_emnist_archive_is_unpacked_and_only_the_balanced_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    written = write_emnist_archive(tmp_path / place)
    know_emnist(monkeypatch, tmp_path / place)
    read = load_source("emnist", tmp_path)
    np.testing.assert_array_equal(read.train_x, written.train_x.swapaxes(2, 3))
    files = {path.name for path in (tmp_path / "EMNIST" / "raw").iterdir()} - {"gzip.zip"}
    assert files == set(EmnistReader.names)


def test_a_half_downloaded_emnist_archive_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_emnist_archive(tmp_path)
    know_emnist(monkeypatch, tmp_path)
    archive = tmp_path / "gzip.zip"
    archive.write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(BenchError, match=rf"{archive} is damaged.*5,000 bytes.*fetch emnist"):
        load_source("emnist", tmp_path)
    assert archive.stat().st_size == 5000
    assert not (tmp_path / "EMNIST").exists()


def test_a_truncated_emnist_file_is_named(tmp_path: Path) -> None:
    write_emnist(tmp_path)
    path = tmp_path / f"{EmnistReader.names[0]}.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:-784]))
    with pytest.raises(BenchError, match=rf"{path} is damaged: its header says shape"):
        load_source("emnist", tmp_path)
