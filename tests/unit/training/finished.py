"""A finished run on tiny data, and a folder that takes its report."""

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from types import SimpleNamespace
from typing import Any

import torch
from tiny import CPU, make_config, make_dataset, make_entries
from torch import Tensor

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.results import DataWarning
from training_job.engine import Ending, Fit
from training_job.evaluate import judge
from training_job.figures import EpochFigures
from training_job.manifest import Manifest
from training_job.model import Classifier, build_model
from training_job.outcome import Outcome
from training_job.report import store_report
from training_job.split import Split
from training_job.task import CacheFigures, Setup


def make_history(*epochs: int) -> list[EpochFigures]:
    return [
        EpochFigures(
            epoch=epoch, train_loss=1 / (1 + epoch), train_accuracy=0.5, val_loss=0.5, val_accuracy=0.6,
            learning_rate=0.1, images_per_second=100.0 * epoch, epoch_seconds=1,
        )
        for epoch in epochs
    ]  # fmt: skip


def make_fit(*epochs: int, ending: Ending = Ending.COMPLETE) -> Fit:
    return Fit(ending=ending, epochs_trained=3, best_epoch=1, history=make_history(*epochs))


def make_warm_model(config: TrainingConfig, num_classes: int, images: Tensor) -> Classifier:
    """Its norms have seen the images, and its head isn't zero: its logits are no rounding errors."""
    model = build_model(config.architecture, num_classes, seed=1, image_size=config.image_size)
    with torch.inference_mode():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(1))
        for _ in range(20):
            model(images)
    return model.eval()


def make_outcome(config: TrainingConfig | None = None, classes: str = "ab", **values: Any) -> Outcome:
    """An untrained model's outcome: 8 images validated it."""
    config = config or make_config()
    val = make_dataset(8, num_classes=len(classes))
    images = val.images.permute(0, 3, 1, 2).float() / 255
    model = make_warm_model(config, len(classes), images)
    entries = make_entries(*(classes[label] for label in val.labels.tolist()))
    split = Split(tuple(make_entries(*classes)), tuple(entries))
    with torch.inference_mode():
        logits = model(images)
    setup = Setup(
        model=model,
        task=SimpleNamespace(),  # type: ignore[arg-type] # nothing of them is reported
        source=SimpleNamespace(),  # type: ignore[arg-type]
        split=split,
        val_images=val.images,
        cache=CacheFigures(bytes=12, place="memory"),
        warnings=[DataWarning(code="small-classes", message="Few images.", count=1, examples=["a"])],
    )
    outcome = {
        "config": config,
        "manifest": Manifest((*split.train, *split.val), "d" * 64),
        "setup": setup,
        "fit": make_fit(0, 1, 2, 4),
        "judgement": judge(logits, val.labels, entries, list(classes)),
        "test": None,
        "device": CPU,
    }
    return Outcome(**outcome | values)


@dataclass(frozen=True, slots=True)
class Folder:
    """Takes a report as files."""

    path: Path

    def put(self, name: str, body: bytes, content_type: str) -> str:
        (self.path / name).write_bytes(body)
        return name

    def put_file(self, name: str, path: Path, content_type: str) -> str:
        (self.path / name).parent.mkdir(exist_ok=True)
        copyfile(path, self.path / name)
        return name


def stored(outcome: Outcome, path: Path) -> Any:
    """The results document of a report that lies in a folder."""
    store_report(outcome, Folder(path), {})
    return json.loads((path / "results.json").read_bytes())
