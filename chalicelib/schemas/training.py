"""Configuration, sessions, progress and results."""

from dataclasses import fields
from typing import Annotated, Any, Self

from pydantic import Field, create_model

from ..contract.config import ParameterError, TrainingConfig
from ..contract.errors import FieldError, UnprocessableError
from ..contract.records import Box, Configuration, EpochMetrics, Session
from ..contract.states import Status
from ..services.runs import Watched
from .base import Answer, Json, Request, omitted
from .data import Reason


def _definition(each: Any) -> tuple[Any, Any]:
    return each.type, Field(default=each.default, description=each.metadata["doc"], **each.metadata["bounds"])


_DEFINITIONS: dict[str, Any] = {each.name: _definition(each) for each in fields(TrainingConfig)}

#: Generated from the contract: the parameters, bounds and defaults stand there alone.
TrainingConfigure = create_model("TrainingConfigure", __base__=Request, **_DEFINITIONS)


def training_config(body: Request) -> TrainingConfig:
    """The contract's configuration from a body that `TrainingConfigure` has checked.

    Raises:
        UnprocessableError: `invalid-fields`, values that don't go together.
    """
    try:
        return TrainingConfig(**{each.name: getattr(body, each.name) for each in fields(TrainingConfig)})
    except ParameterError as error:
        wrong = FieldError(f"/{error.parameter}", str(error))
        raise UnprocessableError(
            "the request has wrong values", code="invalid-fields", hint="See errors.", errors=[wrong]
        ) from error


class ConfigurationAnswer(TrainingConfigure):  # type: ignore[misc,valid-type]
    """The stored configuration, with every default filled in."""

    config_id: str
    created_at: str

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        return cls(
            **configuration.to_json(), configId=configuration.config_id, createdAt=configuration.created_at
        )


class StartRequest(Request):
    """What to train on: a dataset version, or without one the data as it is now.

    Splits that images were given are honoured: `train` is trained on, `val` validates, and `test` is
    held out of both and evaluated at the end. Images without a split are trained on where others are
    `val`; where none is, `validationSplit` of each class's images without a split validates.
    """

    version_id: str | None = None


class SessionStarted(Answer):
    session_id: str
    status: Status


class Metrics(Answer):
    """The last finished epoch. Losses are means over images, accuracies fractions.

    Epoch 0 is the head on a frozen, pretrained backbone. A detector has no trainAccuracy, and its
    valAccuracy is mAP@0.5.
    """

    epoch: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float | None = None
    images_per_second: float | None = None
    epoch_seconds: float | None = None


class DatasetAnswer(Answer):
    """The dataset version of a run; `hash` is its datasetHash."""

    version_id: str
    name: str | None
    hash: str

    @classmethod
    def of(cls, session: Session) -> Self | None:
        if session.version_id is None or session.dataset_hash is None:
            return None
        return cls(version_id=session.version_id, name=session.version_name, hash=session.dataset_hash)


class SessionAnswer(Answer):
    session_id: str
    config_id: str
    dataset: DatasetAnswer | None = None
    status: Status
    progress: Annotated[float, Field(ge=0, le=100)]
    phase: str
    metrics: Metrics | None = None
    eta_seconds: int | None = None
    start_time: str
    end_time: str | None = None
    failure: Reason | None = None

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(**_session_members(session))


class StatusAnswer(SessionAnswer):
    """How a run is doing; with `?history=true` also every epoch so far, with `?configuration=true` also
    the parameters that it trains with."""

    history: list[Metrics] | None = omitted()
    configuration: Json | None = omitted()

    @classmethod
    def of_watched(cls, watched: Watched, with_configuration: bool = False) -> Self:
        history = watched.history
        return cls(
            **_session_members(watched.session),
            history=None if history is None else [_metrics(each) for each in history],
            configuration=dict(watched.session.config) if with_configuration else None,
        )


def _session_members(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "config_id": session.config_id,
        "dataset": DatasetAnswer.of(session),
        "status": session.status,
        "progress": session.progress,
        "phase": session.phase,
        "metrics": Metrics.model_validate(session.metrics) if session.metrics else None,
        "eta_seconds": None if session.is_over else session.eta_seconds,
        "start_time": session.start_time,
        "end_time": session.end_time,
        "failure": Reason(**session.failure_reason) if session.failure_reason else None,
    }


def _metrics(epoch: EpochMetrics) -> Metrics:
    return Metrics.model_validate(epoch.to_json())


class ConfusionMatrixAnswer(Answer):
    """Rows are the true class, columns the predicted one, both in the order of `classes`."""

    classes: list[str]
    matrix: list[list[int]]


class ClassAnswer(Answer):
    class_: Annotated[str, Field(alias="class")]
    precision: float
    recall: float
    f1: float
    support: int
    average_precision: float | None = None
    average_precision50: float | None = None


class MistakeAnswer(Answer):
    image_id: str
    file_name: str
    true: str
    predicted: str
    confidence: float
    box: Box | None = None
    thumbnail_url: str


class ModelDetailsAnswer(Answer):
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


class ArtifactAnswer(Answer):
    """A file of the run, under a URL that holds for an hour.

    Its format is safetensors, onnx, config, labels, environment, run, confusion-matrix, curves, mistakes
    or card; mistakes and curves are left out where there are none.
    """

    format: str
    url: str
    sha256: str
    size_bytes: int


class HeldOutAnswer(Answer):
    """Figures of the best weights on the test split."""

    images: int
    accuracy: float
    loss: float


class WarningAnswer(Answer):
    """Something about the data that its owner should know; `examples` are up to ten file names or classes."""

    code: str
    message: str
    count: int
    examples: list[str]


class DetectionAnswer(Answer):
    """Mean average precision (COCO's definition) at IoU 0.5, and over 0.5 to 0.95."""

    map50: float
    map: float


class RunAnswer(Answer):
    """How the run went: on what, how fast (median over the epochs), and what it held in memory."""

    device: str
    devices: int
    attempts: int
    batch_size: int
    images_per_second: float
    peak_memory_bytes: int
    cache_bytes: int
    cache_place: str


class ResultsAnswer(Answer):
    """Figures of the best weights on the validation split; `test` is null where no image is kept for it.

    A detector's `accuracy` is its mAP@0.5, and its confusion matrix (boxes matched at IoU 0.5) has
    `background` as its last class: no object in the row, none found in the column.
    """

    accuracy: float
    loss: float
    test: HeldOutAnswer | None = None
    confusion_matrix: ConfusionMatrixAnswer
    per_class: list[ClassAnswer]
    misclassified: list[MistakeAnswer]
    model_details: ModelDetailsAnswer
    artifacts: list[ArtifactAnswer]
    warnings: list[WarningAnswer]
    detection: DetectionAnswer | None = None
    run: RunAnswer | None = None
    dataset: DatasetAnswer | None = omitted()

    @classmethod
    def of(cls, document: Json, session: Session) -> Self:
        return cls.model_validate(document | {"dataset": DatasetAnswer.of(session)})
