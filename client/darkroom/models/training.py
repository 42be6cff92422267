"""Configurations and runs."""

from typing import Any, Literal

from .data import Reason
from .decoding import model

RunState = Literal["queued", "provisioning", "running", "completed", "failed", "stopped"]
#: States that never change any more.
OVER: tuple[RunState, ...] = ("completed", "failed", "stopped")


@model("ConfigurationAnswer")
class Configuration:
    """Training parameters as they are stored, every default filled in; /api/openapi.json explains them."""

    config_id: str
    created_at: str
    learning_rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    architecture: str | None = None
    pretrained: bool = True
    image_size: int | None = None
    optimizer: str = "adamw"
    weight_decay: float | None = None
    momentum: float = 0.9
    backbone_rate: float | None = None
    scheduler: str = "onecycle"
    warmup_epochs: float | None = None
    label_smoothing: float = 0.0
    augmentation: str = "light"
    horizontal_flip: bool = True
    mixup: float = 0.0
    cutmix: float = 0.0
    validation_split: float = 0.2
    seed: int = 0
    early_stopping_patience: int = 0
    ema_decay: float | None = None
    freeze_backbone: bool = False
    class_weights: str = "none"
    balanced_sampling: bool = False
    mixed_precision: bool = True
    compile: str = "auto"
    auto_batch_size: bool = True
    cache_gigabytes: float = 0.0
    nodes: int = 1
    checkpoint_minutes: float = 0.0
    max_runtime_minutes: int = 0


@model("SessionStarted")
class StartedRun:
    session_id: str
    status: RunState


@model("Metrics")
class Metrics:
    """An epoch: losses are means over images, accuracies fractions; epoch 0 is the head alone."""

    epoch: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float | None = None
    images_per_second: float | None = None
    epoch_seconds: float | None = None


@model("DatasetAnswer")
class Dataset:
    version_id: str
    name: str | None
    hash: str


@model("SessionAnswer")
class RunInfo:
    """`progress` is a percentage."""

    session_id: str
    config_id: str
    dataset: Dataset | None = None
    status: RunState
    progress: float
    phase: str
    metrics: Metrics | None = None
    eta_seconds: int | None = None
    start_time: str
    end_time: str | None = None
    failure: Reason | None = None

    @property
    def is_over(self) -> bool:
        return self.status in OVER


@model("StatusAnswer")
class RunStatus(RunInfo):
    """With the history, every epoch so far; with the configuration, what the run was started with."""

    history: list[Metrics] | None = None
    configuration: dict[str, Any] | None = None
