"""A finished training, and the results document made of it."""

from dataclasses import dataclass
from math import isfinite
from statistics import median

import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.results import (
    BACKGROUND,
    ConfusionMatrix,
    DataWarning,
    HeldOut,
    ModelDetails,
    Results,
    RunFigures,
)

from .artifacts import ONNX_TOLERANCE
from .config import given
from .engine import Ending, Fit
from .environment import device_name, peak_memory_bytes
from .manifest import Manifest
from .task import Judgement, Setup

_ENDINGS = {
    Ending.STOPPED: ("stopped", "Training was stopped after {} epochs."),
    Ending.EARLY: ("ended-early", "Training ended early after {} epochs without further improvement."),
    Ending.RUNTIME: ("max-runtime", "Training ended after {} epochs, as maxRuntimeMinutes had passed."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was trained, on what, and how it went.

    Attributes:
        config: resolved; its batch size is the one that was trained with.
        setup: its model has the best weights.
        device: that it was trained on, and `devices` of them.
        attempts: that it took.
    """

    config: TrainingConfig
    manifest: Manifest
    setup: Setup
    fit: Fit
    judgement: Judgement
    test: HeldOut | None
    device: torch.device
    devices: int = 1
    attempts: int = 1


def make_results(outcome: Outcome, *, size_bytes: int, onnx_difference: float) -> Results:
    """The results document, still without its artifacts.

    Args:
        size_bytes: of the weights' file.
        onnx_difference: see `artifacts.onnx_difference`.
    """
    judgement = outcome.judgement
    return Results(
        accuracy=judgement.scores.accuracy,
        loss=judgement.scores.loss,
        test=outcome.test,
        confusion_matrix=judgement.confusion_matrix,
        per_class=judgement.per_class,
        misclassified=judgement.misclassified,
        model_details=_model_details(outcome, size_bytes, onnx_difference),
        artifacts=[],
        warnings=_warnings(outcome, onnx_difference),
        detection=judgement.detection,
        run=_run_figures(outcome),
    )


def _model_details(outcome: Outcome, size_bytes: int, onnx_difference: float) -> ModelDetails:
    config, split, model = outcome.config, outcome.setup.split, outcome.setup.model
    input_size = [3, given(config.image_size), given(config.image_size)]
    return ModelDetails(
        architecture=given(config.architecture),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        size_bytes=size_bytes,
        input_size=input_size,
        classes=outcome.manifest.class_names,
        summary=_summary(model, input_size),
        framework=f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        dataset_hash=outcome.manifest.dataset_hash,
        pretrained=config.pretrained,
        train_images=len(split.train),
        val_images=len(split.val),
        epochs_trained=outcome.fit.epochs_trained,
        best_epoch=outcome.fit.best_epoch,
        onnx_max_difference=onnx_difference if isfinite(onnx_difference) else None,
    )


def _summary(model: nn.Module, input_size: list[int]) -> str:
    import torchinfo  # half a second, at the end alone

    columns = ("output_size", "num_params")
    return str(
        torchinfo.summary(model, (1, *input_size), col_names=columns, depth=3, verbose=0, device="cpu")
    )


def _run_figures(outcome: Outcome) -> RunFigures:
    speeds = [each.images_per_second for each in outcome.fit.history if each.epoch > 0]
    return RunFigures(
        device=device_name(outcome.device),
        devices=outcome.devices,
        attempts=outcome.attempts,
        batch_size=given(outcome.config.batch_size),
        images_per_second=median(speeds) if speeds else 0.0,
        peak_memory_bytes=peak_memory_bytes(),
        cache_bytes=outcome.setup.cache.bytes,
        cache_place=outcome.setup.cache.place,
    )


def _warnings(outcome: Outcome, onnx_difference: float) -> list[DataWarning]:
    found = list(outcome.setup.warnings)
    if outcome.fit.ending in _ENDINGS:
        code, words = _ENDINGS[outcome.fit.ending]
        epochs = outcome.fit.epochs_trained
        found.append(DataWarning(code=code, message=words.format(epochs), count=epochs, examples=[]))
    if silent := _never_predicted(outcome.judgement.confusion_matrix):
        words = f"{len(silent)} classes were never predicted on the validation split."
        found.append(
            DataWarning(code="never-predicted", message=words, count=len(silent), examples=silent[:10])
        )
    if onnx_difference > ONNX_TOLERANCE:
        words = f"The ONNX model's outputs differ from torch's by up to {onnx_difference:.2g}."
        found.append(DataWarning(code="onnx-differs", message=words, count=1, examples=["model.onnx"]))
    return found


def _never_predicted(confusion: ConfusionMatrix) -> list[str]:
    predicted = (sum(column) for column in zip(*confusion.matrix, strict=True))
    return [
        name
        for name, count in zip(confusion.classes, predicted, strict=True)
        if not count and name != BACKGROUND
    ]
