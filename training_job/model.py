"""Classifiers on torchvision's backbones."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torchvision.models import get_model  # type: ignore[import-untyped]
from torchvision.models.vision_transformer import interpolate_embeddings  # type: ignore[import-untyped]

from chalicelib.contract.errors import TrainingError

#: What the backbones' ImageNet weights were trained with; inside the model, so users needn't know.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Torchvision's mobilenet_v3 has 0.01: after a short run it would evaluate with stale statistics.
NORM_MOMENTUM = 0.1


class Classifier(nn.Module):
    """A backbone that takes plain images: float (B, 3, H, W), RGB, 0 to 1. Gives logits (B, classes).

    Args:
        architecture: a name of torchvision's registry.
        image_size: side of the images in pixels, a multiple of 16; vit_b_16 alone is built for one size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, num_classes: int, image_size: int = 224) -> None:
        super().__init__()
        sized = {"image_size": image_size} if architecture == "vit_b_16" else {}
        self.backbone: nn.Module = get_model(architecture, weights=None, num_classes=num_classes, **sized)
        # The layer whose outputs are the classes is the last linear one of every architecture.
        *_, self.head_name = (
            name for name, part in self.backbone.named_modules() if isinstance(part, nn.Linear)
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        for norm in self.norms():
            norm.momentum = NORM_MOMENTUM

    @property
    def head(self) -> nn.Linear:
        layer = self.backbone.get_submodule(self.head_name)
        assert isinstance(layer, nn.Linear)  # noqa: S101 - tells the type checker how it was found
        return layer

    def norms(self) -> Iterator[nn.BatchNorm2d]:
        return (module for module in self.modules() if isinstance(module, nn.BatchNorm2d))

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.head.parameters())

    def body_parameters(self) -> list[nn.Parameter]:
        """All but the head's."""
        head = {id(parameter) for parameter in self.head_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in head]

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.backbone((images - self.mean) / self.std)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """What goes into the head: (B, head.in_features). In eval mode dropout lets all of it pass."""
        caught: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            self(images)
        finally:
            hook.remove()
        return caught[0]


def build_model(
    architecture: str,
    num_classes: int,
    *,
    seed: int,
    image_size: int = 224,
    pretrained: Mapping[str, Tensor] | None = None,
) -> Classifier:
    """A classifier with seeded weights; with `pretrained`, all but the head come from there.

    Raises:
        TrainingError: `weights-corrupt`, the weights are of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(architecture, num_classes, image_size)
    if pretrained is not None:
        _load_body(model, pretrained)
    return model.to(memory_format=torch.channels_last)


def _load_body(model: Classifier, pretrained: Mapping[str, Tensor]) -> None:
    head = {f"{model.head_name}.weight", f"{model.head_name}.bias"}
    try:
        body = {name: value for name, value in _fitted(model, pretrained).items() if name not in head}
        result = model.backbone.load_state_dict(body, strict=False)
        complete = set(result.missing_keys) == head and not result.unexpected_keys
    except (KeyError, RuntimeError):  # a tensor is missing, or has another shape
        complete = False
    if not complete:
        raise TrainingError(
            "The pretrained weights don't fit the architecture. Build the training image again.",
            code="weights-corrupt",
        )


def _fitted(model: Classifier, pretrained: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A transformer's positions stretched to the model's image size; other weights as they are."""
    size = getattr(model.backbone, "image_size", None)
    if size is None:
        return pretrained
    fitted: Mapping[str, Tensor] = interpolate_embeddings(size, model.backbone.patch_size, dict(pretrained))
    return fitted
