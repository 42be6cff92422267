"""What an epoch measured, and where such figures go."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochFigures:
    """What one epoch measured. Losses are means over images, accuracies fractions."""

    epoch: int  # from 1; 0 is the head on a frozen, pretrained backbone
    train_loss: float
    train_accuracy: float | None  # None for a detector; its val_accuracy is mAP@0.5
    val_loss: float
    val_accuracy: float
    learning_rate: float
    images_per_second: float  # of training, without validation
    epoch_seconds: float


class MetricsSink(Protocol):
    """Where figures go, and where a wish to stop comes from."""

    @property
    def stop_requested(self) -> bool: ...

    def on_step(self, done: float, images_per_second: float) -> None:
        """After every batch; `done` is the share of the whole training, 0 to 1."""

    def on_epoch(self, figures: EpochFigures) -> None: ...


class NullSink:
    """Keeps nothing and never stops."""

    stop_requested = False

    def on_step(self, done: float, images_per_second: float) -> None: ...

    def on_epoch(self, figures: EpochFigures) -> None: ...
