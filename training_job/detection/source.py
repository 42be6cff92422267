"""Batches of cached images and their boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ..feed import Feed, one_ahead
from ..group import Group
from .augment import Augmentation, Views
from .boxes import Objects, Targets

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BoxedImages:
    """A split, decoded.

    Attributes:
        images: uint8 (N, side, side, 3), RGB.
        objects: of each image.
    """

    images: Tensor
    objects: Sequence[Objects]

    def __len__(self) -> int:
        return len(self.objects)


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's part of a batch.

    Attributes:
        images: float32 (P, 3, size, size), 0 to 1. P is at least two, which batch normalisation needs: a
            process whose part is smaller gets others of the batch as well.
        targets: of the first B images, one at least.
        own: images of this process's part; B, or 0.
        total: images of the whole batch.
    """

    images: Tensor
    targets: Targets
    own: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainBatches:
    """Shuffled, augmented batches: a `Source`."""

    split: BoxedImages
    batch_size: int
    augmentation: Augmentation
    seed: int
    device: torch.device
    group: Group
    feed: Feed

    @property
    def images(self) -> int:
        return len(self.split)

    def __len__(self) -> int:
        # All of about the same size, and none of one image, which batch normalisation can't train on.
        return max(1, min(ceil(len(self.split) / self.batch_size), len(self.split) // 2))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """An epoch's batches from number `start` on."""
        taken = ((plan, *self.feed.take(torch.from_numpy(plan.rows))) for plan in self._plans(epoch, start))
        for plan, images, rows in one_ahead(taken) if self.feed.copies else taken:
            yield self._batch(plan, images, rows)

    def _plans(self, epoch: int, start: int) -> Iterator["_Plan"]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.split))
        parts = np.array_split(order if len(order) > 1 else order.repeat(2), len(self))
        for step, indices in enumerate(parts[start:], start + 1):
            # A seed of [a, b] is numpy's [a, b, 0]: the steps count from 1, or the first draws the order.
            yield self._plan(indices, np.random.default_rng([self.seed, epoch, step]))

    def _plan(self, indices: Indices, generator: Generator) -> "_Plan":
        # Drawn for the whole batch: the same whatever part of it is this process's.
        views = self.augmentation.draw([self.split.objects[index] for index in indices], generator)
        part = self.group.rows(len(indices))
        own = part.stop - part.start
        places = (part.start + np.arange(max(own, 2))) % len(indices)
        return _Plan(indices[places], views[places], own, len(indices))

    def _batch(self, plan: "_Plan", images: Tensor, rows: Tensor) -> Batch:
        objects = [self.split.objects[index] for index in plan.rows[: max(plan.own, 1)]]
        targets = plan.views.targets(objects, self.augmentation.size).to(self.device)
        return Batch(self.augmentation(images, rows, plan.views), targets, plan.own, plan.total)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a process does for a batch: which images it takes, and what it sees of each."""

    rows: Indices
    views: Views
    own: int
    total: int


def eval_batches(
    split: BoxedImages, rows: slice, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Targets]]:
    """The images of `rows` in order, as they are: float32 (B, 3, size, size), 0 to 1, and their objects."""
    for first in range(rows.start, rows.stop, batch_size):
        part = slice(first, min(first + batch_size, rows.stop))
        images = split.images[part].to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
        yield images, Targets.of(split.objects[part], images.shape[-1]).to(device)
