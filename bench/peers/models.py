"""Torchvision's models, for the peers that bring none of their own."""

from torch import nn
from torchvision.models import get_model  # type: ignore[import-untyped]

from bench.training.protocol import Case


def make_model(case: Case, num_classes: int) -> nn.Module:
    """With its last layer replaced where it is pretrained, as torchvision's tutorials do."""
    if not case.pretrained:
        return get_model(case.model, num_classes=num_classes)
    model: nn.Module = get_model(case.model, weights="IMAGENET1K_V1")
    name, last = [(name, each) for name, each in model.named_modules() if isinstance(each, nn.Linear)][-1]
    model.set_submodule(name, nn.Linear(last.in_features, num_classes))
    return model
