from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data import pictures, sources
from plasticity_bench.streams.data.sources import load_source, missing, where
from tests.streams.data.made_up_files import class_folders
from tests.streams.data.made_up_files import write_pictures as write

Picture = NDArray[np.uint8]
PARTS = {"train": 3, "test": 2}
CLASSES = ("cat", "dog")


def made(grey: bool = False) -> dict[str, Picture]:
    """Return pictures of 5 x 4 pixels by path, classes in alphabetical order."""
    content = class_folders(CLASSES, PARTS)
    return {path: pixels[..., 0] for path, pixels in content.items()} if grey else content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "pictures", made())
    return tmp_path / "pictures"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def caches(data: Path) -> list[Path]:
    return [path for path in (data / "prepared").iterdir() if path.is_dir()]


def part(content: dict[str, Picture], name: str) -> Picture:
    chosen = [pixels for path, pixels in content.items() if path.startswith(name)]
    return np.stack(chosen)


def test_pictures_are_decoded_with_labels_in_alphabetical_order(folder: Path, data: Path) -> None:
    read = load_source("image-folder", data, folder)
    np.testing.assert_array_equal(read.train_x.numpy(), part(made(), "train").transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(read.test_x.numpy(), part(made(), "test").transpose(0, 3, 1, 2))
    assert read.train_y.tolist() == [0, 0, 0, 1, 1, 1]
    assert read.test_y.tolist() == [0, 0, 1, 1]
    assert read.classes == 2


def test_channels_are_standardised_by_the_training_pictures(folder: Path, data: Path) -> None:
    read = load_source("image-folder", data, folder)
    pixels = part(made(), "train") / 255
    assert read.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)))
    assert read.std == pytest.approx(pixels.std(axis=(0, 1, 2)))
    entering = read.network_input(read.train_x)
    assert entering.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert entering.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_constant_channel_stays_finite(tmp_path: Path, data: Path) -> None:
    flat = {path: np.full((4, 5, 3), 7, dtype=np.uint8) for path in made()}
    write(tmp_path / "flat", flat)
    read = load_source("image-folder", data, tmp_path / "flat")
    assert read.std == (1.0, 1.0, 1.0)
    assert read.network_input(read.test_x).abs().max().item() < 1e-6


def test_grey_pictures_have_one_channel(tmp_path: Path, data: Path) -> None:
    write(tmp_path / "grey", made(grey=True))
    read = load_source("image-folder", data, tmp_path / "grey")
    np.testing.assert_array_equal(read.train_x[:, 0].numpy(), part(made(grey=True), "train"))
    assert read.train_x.shape[1] == 1


def test_one_coloured_picture_among_grey_ones_gives_three_channels(
    tmp_path: Path, data: Path
) -> None:
    last = "test/dog/1.png"
    write(tmp_path / "mixed", {**made(grey=True), last: made()[last]})
    read = load_source("image-folder", data, tmp_path / "mixed")
    assert read.train_x.shape == (6, 3, 4, 5)
    np.testing.assert_array_equal(read.test_x[-1].permute(1, 2, 0).numpy(), made()[last])
    np.testing.assert_array_equal(read.train_x[:, 2].numpy(), part(made(grey=True), "train"))


def test_pictures_are_decoded_once(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_source("image-folder", data, folder)
    monkeypatch.setattr(pictures, "decode", lambda *_: pytest.fail("decoded again"))
    sources._load.cache_clear()
    assert load_source("image-folder", data, folder).digest == first.digest
    assert len(caches(data)) == 1


def test_a_changed_picture_is_decoded_again(folder: Path, data: Path) -> None:
    first = load_source("image-folder", data, folder)
    sources._load.cache_clear()
    write(folder, {"train/cat/0.png": np.zeros((4, 5, 3), dtype=np.uint8)})
    second = load_source("image-folder", data, folder)
    assert second.digest != first.digest
    assert second.train_x[0].sum().item() == 0
    assert len(caches(data)) == 1


def test_another_folder_has_a_cache_of_its_own(folder: Path, data: Path, tmp_path: Path) -> None:
    write(tmp_path / "others", made(grey=True))
    load_source("image-folder", data, folder)
    load_source("image-folder", data, tmp_path / "others")
    assert len(caches(data)) == 2


def test_the_digest_does_not_depend_on_where_the_folder_is(
    folder: Path, data: Path, tmp_path: Path
) -> None:
    write(tmp_path / "elsewhere" / "copy", made())
    first = load_source("image-folder", data, folder)
    assert load_source("image-folder", data, tmp_path / "elsewhere" / "copy").digest == first.digest


def test_a_picture_of_another_size_is_named_with_both_sizes(folder: Path, data: Path) -> None:
    write(folder, {"test/dog/0.png": np.zeros((9, 8, 3), dtype=np.uint8)})
    with pytest.raises(BenchError, match=r"test/dog/0.png is 8 x 9 pixels, .*0.png is 5 x 4"):
        load_source("image-folder", data, folder)
    assert caches(data) == []


@pytest.mark.parametrize("keep", [0, 20, -60])
def test_a_damaged_picture_is_named(folder: Path, data: Path, keep: int) -> None:
    path = folder / "train" / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BenchError, match=rf"{path} cannot be read: .*Replace it"):
        load_source("image-folder", data, folder)
    assert caches(data) == []


def test_a_picture_of_16_bits_is_refused(folder: Path, data: Path) -> None:
    deep = np.full((4, 5), 40_000, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "train" / "cat" / "0.png")
    with pytest.raises(BenchError, match=r"cat/0.png has more than 8 bits a channel"):
        load_source("image-folder", data, folder)


def test_a_test_class_without_training_pictures_gets_the_nearest_name(
    folder: Path, data: Path
) -> None:
    (folder / "test" / "dog").rename(folder / "test" / "dogs")
    with pytest.raises(BenchError, match=r"no training class 'dogs'; did you mean 'dog'\?"):
        load_source("image-folder", data, folder)


def test_a_class_folder_without_pictures_is_named(folder: Path, data: Path) -> None:
    (folder / "train" / "bird").mkdir()
    with pytest.raises(
        BenchError, match=r"no picture in .*/train for the classes bird. Put pictures"
    ):
        load_source("image-folder", data, folder)


def test_a_test_folder_without_pictures_is_refused(folder: Path, data: Path) -> None:
    for path in (folder / "test").glob("*/*.png"):
        path.unlink()
    with pytest.raises(BenchError, match="no picture in"):
        load_source("image-folder", data, folder)


def test_a_folder_without_both_parts_gives_one_clear_message(folder: Path, data: Path) -> None:
    (folder / "test").rename(folder / "validation")
    with pytest.raises(BenchError, match=r"\(no folder test in it\)\. Set the stream's folder"):
        load_source("image-folder", data, folder)


def test_no_folder_at_all_says_which_setting_to_set(data: Path) -> None:
    with pytest.raises(BenchError, match=r"none was given\. Set the stream's folder"):
        load_source("image-folder", data)


def test_where_finds_the_pictures(folder: Path, data: Path) -> None:
    assert where("image-folder", data, folder) == folder
    assert where("image-folder", data, folder / "train") is None
    assert "(no folder train in it)" in missing("image-folder", data, folder / "train")


def test_a_data_folder_that_cannot_be_written_to_is_named(folder: Path, data: Path) -> None:
    data.write_text("a file in the way")
    with pytest.raises(BenchError, match=f"cannot keep prepared data in {data}"):
        load_source("image-folder", data, folder)
