"""Where the pixels of an augmented image come from: crops, mirror images, and affine maps."""

from math import log

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

_SCALE = (0.35, 1.0)  # share of the image's area that a crop keeps
_RATIO = (3 / 4, 4 / 3)  # width to height of a crop


def random_boxes(count: int, side: int, generator: Generator) -> Tensor:
    """Crops of random area and shape in a square: int64 (count, 4), as top, left, height, width."""
    area = generator.uniform(*_SCALE, count)
    ratio = np.exp(generator.uniform(log(_RATIO[0]), log(_RATIO[1]), count))
    sizes = np.stack([np.sqrt(area / ratio), np.sqrt(area * ratio)], axis=1)
    return placed((sizes * side).round().clip(1, side), side, generator)


def placed(sizes: np.ndarray, side: int, generator: Generator) -> Tensor:
    """Boxes of these heights and widths, float (count, 2), anywhere in a square: int64 (count, 4)."""
    corners = np.floor(generator.random((len(sizes), 2)) * (side - sizes + 1))
    return torch.from_numpy(np.concatenate([corners, sizes], axis=1).astype(np.int64))


def crop_and_flip(
    images: Tensor, rows: Tensor, boxes: Tensor, flips: Tensor, size: int, maps: Tensor | None = None
) -> Tensor:
    """Cuts one box from each image, fits it to a square, mirrors some, and maps some further.

    Args:
        images: uint8 (N, side, side, 3).
        rows: int64 (B), which of them, on their device; the others are not touched.
        boxes: int64 (B, 4), in pixels; see `random_boxes`.
        flips: bool (B).
        maps: float32 (B, 3, 3), from a place in the result to a place in the mirrored crop, in
            coordinates from -1 to 1; identities change nothing.

    Returns:
        float32 (B, 3, size, size), 0 to 1, channels_last.
    """
    if images.is_cuda:
        return sample(images[rows], boxes, flips, size, maps)
    out = torch.empty((len(rows), 3, size, size), memory_format=torch.channels_last)
    plain = torch.ones(len(rows), dtype=torch.bool) if maps is None else (maps == torch.eye(3)).all(2).all(1)
    numbers, all_boxes, all_flips = rows.tolist(), boxes.tolist(), flips.tolist()
    for index in plain.nonzero().flatten().tolist():
        (top, left, height, width), number = all_boxes[index], numbers[index]
        # A view: to gather whole images first would take as long as to fit the crops. A slice of one:
        # only in its strides, not in those of `[None]`, does torch see channels_last, which is faster.
        crop = images[number : number + 1, top : top + height, left : left + width].permute(0, 3, 1, 2)
        # Antialiased uint8 has a vectorised path on a CPU; grid_sample is several times slower there.
        fitted = interpolate(crop, (size, size), mode="bilinear", antialias=True)[0]
        out[index] = fitted.flip(-1) if all_flips[index] else fitted
    out.div_(255)
    rest = (~plain).nonzero().flatten()
    if maps is not None and len(rest):
        out[rest] = sample(images[rows[rest]], boxes[rest], flips[rest], size, maps[rest])
    return out


def sample(images: Tensor, boxes: Tensor, flips: Tensor, size: int, maps: Tensor | None = None) -> Tensor:
    """`crop_and_flip` of uint8 (B, side, side, 3) in one kernel, without antialiasing.

    What a map brings in from outside the image repeats the image's border.
    """
    top, left, height, width = (boxes / images.shape[1]).unbind(1)
    theta = torch.zeros((len(boxes), 3, 3))
    theta[:, 0, 0], theta[:, 0, 2] = torch.where(flips, -width, width), 2 * left + width - 1
    theta[:, 1, 1], theta[:, 1, 2] = height, 2 * top + height - 1
    theta[:, 2, 2] = 1
    theta = (theta if maps is None else theta @ maps)[:, :2]
    grid = affine_grid(moved(theta, images.device), [len(images), 3, size, size], align_corners=False)
    pixels = images.permute(0, 3, 1, 2).float().div_(255)
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU, on the device; a GPU isn't waited for."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
