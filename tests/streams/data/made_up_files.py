"""Small data sets in the true on-disk formats, checksums included, and a server for downloads.

Every maker takes the folder to write into and returns what it wrote. Where torchvision knows a
checksum, `know_cifar` and `know_emnist` make it know the made-up ones for one test.
"""

import contextlib
import gzip
import hashlib
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision import datasets

from plasticity_bench.streams.data.emnist import EmnistReader
from plasticity_bench.streams.data.idx import FILES

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Made:
    """What is in the files: images (N, channels, height, width) as stored, labels (N,)."""

    train_x: Bytes
    train_y: NDArray[np.int64]
    test_x: Bytes
    test_y: NDArray[np.int64]


def made(
    train: int, test: int, classes: int, image: Sequence[int] = (1, 28, 28), seed: int = 1
) -> Made:
    """Make random images whose classes take turns."""
    random = np.random.RandomState(seed)
    train_x = random.randint(0, 256, (train, *image), dtype=np.uint8)
    test_x = random.randint(0, 256, (test, *image), dtype=np.uint8)
    return Made(train_x, np.arange(train) % classes, test_x, np.arange(test) % classes)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


# IDX: MNIST, Fashion-MNIST, EMNIST


def write_idx(
    folder: Path,
    names: Sequence[str] = FILES,
    content: Made | None = None,
    packed: bool = True,
) -> Made:
    """Write the four IDX files of MNIST (or of other names), with .gz where packed."""
    content = content or made(30, 20, 10)
    folder.mkdir(parents=True, exist_ok=True)
    images = (content.train_x[:, 0], content.test_x[:, 0])
    labels = (content.train_y.astype(np.uint8), content.test_y.astype(np.uint8))
    arrays: list[Bytes] = [images[0], labels[0], images[1], labels[1]]
    for name, values in zip(names, arrays, strict=True):
        file = idx_bytes(values)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(file, mtime=0))
        else:
            (folder / name).write_bytes(file)
    return content


def idx_bytes(values: Bytes) -> bytes:
    header = bytes([0, 0, 8, values.ndim])
    return header + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def know_mnist(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    """Let torchvision download packed MNIST files of a folder from a server."""
    sums = [(f"{name}.gz", md5(folder / f"{name}.gz")) for name in FILES]
    monkeypatch.setattr(datasets.MNIST, "resources", sums)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [url])


def write_emnist(folder: Path, content: Made | None = None, packed: bool = True) -> Made:
    """Write EMNIST's balanced split: 47 classes, pictures transposed as in the true files."""
    return write_idx(folder, EmnistReader.names, content or made(94, 47, 47), packed)


def write_emnist_archive(folder: Path) -> Made:
    """Write gzip.zip, with a file of another split in it as well."""
    content = write_emnist(folder / "gzip")
    (folder / "gzip" / "emnist-letters-train-labels-idx1-ubyte.gz").write_bytes(b"other split")
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for path in sorted((folder / "gzip").iterdir()):
            archive.write(path, f"gzip/{path.name}")
            path.unlink()
    (folder / "gzip").rmdir()
    return content


def know_emnist(
    monkeypatch: pytest.MonkeyPatch, folder: Path, url: str = "http://nowhere/"
) -> None:
    """Let torchvision know the checksum of a folder's gzip.zip, and where to download it."""
    monkeypatch.setattr(datasets.EMNIST, "md5", md5(folder / "gzip.zip"))
    monkeypatch.setattr(datasets.EMNIST, "url", f"{url}gzip.zip")


# CIFAR

CIFAR: Mapping[str, Any] = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


def write_cifar(folder: Path, name: str = "cifar10", batches: int = 2) -> Made:
    """Write the folder of pickled batches into a folder: each image as 3,072 bytes, R, G, B.

    Args:
        folder: to write into.
        name: cifar10 or cifar100.
        batches: training batches of CIFAR-10, of ten images each; CIFAR-100 has one.
    """
    of_ten = name == "cifar10"
    content = (
        made(10 * batches, 10, 10, (3, 32, 32)) if of_ten else made(200, 100, 100, (3, 32, 32))
    )
    place = folder / CIFAR[name].base_folder
    place.mkdir(parents=True)
    names = [f"data_batch_{i + 1}" for i in range(batches)] if of_ten else ["train"]
    for file, x, y in zip(
        names,
        np.split(content.train_x, len(names)),
        np.split(content.train_y, len(names)),
        strict=True,
    ):
        _write_batch(place / file, x, y, of_ten)
    _write_batch(
        place / ("test_batch" if of_ten else "test"), content.test_x, content.test_y, of_ten
    )
    key, file = CIFAR[name].meta["key"], CIFAR[name].meta["filename"]
    words = [f"class {i}" for i in range(10 if of_ten else 100)]
    (place / file).write_bytes(pickle.dumps({key: words}, protocol=2))
    return content


def _write_batch(path: Path, x: Bytes, y: NDArray[np.int64], of_ten: bool) -> None:
    labels = {"labels": y.tolist()}
    if not of_ten:
        labels = {"fine_labels": y.tolist(), "coarse_labels": (y // 5).tolist()}
    names = [f"picture_{i}.png" for i in range(len(y))]
    entry = {"data": x.reshape(len(x), -1), **labels, "filenames": names, "batch_label": path.name}
    path.write_bytes(pickle.dumps(entry, protocol=2))


def write_cifar_archive(folder: Path, name: str = "cifar10") -> Path:
    """Pack the folder of batches that lies in a folder; return the archive."""
    archive: Path = folder / CIFAR[name].filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / CIFAR[name].base_folder, CIFAR[name].base_folder)
    return archive


def know_cifar(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str = "cifar10", url: str = ""
) -> None:
    """Let torchvision know the checksums of a folder's batches and archive, and the address."""
    dataset = CIFAR[name]
    sums = {path.name: md5(path) for path in (folder / dataset.base_folder).iterdir()}
    meta = {**dataset.meta, "md5": sums.pop(dataset.meta["filename"])}
    tested = "test_batch" if name == "cifar10" else "test"
    monkeypatch.setattr(dataset, "test_list", [[tested, sums.pop(tested)]])
    monkeypatch.setattr(dataset, "train_list", [[file, sums[file]] for file in sorted(sums)])
    monkeypatch.setattr(dataset, "meta", meta)
    if (folder / dataset.filename).is_file():
        monkeypatch.setattr(dataset, "tgz_md5", md5(folder / dataset.filename))
    monkeypatch.setattr(dataset, "url", f"{url or 'http://nowhere/'}{dataset.filename}")


# ImageNet of 32 x 32 pixels, pictures


def write_imagenet32(folder: Path, each: int = 6, compressed: bool = False) -> Made:
    """Write the ten training batches and the validation file, `each` images in each."""
    folder.mkdir(parents=True, exist_ok=True)
    content = made(10 * each, each, 12, (3, 32, 32))
    save = np.savez_compressed if compressed else np.savez
    for i in range(10):
        part = slice(i * each, (i + 1) * each)
        save(
            folder / f"train_data_batch_{i + 1}.npz",
            data=content.train_x[part].reshape(each, -1),
            labels=content.train_y[part] + 1,
            mean=content.train_x.reshape(-1, 3072).mean(0),
        )
    flat = content.test_x.reshape(each, -1)
    save(folder / "val_data.npz", data=flat, labels=content.test_y + 1)
    return content


def write_pictures(root: Path, content: Mapping[str, Bytes]) -> None:
    """Write pictures (height, width) or (height, width, 3) by path."""
    for name, pixels in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def class_folders(
    classes: Sequence[str], parts: Mapping[str, int], size: tuple[int, int] = (4, 5), seed: int = 3
) -> dict[str, Bytes]:
    """Make coloured pictures (height, width, 3) by path `part/class/number.png`, class by class."""
    random = np.random.RandomState(seed)
    return {
        str(Path(part) / name / f"{i}.png"): random.randint(0, 256, (*size, 3), dtype=np.uint8)
        for part, count in parts.items()
        for name in classes
        for i in range(count)
    }


# A server


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Breaking(_Quiet):
    """Says how long the file is, sends half of it and hangs up."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2])


@contextlib.contextmanager
def server(folder: Path, breaks_off: bool = False) -> Iterator[str]:
    """Serve a folder's files from this machine; yield the address, which ends in a slash."""
    handler = partial(_Breaking if breaks_off else _Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/"
        finally:
            running.shutdown()
            thread.join()
