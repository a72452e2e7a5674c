"""Read a user's own pictures: `train/<class>/*` and `test/<class>/*`."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes

from ...harness.errors import BenchError, unknown_name
from .reader import Arrays, Bytes, Images, Labels, Moments, Reader, Workspace

GREY = {"1", "L"}
TOO_DEEP = {"I", "F", "I;16", "I;16B", "I;16L"}
"""Modes of PIL with more than 8 bits a channel, which a conversion would cut off."""
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""What a picture may be, whatever its name says: PIL would start other programs for others."""
MOST_PIXELS = 2**24
"""A picture with more, 4096 x 4096, is refused before it is decoded."""
AT_ONCE = 1000
"""Pictures whose pixels are counted at once."""

Read = TypeVar("Read")
Listing = list[tuple[str, int]]
"""Path and class of every picture of one part."""


@dataclass(frozen=True)
class PictureReader(Reader):
    """A folder of pictures."""

    folder: Path | None

    def places(self) -> Sequence[Path]:
        """List the one folder that was given, if any."""
        return () if self.folder is None else (self.folder,)

    def holds(self, place: Path) -> bool:
        """Tell whether both parts are there."""
        return (place / "train").is_dir() and (place / "test").is_dir()

    def files(self, place: Path) -> Sequence[str]:
        """List all pictures."""
        train, test = two_parts(place / "train", place / "test")
        return [path for path, _ in train + test]

    def words(self) -> list[str]:
        """Return how the source is named on the command line."""
        return [self.name] if self.folder is None else [self.name, "--folder", str(self.folder)]

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

    def is_public(self) -> bool:
        """Tell that these are the user's own."""
        return False

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Decode the pictures."""
        return decoded(*two_parts(place / "train", place / "test"), workspace)

    def moments(self, train_x: Images) -> Moments:
        """Compute mean and std per channel of the training part; a constant channel has std 1."""
        levels = np.arange(256) * self.scale
        counts = np.zeros((train_x.shape[1], 256), dtype=np.int64)
        for first in range(0, len(train_x), AT_ONCE):
            channels = train_x[first : first + AT_ONCE].swapaxes(0, 1)
            counts += np.stack([np.bincount(c.ravel(), minlength=256) for c in channels])
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ levels
        std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
        std[std < 1e-6] = 1.0
        return tuple(mean.tolist()), tuple(std.tolist())


def two_parts(train: Path, test: Path) -> tuple[Listing, Listing]:
    """List the pictures of two folders of class folders; classes are numbered alphabetically.

    Raises:
        BenchError: a class has no training picture, or there is no test picture at all.
    """
    classes, listing = class_folders(train)
    tested, _ = _classes(test)
    for name in tested:
        if name not in classes:
            remedy = f"Every class in {test} needs training pictures, too."
            raise unknown_name("training class", name, classes, remedy)
    number = {name: i for i, name in enumerate(classes)}
    test_listing = _listed(test, number)
    if not test_listing:
        raise BenchError(f"no picture in {test}. Put {test.name}/<class>/*.png there.")
    return listing, test_listing


def class_folders(folder: Path) -> tuple[list[str], Listing]:
    """Return the classes in alphabetical order and the pictures of `<class>/*`.

    Raises:
        BenchError: there is no class, or one without pictures.
    """
    classes, number = _classes(folder)
    listing = _listed(folder, number)
    empty = sorted(set(number.values()) - {label for _, label in listing})
    if empty:
        names = ", ".join(classes[label] for label in empty)
        raise BenchError(
            f"no picture in {folder} for the classes {names}. Put pictures (.png, .jpg and others) "
            "into each of these folders, or take the folders away."
        )
    return classes, listing


def decoded(train: Listing, test: Listing, workspace: Workspace) -> Arrays:
    """Decode two lists of pictures to (N, channels, height, width): one channel if all are grey.

    Raises:
        BenchError: a picture cannot be read, or its size differs from the first one's.
    """
    shape = survey([path for path, _ in train + test], workspace)
    images = {}
    for part, listing in (("train_x", train), ("test_x", test)):
        room = workspace.array(part, (len(listing), *shape), np.uint8)
        images[part] = decode([path for path, _ in listing], room, workspace)
    return Arrays(images["train_x"], labels_of(train), images["test_x"], labels_of(test))


def decode(paths: Sequence[str], images: Bytes, workspace: Workspace) -> Bytes:
    """Decode pictures of one size into an array (N, 1 or 3, height, width); return it.

    Raises:
        BenchError: a picture cannot be read.
    """
    mode = "RGB" if images.shape[1] == 3 else "L"
    for i, path in enumerate(workspace.watched(paths, "decoding pictures")):
        pixels = _opened(path, lambda picture: np.asarray(picture.convert(mode)))
        images[i] = pixels.transpose(2, 0, 1) if mode == "RGB" else pixels
    return images


def labels_of(listing: Listing) -> Labels:
    """Return the classes of listed pictures."""
    return np.array([label for _, label in listing], dtype=np.int64)


def survey(paths: Sequence[str], workspace: Workspace) -> tuple[int, int, int]:
    """Return (channels, height, width) of pictures, from what stands at their beginnings.

    Raises:
        BenchError: one is not a picture, or its size differs from the first one's.
    """
    (first, all_grey) = _opened(paths[0], _size_and_greyness)
    for path in workspace.watched(paths, "looking at pictures"):
        size, grey = _opened(path, _size_and_greyness)
        all_grey = all_grey and grey
        if size != first:
            raise BenchError(
                f"the picture {path} is {size[0]} x {size[1]} pixels, but {paths[0]} is "
                f"{first[0]} x {first[1]}. Bring all pictures to one size first."
            )
    return (1 if all_grey else 3, first[1], first[0])


def _size_and_greyness(picture: Image.Image) -> tuple[tuple[int, int], bool]:
    return picture.size, picture.mode in GREY


def _opened(path: str, read: Callable[[Image.Image], Read]) -> Read:
    try:
        with warnings.catch_warnings():
            # PIL's own bound is another; ours is looked at below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path, formats=FORMATS)
        with opened as picture:
            mode, (width, height) = picture.mode, picture.size
            if width * height > MOST_PIXELS:
                raise BenchError(
                    f"the picture {path} is {width} x {height} pixels; at most {MOST_PIXELS:,} "
                    "are read. Make it smaller."
                )
            if mode not in TOO_DEEP:
                return read(picture)
    # PIL reports damage as any of these, depending on the format.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise BenchError(
            f"the picture {path} cannot be read: {error}. Replace it or take it out of the folder."
        ) from None
    raise BenchError(
        f"the picture {path} has more than 8 bits a channel (mode {mode}). Convert it to 8 bits."
    )


def _classes(folder: Path) -> tuple[list[str], dict[str, int]]:
    try:
        classes, number = find_classes(folder)
    except FileNotFoundError as error:
        raise BenchError(f"{error} A folder of pictures has {folder.name}/<class>/*.png.") from None
    return classes, number


def _listed(folder: Path, number: Mapping[str, int]) -> Listing:
    """List the pictures of the classes in a folder, in the order that torchvision has them."""
    return [
        (str(file), number[name])
        for name in sorted(number)
        for root in sorted(_folders(folder / name, frozenset()), key=str)
        for file in sorted(root.iterdir(), key=lambda entry: entry.name)
        if file.name.lower().endswith(IMG_EXTENSIONS) and file.is_file()  # and not a pipe
    ]


def _folders(folder: Path, above: Set[tuple[int, int]]) -> Iterator[Path]:
    """Yield a folder and those below it; one that lies in itself, by a link, has no end."""
    if not folder.is_dir():
        return
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here not in above:
        yield folder
        for entry in folder.iterdir():
            yield from _folders(entry, above | {here})
