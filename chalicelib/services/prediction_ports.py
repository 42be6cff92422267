"""What trying a model out needs: somebody who runs it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Prediction:
    """A class, and its probability."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Detection:
    """An object; `box` is left, top, width and height in pixels of the upright image."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Classified:
    """What a classifier says of an image: the likeliest classes, the likeliest first."""

    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """What a detector finds in an image, the surest first; `width` and `height` are the upright image's."""

    detections: tuple[Detection, ...]
    width: int
    height: int


class Predictor(Protocol):
    def predict(self, results_key: str, image: bytes) -> Classified | Detected:
        """What the model that some results name says of an image file.

        Raises:
            RejectedImageError: it isn't an image that Darkroom takes.
            ConflictError: the model is gone, or isn't the one that the results name.
            UnavailableError: there is no room for it now, or it takes too long.
        """
