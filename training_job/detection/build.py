"""The builder of detectors, and where their first weights come from."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import get_model  # type: ignore[import-untyped]
from torchvision.models.detection.ssd import SSD  # type: ignore[import-untyped]

from chalicelib.contract.errors import TrainingError

from ..cpu.quicken import quicken
from ..model import MEAN, STD
from ..weights import Kind
from .model import Detector, body_of
from .regions import FasterRcnn, RetinaNet
from .ssd import Ssd, ssdlite_mobilenet_v2

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Make:
    """What wraps torchvision's network, and what its weights expect of the colours."""

    wrapper: type[Detector]
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD


MAKES = {
    "ssdlite_mobilenet_v2": Make(Ssd),
    "ssdlite320_mobilenet_v3_large": Make(Ssd, _HALF, _HALF),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Make(FasterRcnn),
    "fasterrcnn_resnet50_fpn_v2": Make(FasterRcnn),
    "retinanet_resnet50_fpn_v2": Make(RetinaNet),
}


def build_detector(
    architecture: str,
    num_classes: int,
    size: int,
    *,
    seed: int,
    pretrained: tuple[Mapping[str, Tensor], Kind] | None = None,
) -> Detector:
    """A detector with seeded weights; with `pretrained`, all that fits comes from there.

    Args:
        architecture: one of `contract.config.Detector`.
        num_classes: without the background.
        size: side of the images in pixels.
        seed: of what isn't pretrained.
        pretrained: see `load_detector_weights`.

    Raises:
        TrainingError: `weights-corrupt`, the weights are of another architecture.
    """
    make = MAKES[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _net(architecture, num_classes)
    if pretrained is not None:
        _load(net, *pretrained)
    model = make.wrapper(quicken(net), size, make.mean, make.std)
    return model.to(memory_format=torch.channels_last)


def _net(architecture: str, num_classes: int) -> nn.Module:
    if architecture == "ssdlite_mobilenet_v2":
        return ssdlite_mobilenet_v2(num_classes + 1)
    background = MAKES[architecture].wrapper is not RetinaNet
    net: nn.Module = get_model(
        architecture, weights=None, weights_backbone=None, num_classes=num_classes + background
    )
    return net


def _load(net: nn.Module, pretrained: Mapping[str, Tensor], kind: Kind) -> None:
    target, values = (
        (net, pretrained) if kind == "full" else (body_of(net), _backbone_values(net, pretrained))
    )
    own = target.state_dict()
    # The layers of COCO's classes, and the end of ssdlite320's backbone, have other shapes and start anew.
    fitting = {
        name: value for name, value in values.items() if name in own and value.shape == own[name].shape
    }
    if len(fitting) < len(own) / 2:
        raise TrainingError(
            "The pretrained weights don't fit the architecture. Build the training image again.",
            code="weights-corrupt",
        )
    target.load_state_dict(fitting, strict=False)


def _backbone_values(net: nn.Module, pretrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's weights under the names that they have in `body_of`."""
    if not isinstance(net, SSD):
        return {name.removeprefix("features."): value for name, value in pretrained.items()}
    # SSDLite cuts the classifier's layers in two in another place, and keeps their order.
    values = [value for name, value in pretrained.items() if name.startswith("features.") and value.ndim]
    names = [name for name, value in body_of(net).state_dict().items() if value.ndim]  # less batch counters
    return dict(zip(names, values, strict=False))
