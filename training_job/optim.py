"""Optimizer, learning rate schedule and loss, as a configuration names them."""

from collections.abc import Iterable
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from chalicelib.contract.config import TrainingConfig

from .config import given
from .model import Classifier

# One-cycle starts at 1/25 of the peak and ends at 1/10,000 of that (Smith and Topin, 2018,
# arXiv:1708.07120, with torch's default divisors).
_START, _END = 1 / 25, 1 / 25e4


def make_optimizer(model: Classifier, config: TrainingConfig) -> Optimizer:
    """AdamW or SGD over the trainable parameters, the head's and the body's at their own rates."""
    rate, decay = given(config.learning_rate), given(config.weight_decay)
    body_rate = rate * given(config.backbone_rate)
    groups = [
        *_groups(model.head.parameters(), rate, decay),
        *_groups(model.body_parameters(), body_rate, decay),
    ]
    if config.optimizer == "sgd":
        return SGD(groups, lr=rate, momentum=config.momentum, nesterov=config.momentum > 0)
    return AdamW(groups, lr=rate)


def _groups(parameters: Iterable[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    trainable = [each for each in parameters if each.requires_grad]
    kernels = [each for each in trainable if each.ndim > 1]
    # Norms and biases have one dimension; decaying them costs accuracy (He et al., 2018, arXiv:1812.01187).
    flat = [each for each in trainable if each.ndim <= 1]
    groups = [(kernels, decay), (flat, 0.0)]
    return [{"params": part, "lr": rate, "weight_decay": each} for part, each in groups if part]


def make_lr_scheduler(optimizer: Optimizer, config: TrainingConfig, steps_per_epoch: int) -> LambdaLR:
    """To be stepped after every optimizer step."""
    total = given(config.epochs) * steps_per_epoch
    warmup = min(round(given(config.warmup_epochs) * steps_per_epoch), total - 1)
    return LambdaLR(optimizer, lambda step: lr_factor(config.scheduler, step, total, warmup))


def lr_factor(scheduler: str, step: int, total: int, warmup: int) -> float:
    """The learning rate at a step (from 0), as a share of its peak.

    One-cycle is torch's OneCycleLR: half a cosine up, half a cosine down. The others rise in a
    straight line, then follow half a cosine to zero, or stay.
    """
    if scheduler == "onecycle":
        return _one_cycle(step, total, warmup)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 1.0 if scheduler == "constant" else _anneal(1, 0, (step - warmup) / (total - warmup))


def _one_cycle(step: int, total: int, warmup: int) -> float:
    peak = max(warmup - 1, 0)
    if step < peak:
        return _anneal(_START, 1, step / peak)
    return _anneal(1, _END, (step - peak) / max(total - 1 - peak, 1))


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * min(share, 1))) / 2


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """float32 (num_classes): images a class should have over those it has; 1 where it has none."""
    counts = labels.bincount(minlength=num_classes).clamp(min=1)
    return (len(labels) / (num_classes * counts)).float()


def make_criterion(config: TrainingConfig, labels: Tensor, num_classes: int) -> nn.CrossEntropyLoss:
    """The loss that is trained on. Validation is measured with plain cross-entropy."""
    weights = class_weights(labels, num_classes) if config.class_weights == "balanced" else None
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=config.label_smoothing)


def mixed_loss(
    criterion: nn.Module, logits: Tensor, labels: Tensor, partners: Tensor, share: float
) -> Tensor:
    """The loss against both labels of a mixed image, by their shares; `share` 1 is the plain loss."""
    loss: Tensor = criterion(logits, labels)
    return loss if share == 1 else torch.lerp(criterion(logits, partners), loss, share)
