"""Batches out of a dataset in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Self

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from chalicelib.contract.config import TrainingConfig

from .config import given
from .dataset import Dataset
from .feed import Feed, one_ahead
from .geometry import moved
from .group import Group
from .mix import Mix, draw_mix
from .presets import Draws, Preset


@dataclass(frozen=True, slots=True)
class Batch:
    """A process's part of a batch: augmented images and their targets.

    Attributes:
        images: float32 (P, 3, size, size), 0 to 1. P is B, but at least two, which BatchNorm needs: a
            process whose part is smaller gets others of the batch as well, without a label.
        labels: int64 (B), of the first B images.
        partner_labels: int64 (B), the labels that were mixed in.
        share: weight of `labels` in the loss; 1 where nothing was mixed.
        total: images of the whole batch.
    """

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    share: float
    total: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a process does for a batch; `rows` and `draws` are of the images that it needs."""

    rows: Tensor
    draws: Draws
    mix: Mix
    own: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainLoader:
    """Shuffled, augmented batches; see `task.Source`."""

    dataset: Dataset
    config: TrainingConfig
    preset: Preset
    device: torch.device
    group: Group = field(default_factory=Group.alone)
    feed: Feed

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        config: TrainingConfig,
        preset: Preset,
        device: torch.device,
        group: Group | None = None,
    ) -> Self:
        return cls(
            dataset=dataset,
            config=config,
            preset=preset,
            device=device,
            group=group or Group.alone(),
            feed=Feed.of(dataset.images, device),
        )

    @property
    def images(self) -> int:
        return len(self.dataset)

    @property
    def seed(self) -> int:
        return self.config.seed

    def __len__(self) -> int:
        # All of about the same size, and none of one image, which BatchNorm can't train on.
        return max(1, min(ceil(self.images / given(self.config.batch_size)), self.images // 2))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """An epoch's batches from number `start` on."""
        taken = ((plan, *self.feed.take(plan.rows)) for plan in self._plans(epoch, start))
        for plan, images, rows in one_ahead(taken) if self.feed.copies else taken:
            yield self._batch(plan, images, rows)

    def _plans(self, epoch: int, start: int) -> Iterator[_Plan]:
        steps = self._order(epoch).tensor_split(len(self))
        for step in range(start, len(self)):
            # A seed of [a, b] is numpy's [a, b, 0]: the steps count from 1, or the first draws the order.
            generator = np.random.default_rng([self.seed, epoch, step + 1])
            yield self._plan(steps[step], generator)

    def _order(self, epoch: int) -> Tensor:
        generator = np.random.default_rng([self.seed, epoch])
        if self.config.balanced_sampling:
            return balanced_order(self.dataset.labels, generator)
        return torch.from_numpy(generator.permutation(self.images))

    def _plan(self, batch: Tensor, generator: Generator) -> _Plan:
        total, part = len(batch), self.group.rows(len(batch))
        draws, mix = self.preset.draw(total, generator), draw_mix(self.config, generator)
        own = part.stop - part.start
        # To mix, the last needs its successor; the successor of all is the first.
        needed = min(max(own + (mix.share < 1), 2), total)
        places = (part.start + torch.arange(needed)) % total
        return _Plan(batch[places], draws[places], mix, own, total)

    def _batch(self, plan: _Plan, images: Tensor, rows: Tensor) -> Batch:
        varied = plan.mix.apply(self.preset.apply(images, rows, plan.draws))[: max(plan.own, 2)]
        labels = moved(self.dataset.labels[plan.rows], self.device)
        partners = labels.roll(-1) if plan.mix.share < 1 else labels
        return Batch(varied, labels[: plan.own], partners[: plan.own], plan.mix.share, plan.total)


def balanced_order(labels: Tensor, generator: Generator) -> Tensor:
    """As many indices as there are labels, int64, in random order: of each class equally many, or one more.

    The images of a rare class come again and again, equally often; of a common one some are left out.
    """
    classes = generator.permutation(labels.unique().numpy())
    quotas = [len(part) for part in np.array_split(np.arange(len(labels)), len(classes))]
    drawn = [
        np.resize(generator.permutation((labels == each).nonzero().flatten().numpy()), quota)
        for each, quota in zip(classes.tolist(), quotas, strict=True)
    ]
    return torch.from_numpy(generator.permutation(np.concatenate(drawn)))


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalLoader:
    """A process's part of a split in batches, in order, as they are.

    `group.gather` of what was computed for them gives the rows of the whole split, in order.
    """

    dataset: Dataset
    batch_size: int
    device: torch.device
    rows: slice
    feed: Feed

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        config: TrainingConfig,
        device: torch.device,
        group: Group | None = None,
    ) -> Self:
        rows = (group or Group.alone()).rows(len(dataset))
        return cls(
            dataset=dataset,
            batch_size=given(config.batch_size),
            device=device,
            rows=rows,
            feed=Feed.of(dataset.images[rows], device),
        )

    def __len__(self) -> int:
        # One, of no image, where other processes have all of a small split: it can be gathered too.
        rows = self.rows.stop - self.rows.start
        return max(ceil(rows / self.batch_size), min(1, len(self.dataset)))

    def __iter__(self) -> Iterator[Tensor]:
        """float32 (B, 3, size, size), 0 to 1."""
        for step in range(len(self)):
            images = self.feed.images[step * self.batch_size : (step + 1) * self.batch_size]
            images = moved(images, self.device) if self.feed.copies else images
            yield images.permute(0, 3, 1, 2).float().div_(255)
