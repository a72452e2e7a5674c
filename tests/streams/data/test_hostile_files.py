"""Data files that are not what they say: named, within bounds, and never followed without end."""

import gzip
import io
import os
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data.idx import FILES
from plasticity_bench.streams.data.npz import read_npz
from plasticity_bench.streams.data.pictures import class_folders
from plasticity_bench.streams.data.reader import Arrays, DamagedFile, counted
from plasticity_bench.streams.data.sources import load_source

from .made_up_files import class_folders as made_pictures
from .made_up_files import write_pictures

GIBIBYTE = 2**30


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def mnist(folder: Path, **changed: bytes) -> Path:
    """Write four small IDX files, packed, some of them as a test wants them."""
    contents = {
        FILES[0]: idx((8, 28, 28), bytes(8 * 784)),
        FILES[1]: idx((8,), bytes(range(4)) * 2),
        FILES[2]: idx((4, 28, 28), bytes(4 * 784)),
        FILES[3]: idx((4,), bytes(range(4))),
    }
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f"{name}.gz").write_bytes(changed.get(name[:7], gzip.compress(content)))
    return folder


def bomb(size: int) -> bytes:
    """Return a packed IDX file that unpacks to `size` bytes more than its header says."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(idx((1, 28, 28), bytes(784)))]
    parts += [packer.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join([*parts, packer.flush()])


def refused(data: Path, source: str = "mnist") -> str:
    started = time.process_time()
    with pytest.raises(BenchError) as caught:
        load_source(source, data)
    assert time.process_time() - started < 5
    return str(caught.value)


def test_small_good_files_are_read(tmp_path: Path) -> None:
    mnist(tmp_path / "MNIST" / "raw")
    assert len(load_source("mnist", tmp_path).train_x) == 8


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    mnist(tmp_path / "MNIST" / "raw", **{"train-i": bomb(GIBIBYTE)})
    assert "shape (1, 28, 28), but it has more values" in refused(tmp_path)


@pytest.mark.parametrize(
    "start",
    [
        idx((2**31, 2**31, 2), b""),
        idx((2**32 - 1,) * 3, b""),
        b"\0\0\x08\xff" + b"\xff" * 2000,
        b"\0\0\x08",
        b"",
    ],
)
def test_a_header_that_promises_too_much_is_refused(tmp_path: Path, start: bytes) -> None:
    mnist(tmp_path / "MNIST" / "raw", **{"train-i": gzip.compress(start)})
    assert "is damaged" in refused(tmp_path)


def test_test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    small = gzip.compress(idx((4, 5, 5), bytes(100)))
    mnist(tmp_path / "MNIST" / "raw", **{"t10k-im": small})
    told = refused(tmp_path)
    assert "training samples of 1 x 28 x 28" in told
    assert "test samples of 1 x 5 x 5" in told


def test_labels_that_would_make_a_huge_head_are_refused() -> None:
    x = np.zeros((3, 1, 1, 1), dtype=np.uint8)
    for labels, told in (([0, 1, 2**40], "Number its classes from 0"), ([0, 1, -1], "below 0")):
        y = np.array(labels)
        with pytest.raises(BenchError, match=told):
            counted("made", Arrays(x, y, x[:1], y[:1]))


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    folder = mnist(tmp_path / "MNIST" / "raw")
    (folder / f"{FILES[0]}.gz").unlink()
    os.mkfifo(folder / f"{FILES[0]}.gz")
    assert FILES[0] in refused(tmp_path)


def npz(path: Path, header: str, values: bytes = b"", version: int = 1, size: int = 0) -> Path:
    """Write an npz file of one array x with a header that says what a test wants."""
    text = header.encode().ljust(117) + b"\n"
    member = b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + values
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(member)
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return path


@pytest.mark.parametrize(
    ("header", "version", "told"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}", 1, "says shape"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", 1, "says shape (3,)"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 1, ""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", 1, ""),
        ("{'descr': '<f8', 'fortran_order': False}", 1, ""),
        ("__import__('os').system('true')", 1, ""),
        ("{" * 100, 1, ""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", 9, ""),
    ],
)
def test_an_array_says_no_more_than_it_has(
    tmp_path: Path, header: str, version: int, told: str
) -> None:
    path = npz(tmp_path / "x.npz", header, bytes(16), version)
    with pytest.raises(DamagedFile) as caught:
        read_npz(path, ["x"])
    assert told in caught.value.why


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", "{}", size=5 * GIBIBYTE // 64)
    with zipfile.ZipFile(path) as packed:
        claimed = packed.getinfo("x.npy").file_size
    content = bytearray(path.read_bytes())
    # Say that it unpacks to 64 times as much: in its own record and in the list at the end.
    for place in _places(content, struct.pack("<Q", claimed)) or _places(
        content, struct.pack("<I", claimed)
    ):
        content[place : place + 4] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(content)
    started = time.process_time()
    with pytest.raises(DamagedFile):
        read_npz(path, ["x"])
    assert time.process_time() - started < 5


def _places(content: bytearray, wanted: bytes) -> list[int]:
    found, place = [], content.find(wanted)
    while place >= 0:
        found.append(place)
        place = content.find(wanted, place + 1)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "pictures", made_pictures(("cat", "dog"), {"train": 2, "test": 1}))
    return tmp_path / "pictures"


def test_a_picture_of_another_format_than_its_name_is_not_given_to_other_programs(
    folder: Path, tmp_path: Path
) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n%%EndComments\nshowpage\n"
    (folder / "train" / "cat" / "zzz.png").write_bytes(eps)
    with pytest.raises(BenchError, match=r"zzz\.png cannot be read: cannot identify image file"):
        load_source("image-folder", tmp_path / "data", folder)


def test_a_picture_too_large_is_refused_before_it_is_decoded(folder: Path, tmp_path: Path) -> None:
    large = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(large, "png")
    (folder / "train" / "cat" / "aaa.png").write_bytes(large.getvalue())
    started = time.process_time()
    with pytest.raises(BenchError, match=r"aaa\.png is 12000 x 12000 pixels; at most 16,777,216"):
        load_source("image-folder", tmp_path / "data", folder)
    assert time.process_time() - started < 3


def test_links_without_end_and_pipes_are_passed_by(folder: Path, tmp_path: Path) -> None:
    expected = class_folders(folder / "train")
    cat = folder / "train" / "cat"
    (cat / "again").symlink_to(cat)
    (cat / "above").symlink_to(folder / "train")
    (cat / "self.png").symlink_to(cat / "self.png")
    os.mkfifo(cat / "pipe.png")
    (cat / "folder.png").mkdir()
    names, listing = class_folders(folder / "train")
    assert names == expected[0]
    # By the link to the folder above the dogs are cats as well; nothing is there twice by others.
    assert sorted(path for path, _ in listing if "above" not in path) == sorted(
        path for path, _ in expected[1]
    )
    load_source("image-folder", tmp_path / "data", folder)


def test_pictures_are_listed_in_the_order_of_torchvision(folder: Path) -> None:
    cat = folder / "train" / "cat"
    picture = next(cat.iterdir())
    for name in ("a/b/1.png", "a-x/2.PNG", "a/3.png", "b/4.jpeg", "a/b.c/5.png", "a/notes.txt"):
        (cat / name).parent.mkdir(parents=True, exist_ok=True)
        (cat / name).write_bytes(picture.read_bytes())
    _, number = find_classes(folder / "train")
    assert class_folders(folder / "train")[1] == make_dataset(
        folder / "train", number, IMG_EXTENSIONS
    )
