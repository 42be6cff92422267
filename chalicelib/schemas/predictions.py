"""What a model says of an image."""

from typing import Annotated, Self

from pydantic import Field

from ..contract.records import Box
from ..services.prediction_ports import Classified, Detected
from .base import Answer, omitted

_Share = Annotated[float, Field(ge=0, le=1)]


class PredictedClass(Answer):
    label: str
    probability: _Share


class DetectedObject(Answer):
    """`box` is left, top, width and height in pixels of the upright image."""

    label: str
    score: _Share
    box: Box


class PredictionAnswer(Answer):
    """Of a classifier the likeliest classes, up to 20; of a detector the objects with a score of 0.5 or more.

    The surest come first. A detector's answer has `detections`, and the `width` and `height` of the
    upright image; a classifier's has `predictions`.
    """

    predictions: list[PredictedClass] | None = omitted()
    detections: list[DetectedObject] | None = omitted()
    width: int | None = omitted()
    height: int | None = omitted()

    @classmethod
    def of(cls, said: Classified | Detected) -> Self:
        if isinstance(said, Classified):
            found = [
                PredictedClass(label=each.label, probability=each.probability) for each in said.predictions
            ]
            return cls(predictions=found)
        objects = [
            DetectedObject(label=each.label, score=each.score, box=list(each.box)) for each in said.detections
        ]
        return cls(detections=objects, width=said.width, height=said.height)
