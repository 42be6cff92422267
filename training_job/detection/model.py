"""Detectors on torchvision's parts.

All take plain images: float (B, 3, size, size), RGB, 0 to 1, stretched to the square. In training
mode a detector gives its loss, in eval mode its loss and what it finds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList  # type: ignore[import-untyped]
from torchvision.models.detection.ssd import SSD  # type: ignore[import-untyped]
from torchvision.ops import batched_nms, clip_boxes_to_image  # type: ignore[import-untyped]

from ..model import NORM_MOMENTUM

# What average precision is measured over: as many as COCO counts, down to scores that don't matter.
_LEAST_SCORE, _CANDIDATES, _MOST_FOUND = 0.01, 400, 100


@dataclass(frozen=True, slots=True)
class Loss:
    """The mean loss of a batch is `total` over `weight`, whatever parts it is summed from.

    Attributes:
        total: float32 ().
        weight: float32 (): matched anchors, or images.
    """

    total: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class Found:
    """The objects found in one image, the surest first.

    Attributes:
        boxes: float32 (N, 4): left, top, right, bottom in pixels of the input.
        scores: float32 (N), 0 to 1.
        labels: int64 (N): classes from 1.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


Outputs = Loss | tuple[Loss, list[Found]] | list[Found]


class Detector(nn.Module):
    """What all have in common: normalisation inside, and which parameters are whose.

    Called with images and targets: see the module. In eval mode without targets: what it finds.

    Args:
        net: torchvision's detector, of which the parts are used, not `forward`.
        size: side of the images in pixels.
        mean, std: of the images that the backbone's weights were trained with.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.net, self.size = net, size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM

    @property
    def body(self) -> nn.Module:
        """The layers that a classifier has too; further maps and the pyramid are no part of it."""
        return body_of(self.net)

    def norms(self) -> Iterator[nn.BatchNorm2d]:
        """The body's."""
        return (module for module in self.body.modules() if isinstance(module, nn.BatchNorm2d))

    def body_parameters(self) -> list[nn.Parameter]:
        return list(self.body.parameters())

    def head_parameters(self) -> list[nn.Parameter]:
        """All but the body's."""
        body = {id(parameter) for parameter in self.body_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in body]

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """In eval mode: boxes (B, N, 4) as corners in pixels of the input, scores (B, N, classes), 0 to 1."""
        raise NotImplementedError

    def features(self, images: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = self.net.get_submodule("backbone")((images - self.mean) / self.std)
        return maps

    def image_list(self, images: Tensor) -> ImageList:
        return ImageList(images, [(self.size, self.size)] * len(images))


class AnchorDetector(Detector):
    """One that scores all anchors at once: its raw outputs are of before NMS, and of any batch."""

    nms_iou: float

    def select(self, boxes: Tensor, scores: Tensor) -> list[Found]:
        """What is left of the raw outputs: the surest, without those that say the same again."""
        boxes = clip_boxes_to_image(boxes.float(), (self.size, self.size))
        return [self._select_one(*pair) for pair in zip(boxes, scores.float(), strict=True)]

    def _select_one(self, boxes: Tensor, scores: Tensor) -> Found:
        best, index = scores.flatten().topk(min(_CANDIDATES, scores.numel()))
        index = index[: int((best > _LEAST_SCORE).sum())]
        anchor, label = index // scores.shape[1], index % scores.shape[1]
        kept = batched_nms(boxes[anchor], best[: len(index)], label, self.nms_iou)[:_MOST_FOUND]
        return Found(boxes[anchor[kept]], best[kept], label[kept] + 1)


def body_of(net: nn.Module) -> nn.Module:
    """See `Detector.body`."""
    return net.get_submodule("backbone").get_submodule("features" if isinstance(net, SSD) else "body")
