"""Cached images on their way to the device that trains.

On a CPU they are where they are wanted. A GPU keeps all of them if they take little of its memory;
otherwise each batch's are copied from pinned memory, one batch ahead, while the GPU works on another.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

import torch
from torch import Tensor

from .geometry import moved

T = TypeVar("T")

# The rest is for the model, its activations, and the cache of another split.
_SHARE_OF_GPU = 1 / 4


@dataclass(frozen=True, slots=True)
class Feed:
    """Cached images, uint8 (N, side, side, 3), and the device that batches of them are for."""

    images: Tensor
    device: torch.device

    @classmethod
    def of(cls, images: Tensor, device: torch.device) -> Self:
        if device.type == "cuda" and images.nbytes < _SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]:
            images = images.to(device)
        return cls(images, device)

    @property
    def copies(self) -> bool:
        """Whether each batch is copied to the device."""
        return self.images.device.type != self.device.type

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images on the device and, among them, the numbers of those in `rows`; likewise there."""
        if not self.copies:
            return self.images, moved(rows, self.device)
        pinned = self.device.type == "cuda"
        batch = torch.empty((len(rows), *self.images.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        torch.index_select(self.images, 0, rows, out=batch)
        # Torch's allocator of pinned memory gives the buffer away only once this copy is over.
        return batch.to(self.device, non_blocking=True), torch.arange(len(rows), device=self.device)


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each of them made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item
