"""SSD's loss (Liu et al., 2016, arXiv:1512.02325) for a whole batch at once, with no wait for the GPU."""

from math import log

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torchvision.ops import box_iou  # type: ignore[import-untyped]

from .boxes import Targets

_MATCH_IOU = 0.5
_NEGATIVES_A_MATCH = 3
# An image without objects has no match, and by the paper's rule would teach nothing: it counts as one
# with so many matches, about those of an object.
_EMPTY_WEIGHT = 5
_LARGEST_LOG = log(1000 / 16)  # torchvision's: exp of more would overflow early in training
#: Scales of the encoded centres and sizes, as torchvision's SSD has them.
CODE_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def match(targets: Targets, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Which object each anchor is to find: that with IoU 0.5 or more, and each object's best anchor.

    Args:
        targets: of B images, N objects at most.
        anchors: float32 (A, 4), corners in pixels.

    Returns:
        Boxes float32 (B, A, 4), and labels int64 (B, A): 0 is background.
    """
    batch, objects = targets.labels.shape
    overlap = box_iou(targets.boxes.flatten(0, 1), anchors).view(batch, objects, len(anchors))
    best, index = overlap.max(1)
    # One column more takes what the padding would claim.
    forced = torch.where(targets.labels > 0, overlap.argmax(2), len(anchors))
    index = _append_column(index).scatter(1, forced, _numbers(forced))[:, :-1]
    is_best = _append_column(torch.zeros_like(best)).scatter(1, forced, 1.0)[:, :-1] > 0
    labels = targets.labels.gather(1, index) * ((best >= _MATCH_IOU) | is_best)
    return targets.boxes.gather(1, index.unsqueeze(2).expand(-1, -1, 4)), labels


def _append_column(rows: Tensor) -> Tensor:
    return torch.cat([rows, torch.zeros_like(rows[:, :1])], 1)


def _numbers(rows: Tensor) -> Tensor:
    return torch.arange(rows.shape[1], device=rows.device).expand_as(rows)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes (B, A, 4) relative to their anchors (A, 4), both as corners; zeros stay finite."""
    centres, sizes = _centres_and_sizes(boxes)
    anchor_centres, anchor_sizes = _centres_and_sizes(anchors)
    codes = (centres - anchor_centres) / anchor_sizes, (sizes / anchor_sizes).clamp(min=1e-6).log()
    return torch.cat(codes, -1) * anchors.new_tensor(CODE_WEIGHTS)


def decode(codes: Tensor, anchors: Tensor, weights: tuple[float, ...] = CODE_WEIGHTS) -> Tensor:
    """The inverse of `encode`."""
    codes = codes / anchors.new_tensor(weights)
    anchor_centres, anchor_sizes = _centres_and_sizes(anchors)
    centres = codes[..., :2] * anchor_sizes + anchor_centres
    half = codes[..., 2:].clamp(max=_LARGEST_LOG).exp() * anchor_sizes / 2
    return torch.cat([centres - half, centres + half], -1)


def _centres_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    corners, opposite = boxes[..., :2], boxes[..., 2:]
    return (corners + opposite) / 2, opposite - corners


def ssd_loss(logits: Tensor, codes: Tensor, targets: Targets, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with hard negatives plus smooth L1, summed over the images.

    Args:
        logits: (B, A, classes with the background).
        codes: (B, A, 4), see `encode`.
        targets: of the B images.
        anchors: float32 (A, 4), corners in pixels.

    Returns:
        The sum, and the matched anchors by which the paper divides it; both float32 ().
    """
    boxes, labels = match(targets, anchors)
    matched = labels > 0
    offsets = smooth_l1_loss(codes.float(), encode(boxes, anchors), reduction="none").sum(2)
    classes = cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    matches = matched.sum(1)
    total = (offsets * matched).sum() + (classes * matched).sum() + _hard_negatives(classes, matched, matches)
    return total, torch.where(matches > 0, matches, _EMPTY_WEIGHT).sum().float()


def _hard_negatives(losses: Tensor, matched: Tensor, matches: Tensor) -> Tensor:
    """The sum of each image's largest losses of the background: three for each match."""
    wanted = _NEGATIVES_A_MATCH * torch.where(matches > 0, matches, _EMPTY_WEIGHT)
    hardest = losses.masked_fill(matched, 0).sort(1, descending=True).values
    return (hardest * (_numbers(hardest) < wanted.unsqueeze(1))).sum()
