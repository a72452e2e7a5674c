from pathlib import Path

import numpy as np
import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data.sources import load_source, where
from tests.streams.data.made_up_files import class_folders, write_imagenet32, write_pictures


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", [".", "imagenet32"])
def test_the_published_batches_are_read_in_order_with_labels_from_0(
    tmp_path: Path, place: str, compressed: bool
) -> None:
    written = write_imagenet32(tmp_path / place, compressed=compressed)
    read = load_source("imagenet32", tmp_path)
    assert where("imagenet32", tmp_path) == (tmp_path / place).resolve()
    np.testing.assert_array_equal(read.train_x, written.train_x)
    np.testing.assert_array_equal(read.train_y, written.train_y)
    np.testing.assert_array_equal(read.test_x, written.test_x)
    np.testing.assert_array_equal(read.test_y, written.test_y)
    assert read.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("tested", ["val", "test"])
def test_class_folders_of_pictures_are_read(tmp_path: Path, tested: str) -> None:
    content = class_folders(("n01", "n02", "n03"), {"train": 3, tested: 2}, (32, 32))
    write_pictures(tmp_path / "imagenet32", content)
    read = load_source("imagenet32", tmp_path)
    trained = [pixels for path, pixels in content.items() if path.startswith("train")]
    np.testing.assert_array_equal(read.train_x.permute(0, 2, 3, 1), np.stack(trained))
    assert read.train_y.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert read.test_y.tolist() == [0, 0, 1, 1, 2, 2]


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "imagenet32", class_folders(("a", "b"), {"train": 2, "val": 1}))
    with pytest.raises(BenchError, match=r"3 channels of 5 x 4 pixels, .*3 of 32 x 32"):
        load_source("imagenet32", tmp_path)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    write_imagenet32(tmp_path / "imagenet32")
    (tmp_path / "imagenet32" / "train_data_batch_7.npz").unlink()
    with pytest.raises(BenchError, match=r"imagenet32 \(no train_data_batch_7.npz\)"):
        load_source("imagenet32", tmp_path)


@pytest.mark.parametrize("file", ["train_data_batch_3.npz", "val_data.npz"])
@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_cut_off_batch_is_named(tmp_path: Path, file: str, keep: int) -> None:
    write_imagenet32(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BenchError, match=rf"{path} is damaged: .*good copy.$"):
        load_source("imagenet32", tmp_path)
    assert not [path for path in (tmp_path / "prepared").iterdir() if path.suffix != ".lock"]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    write_imagenet32(tmp_path)
    path = tmp_path / "train_data_batch_3.npz"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(BenchError, match=rf"{path} is damaged: Bad CRC"):
        load_source("imagenet32", tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"data": np.zeros((4, 3072), np.uint8)}, "it has no array labels; it has data"),
        ({"data": np.zeros((4, 3072), np.uint8), "labels": np.zeros(4, int)}, "from 1 to 1000"),
        ({"data": np.zeros((4, 3072)), "labels": np.ones(4, int)}, "data is float64"),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": np.ones(4, int)}, "(4, 3072)"),
        ({"data": np.array([None]), "labels": np.ones(4, int)}, "only a pickle could hold them"),
    ],
)
def test_other_contents_are_named(
    tmp_path: Path, content: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]], why: str
) -> None:
    write_imagenet32(tmp_path)
    np.savez(tmp_path / "train_data_batch_2.npz", allow_pickle=True, **content)
    with pytest.raises(BenchError) as caught:
        load_source("imagenet32", tmp_path)
    assert f"{tmp_path / 'train_data_batch_2.npz'} is damaged" in str(caught.value)
    assert why in str(caught.value)
