"""How good detections are: COCO's average precision, and which boxes were taken for what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou  # type: ignore[import-untyped]

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import BACKGROUND, ClassFigures, ConfusionMatrix, Mistake

from ..evaluate import MAX_MISTAKES
from .boxes import Objects
from .model import Found

#: Confusions, precision, recall and F1 count what is at least so sure.
SCORE_THRESHOLD = 0.5
_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """An object and what it was taken for.

    Attributes:
        image: its number in the split.
        true: its class from 1; 0 where there is no such object.
        predicted: the class that was found, from 1; 0 where it was missed.
        confidence: of what was found; of a miss how sure the model was that nothing is there.
        box: float32 (4), as shares of the image: of what was found, or was missed.
    """

    image: int
    true: int
    predicted: int
    confidence: float
    box: Tensor


def average_precision(
    found: Sequence[Found], objects: Sequence[Objects], thresholds: list[float] | None = None
) -> tuple[float, float, dict[int, float]]:
    """COCO's average precision, with boxes of both in the same unit.

    Args:
        found: in each image.
        objects: of each image.
        thresholds: of IoU; by default 0.5, 0.55 … 0.95.

    Returns:
        Its mean over classes and thresholds, that at 0.5, and that of each class, from 1, that has
        objects. A mean over no class is 0.
    """
    # Seconds to import.
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(
        backend="faster_coco_eval", iou_thresholds=thresholds, class_metrics=True, sync_on_compute=False
    )
    metric.warn_on_many_detections = False
    metric.update([_found_dict(each) for each in found], [_objects_dict(each) for each in objects])
    figures: dict[str, Any] = metric.compute()
    classes, precisions = figures["classes"].view(-1).tolist(), figures["map_per_class"].view(-1).tolist()
    a_class = {label: value for label, value in zip(classes, precisions, strict=False) if value >= 0}
    return max(float(figures["map"]), 0.0), max(float(figures["map_50"]), 0.0), a_class


def _found_dict(found: Found) -> dict[str, Tensor]:
    return {"boxes": found.boxes, "scores": found.scores, "labels": found.labels}


def _objects_dict(objects: Objects) -> dict[str, Tensor]:
    return {"boxes": torch.from_numpy(objects.boxes), "labels": torch.from_numpy(objects.labels)}


def pairs(found: Sequence[Found], objects: Sequence[Objects]) -> list[Pair]:
    """Every object and every box of all images, each once; the surest boxes choose first."""
    both = enumerate(zip(found, objects, strict=True))
    return [pair for image, (boxes, true) in both for pair in _pairs_of(image, boxes, true)]


def _pairs_of(image: int, found: Found, objects: Objects) -> Iterator[Pair]:
    boxes, labels = torch.from_numpy(objects.boxes), torch.from_numpy(objects.labels)
    overlap = box_iou(found.boxes, boxes)
    free = torch.ones(len(labels), dtype=torch.bool)
    for row in (found.scores >= SCORE_THRESHOLD).nonzero().flatten().tolist():
        # An object of its own class comes before one that it covers better.
        fitness = (overlap[row] + (labels == found.labels[row])) * (free & (overlap[row] >= _IOU))
        hit = int(fitness.argmax()) if fitness.any() else None
        true = 0 if hit is None else int(labels[hit])
        if hit is not None:
            free[hit] = False
        yield Pair(image, true, int(found.labels[row]), float(found.scores[row]), found.boxes[row])
    for column in free.nonzero().flatten().tolist():
        near = found.scores[(overlap[:, column] >= _IOU) & (found.scores < SCORE_THRESHOLD)]
        sureness = 1 - float(near.max()) if len(near) else 1.0
        yield Pair(image, int(labels[column]), 0, sureness, boxes[column])


def confusion(pairs_found: Sequence[Pair], class_names: Sequence[str]) -> ConfusionMatrix:
    """Objects by class and by what they were taken for; the background is last of both."""
    matrix = np.zeros((len(class_names) + 1,) * 2, np.int64)
    for each in pairs_found:
        matrix[each.true - 1, each.predicted - 1] += 1  # 0 - 1 is the last
    return ConfusionMatrix(classes=[*class_names, BACKGROUND], matrix=matrix.tolist())


def class_figures(
    matrix: ConfusionMatrix, precisions: dict[int, float], precisions50: dict[int, float]
) -> list[ClassFigures]:
    """Of each class; 0 where there is nothing to divide by.

    Args:
        matrix: see `confusion`.
        precisions: average precision of each class, from 1, that has objects.
        precisions50: the same at IoU 0.5.
    """
    counts: NDArray[np.int64] = np.array(matrix.matrix)
    hits, support, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return [
        ClassFigures(
            class_=name,
            precision=float(hits[index] / max(predicted[index], 1)),
            recall=float(hits[index] / max(support[index], 1)),
            f1=float(2 * hits[index] / max(predicted[index] + support[index], 1)),
            support=int(support[index]),
            average_precision=precisions.get(index + 1),
            average_precision50=precisions50.get(index + 1),
        )
        for index, name in enumerate(matrix.classes[:-1])
    ]


def mistakes(
    pairs_found: Sequence[Pair], entries: Sequence[Entry], class_names: Sequence[str]
) -> list[Mistake]:
    """Boxes of another class, of nothing, and missed ones, the surest first, at most `MAX_MISTAKES`."""
    wrong = sorted(
        (each for each in pairs_found if each.true != each.predicted), key=lambda pair: -pair.confidence
    )
    names = [BACKGROUND, *class_names]
    return [
        Mistake(
            image_id=entries[each.image].image_id,
            file_name=entries[each.image].file_name,
            true=names[each.true],
            predicted=names[each.predicted],
            confidence=each.confidence,
            box=_in_pixels(each.box, entries[each.image]),
        )
        for each in wrong[:MAX_MISTAKES]
    ]


def _in_pixels(box: Tensor, entry: Entry) -> list[float]:
    left, top, right, bottom = (box * torch.tensor([entry.width, entry.height] * 2)).tolist()
    return [round(each, 1) for each in (left, top, right - left, bottom - top)]
