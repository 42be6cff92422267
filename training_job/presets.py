"""Augmentation presets, on whole batches. All chance comes from the generator that is passed in."""

from dataclasses import dataclass
from math import ceil, log

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from chalicelib.contract.config import TrainingConfig

from .config import given

_SCALE = (0.35, 1.0)  # share of the image's area that a crop keeps
_RATIO = (3 / 4, 4 / 3)  # width to height of a crop
_ERASE_PROBABILITY = 0.25
_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """One way to vary training images.

    Attributes:
        size: side of the images that come out, in pixels.
        colour: largest relative change of brightness, contrast and saturation; 0 is none.
    """

    size: int
    crop: bool
    flip: bool
    colour: float = 0.0
    erase: bool = False

    @classmethod
    def of(cls, config: TrainingConfig) -> "Preset":
        varied, strong = config.augmentation != "none", config.augmentation == "strong"
        return cls(
            size=given(config.image_size),
            crop=varied,
            flip=varied and config.horizontal_flip,
            colour=0.4 if strong else 0.0,
            erase=strong,
        )

    @property
    def cache_side(self) -> int:
        """Side of the cached images: a typical crop then has about as many pixels as it needs."""
        return ceil(self.size * 5 / 4) if self.crop else self.size

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """uint8 (B, side, side, 3) to float32 (B, 3, size, size), 0 to 1, channels_last."""
        batch = images.permute(0, 3, 1, 2)
        flips = generator.random(len(batch)) < 0.5 * self.flip
        if self.crop:
            batch = crop_and_flip(
                batch, random_boxes(len(batch), batch.shape[-1], generator), flips, self.size
            )
        out = batch.float().div_(255) if batch.dtype == torch.uint8 else batch
        out = _colour(out, self.colour, generator) if self.colour else out
        out = _erase(out, generator) if self.erase else out
        return out.contiguous(memory_format=torch.channels_last)


def random_boxes(count: int, side: int, generator: Generator) -> Tensor:
    """Crops of random area and shape in a square: int64 (count, 4), as top, left, height, width."""
    area = generator.uniform(*_SCALE, count)
    ratio = np.exp(generator.uniform(log(_RATIO[0]), log(_RATIO[1]), count))
    sizes = np.stack([np.sqrt(area / ratio), np.sqrt(area * ratio)], axis=1)
    sizes = np.clip((sizes * side).round(), 1, side).astype(np.int64)
    corners = np.floor(generator.random((count, 2)) * (side - sizes + 1)).astype(np.int64)
    return torch.from_numpy(np.concatenate([corners, sizes], axis=1))


def crop_and_flip(images: Tensor, boxes: Tensor, flips: NDArray[np.bool_], size: int) -> Tensor:
    """Cuts one box from each of (B, 3, H, W), fits it to `size`, mirrors where `flips` says so."""
    if images.is_cuda:
        return crop_batch(images.float() / 255, boxes, flips, size)
    out = torch.empty((len(images), 3, size, size), dtype=torch.uint8, memory_format=torch.channels_last)
    for index, ((top, left, height, width), flip) in enumerate(zip(boxes.tolist(), flips, strict=True)):
        crop = images[index : index + 1, :, top : top + height, left : left + width]
        # Antialiased uint8 has a vectorised path on a CPU; grid_sample is several times slower there.
        fitted = interpolate(crop, (size, size), mode="bilinear", antialias=True)
        out[index] = fitted[0].flip(-1) if flip else fitted[0]
    return out


def crop_batch(images: Tensor, boxes: Tensor, flips: NDArray[np.bool_], size: int) -> Tensor:
    """The same in one kernel for all images, without antialiasing: float in, float out."""
    top, left, height, width = (boxes / images.shape[-1]).float().to(images.device).unbind(1)
    mirror = torch.where(torch.from_numpy(flips), -1.0, 1.0).to(images.device)
    zero = torch.zeros_like(top)
    rows = [width * mirror, zero, 2 * left + width - 1], [zero, height, 2 * top + height - 1]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def _colour(images: Tensor, strength: float, generator: Generator) -> Tensor:
    factors = torch.from_numpy(generator.uniform(1 - strength, 1 + strength, (3, len(images), 1, 1, 1)))
    brightness, contrast, saturation = factors.float().to(images.device)
    images = images * brightness
    grey = (images * torch.tensor(_GREY, device=images.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    images = torch.lerp(grey, images, saturation)
    return torch.lerp(grey.mean((1, 2, 3), keepdim=True), images, contrast).clamp_(0, 1)


def _erase(images: Tensor, generator: Generator) -> Tensor:
    size = images.shape[-1]
    sides = (generator.uniform(0.15, 0.45, (len(images), 2)) * size).round()
    sides *= generator.random((len(images), 1)) < _ERASE_PROBABILITY
    corners = np.floor(generator.random((len(images), 2)) * (size - sides + 1))
    (top, left), (bottom, right) = (_columns(each, images) for each in (corners, corners + sides))
    line = torch.arange(size, device=images.device)
    rows = (line.view(1, 1, -1, 1) >= top) & (line.view(1, 1, -1, 1) < bottom)
    return images.masked_fill(rows & (line >= left) & (line < right), 0.5)


def _columns(pairs: NDArray[np.float64], images: Tensor) -> tuple[Tensor, ...]:
    return torch.from_numpy(pairs).to(images.device).view(-1, 2, 1, 1, 1).unbind(1)


def mixup(images: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor, float]:
    """Mixes each image with another of its batch (Zhang et al., 2018, arXiv:1710.09412).

    Returns:
        The images, the indices of the partners, and the share of the first of each pair, which is
        at least a half: its label is the one that an accuracy counts.
    """
    share = generator.beta(alpha, alpha)
    share = float(max(share, 1 - share))
    partners = torch.from_numpy(generator.permutation(len(images))).to(images.device)
    return torch.lerp(images[partners], images, share), partners, share
