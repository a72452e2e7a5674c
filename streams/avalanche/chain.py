"""What the transforms of an Avalanche data set come to, found out on a few of its samples."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ...harness.errors import BenchError
from ..random_transforms import (
    CONVERSIONS,
    NORMALIZE,
    DeviceTransforms,
    Transform,
    is_random,
)
from .walk import Part, Rows

PROBES = 32
"""Samples by which a set of pictures is known again, beside its labels where it lists them."""
TRIED = 2
"""Samples on which it is found out what a transform does."""


@dataclass(frozen=True)
class Chain:
    """What the transforms of a part come to."""

    fixed: tuple[Transform, ...]
    """Applied once; what they make is numbers, in [0, 1] where it was a picture."""
    mean: tuple[float, ...]
    """Of the normalisation at the end; zeros where there is none, one per channel."""
    std: tuple[float, ...]
    moves: tuple[int, ...] | None
    """A fixed moving about of pixels, see `Task.pixel_map`."""
    random: DeviceTransforms | None

    def image(self, sample: Any) -> Tensor:
        """Apply what is fixed: (channels, height, width), float32."""
        for step in self.fixed:
            sample = step(sample)
        return as_image(sample)


def as_image(sample: Any) -> Tensor:
    """Turn a picture, an array or a vector into (channels, height, width), float32."""
    if isinstance(sample, Tensor):
        sample = sample.as_subclass(Tensor)  # torchvision has tensors of its own
    else:
        is_numbers = isinstance(sample, np.ndarray) and sample.dtype != np.uint8
        sample = torch.from_numpy(sample) if is_numbers else to_tensor(sample)
    if sample.dtype == torch.uint8:
        sample = sample.float() / 255
    if sample.ndim > 3:
        raise BenchError(
            f"a sample of the benchmark has the shape {tuple(sample.shape)}. Only vectors and "
            "images (channels, height, width) can be samples of a stream."
        )
    image: Tensor = sample.float().view((1,) * (3 - sample.ndim) + tuple(sample.shape)).contiguous()
    return image


def analyse(part: Part, plain: bool = False) -> Chain:
    """Find out what the transforms of a part do, on a few of its samples.

    Args:
        part: at least one sample.
        plain: whether everything fixed is applied once, without telling a normalisation at the end
            and a moving about of pixels apart.

    Raises:
        BenchError: a random transform that cannot be applied on the device.
    """
    samples = [part.base[row][0] for row in spread(part.rows, TRIED)]
    fixed: list[Transform] = []
    random: list[tuple[Transform, str]] = []
    normalize: Any = None
    moves: Rows | None = None
    for step in part.steps:
        kind = "after" if normalize is not None else _kind(samples[0])
        if is_random(step, samples):
            random.append((step, kind))
        elif type(step) in NORMALIZE and normalize is None and kind == "before":
            normalize = step
        elif random and type(step) not in CONVERSIONS:
            raise BenchError(
                f"the transform {step} comes behind one that draws at random ({random[0][0]}), "
                "where only a conversion to numbers and one normalisation are supported. "
                "Put it in front."
            )
        else:
            found = None if plain or kind != "before" else pixel_moves(step, samples)
            if normalize is not None or (moves is not None and found is None):
                if not plain:
                    return analyse(part, plain=True)
                assert normalize is not None, "nothing is known as a move where all is applied once"
                fixed.append(normalize)
                samples, normalize = [normalize(sample) for sample in samples], None
            if found is not None:
                moves = found if moves is None else np.where(found < 0, -1, moves[found])
            else:
                fixed.append(step)
                samples = [step(copy.deepcopy(sample)) for sample in samples]
    mean, std = _moments(normalize, as_image(samples[0]).shape[0])
    if moves is not None and len({*zip(mean, std, strict=True)}) > 1:
        size = as_image(samples[0])[0].numel()
        if not ((moves < 0) | (moves // size == np.arange(len(moves)) // size)).all():
            return analyse(part, plain=True)  # a pixel keeps the mean of its own channel here
    device = _on_device(random, mean, std)
    if device is not None:
        _try(device, torch.stack([as_image(samples[0])] * 2))
    if plain and normalize is not None:
        fixed.append(normalize)
        mean, std = _moments(None, len(mean))
    return Chain(tuple(fixed), mean, std, None if moves is None else tuple(moves.tolist()), device)


def _try(device: DeviceTransforms, images: Tensor) -> None:
    """Find out now, not in the middle of a run, whether random transforms can be applied."""
    try:
        shown = device(images, torch.Generator().manual_seed(0))
    except BenchError:
        raise
    except Exception as error:  # whatever torchvision or a user's own raises
        raise BenchError(
            f"the random training transforms {device} cannot be applied to tensors: "
            f"{type(error).__name__}: {error}. Use others."
        ) from error
    if shown.shape != images.shape:
        raise BenchError(
            f"the random training transforms {device} turn images of {tuple(images.shape[1:])} "
            f"into {tuple(shown.shape[1:])}. Use such that keep the size."
        )


def _kind(sample: Any) -> str:
    """Tell whether a sample is a picture of 8 bits, or numbers already."""
    numbers = isinstance(sample, Tensor) and sample.is_floating_point()
    return "before" if numbers else "pictures"


def _moments(normalize: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if normalize is None:
        return (0.0,) * channels, (1.0,) * channels
    mean, std = (tuple(map(float, one)) for one in (normalize.mean, normalize.std))
    repeat = channels if len(mean) == 1 else 1
    return mean * repeat, std * repeat


def _on_device(
    random: Sequence[tuple[Transform, str]], mean: tuple[float, ...], std: tuple[float, ...]
) -> DeviceTransforms | None:
    if not random:
        return None
    kinds = {
        kind: tuple(step for step, own in random if own == kind)
        for kind in ("pictures", "before", "after")
    }
    return DeviceTransforms(**kinds, mean=mean, std=std)


def pixel_moves(step: Transform, samples: Sequence[Tensor]) -> Rows | None:
    """Return a transform as a moving about of pixels, or None if it is something else or nothing.

    It is shown an image of which every pixel has its own number, then real samples.
    """
    image = as_image(samples[0])
    numbers = torch.arange(1, image.numel() + 1, dtype=torch.float32).view(samples[0].shape)
    shown: Any = step(numbers.clone())
    if not isinstance(shown, Tensor) or shown.shape != numbers.shape:
        return None
    moves = shown.flatten().double().numpy() - 1
    rows: Rows = moves.round().astype(np.int64)
    if not np.array_equal(moves, rows) or rows.min() < -1 or rows.max() >= image.numel():
        return None
    if np.array_equal(rows, np.arange(len(rows))):
        return None
    pixels = torch.from_numpy(rows)
    for sample in samples:
        expected = sample.flatten()[pixels.clamp(min=0)].where(pixels >= 0, 0)
        if not torch.equal(step(sample.clone()).flatten(), expected):
            return None
    return rows


def fingerprint(base: Any, chain: Chain) -> str:
    """Return what tells one set of pictures, as they are kept, from others: some of them."""
    digest = sha256(repr((len(base), chain.mean, chain.std)).encode())
    labels = getattr(base, "targets", None)
    if isinstance(labels, list | tuple | Tensor | np.ndarray):
        digest.update(repr(np.asarray(labels).tolist()).encode())
    for row in spread(np.arange(len(base)), PROBES):
        image = chain.image(base[row][0])
        digest.update(repr(tuple(image.shape)).encode() + image.numpy().tobytes())
    return digest.hexdigest()


def spread(rows: Rows, count: int) -> Iterable[int]:
    """Choose some of the rows, evenly spread, the first and the last among them."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return (int(row) for row in rows[chosen])
