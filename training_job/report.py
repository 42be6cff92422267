"""What a run leaves behind: figures, model details, and files in the bucket."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torchinfo
import torchvision  # type: ignore[import-untyped]
from torch import Tensor

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.objects import RESULTS, session_key
from chalicelib.contract.results import (
    Artifact,
    ConfusionMatrix,
    DataWarning,
    HeldOut,
    ModelDetails,
    Results,
    to_json,
)

from .artifacts import describe, to_json_bytes, to_onnx, to_safetensors
from .config import given
from .engine import Ending, Fit
from .evaluate import accuracy_of, class_figures, confusion_matrix, loss_of, mistakes
from .manifest import Manifest
from .model import Classifier
from .objects import ObjectStore
from .split import Split, split_warnings

_ENDING_WARNINGS = {
    Ending.STOPPED: ("stopped", "Training was stopped after {} epochs."),
    Ending.EARLY: ("ended-early", "Training ended early after {} epochs without further improvement."),
    Ending.RUNTIME: ("max-runtime", "Training ended after {} epochs, as maxRuntimeMinutes had passed."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A finished training: what was trained, on what, and how it went."""

    config: TrainingConfig
    manifest: Manifest
    split: Split
    model: Classifier
    fit: Fit
    test: HeldOut | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportStore:
    """The folder of one attempt. Each has its own, so an attempt that was replaced spoils nothing."""

    objects: ObjectStore
    project_id: str
    session_id: str
    generation: int
    attempt: int

    def key(self, name: str) -> str:
        return session_key(self.project_id, self.session_id, f"{self.generation}-{self.attempt}/{name}")

    def put(self, name: str, body: bytes, content_type: str) -> str:
        key = self.key(name)
        self.objects.put(key, body, content_type)
        return key

    def put_artifact(self, kind: str, name: str, body: bytes, content_type: str) -> Artifact:
        key = self.put(f"artifacts/{name}", body, content_type)
        return Artifact(format=kind, key=key, sha256=hashlib.sha256(body).hexdigest(), size_bytes=len(body))


def publish(run: Run, logits: Tensor, labels: Tensor, store: ReportStore) -> str:
    """Stores the artifacts, then the results, which name them.

    Args:
        logits: float32 (N, classes) of the validation split.
        labels: int64 (N).

    Returns:
        The key of the results.
    """
    artifacts = _artifacts(run, store)
    results = make_results(run, logits, labels, artifacts)
    return store.put(RESULTS, to_json_bytes(to_json(results)), "application/json")


def _artifacts(run: Run, store: ReportStore) -> list[Artifact]:
    model, config, class_names = run.model, run.config, run.manifest.class_names
    description = describe(given(config.architecture), class_names, config, run.manifest.dataset_hash)
    labels = "".join(f"{name}\n" for name in class_names).encode()
    binary = "application/octet-stream"
    return [
        store.put_artifact("safetensors", "model.safetensors", to_safetensors(model), binary),
        store.put_artifact("onnx", "model.onnx", to_onnx(model, given(config.image_size)), binary),
        store.put_artifact("config", "model.json", to_json_bytes(description), "application/json"),
        store.put_artifact("labels", "labels.txt", labels, "text/plain; charset=utf-8"),
    ]


def make_results(run: Run, logits: Tensor, labels: Tensor, artifacts: list[Artifact]) -> Results:
    """The results document; see `publish` for the tensors."""
    class_names = run.manifest.class_names
    predicted = logits.argmax(1)
    matrix = confusion_matrix(predicted, labels, len(class_names))
    return Results(
        accuracy=accuracy_of(logits, labels),
        loss=loss_of(logits, labels),
        test=run.test,
        confusion_matrix=ConfusionMatrix(classes=class_names, matrix=matrix.tolist()),
        per_class=class_figures(predicted, labels, class_names),
        misclassified=mistakes(logits, labels, run.split.val, class_names),
        model_details=_model_details(run, class_names, artifacts[0].size_bytes),
        artifacts=artifacts,
        warnings=_warnings(run, matrix, class_names),
    )


def _model_details(run: Run, class_names: list[str], size_bytes: int) -> ModelDetails:
    side = given(run.config.image_size)
    input_size = [3, side, side]
    return ModelDetails(
        architecture=given(run.config.architecture),
        parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        size_bytes=size_bytes,
        input_size=input_size,
        classes=class_names,
        summary=_summary(run.model, input_size),
        framework=f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        dataset_hash=run.manifest.dataset_hash,
        pretrained=run.config.pretrained,
        train_images=len(run.split.train),
        val_images=len(run.split.val),
        epochs_trained=run.fit.epochs_trained,
        best_epoch=run.fit.best_epoch,
    )


def _summary(model: Classifier, input_size: list[int]) -> str:
    columns = ("output_size", "num_params")
    return str(torchinfo.summary(model, input_size=(1, *input_size), col_names=columns, depth=3, verbose=0))


def _warnings(run: Run, matrix: Tensor, class_names: Sequence[str]) -> list[DataWarning]:
    warnings = split_warnings(run.split)
    if run.fit.ending in _ENDING_WARNINGS:
        code, words = _ENDING_WARNINGS[run.fit.ending]
        epochs = run.fit.epochs_trained
        warnings.append(DataWarning(code=code, message=words.format(epochs), count=epochs, examples=[]))
    silent = [name for name, count in zip(class_names, matrix.sum(0).tolist(), strict=True) if not count]
    if silent:
        words = f"{len(silent)} classes were never predicted on the validation split."
        warnings.append(
            DataWarning(code="never-predicted", message=words, count=len(silent), examples=silent[:10])
        )
    return warnings
