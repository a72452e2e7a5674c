from pathlib import Path

import numpy as np
import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data.sources import load_source, where
from tests.streams.data.made_up_files import CIFAR, know_cifar, write_cifar, write_cifar_archive

each_set = pytest.mark.parametrize("name", CIFAR)


@each_set
@pytest.mark.parametrize("named", ["folder above", "folder itself"])
def test_cifar_batches_are_read_channel_by_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, named: str
) -> None:
    written = write_cifar(tmp_path, name)
    know_cifar(monkeypatch, tmp_path, name)
    place = tmp_path / CIFAR[name].base_folder
    read = load_source(name, tmp_path if named == "folder above" else place)
    np.testing.assert_array_equal(read.train_x, written.train_x)
    np.testing.assert_array_equal(read.test_x, written.test_x)
    np.testing.assert_array_equal(read.train_y, written.train_y)
    np.testing.assert_array_equal(read.test_y, written.test_y)
    assert read.classes == {"cifar10": 10, "cifar100": 100}[name]
    assert read.mean == (0.4914, 0.4822, 0.4465)
    assert read.std == (0.2470, 0.2435, 0.2616)


@each_set
def test_a_damaged_cifar_batch_is_named_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_cifar(tmp_path, name)
    know_cifar(monkeypatch, tmp_path, name)
    path = tmp_path / CIFAR[name].base_folder / CIFAR[name].train_list[-1][0]
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(BenchError, match=rf"{path} is damaged: its checksum.*data fetch {name}"):
        load_source(name, tmp_path)


@each_set
def test_a_cifar_archive_in_the_data_folder_is_unpacked_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_cifar(tmp_path, name)
    archive = write_cifar_archive(tmp_path, name)
    know_cifar(monkeypatch, tmp_path, name)
    other = tmp_path / "other" / archive.name
    other.parent.mkdir()
    archive.rename(other)
    unpacked = load_source(name, other.parent)
    assert unpacked.digest == load_source(name, tmp_path).digest
    assert other.is_file()
    assert where(name, other.parent) == other.parent / CIFAR[name].base_folder


@each_set
@pytest.mark.parametrize("left", [0.5, 0.999])
def test_a_half_downloaded_cifar_archive_is_named_left_alone_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, left: float
) -> None:
    write_cifar(tmp_path / "true", name)
    archive = write_cifar_archive(tmp_path / "true", name)
    know_cifar(monkeypatch, tmp_path / "true", name)
    content = archive.read_bytes()[: int(archive.stat().st_size * left)]
    (tmp_path / archive.name).write_bytes(content)
    expected = rf"{tmp_path / archive.name} is damaged: .*half downloaded.*data fetch {name} --data"
    with pytest.raises(BenchError, match=expected):
        load_source(name, tmp_path)
    assert (tmp_path / archive.name).read_bytes() == content
    assert not (tmp_path / CIFAR[name].base_folder).exists()
    assert not [path for path in (tmp_path / "prepared").iterdir() if path.suffix != ".lock"]


def test_a_missing_cifar_batch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path)
    know_cifar(monkeypatch, tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").unlink()
    with pytest.raises(BenchError, match=r"cifar-10-batches-py \(no data_batch_2\)"):
        load_source("cifar10", tmp_path)
