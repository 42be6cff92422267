"""Where an SSD looks for objects, and in which shapes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList  # type: ignore[import-untyped]

_RATIOS = (0.5, 1.0, 2.0)  # width to height


class Anchors(nn.Module):
    """Boxes of some sizes around each position of each map; called as torchvision's generators are.

    Args:
        scales: of each map: the sides of its squares, as shares of the image's. Each comes in all of
            `_RATIOS`, with the same area.
    """

    def __init__(self, scales: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self._shapes = [
            torch.tensor([[side * ratio**0.5, side / ratio**0.5] for side in sides for ratio in _RATIOS])
            for sides in scales
        ]

    def num_anchors_per_location(self) -> list[int]:
        return [len(shapes) for shapes in self._shapes]

    def forward(self, images: ImageList, maps: Sequence[Tensor]) -> list[Tensor]:
        """Of each image float32 (A, 4), corners in pixels; in the order of rows, columns, shapes."""
        size = images.tensors.shape[-1]
        parts = [_around(each.shape[-2:], shapes) for each, shapes in zip(maps, self._shapes, strict=True)]
        boxes = torch.cat(parts).to(maps[0].device) * size
        return [boxes] * len(images.image_sizes)


def _around(cells: torch.Size, shapes: Tensor) -> Tensor:
    rows, columns = ((torch.arange(count) + 0.5) / count for count in cells)
    centres = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1).view(-1, 1, 2)
    # SSD keeps the sides of its boxes within the image's, not the corners.
    half = shapes.clamp(max=1) / 2
    return torch.cat([centres - half, centres + half], -1).view(-1, 4)
