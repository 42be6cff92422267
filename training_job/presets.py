"""Augmentation presets, on whole batches: what chance decides is drawn first, and then applied.

The draws are of the global batch. Each process applies those of its own images, so that a batch is the
same however many processes share it.
"""

from dataclasses import dataclass, fields
from math import ceil
from typing import Self

import torch
from numpy.random import Generator
from torch import Tensor

from chalicelib.contract.config import TrainingConfig

from .config import given
from .geometry import crop_and_flip, moved, placed, random_boxes
from .policies import POLICIES, Policy, tint

_ERASE_PROBABILITY = 0.25
_ERASED = (0.15, 0.45)  # share of the side


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """What chance decided for each image of a batch; an index takes a part of the batch.

    Attributes:
        boxes: crops of the cached images, int64 (B, 4): top, left, height, width.
        flips: bool (B).
        colours: factors of brightness, saturation and contrast, float32 (B, 3).
        erased: boxes of the result, int64 (B, 4), of no height where nothing is erased.
        operations, strengths: of the policy, (B, picks).
    """

    boxes: Tensor
    flips: Tensor
    colours: Tensor
    erased: Tensor
    operations: Tensor
    strengths: Tensor

    def __len__(self) -> int:
        return len(self.flips)

    def __getitem__(self, rows: Tensor | slice) -> "Draws":
        return Draws(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """One way to vary training images.

    Attributes:
        size: side of the images that come out, in pixels.
        colour: largest relative change of brightness, saturation and contrast; 0 is none.
    """

    size: int
    crop: bool
    flip: bool
    colour: float = 0.0
    erase: bool = False
    policy: Policy | None = None

    @classmethod
    def of(cls, config: TrainingConfig) -> Self:
        varied, strong = config.augmentation != "none", config.augmentation == "strong"
        return cls(
            size=given(config.image_size),
            crop=varied,
            flip=varied and config.horizontal_flip,
            colour=0.4 if strong else 0.0,
            erase=strong,
            policy=POLICIES.get(config.augmentation),
        )

    @property
    def cache_side(self) -> int:
        """Side of the cached images: a typical crop then has about as many pixels as it needs."""
        return ceil(self.size * 5 / 4) if self.crop else self.size

    def draw(self, count: int, generator: Generator) -> Draws:
        """For `count` images of `cache_side`."""
        sides = generator.uniform(*_ERASED, (count, 2)) * (generator.random((count, 1)) < _ERASE_PROBABILITY)
        operations, strengths = (
            self.policy.draw(count, generator) if self.policy else torch.empty((2, count, 0))
        )
        return Draws(
            boxes=random_boxes(count, self.cache_side, generator),
            flips=torch.from_numpy(generator.random(count) < 0.5 * self.flip),
            colours=torch.from_numpy(generator.uniform(1 - self.colour, 1 + self.colour, (count, 3))).float(),
            erased=placed((sides * self.size).round(), self.size, generator),
            operations=operations,
            strengths=strengths,
        )

    def apply(self, images: Tensor, rows: Tensor, draws: Draws) -> Tensor:
        """Varies some of the cached images.

        Args:
            images: uint8 (N, side, side, 3), the side that of the cache.
            rows: int64 (B), which of them, on their device.
            draws: for these rows.

        Returns:
            float32 (B, 3, size, size), 0 to 1, channels_last, on the device of the images.
        """
        if not self.crop:
            return images[rows].permute(0, 3, 1, 2).float().div_(255)
        maps = self.policy.maps(draws.operations, draws.strengths) if self.policy else None
        out = crop_and_flip(images, rows, draws.boxes, draws.flips, self.size, maps)
        if self.policy:
            self.policy.recolour(out, draws.operations, draws.strengths)
        if self.colour:
            out = tint(out, *moved(draws.colours, out.device).unbind(1))
        if self.erase:
            _erase(out, draws.erased)
        return out.contiguous(memory_format=torch.channels_last)


def _erase(images: Tensor, boxes: Tensor) -> None:
    for image, (top, left, height, width) in zip(images, boxes.tolist(), strict=True):
        if height:
            image[:, top : top + height, left : left + width] = 0.5
