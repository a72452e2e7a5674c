"""Transforms of torchvision that draw at random: told apart, and applied on the device.

Shapes: B samples of a batch, C channels, H rows and W columns of an image.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from ..harness.errors import BenchError
from ..harness.randomness import untouched_randomness

Transform = Callable[[Any], Any]
"""Of a sample."""

DRAWS = 16
"""How often a transform of unknown kind is tried on each sample, every time otherwise seeded."""

CONVERSIONS = (v1.ToTensor, v1.PILToTensor, v1.ConvertImageDtype, v2.ToImage, v2.ToDtype)
"""They turn a picture into numbers in [0, 1] and say nothing on the device, where it is."""
NORMALIZE = (v1.Normalize, v2.Normalize)
FIXED = (
    *CONVERSIONS,
    *NORMALIZE,
    *(v1.ToPILImage, v1.Resize, v1.CenterCrop, v1.Pad, v1.Grayscale),
    *(v2.ToPILImage, v2.Resize, v2.CenterCrop, v2.Pad, v2.Grayscale),
)


def is_random(step: Transform, samples: Sequence[Any]) -> bool:
    """Tell whether a transform draws: by its kind, its probability, or by trying it.

    A transform with a probability `p` strictly between 0 and 1 is random. Any other is tried
    `DRAWS` times on each sample, always with other seeds of torch, NumPy and Python: it is fixed if
    all outcomes are equal, as those of a rotation by the one angle it may have.
    """
    if type(step) in FIXED:
        return False
    probability = getattr(step, "p", None)
    if isinstance(probability, float) and 0 < probability < 1:
        return True
    return any(_varies(step, sample) for sample in samples)


def _varies(step: Transform, sample: Any) -> bool:
    first = None
    for seed in range(DRAWS):
        with untouched_randomness(seed):
            shown = as_array(step(copy.deepcopy(sample)))
        if first is not None and not np.array_equal(first, shown):
            return True
        first = shown
    return False


def as_array(sample: Any) -> Any:
    """Return a picture, tensor or array as a NumPy array."""
    return sample.numpy() if isinstance(sample, Tensor) else np.asarray(sample)


@dataclass(frozen=True)
class DeviceTransforms:
    """The random transforms of a training set in their order, for batches on any device."""

    pictures: tuple[Transform, ...]
    """Those that see pictures of 8 bits."""
    before: tuple[Transform, ...]
    """Those that see [0, 1], behind the conversion and in front of the normalisation."""
    after: tuple[Transform, ...]
    """Those behind the normalisation."""
    mean: tuple[float, ...]
    """One per channel, of the normalisation."""
    std: tuple[float, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, (*self.pictures, *self.before, *self.after)))

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change every sample on its own.

        Args:
            x: (B, C, H, W), float32, normalised.
            generator: the only source of randomness; on the CPU.
        """
        if self.pictures or self.before:
            mean = torch.tensor(self.mean, device=x.device).view(-1, 1, 1)
            std = torch.tensor(self.std, device=x.device).view(-1, 1, 1)
            x = x * std + mean
            if self.pictures:
                pictures = (x * 255).round().clamp(0, 255).to(torch.uint8)
                x = _apply(self.pictures, pictures, generator).float() / 255
            x = (_apply(self.before, x, generator) - mean) / std
        return _apply(self.after, x, generator)


def _apply(steps: Sequence[Transform], x: Tensor, generator: torch.Generator) -> Tensor:
    for step in steps:
        x = apply_random(step, x, generator)
    return x


def apply_random(step: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    """Apply a random transform to every sample of a batch (B, C, H, W), each with its own draw.

    Crops and flips are gathers over the whole batch. The others are torchvision's own, sample by
    sample: right for every one of them, but not fast.
    """
    if type(step) in (v1.RandomHorizontalFlip, v2.RandomHorizontalFlip):
        return _flip(x, step, -1, generator)
    if type(step) in (v1.RandomVerticalFlip, v2.RandomVerticalFlip):
        return _flip(x, step, -2, generator)
    if type(step) in (v1.RandomCrop, v2.RandomCrop) and _is_plain_crop(step, x):
        return _crop(x, step, generator)
    return _one_by_one(counterpart(step, x.dtype == torch.uint8), x, generator)


def _flip(x: Tensor, step: Any, axis: int, generator: torch.Generator) -> Tensor:
    chosen = torch.rand(len(x), generator=generator).to(x.device) < step.p
    return torch.where(chosen.view(-1, 1, 1, 1), x.flip(axis), x)


def _is_plain_crop(step: Any, x: Tensor) -> bool:
    """Whether it moves a window of the image's own size over a border of one colour."""
    return (
        tuple(step.size) == tuple(x.shape[2:])
        and _border(step) is not None
        and step.padding_mode == "constant"
        and isinstance(step.fill, int | float)
    )


def _border(step: Any) -> int | None:
    """Return the padding of a crop if it is the same on all sides."""
    sides = {step.padding or 0} if isinstance(step.padding, int | None) else {*step.padding}
    return sides.pop() if len(sides) == 1 else None


def _crop(x: Tensor, step: Any, generator: torch.Generator) -> Tensor:
    border = _border(step)
    assert border is not None, "the crop was found to be plain"
    height, width = x.shape[2:]
    padded = nn.functional.pad(x, (border,) * 4, value=step.fill)
    corner = torch.randint(2 * border + 1, (2, len(x)), generator=generator).to(x.device)
    rows = corner[0, :, None] + torch.arange(height, device=x.device)
    columns = corner[1, :, None] + torch.arange(width, device=x.device)
    sample = torch.arange(len(x), device=x.device)[:, None, None]
    shown = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None]]
    return shown.permute(0, 3, 1, 2).contiguous()


def _one_by_one(step: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    """Run transforms that draw from global generators, which are put back afterwards."""
    seed = int(torch.randint(2**31, (), generator=generator))
    with (
        untouched_randomness(seed),
        torch.random.fork_rng(devices=[x.device] if x.is_cuda else []),
    ):
        if x.is_cuda:
            with torch.cuda.device(x.device):
                torch.cuda.manual_seed(seed)
        return torch.stack([step(one) for one in x])


def counterpart(step: Any, sees_pictures: bool) -> Transform:
    """Return what does the same to tensors as a random transform: v2's of the same name.

    A transform of the user's own that sees tensors anyway stays as it is.

    Raises:
        BenchError: there is none: it would have to be frozen, which is not what was declared.
    """
    made: Transform
    is_lambda = type(step) in (v1.Lambda, v2.Lambda)
    is_own = is_lambda or not type(step).__module__.startswith("torchvision.")
    if (is_own and not sees_pictures) or (isinstance(step, v2.Transform) and not is_lambda):
        made = step
        return made
    cls: Any = getattr(v2, type(step).__name__, None)
    if is_own or cls is None:
        raise BenchError(
            f"the training transform {step} draws at random on pictures, and there is no "
            "counterpart of it in torchvision.transforms.v2 that could be applied on the device. "
            "Use one of torchvision's, or put yours behind the conversion to a tensor."
        )
    settings = {
        name: getattr(step, name) for name in signature(cls).parameters if hasattr(step, name)
    }
    if "transforms" in settings:
        settings["transforms"] = [
            v2.Identity() if type(one) in CONVERSIONS else counterpart(one, sees_pictures)
            for one in step.transforms
        ]
    made = cls(**settings)
    return made
