"""What comes of a run."""

from .decoding import model, named
from .training import Dataset


@model("ConfusionMatrixAnswer")
class ConfusionMatrix:
    """Rows are the true class, columns the predicted one, both in the order of `classes`."""

    classes: list[str]
    matrix: list[list[int]]


@model("ClassAnswer")
class ClassFigures:
    class_name: str = named("class")
    precision: float
    recall: float
    f1: float
    support: int
    average_precision: float | None = None
    average_precision50: float | None = None


@model("MistakeAnswer")
class Mistake:
    image_id: str
    file_name: str
    true: str
    predicted: str
    confidence: float
    box: list[float] | None = None
    thumbnail_url: str


@model("ModelDetailsAnswer")
class ModelDetails:
    architecture: str
    parameters: int
    size_bytes: int
    input_size: list[int]
    classes: list[str]
    summary: str
    framework: str
    dataset_hash: str
    pretrained: bool
    train_images: int
    val_images: int
    epochs_trained: int
    best_epoch: int
    onnx_max_difference: float | None = None


@model("ArtifactAnswer")
class Artifact:
    """A file of the run; its URL holds for an hour."""

    format: str
    url: str
    sha256: str
    size_bytes: int


@model("HeldOutAnswer")
class HeldOut:
    images: int
    accuracy: float
    loss: float


@model("WarningAnswer")
class DataWarning:
    code: str
    message: str
    count: int
    examples: list[str]


@model("DetectionAnswer")
class DetectionFigures:
    """Mean average precision at IoU 0.5, and over 0.5 to 0.95."""

    map50: float
    map: float


@model("RunAnswer")
class RunFigures:
    """How the run went: on what, how fast, and what it held in memory."""

    device: str
    devices: int
    attempts: int
    batch_size: int
    images_per_second: float
    peak_memory_bytes: int
    cache_bytes: int
    cache_place: str


@model("ResultsAnswer")
class Results:
    """Figures of the best weights on the validation split; `test` is of a test split of one's own."""

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
    run: RunFigures | None = None
    dataset: Dataset | None = None
