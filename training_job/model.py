"""Classifiers on torchvision backbones."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torchvision.models import get_model  # type: ignore[import-untyped]

from chalicelib.contract.errors import TrainingError

#: What the backbones' ImageNet weights were trained with; inside the model, so users needn't know.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Where each architecture keeps the layer that is replaced by one for our classes.
HEADS = {"mobilenet_v2": "classifier.1", "mobilenet_v3_small": "classifier.3", "resnet18": "fc"}

# Torchvision's mobilenet_v3 has 0.01: after a short run it would evaluate with stale statistics.
_NORM_MOMENTUM = 0.1


class Classifier(nn.Module):
    """A backbone that takes plain images: float (B, 3, H, W), RGB, 0 to 1. Gives logits (B, classes)."""

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, num_classes: int) -> None:
        super().__init__()
        self.head_name = HEADS[architecture]
        self.backbone = get_model(architecture, weights=None)
        head = nn.Linear(self.head.in_features, num_classes)
        self.backbone.set_submodule(self.head_name, head)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        for norm in self.norms():
            norm.momentum = _NORM_MOMENTUM

    @property
    def head(self) -> nn.Linear:
        layer = self.backbone.get_submodule(self.head_name)
        assert isinstance(layer, nn.Linear)  # noqa: S101 - tells the type checker what HEADS says
        return layer

    def norms(self) -> Iterator[nn.BatchNorm2d]:
        return (module for module in self.modules() if isinstance(module, nn.BatchNorm2d))

    def body_parameters(self) -> list[nn.Parameter]:
        """All but the head's."""
        head = {id(parameter) for parameter in self.head.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in head]

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.backbone((images - self.mean) / self.std)
        return logits


def build_model(
    architecture: str, num_classes: int, *, seed: int, pretrained: Mapping[str, Tensor] | None = None
) -> Classifier:
    """A classifier with seeded weights; with `pretrained`, all but the head come from there.

    Raises:
        TrainingError: `weights-corrupt`, the weights are of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(architecture, num_classes)
    if pretrained is not None:
        _load_body(model, pretrained)
    return model.to(memory_format=torch.channels_last)


def _load_body(model: Classifier, pretrained: Mapping[str, Tensor]) -> None:
    body = {name: value for name, value in pretrained.items() if not name.startswith(model.head_name + ".")}
    head = {f"{model.head_name}.weight", f"{model.head_name}.bias"}
    try:
        result = model.backbone.load_state_dict(body, strict=False)
        complete = set(result.missing_keys) == head and not result.unexpected_keys
    except RuntimeError:  # a tensor of another shape
        complete = False
    if not complete:
        raise TrainingError("The pretrained weights don't fit the architecture.", code="weights-corrupt")
