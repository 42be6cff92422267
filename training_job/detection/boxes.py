"""The boxes of images: read from labels, and as the tensors of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chalicelib.contract.manifest import Entry

from ..checks import usable_boxes


@dataclass(frozen=True, slots=True)
class Objects:
    """What one image shows.

    Attributes:
        boxes: float32 (N, 4): left, top, right, bottom as shares of the image's sides.
        labels: int64 (N): classes from 1; 0 is the background.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch shows, padded to the image with the most objects.

    Attributes:
        boxes: float32 (B, N, 4): left, top, right, bottom in pixels of the model's input.
        labels: int64 (B, N): classes from 1; 0 where there is no object.
    """

    boxes: Tensor
    labels: Tensor

    @classmethod
    def of(cls, objects: Sequence[Objects], size: int) -> Self:
        most = max((len(each.labels) for each in objects), default=0)
        boxes = np.zeros((len(objects), max(most, 1), 4), np.float32)
        labels = np.zeros(boxes.shape[:2], np.int64)
        for row, each in enumerate(objects):
            boxes[row, : len(each.labels)] = each.boxes * size
            labels[row, : len(each.labels)] = each.labels
        return cls(torch.from_numpy(boxes), torch.from_numpy(labels))

    def to(self, device: torch.device) -> "Targets":
        return Targets(self.boxes.to(device, non_blocking=True), self.labels.to(device, non_blocking=True))

    def as_dicts(self, first: int) -> list[dict[str, Tensor]]:
        """As torchvision's detectors take them, without the padding, with classes from `first`."""
        pairs = zip(self.boxes, self.labels, strict=True)
        return [
            {"boxes": boxes[labels > 0], "labels": labels[labels > 0] - 1 + first} for boxes, labels in pairs
        ]


def objects_of(entry: Entry, numbers: Mapping[str, int]) -> Objects:
    """The usable boxes of an image.

    Args:
        entry: labelled with a list of boxes.
        numbers: each class's, from 1.
    """
    found = usable_boxes(entry)
    sides = np.array([entry.width, entry.height] * 2, np.float32)
    boxes = np.array([[x, y, x + width, y + height] for _, (x, y, width, height) in found], np.float32)
    return Objects(boxes.reshape(-1, 4) / sides, np.array([numbers[name] for name, _ in found], np.int64))
