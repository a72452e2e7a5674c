"""Random changes of training images that leave their class alone, for a whole batch at once."""

from math import radians

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

PADDING = 4
"""Pixels that a crop may be off by, on every side."""
LARGEST_ANGLE = 15.0
"""Degrees."""


def flip_crop_rotate(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, shift each by up to 4 pixels and turn it by up to 15 degrees.

    What a shift brings in is the image's own reflection, what a turn brings in is 0: the mean of
    the source. Angles are uniform in 0 .. 15, anticlockwise, nearest neighbour.

    Args:
        x: (B, channels, height, width), float32, standardised; sides above 4.
        generator: on the CPU.

    Returns:
        As x.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning": the incremental
    CIFAR-100 of their code.
    """
    size = len(x)
    drawn = torch.rand(4, size, generator=generator).to(x.device)
    down, right = (drawn[1:3] * (2 * PADDING + 1)).long().clamp(max=2 * PADDING)
    return turn(crop(mirror(x, drawn[0] < 0.5), down, right), drawn[3] * LARGEST_ANGLE)


def mirror(x: Tensor, chosen: Tensor) -> Tensor:
    """Exchange left and right in the chosen (B,) images (B, channels, height, width)."""
    return torch.where(chosen.view(-1, 1, 1, 1), x.flip(3), x)


def crop(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Cut images (B, channels, height, width) out of themselves with reflected borders of 4 pixels.

    Args:
        x: images.
        down: (B,), int64, 0 .. 8: the first row of the padded image; 4 leaves it where it was.
        right: (B,), likewise the first column.
    """
    padded = pad(x, (PADDING,) * 4, mode="reflect")
    image, channel = (torch.arange(n, device=x.device) for n in x.shape[:2])
    rows = down.view(-1, 1) + torch.arange(x.shape[2], device=x.device)
    columns = right.view(-1, 1) + torch.arange(x.shape[3], device=x.device)
    return padded[
        image.view(-1, 1, 1, 1),
        channel.view(1, -1, 1, 1),
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def turn(x: Tensor, degrees: Tensor) -> Tensor:
    """Turn images (B, channels, height, width) anticlockwise about their centre; corners are 0.

    Args:
        x: images.
        degrees: (B,).
    """
    height, width = x.shape[2:]
    angle = degrees * radians(1)
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # Coordinates run from -1 to 1 along both sides, however long these are.
    matrix = torch.stack(
        [cosine, -sine * height / width, none, sine * width / height, cosine, none], dim=1
    )
    grid = affine_grid(matrix.view(-1, 2, 3), list(x.shape), align_corners=False)
    return grid_sample(x, grid, mode="nearest", padding_mode="zeros", align_corners=False)
