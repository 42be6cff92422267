"""SSDLite (Sandler et al., 2018, arXiv:1801.04381, section 6.2) on MobileNets."""

import torch
from torch import Tensor, nn
from torchvision.models import get_model  # type: ignore[import-untyped]
from torchvision.models.detection.ssd import SSD  # type: ignore[import-untyped]
from torchvision.models.detection.ssdlite import (  # type: ignore[import-untyped]
    SSDLiteFeatureExtractorMobileNet,
    SSDLiteHead,
)
from torchvision.ops.misc import Conv2dNormActivation  # type: ignore[import-untyped]

from .anchors import Anchors
from .boxes import Targets
from .loss import decode, ssd_loss
from .model import AnchorDetector, Loss, Outputs

_C4 = 14  # the last block that halves the map
# Of each map, from 20 x 20 to 1 x 1. Torchvision looks for large objects on the last maps alone, which
# start untrained: with few images they are found much sooner on the second, the end of the backbone.
_SCALES = ((0.08, 0.16), (0.25, 0.4, 0.65), (0.4, 0.65), (0.6, 0.85), (0.75, 0.95), (0.95,))


class Ssd(AnchorDetector):
    """One shot: every anchor is scored and moved."""

    anchors: Tensor
    nms_iou = 0.55  # torchvision's, for SSDLite

    def __init__(self, net: nn.Module, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__(net, size, mean, std)
        # Follows from the sizes alone, so it is no part of the weights.
        self.register_buffer("anchors", self._make_anchors(), persistent=False)

    @torch.no_grad()
    def _make_anchors(self) -> Tensor:
        images, was_training = torch.zeros(1, 3, self.size, self.size), self.training
        maps = list(self.eval().features(images).values())
        self.train(was_training)
        anchors: Tensor = self.net.get_submodule("anchor_generator")(self.image_list(images), maps)[0]
        return anchors

    def _heads(self, images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.net.get_submodule("head")(list(self.features(images).values()))
        return outputs["cls_logits"], outputs["bbox_regression"]

    def forward(self, images: Tensor, targets: Targets | None = None) -> Outputs:
        logits, codes = self._heads(images)
        if targets is None:
            return self.select(*self._read(logits, codes))
        count = len(targets.labels)
        loss = Loss(*ssd_loss(logits[:count], codes[:count], targets, self.anchors))
        return loss if self.training else (loss, self.select(*self._read(logits, codes)))

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self._read(*self._heads(images))

    def _read(self, logits: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        return decode(codes.float(), self.anchors), logits.float().softmax(2)[:, :, 1:]


def ssdlite_mobilenet_v2(num_classes: int) -> SSD:
    """Torchvision's SSDLite on the second MobileNet, for which it has none.

    Args:
        num_classes: with the background.
    """
    blocks = get_model("mobilenet_v2", weights=None).features
    blocks[_C4].block = blocks[_C4].conv  # the name that the extractor knows from the third version
    extractor = SSDLiteFeatureExtractorMobileNet(blocks, _C4, nn.BatchNorm2d)
    anchors = Anchors(_SCALES)
    # The expansion before the last halving, the end, and the extractor's four further maps.
    channels = [576, 1280, 512, 256, 256, 128]
    head = SSDLiteHead(channels, anchors.num_anchors_per_location(), num_classes, nn.BatchNorm2d)
    for new in (extractor.extra, head):
        _scale_before_norms(new)
    return SSD(extractor, anchors, (0, 0), num_classes, head=head)


def _scale_before_norms(new: nn.Module) -> None:
    """Starts convolutions so that their outputs vary by about 1, as the norms after them assume.

    With torchvision's start they vary by a hundredth, and a short run evaluates with statistics that
    have not come down to that yet.
    """
    for block in new.modules():
        if isinstance(block, Conv2dNormActivation):
            nn.init.kaiming_normal_(block[0].weight, nonlinearity="relu")
