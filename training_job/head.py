"""Epoch 0: a linear head on the features of the frozen, pretrained backbone.

The features are computed once; the head on them is a convex problem that L-BFGS solves in a second or
so. So every pretrained run has a usable model at once, and fine-tuning starts from it.
"""

from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from chalicelib.contract.config import TrainingConfig

from .config import given
from .dataset import Dataset
from .folded import folded
from .group import Group
from .optim import class_weights
from .task import Progress, Scores

# On standardised features. From 0.001 to 0.1 the accuracy is much the same (docs/adr/0013-cpu-speed.md).
_DECAY = 0.1
#: Share of the mean variance of the features.
_LEAST_VARIANCE = 0.25
_ITERATIONS = 100
# A linear head learns little from more, and the features of these take 0.5 GB, with their mirror images.
_MOST_IMAGES = 50_000


class Backbone(Protocol):
    """What is needed of a `model.Classifier`."""

    @property
    def head(self) -> nn.Linear: ...

    def features(self, images: Tensor) -> Tensor:
        """float (B, 3, H, W), 0 to 1, to the input of the head: float (B, in_features)."""

    def eval(self) -> nn.Module: ...


def fit_head(
    model: Backbone,
    dataset: Dataset,
    config: TrainingConfig,
    device: torch.device,
    on_batch: Progress,
    group: Group | None = None,
) -> Scores:
    """Puts the best linear head for the backbone as it is into `model.head`; leaves the model in eval mode.

    Multinomial logistic regression with an L2 penalty, on every image and, with horizontalFlip, its
    mirror image. Class weights count; label smoothing, mixup and sampling don't.

    Args:
        config: resolved.
        on_batch: called with the share of the features that are there.

    Returns:
        Loss and accuracy on the features that it was fitted to.
    """
    group = group or Group.alone()
    chosen = _chosen(len(dataset), config.seed)
    model.eval()
    quick = cast(Backbone, folded(cast(nn.Module, model)))
    own = _features(quick, dataset, chosen[group.rows(len(chosen))], config, device, on_batch)
    views = group.gather(own).to(device)  # (N, 1 or 2, in_features)
    labels = dataset.labels[chosen].to(device)
    weights = None
    if config.class_weights == "balanced":
        weights = class_weights(labels.cpu(), model.head.out_features).to(device)
    # The line search needs more digits than bfloat16 has.
    with torch.autocast(device.type, enabled=False):
        return _fit(model.head, views.flatten(0, 1), labels.repeat_interleave(views.shape[1]), weights)


def _chosen(count: int, seed: int) -> Tensor:
    if count <= _MOST_IMAGES:
        return torch.arange(count)
    return torch.from_numpy(np.random.default_rng(seed).permutation(count)[:_MOST_IMAGES]).sort().values


@torch.inference_mode()
def _features(
    model: Backbone,
    dataset: Dataset,
    indices: Tensor,
    config: TrainingConfig,
    device: torch.device,
    on_batch: Progress,
) -> Tensor:
    """float32 (N, views, in_features), on the device."""
    size, batches = given(config.image_size), indices.split(given(config.batch_size))
    out = []
    for done, batch in enumerate(batches, 1):
        images = fitted(dataset.images[batch].to(device), size)
        views = [images, images.flip(-1)] if config.horizontal_flip else [images]
        out.append(torch.stack([model.features(each).float() for each in views], 1))
        on_batch(done / len(batches))
    return torch.cat(out)


def fitted(images: Tensor, size: int) -> Tensor:
    """uint8 (B, side, side, 3) to float32 (B, 3, size, size), 0 to 1, as for an evaluation."""
    batch = images.permute(0, 3, 1, 2)
    if batch.shape[-1] != size:
        # Antialiased uint8 has a vectorised path on a CPU, and none on a GPU.
        batch = batch.float() if batch.is_cuda else batch
        batch = interpolate(batch, (size, size), mode="bilinear", antialias=True)
    return batch.float().div_(255)


def _fit(head: nn.Linear, features: Tensor, labels: Tensor, weights: Tensor | None) -> Scores:
    features, labels = features.clone(), labels.clone()  # out of inference mode
    mean, variance = features.mean(0), features.var(0, correction=0)
    # Features that hardly vary are not blown up: their weights would be so large that the first steps of
    # fine-tuning, which move all features a little, upset every output.
    std = variance.clamp(min=float(variance.mean()) * _LEAST_VARIANCE + 1e-12).sqrt()
    features = (features - mean) / std  # L-BFGS then needs an eighth of the iterations
    weight, bias = (torch.zeros_like(each, requires_grad=True) for each in (head.weight, head.bias))
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = features @ weight.T + bias
        loss = cross_entropy(logits, labels, weights) + _DECAY / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        logits = features @ weight.T + bias
        head.weight.copy_(weight / std)
        head.bias.copy_(bias - head.weight @ mean)
        hits = (logits.argmax(1) == labels).float().mean()
        return Scores(float(cross_entropy(logits, labels)), float(hits))
