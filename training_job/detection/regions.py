"""RetinaNet (Lin et al., 2017, arXiv:1708.02002) and Faster R-CNN (Ren et al., 2015, arXiv:1506.01497).

Torchvision's networks and losses. Its own `forward` would take the batch apart, resize and normalise
each image by itself, and give no loss in eval mode.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .boxes import Targets
from .loss import decode
from .model import AnchorDetector, Detector, Found, Loss, Outputs


class RetinaNet(AnchorDetector):
    """Torchvision's losses, and our selection. Its classes count from 0: it needs no background."""

    nms_iou = 0.5

    def _heads(self, images: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        maps = list(self.features(images).values())
        outputs = {name: each.float() for name, each in self.net.get_submodule("head")(maps).items()}
        return outputs, self.net.get_submodule("anchor_generator")(self.image_list(images), maps)

    def forward(self, images: Tensor, targets: Targets | None = None) -> Outputs:
        outputs, anchors = self._heads(images if targets is None else images[: len(targets.labels)])
        if targets is None:
            return self.select(*_read(outputs, anchors))
        losses = self.net.compute_loss(targets.as_dicts(first=0), outputs, anchors)  # type: ignore[operator]
        loss = _loss_of(losses, len(targets.labels))
        return loss if self.training else (loss, self.select(*_read(outputs, anchors)))

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return _read(*self._heads(images))


def _read(outputs: dict[str, Tensor], anchors: list[Tensor]) -> tuple[Tensor, Tensor]:
    boxes = decode(outputs["bbox_regression"], anchors[0], weights=(1.0, 1.0, 1.0, 1.0))
    return boxes, outputs["cls_logits"].sigmoid()


class FasterRcnn(Detector):
    """Two stages: the second looks only where the first proposes, and thins out by itself."""

    def forward(self, images: Tensor, targets: Targets | None = None) -> Outputs:
        images = images if targets is None else images[: len(targets.labels)]
        maps = self.features(images)
        if self.training and targets is not None:
            return self._loss(images, maps, targets)
        found = [Found(**each) for each in self._run(images, maps, None)[0]]
        if targets is None:
            return found
        with self._measuring():
            return self._loss(images, maps, targets), found

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of a batch of one image, since another finds another number of boxes."""
        [found] = self._run(images, self.features(images), None)[0]
        classes = self.net.get_parameter("roi_heads.box_predictor.cls_score.weight").shape[0] - 1
        label = one_hot(found["labels"] - 1, classes)
        return found["boxes"].unsqueeze(0), (found["scores"].unsqueeze(1) * label).unsqueeze(0)

    def _loss(self, images: Tensor, maps: dict[str, Tensor], targets: Targets) -> Loss:
        return _loss_of(self._run(images, maps, targets.as_dicts(first=1))[1], len(images))

    def _run(
        self, images: Tensor, maps: dict[str, Tensor], targets: list[dict[str, Tensor]] | None
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        rpn, heads, listed = (
            self.net.get_submodule("rpn"),
            self.net.get_submodule("roi_heads"),
            self.image_list(images),
        )
        proposals, losses = rpn(listed, maps, targets)
        found, more = heads(maps, proposals, listed.image_sizes, targets)
        return found, losses | more

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """Lets both stages give losses, while the norms inside them stay as they are."""
        stages = self.net.get_submodule("rpn"), self.net.get_submodule("roi_heads")
        for stage in stages:
            stage.training = True
        try:
            yield
        finally:
            for stage in stages:
                stage.training = False


def _loss_of(losses: dict[str, Tensor], images: int) -> Loss:
    mean = torch.stack(list(losses.values())).sum()
    return Loss(mean * images, torch.full_like(mean, images))
