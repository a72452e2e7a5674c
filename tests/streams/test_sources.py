import gzip
import hashlib
import pickle
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torchvision import datasets

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams import idx
from plasticity_bench.streams.sources import (
    PATIENCE,
    READERS,
    default_data_dir,
    load_source,
    missing,
    where,
)

WriteIdx = Callable[..., dict[str, NDArray[np.uint8]]]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture(autouse=True)
def _no_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(idx, "DEBIAN", tmp_path / "debian")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


# digits


def test_digits_are_split_into_1437_and_360_images_of_8_by_8(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    assert digits.train_x.shape == (1437, 1, 8, 8)
    assert digits.test_x.shape == (360, 1, 8, 8)
    assert (digits.classes, digits.mean, digits.std) == (10, (0.0,), (1.0,))
    entering = digits.network_input(digits.train_x)
    assert (entering.min().item(), entering.max().item()) == (0.0, 1.0)


def test_digits_of_both_parts_together_are_those_of_scikit_learn(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    ours = torch.cat([digits.train_x, digits.test_x]).flatten(1).numpy()
    labelled = np.column_stack([ours, torch.cat([digits.train_y, digits.test_y]).numpy()])
    pixels, target = load_digits(return_X_y=True)
    theirs = np.column_stack([pixels, target]).astype(np.int64)
    assert sorted(map(tuple, labelled.tolist())) == sorted(map(tuple, theirs.tolist()))


def test_every_class_of_digits_is_split_alike(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    tested = digits.test_y.bincount()
    whole = tested + digits.train_y.bincount()
    assert ((tested - whole / 5).abs() < 1).all()


def test_the_digest_of_digits_never_changes(tmp_path: Path) -> None:
    expected = "5bb425ed595a20a625b427864eec2bc46336c27872e2c2c5ecb78fbca39f91d8"
    assert load_source("digits", tmp_path).digest == expected


def test_a_source_is_loaded_once_per_process(tmp_path: Path) -> None:
    first = load_source("digits", tmp_path)
    assert load_source("digits", tmp_path / "nowhere" / "..") is first


# IDX files


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
    tmp_path: Path, write_idx: WriteIdx, name: str, place: str, packed: bool
) -> None:
    made = write_idx(tmp_path / place, packed)
    read = load_source(name, tmp_path)
    assert where(name, tmp_path) == (tmp_path / place).resolve()
    for tensor, key in [
        (read.train_x[:, 0], "train-images-idx3-ubyte"),
        (read.train_y, "train-labels-idx1-ubyte"),
        (read.test_x[:, 0], "t10k-images-idx3-ubyte"),
        (read.test_y, "t10k-labels-idx1-ubyte"),
    ]:
        np.testing.assert_array_equal(tensor.numpy(), made[key])
    assert read.train_x.dtype == torch.uint8
    assert read.train_y.dtype == torch.int64
    assert read.scale == pytest.approx(1 / 255)


def test_the_digest_depends_on_the_pixels_not_on_packing(
    tmp_path: Path, write_idx: WriteIdx
) -> None:
    write_idx(tmp_path / "a", packed=True)
    made = write_idx(tmp_path / "b", packed=False)
    write_idx(tmp_path / "c", packed=False)
    file = tmp_path / "c" / "train-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    a, b, c = (load_source("mnist", tmp_path / folder).digest for folder in "abc")
    assert len(made) == 4
    assert a == b != c


def test_files_of_another_data_set_are_not_taken_for_the_one_asked_for(
    tmp_path: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path)
    labels = gzip.decompress((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes())
    known = {hashlib.sha256(labels).hexdigest(): "fashion-mnist"}
    monkeypatch.setattr(idx, "KNOWN_LABELS", known)
    assert where("fashion-mnist", tmp_path) == tmp_path
    assert where("mnist", tmp_path) is None
    with pytest.raises(BenchError, match=r"\(holds fashion-mnist\)"):
        load_source("mnist", tmp_path)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("file", idx.FILES)
def test_a_truncated_file_is_named(
    tmp_path: Path, write_idx: WriteIdx, file: str, packed: bool
) -> None:
    write_idx(tmp_path, packed)
    path = tmp_path / (f"{file}.gz" if packed else file)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BenchError, match=rf"{path} is damaged.*good copy"):
        load_source("mnist", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"<html>not found</html>", b"\0\0\x08\x03\0\0"])
def test_a_file_that_is_not_idx_is_named(
    tmp_path: Path, write_idx: WriteIdx, content: bytes
) -> None:
    write_idx(tmp_path, packed=False)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=f"{path} is damaged"):
        load_source("mnist", tmp_path)


def test_a_gz_file_with_a_flipped_byte_is_named(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BenchError, match=f"{path} is damaged"):
        load_source("mnist", tmp_path)


def test_images_and_labels_of_different_length_are_refused(
    tmp_path: Path, write_idx: WriteIdx
) -> None:
    write_idx(tmp_path)
    train, test = (tmp_path / f"{part}-labels-idx1-ubyte.gz" for part in ("train", "t10k"))
    train.write_bytes(test.read_bytes())
    with pytest.raises(BenchError, match=r"do not belong together: images \(30, 28, 28\)"):
        load_source("mnist", tmp_path)


# missing data and downloads


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_data_that_cannot_be_downloaded_gives_one_clear_message(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_source(name, tmp_path)
    text = str(caught.value)
    assert f"'{name}' is not here and cannot be downloaded: <urlopen error no network" in text
    assert "\n" not in text
    for word in ("Looked in", str(tmp_path), "Put ", "--data", "PLASTICITY_BENCH_DATA", "digits"):
        assert word in text
    assert caught.value.__suppress_context__
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_gives_the_same_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="'mnist' is not here and cannot be downloaded"):
        load_source("mnist", tmp_path / "file")


def test_a_download_lands_in_torchvisions_folder_and_is_used_from_then_on(
    tmp_path: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = []

    def download(self: datasets.MNIST) -> None:
        patience.append(socket.getdefaulttimeout())
        write_idx(Path(self.raw_folder), packed=False)

    monkeypatch.setattr(datasets.MNIST, "download", download)
    before = socket.getdefaulttimeout()
    digest = load_source("mnist", tmp_path).digest
    assert patience == [PATIENCE]
    assert socket.getdefaulttimeout() == before
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]
    monkeypatch.undo()
    assert where("mnist", tmp_path) == tmp_path / "MNIST" / "raw"
    assert load_source("mnist", tmp_path).digest == digest


def test_a_download_that_breaks_off_leaves_nothing_behind(
    tmp_path: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(self: datasets.MNIST) -> None:
        write_idx(Path(self.raw_folder))
        raise TimeoutError("timed out")

    monkeypatch.setattr(datasets.MNIST, "download", download)
    with pytest.raises(BenchError, match="cannot be downloaded: timed out"):
        load_source("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_source_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no source 'mnits'; did you mean 'mnist'\?"):
        load_source("mnits", tmp_path)


def test_where_tells_what_is_here_and_missing_tells_what_to_do(
    tmp_path: Path, write_idx: WriteIdx
) -> None:
    write_idx(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    here = {name for name in READERS if where(name, tmp_path) is not None}
    assert here == {"digits"}
    assert f"{tmp_path / 'MNIST' / 'raw'} (no t10k-labels-idx1-ubyte)" in missing("mnist", tmp_path)


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASTICITY_BENCH_DATA", "~/sets")
    assert default_data_dir() == Path.home() / "sets"
    monkeypatch.delenv("PLASTICITY_BENCH_DATA")
    assert default_data_dir() == Path.home() / ".cache/plasticity-bench/data"


# CIFAR


@pytest.fixture
def cifar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[NDArray[np.uint8], list[int]]]:
    """Write two training batches and a test batch; return what they hold."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.RandomState(2)
    made = {}
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        made[name] = random.randint(0, 256, (10, 3072), dtype=np.uint8), list(range(10))
        entry = {"data": made[name][0], "labels": made[name][1]}
        (folder / name).write_bytes(pickle.dumps(entry))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    sums = {path.name: md5(path) for path in folder.iterdir()}
    trained = [[name, sums[name]] for name in ("data_batch_1", "data_batch_2")]
    meta = {**datasets.CIFAR10.meta, "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", trained)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return made


@pytest.mark.parametrize("named", [".", "cifar-10-batches-py"])
def test_cifar_batches_are_read_channel_by_channel(
    tmp_path: Path, cifar: dict[str, tuple[NDArray[np.uint8], list[int]]], named: str
) -> None:
    read = load_source("cifar10", tmp_path / named)
    expected = np.concatenate([cifar["data_batch_1"][0], cifar["data_batch_2"][0]])
    np.testing.assert_array_equal(read.train_x.numpy(), expected.reshape(20, 3, 32, 32))
    np.testing.assert_array_equal(read.test_x.flatten(1).numpy(), cifar["test_batch"][0])
    assert read.train_y.tolist() == [*range(10), *range(10)]
    assert read.mean == (0.4914, 0.4822, 0.4465)
    assert read.std == (0.2470, 0.2435, 0.2616)


@pytest.mark.usefixtures("cifar")
def test_a_damaged_cifar_batch_is_named_and_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(BenchError, match=f"{path} is damaged: its checksum is wrong"):
        load_source("cifar10", tmp_path)


@pytest.mark.usefixtures("cifar")
def test_a_cifar_archive_in_the_data_folder_is_unpacked_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "other" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    unpacked = load_source("cifar10", archive.parent)
    assert unpacked.digest == load_source("cifar10", tmp_path).digest
    assert archive.is_file()
    assert where("cifar10", archive.parent) == archive.parent / "cifar-10-batches-py"
