"""Read mini-ImageNet as features of a ResNet-50: a user's file, or computed from pictures."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import models

from ...harness.errors import BenchError
from .npz import array_names, read_npz
from .pictures import Listing, class_folders, decode, labels_of, survey
from .reader import (
    ELSEWHERE,
    Arrays,
    Counts,
    DamagedFile,
    Features,
    Labels,
    Reader,
    Workspace,
    is_test,
)

FILE = "mini-imagenet-features.npz"
PICTURES = "mini-imagenet"
WEIGHTS: Any = models.ResNet50_Weights.IMAGENET1K_V1
PARTS = ("train", "val", "test")
AT_ONCE = 100
"""Pictures in one forward pass."""


@dataclass(frozen=True)
class FeatureReader(Reader):
    """mini-ImageNet's 60,000 pictures of 100 classes, each as the 2,048 features of a ResNet-50.

    Either a file of features, with `train_x` (N, D), `train_y` (N,), `test_x` and `test_y`, or with
    `x` and `y` alone, of which every fifth sample of a class is a test sample (see `is_test`). Or
    pictures in class folders (or in train, val and test, each with class folders: the parts of
    few-shot learning share no class, so they are put together and split in the same way), sent
    once through torchvision's ResNet-50 with its first ImageNet weights, at the size they have and
    with pixels in [-1, 1]; then the digest depends on the device, so where several machines are to
    have equal results, make a file of the features of one. A sample is a row: (1, 1, D), float32.

    Source: Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic Forgetting in
    Continual Learning", and its code (which trains on all 60,000).
    """

    scale: ClassVar[float] = 1.0

    def places(self) -> Sequence[Path]:
        """List the data folder."""
        return (self.data_dir,)

    def holds(self, place: Path) -> bool:
        """Tell whether there is the file of features, or pictures and weights."""
        return (place / FILE).is_file() or (
            (place / PICTURES).is_dir() and self._weights() is not None
        )

    def files(self, place: Path) -> Sequence[Path | str]:
        """List the file of features, or all pictures and the weights."""
        if (place / FILE).is_file():
            return (place / FILE,)
        weights = self._weights()
        pictures = [path for path, _ in pictures_of(place / PICTURES)]
        return pictures if weights is None else [*pictures, weights]

    def remark(self, place: Path) -> str:
        """Say what is missing."""
        if (place / PICTURES).is_dir():
            return f" (no {FILE}; the pictures are there, but not the weights {weights_name()})"
        return f" (no {FILE}, no folder {PICTURES})"

    def remedy(self) -> str:
        """Name the file, the pictures and the weights."""
        return (
            f"Put {FILE} (with train_x (N, 2048), train_y, test_x and test_y, or x and y) into "
            f"{self.data_dir}; or pictures {PICTURES}/<class>/*.jpg and the weights "
            f"{weights_name()} (from {WEIGHTS.url}), {ELSEWHERE}."
        )

    def read(self, place: Path, workspace: Workspace) -> Arrays:
        """Read the file, or compute the features."""
        if (place / FILE).is_file():
            return _from_file(place / FILE)
        weights, listing = self._good_weights(), pictures_of(place / PICTURES)
        x = _computed(listing, weights, workspace)
        return _split(x, labels_of(listing))

    def check(self, place: Path, workspace: Workspace) -> Counts:
        """Refuse what `read` would refuse, without computing features; count what there is."""
        if (place / FILE).is_file():
            return super().check(place, workspace)
        self._good_weights()
        listing = pictures_of(place / PICTURES)
        for _ in _pixels(listing, workspace):
            pass
        tested = int(is_test(labels_of(listing)).sum())
        return Counts(len(listing) - tested, tested, listing[-1][1] + 1)

    def is_public(self) -> bool:
        """Tell whether only weights may be missing: neither features nor pictures are public."""
        return (self.data_dir / PICTURES).is_dir() and not (self.data_dir / FILE).is_file()

    def download(self, target: Path) -> None:
        """Fetch the weights."""
        file = str(target / weights_name())
        torch.hub.download_url_to_file(WEIGHTS.url, file, _hash_prefix(WEIGHTS.url))

    def _weights(self) -> Path | None:
        folders = (self.data_dir, Path(torch.hub.get_dir()) / "checkpoints")
        files = [folder / weights_name() for folder in folders]
        return next((file for file in files if file.is_file()), None)

    def _good_weights(self) -> Path:
        weights = self._weights()
        assert weights is not None, "a place that holds the pictures has the weights"
        with open(weights, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(_hash_prefix(WEIGHTS.url)):
            raise DamagedFile(weights, "its checksum is wrong (perhaps it is half downloaded)")
        return weights


def weights_name() -> str:
    """Return the name that torch's cache gives to the file of weights."""
    return Path(WEIGHTS.url).name


def pictures_of(folder: Path) -> Listing:
    """List all pictures of mini-ImageNet, whatever parts they are in.

    Raises:
        BenchError: a class has no picture, or is in two parts: then its pictures cannot be told
            apart by the split that the source has here.
    """
    parts = [folder / part for part in PARTS if (folder / part).is_dir()] or [folder]
    classes: dict[str, list[str]] = {}
    for part in parts:
        names, listing = class_folders(part)
        twice = sorted(set(names) & set(classes))
        if twice:
            raise BenchError(
                f"the class {twice[0]} is in two of the folders {', '.join(map(str, parts))}. Put "
                "every class into one folder: which pictures are the test is drawn here."
            )
        for path, label in listing:
            classes.setdefault(names[label], []).append(path)
    return [(path, label) for label, name in enumerate(sorted(classes)) for path in classes[name]]


def network_features(network: torch.nn.Module, images: NDArray[np.uint8]) -> Features:
    """Return what enters the last layer: (N, 2048), of images (N, 3, height, width).

    The network is a ResNet of torchvision without its last layer, on its device.
    """
    device = next(network.parameters()).device
    with torch.inference_mode():
        x: Tensor = (torch.from_numpy(images).to(device) / 255 - 0.5) / 0.5
        features: Features = network(x).cpu().numpy()
    return features


def _network(weights: Path) -> torch.nn.Module:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng(devices=[]):  # the initial weights, which are replaced, are drawn
        network: torch.nn.Module = models.resnet50()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.add_module("fc", torch.nn.Identity())
    return network.eval().to(device)


def _computed(listing: Listing, weights: Path, workspace: Workspace) -> Features:
    network = _network(weights)
    return np.concatenate([network_features(network, x) for x in _pixels(listing, workspace)])


def _pixels(listing: Listing, workspace: Workspace) -> Iterator[NDArray[np.uint8]]:
    paths = [path for path, _ in listing]
    _, height, width = survey(paths, workspace)
    starts = range(0, len(paths), AT_ONCE)
    for first in workspace.watched(starts, "computing features"):
        some = paths[first : first + AT_ONCE]
        yield decode(some, np.empty((len(some), 3, height, width), dtype=np.uint8), workspace)


def _from_file(path: Path) -> Arrays:
    if "train_x" not in array_names(path):
        found = read_npz(path, ("x", "y"))
        return _split(_features(path, found["x"]), _labels(path, found["y"], found["x"]))
    found = read_npz(path, Arrays._fields)
    train_x, test_x = (_features(path, found[name]) for name in ("train_x", "test_x"))
    if train_x.shape[1] != test_x.shape[1]:
        raise DamagedFile(
            path, f"train_x has {train_x.shape[1]} features, test_x {test_x.shape[1]}"
        )
    return Arrays(
        _rows(train_x),
        _labels(path, found["train_y"], train_x),
        _rows(test_x),
        _labels(path, found["test_y"], test_x),
    )


def _features(path: Path, x: NDArray[Any]) -> Features:
    if x.ndim != 2 or not x.size or not np.issubdtype(x.dtype, np.floating):
        raise DamagedFile(path, f"features are {x.dtype} {x.shape} instead of float32 (N, 2048)")
    if not np.isfinite(x).all():
        raise DamagedFile(path, "a feature is not a finite number")
    return x.astype(np.float32)


def _labels(path: Path, y: NDArray[Any], x: NDArray[Any]) -> Labels:
    if y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise DamagedFile(
            path, f"labels are {y.dtype} {y.shape} instead of {len(x)} classes from 0"
        )
    return y.astype(np.int64)


def _split(x: Features, y: Labels) -> Arrays:
    tested = is_test(y)
    return Arrays(_rows(x[~tested]), y[~tested], _rows(x[tested]), y[tested])


def _rows(x: Features) -> Features:
    return x[:, None, None, :]


def _hash_prefix(url: str) -> str:
    found = re.search(r"-([0-9a-f]+)\.", url)
    assert found is not None, "torch puts the first digits of the SHA-256 into the name"
    return found[1]
