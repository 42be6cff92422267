"""Batches out of a dataset in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from chalicelib.contract.config import TrainingConfig

from .config import given
from .dataset import Dataset
from .presets import Preset, mixup


@dataclass(frozen=True, slots=True)
class Batch:
    """Augmented images and their targets.

    Attributes:
        images: float32 (B, 3, size, size), 0 to 1.
        labels: int64 (B).
        partner_labels: int64 (B), the labels that mixup mixed in.
        share: weight of `labels` in the loss; 1 without mixup.
    """

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    share: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainLoader:
    """Shuffled, augmented batches. An epoch's are the same whenever it is run: seeded by its number."""

    dataset: Dataset
    batch_size: int
    preset: Preset
    mixup_alpha: float
    seed: int
    device: torch.device

    @classmethod
    def of(cls, dataset: Dataset, config: TrainingConfig, preset: Preset, device: torch.device) -> Self:
        return cls(
            dataset=dataset,
            batch_size=given(config.batch_size),
            preset=preset,
            mixup_alpha=config.mixup,
            seed=config.seed,
            device=device,
        )

    def __len__(self) -> int:
        # All of about the same size, and none of one image, which BatchNorm can't train on.
        return max(1, min(ceil(len(self.dataset) / self.batch_size), len(self.dataset) // 2))

    def batches(self, epoch: int) -> Iterator[Batch]:
        generator = np.random.default_rng([self.seed, epoch])
        order = torch.from_numpy(generator.permutation(len(self.dataset)))
        for indices in order.tensor_split(len(self)):
            yield self._batch(indices, generator)

    def _batch(self, indices: Tensor, generator: Generator) -> Batch:
        labels = self.dataset.labels[indices].to(self.device)
        images = self.preset(self.dataset.images[indices].to(self.device), generator)
        if not self.mixup_alpha:
            return Batch(images, labels, labels)
        images, partners, share = mixup(images, self.mixup_alpha, generator)
        return Batch(images, labels, labels[partners], share)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalLoader:
    """Batches in order, as they are."""

    dataset: Dataset
    batch_size: int
    device: torch.device

    @classmethod
    def of(cls, dataset: Dataset, config: TrainingConfig, device: torch.device) -> Self:
        return cls(dataset=dataset, batch_size=given(config.batch_size), device=device)

    def __len__(self) -> int:
        return ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        """float32 (B, 3, size, size), 0 to 1."""
        for images in self.dataset.images.split(self.batch_size):
            yield images.to(self.device).permute(0, 3, 1, 2).float() / 255
