"""The document that a finished run leaves in S3: what `GET …/results` answers, less the URLs."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from .naming import camel

#: A confusion matrix of more classes than this is past what one HTTP answer can carry (6 MB).
MAX_CLASSES = 1000


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A validation image whose predicted class is not its own."""

    image_id: str
    file_name: str
    true: str
    predicted: str
    confidence: float


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file of the model; `key` is its object's, which the API turns into a URL."""

    format: str
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """How well the images of the test split are recognised, which nothing was chosen by."""

    images: int
    accuracy: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """Figures are those of the best weights on the validation split."""

    accuracy: float
    loss: float
    test: HeldOut | None = None
    confusion_matrix: ConfusionMatrix
    per_class: list[ClassFigures]
    misclassified: list[Mistake]
    model_details: ModelDetails
    artifacts: list[Artifact]
    warnings: list[str]


def to_json(value: Any) -> Any:
    """A dataclass of this module as plain JSON values with camelCase names (`class_` is "class")."""
    if is_dataclass(value):
        return {camel(each.name.rstrip("_")): to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list):
        return [to_json(each) for each in value]
    return value
