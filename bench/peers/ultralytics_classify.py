"""ultralytics' classification on torchvision's model, by a description with its TorchVision module."""

from pathlib import Path
from typing import Any

import torch
from torchvision.models import get_model  # type: ignore[import-untyped]
from ultralytics import YOLO, settings

from bench.training.protocol import Case, say_epoch, say_saved

_DESCRIPTION = """
nc: {classes}
backbone:
  - [-1, 1, TorchVision, [{channels}, {model}, null, True, 2]]
head:
  - [-1, 1, Classify, [{classes}]]
"""
#: Crop and flip alone, as everyone here.
_PLAIN = {"auto_augment": None, "erasing": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}


def _channels(model: str) -> int:
    """Of the last feature map, before pooling."""
    body = torch.nn.Sequential(*list(get_model(model).children())[:-2])
    return int(body(torch.zeros(2, 3, 64, 64)).shape[1])


def _describe(case: Case) -> Path:
    path = Path(case.out) / "model.yaml"
    classes = len(list((Path(case.data) / "train").iterdir()))
    text = _DESCRIPTION.format(classes=classes, channels=_channels(case.model), model=case.model)
    path.write_text(text)
    return path


def _one_thread(_: Any) -> None:
    torch.set_num_threads(1)  # it has chosen by the number of processors


def _say_epoch(trainer: Any) -> None:
    if trainer.epoch < trainer.epochs:  # else it judges the best weights once more
        say_epoch(trainer.epoch + 1, trainer.metrics["metrics/accuracy_top1"])


def main() -> None:
    case = Case.from_argument()
    settings.update({"sync": False, "datasets_dir": case.data, "runs_dir": case.out})
    model = YOLO(_describe(case), task="classify")
    model.add_callback("on_train_start", _one_thread)
    model.add_callback("on_fit_epoch_end", _say_epoch)
    model.train(
        data=case.data,
        imgsz=case.size,
        batch=case.batch,
        epochs=case.epochs,
        device=case.device,
        workers=case.workers,
        optimizer="SGD",
        cos_lr=True,
        warmup_epochs=0,
        pretrained=False,
        amp=False,
        plots=False,
        project=case.out,
        name="run",
        **_PLAIN,
    )
    say_saved()


if __name__ == "__main__":
    main()
