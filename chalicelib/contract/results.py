"""The document that a finished run leaves in S3: what `GET …/results` answers, less the URLs."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from .naming import camel
from .records import Box

#: A confusion matrix of more classes than this is past what one HTTP answer can carry (6 MB).
MAX_CLASSES = 1000
#: The last row and column of a detector's confusion matrix: no object.
BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfusionMatrix:
    """Counts of validation images: rows are the true class, columns the predicted one."""

    classes: list[str]
    matrix: list[list[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFigures:
    """How well one class is recognised on the validation split; fractions, and a count."""

    class_: str
    precision: float
    recall: float
    f1: float
    support: int
    #: Of a detector: average precision over IoU 0.5 to 0.95, and at 0.5.
    average_precision: float | None = None
    average_precision50: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A validation image whose predicted class is not its own.

    Of a detector a box: `true` is BACKGROUND where nothing is, `predicted` where it was missed.
    """

    image_id: str
    file_name: str
    true: str
    predicted: str
    confidence: float
    box: Box | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDetails:
    architecture: str
    parameters: int
    size_bytes: int
    input_size: list[int]  # channels, height, width
    classes: list[str]
    summary: str
    framework: str
    dataset_hash: str
    pretrained: bool
    train_images: int
    val_images: int
    epochs_trained: int
    best_epoch: int
    #: Largest absolute difference of the ONNX model's outputs from torch's.
    onnx_max_difference: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file of the model; `key` is its object's, which the API turns into a URL."""

    format: str
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DataWarning:
    """Something about the data that its owner should know; `examples` are up to ten file names or classes."""

    code: str
    message: str
    count: int
    examples: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionFigures:
    """Mean average precision (COCO's definition) at IoU 0.5, and over 0.5 to 0.95."""

    map50: float
    map: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFigures:
    """How the run went: on what, how fast, and what it held in memory."""

    device: str
    devices: int
    attempts: int
    batch_size: int  # as it was trained with, over all devices
    images_per_second: float  # median over the epochs
    peak_memory_bytes: int  # of the process
    cache_bytes: int  # decoded images
    cache_place: str  # memory or disk


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """How well the images of the test split are recognised, which nothing was chosen by."""

    images: int
    accuracy: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """Figures are those of the best weights on the validation split; a detector's accuracy is its mAP@0.5."""

    accuracy: float
    loss: float
    test: HeldOut | None = None
    confusion_matrix: ConfusionMatrix
    per_class: list[ClassFigures]
    misclassified: list[Mistake]
    model_details: ModelDetails
    artifacts: list[Artifact]
    warnings: list[DataWarning]
    detection: DetectionFigures | None = None
    run: RunFigures | None = None  # None in results of before it was kept


def to_json(value: Any) -> Any:
    """A dataclass of this module as plain JSON values with camelCase names (`class_` is "class")."""
    if is_dataclass(value):
        return {camel(each.name.rstrip("_")): to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list):
        return [to_json(each) for each in value]
    return value
