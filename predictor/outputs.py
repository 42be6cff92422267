"""From a model's outputs to labels with probabilities, or boxes with scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .images import Picture
from .models import Model

#: Classes that are told, the likeliest first.
MAX_PREDICTIONS = 20
# As in training's own evaluation (training_job/detection/model.py): boxes that are looked at, and told.
_CANDIDATES, _MOST_FOUND = 400, 100

Array = NDArray[np.float32]


def answer(model: Model, picture: Picture) -> dict[str, Any]:
    """What the model says of a picture.

    Returns:
        Of a classifier `predictions`, each with `label` and `probability`; of a detector `detections`,
        each with `label`, `score` and `box` (left, top, width, height in pixels of the upright image), and
        the image's `width` and `height`. Both are sorted, the surest first.
    """
    outputs = [each[0] for each in model.run(picture.pixels)]
    if model.description["output"] == "logits":
        return {"predictions": _predictions(softmax(outputs[0]), model.classes)}
    boxes, scores, labels = select(outputs[0], outputs[1], model.description["output"]["nms"])
    found = zip(_in_pixels(boxes, picture), scores.tolist(), labels.tolist(), strict=True)
    return {
        "detections": [
            {"label": model.classes[label], "score": score, "box": box} for box, score, label in found
        ],
        "width": picture.width,
        "height": picture.height,
    }


def softmax(logits: Array) -> Array:
    """Probabilities of logits (classes)."""
    powers = np.exp(logits - logits.max())
    shares: Array = powers / powers.sum()
    return shares


def _predictions(probabilities: Array, classes: list[str]) -> list[dict[str, Any]]:
    best = np.argsort(-probabilities, kind="stable")[:MAX_PREDICTIONS].tolist()
    return [{"label": classes[index], "probability": float(probabilities[index])} for index in best]


def select(boxes: Array, scores: Array, nms: Mapping[str, Any]) -> tuple[Array, Array, NDArray[np.int64]]:
    """What is left of a detector's outputs, the surest first: as training evaluates them, from a score on.

    Args:
        boxes: (N, 4): left, top, right, bottom as shares of the image's sides.
        scores: (N, classes), 0 to 1.
        nms: of model.json: `iou` over which a box of the same class says the same again, `scoreThreshold`.

    Returns:
        Boxes (M, 4), scores (M) and classes (M) from 0.
    """
    flat = scores.ravel()
    order = np.argsort(-flat, kind="stable")[:_CANDIDATES]
    order = order[flat[order] >= nms["scoreThreshold"]]
    box, label = boxes[order // scores.shape[1]], order % scores.shape[1]
    kept: list[int] = []
    for row in range(len(order)):
        same = [each for each in kept if label[each] == label[row]]
        if not same or overlaps(box[row], box[same]).max() <= nms["iou"]:
            kept.append(row)
    kept = kept[:_MOST_FOUND]
    return box[kept], flat[order[kept]], label[kept]


def overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with each of others (N, 4); 0 where both are empty."""
    inner = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = inner.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - common
    shares: Array = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def _in_pixels(boxes: Array, picture: Picture) -> list[list[float]]:
    corners = boxes.astype(np.float64) * ([picture.width, picture.height] * 2)
    return [[left, top, right - left, bottom - top] for left, top, right, bottom in corners.tolist()]
