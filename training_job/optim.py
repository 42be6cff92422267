"""Optimizer, learning rate schedule and loss, as a configuration names them."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from chalicelib.contract.config import TrainingConfig

from .config import given

# One-cycle starts at 1/25 of the peak and ends at 1/10,000 of that (Smith and Topin, 2018,
# arXiv:1708.07120, with torch's default divisors).
_START, _END = 1 / 25, 1 / 25e4


class Parted(Protocol):
    """A model whose head learns at another rate than the body below it."""

    def head_parameters(self) -> list[nn.Parameter]: ...

    def body_parameters(self) -> list[nn.Parameter]: ...


def make_optimizer(model: Parted, config: TrainingConfig) -> Optimizer:
    """AdamW or SGD over the trainable parameters, the head's and the body's at their own rates.

    Args:
        model: on its device already.
        config: resolved.
    """
    rate, decay = given(config.learning_rate), given(config.weight_decay)
    head, body = model.head_parameters(), model.body_parameters()
    groups = [*_groups(head, rate, decay), *_groups(body, rate * given(config.backbone_rate), decay)]
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        return SGD(groups, lr=rate, momentum=config.momentum, nesterov=nesterov, fused=True)
    return AdamW(groups, lr=rate, fused=True)


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
    """float32 (num_classes): the inverse of a class's share, 1 on average over `labels`; 1 if it has none."""
    counts = labels.bincount(minlength=num_classes)
    balanced = len(labels) / ((counts > 0).sum() * counts)
    return torch.where(counts > 0, balanced, 1.0).float()


@dataclass(frozen=True, slots=True)
class Losses:
    """The loss that is trained on, image by image. Validation is measured with plain cross-entropy.

    Attributes:
        weights: of the classes, float32 (classes), on the device of the logits; see `class_weights`.
    """

    smoothing: float
    weights: Tensor | None

    @classmethod
    def of(cls, config: TrainingConfig, labels: Tensor, num_classes: int, device: torch.device) -> Self:
        """As configured; `labels` are those of the training split."""
        balanced = config.class_weights == "balanced"
        return cls(
            config.label_smoothing, class_weights(labels, num_classes).to(device) if balanced else None
        )

    def __call__(self, logits: Tensor, labels: Tensor, partners: Tensor, share: float) -> Tensor:
        """Cross-entropy in nats, float32 (B): against both labels of a mixed image, by their shares.

        Args:
            logits: (P, classes), of which the first B count: those that have a label.
            labels: int64 (B).
            partners: int64 (B), the labels that were mixed in.
            share: of `labels`; 1 where nothing was mixed.
        """
        own = logits[: len(labels)].float()
        losses = self._against(own, labels)
        return losses if share == 1 else torch.lerp(self._against(own, partners), losses, share)

    def _against(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, self.weights, reduction="none", label_smoothing=self.smoothing)
