"""Read a user's own pictures: `train/<class>/*` and `test/<class>/*`, decoded once."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset

from ..harness.errors import BenchError, unknown_name
from .reader import Arrays, Bytes, Labels, Moments, Reader

GREY = {"1", "L"}
TOO_DEEP = {"I", "F", "I;16", "I;16B", "I;16L"}
"""Modes of PIL with more than 8 bits a channel, which a conversion would cut off."""

Listing = list[tuple[str, int]]
"""Path and class of every picture of one part."""


@dataclass(frozen=True)
class PictureReader(Reader):
    """A folder of pictures; the decoded arrays are kept in the data folder."""

    folder: Path | None

    def places(self) -> Sequence[Path]:
        """List the one folder that was given, if any."""
        return () if self.folder is None else (self.folder,)

    def holds(self, place: Path) -> bool:
        """Tell whether both parts are there."""
        return (place / "train").is_dir() and (place / "test").is_dir()

    def remark(self, place: Path) -> str:
        """Say which part is missing."""
        missing = [part for part in ("train", "test") if not (place / part).is_dir()]
        return f" (no folder {missing[0]} in it)" if place.exists() else super().remark(place)

    def remedy(self) -> str:
        """Show the folders."""
        return (
            "Set the stream's folder to one that has train/<class>/*.png and test/<class>/*.png "
            "(or .jpg and other pictures)."
        )

    def read(self, place: Path) -> Arrays:
        """Decode the pictures, or take the arrays decoded before from unchanged files."""
        train, test = _listings(place)
        cache = self.data_dir / "image-folder" / f"{_fingerprint(place, train + test)}.npy"
        images = _load(cache)
        if images is None:
            images = decode([path for path, _ in train + test])
            _save(cache, images)
        size = len(train)
        return Arrays(images[:size], _labels(train), images[size:], _labels(test))

    def moments(self, train_x: Bytes) -> Moments:
        """Compute mean and std per channel of the training part; a constant channel has std 1."""
        levels = np.arange(256) * self.scale
        counts = np.stack([np.bincount(c.ravel(), minlength=256) for c in _channels(train_x)])
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ levels
        std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
        std[std < 1e-6] = 1.0
        return tuple(mean.tolist()), tuple(std.tolist())


def decode(paths: Sequence[str]) -> Bytes:
    """Decode pictures to (N, channels, height, width): one channel if every picture is grey.

    Raises:
        BenchError: a picture cannot be read, or its size differs from the first one's.
    """
    first, _ = _pixels(paths[0])
    images = np.empty((len(paths), *first.shape), dtype=np.uint8)
    all_grey = True
    for i, path in enumerate(paths):
        pixels, grey = _pixels(path)
        if pixels.shape != first.shape:
            raise _sizes_differ(path, pixels, paths[0], first)
        images[i] = pixels
        all_grey = all_grey and grey
    return images[:, :1].copy() if all_grey else images


def _pixels(path: str) -> tuple[Bytes, bool]:
    """Return (3, height, width) and whether the file is grey."""
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            if mode not in TOO_DEEP:
                return np.asarray(picture.convert("RGB")).transpose(2, 0, 1), mode in GREY
    # PIL reports damage as any of these, depending on the format.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise BenchError(
            f"the picture {path} cannot be read: {error}. Replace it or take it out of the folder."
        ) from None
    raise BenchError(
        f"the picture {path} has more than 8 bits a channel (mode {mode}). Convert it to 8 bits."
    )


def _sizes_differ(path: str, pixels: Bytes, other: str, others: Bytes) -> BenchError:
    return BenchError(
        f"the picture {path} is {pixels.shape[2]} x {pixels.shape[1]} pixels, but {other} is "
        f"{others.shape[2]} x {others.shape[1]}. Bring all pictures to one size first."
    )


def _listings(place: Path) -> tuple[Listing, Listing]:
    try:
        classes, number = find_classes(place / "train")
        train = make_dataset(place / "train", number, IMG_EXTENSIONS)
        tested, _ = find_classes(place / "test")
    except FileNotFoundError as error:
        raise BenchError(f"{error} A folder of pictures has train/<class>/*.png.") from None
    for name in tested:
        if name not in number:
            remedy = f"Every class in {place / 'test'} needs training pictures, too."
            raise unknown_name("training class", name, classes, remedy)
    test = make_dataset(place / "test", number, IMG_EXTENSIONS, allow_empty=True)
    if not test:
        raise BenchError(f"no picture in {place / 'test'}. Put test/<class>/*.png there.")
    return train, test


def _labels(listing: Listing) -> Labels:
    return np.array([label for _, label in listing], dtype=np.int64)


def _channels(images: Bytes) -> Bytes:
    return images.transpose(1, 0, 2, 3)


def _fingerprint(place: Path, listing: Listing) -> str:
    """Name the cache after the files' names, sizes and times: a changed picture is read anew."""
    digest = hashlib.sha256(str(place).encode())
    for path, label in listing:
        status = os.stat(path)
        digest.update(f"\0{path}\0{label}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _load(cache: Path) -> Bytes | None:
    try:
        images: Bytes = np.load(cache, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, or cut off: the pictures are still there
        return None
    return images


def _save(cache: Path, images: Bytes) -> None:
    """Write under a temporary name first: other processes see the whole array or none."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache.parent, suffix=".part", delete=False) as file:
            np.save(file, images)
        os.replace(file.name, cache)
    except OSError as error:
        raise BenchError(
            f"cannot keep the decoded pictures in {cache.parent}: {error}. Name a folder that can "
            "be written to with --data or the environment variable PLASTICITY_BENCH_DATA."
        ) from None
