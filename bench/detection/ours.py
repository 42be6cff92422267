"""Our training of a detector in one process. A line of JSON an epoch.

python -m bench.detection.ours FOLDER --epochs 10 --architecture ssdlite_mobilenet_v2 --pretrained
"""

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from chalicelib.contract.config import Detector, TrainingConfig
from training_job.detection import set_up
from training_job.detection.task import DetectionTask
from training_job.engine import fit
from training_job.figures import NullSink
from training_job.group import Group
from training_job.manifest import Manifest
from training_job.task import Progress, Scores
from training_job.weights import checkpoint_dir

from .voc import VocFolder


def arguments(description: str | None) -> argparse.Namespace:
    """What both sides are told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="images/ and annotations/, as Pascal VOC has them")
    parser.add_argument("--architecture", choices=get_args(Detector), default="ssdlite320_mobilenet_v3_large")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", type=int, default=320, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrained", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser.parse_args()


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


class TimedTask(DetectionTask):
    """Says after each epoch what it came to; `cpu_seconds` are those of training so far."""

    seconds_evaluating = 0.0

    def evaluate(self, model: nn.Module, on_batch: Progress) -> Scores:
        start = cpu_seconds()
        scores = super().evaluate(model, on_batch)
        line = {"map50": scores.accuracy, "cpu_seconds": start - TimedTask.seconds_evaluating}
        TimedTask.seconds_evaluating += cpu_seconds() - start
        print(json.dumps(line), flush=True)
        return scores


def main() -> None:
    told = arguments(__doc__)
    torch.set_num_threads(1)
    config = TrainingConfig(
        architecture=told.architecture,
        epochs=told.epochs,
        batch_size=told.batch_size,
        image_size=told.size,
        pretrained=told.pretrained,
        seed=told.seed,
    ).resolved()
    folder, group, device = VocFolder.read(told.folder), Group.alone(), torch.device(told.device)
    manifest = Manifest(folder.entries, "")
    setup = set_up(config, manifest, checkpoint_dir(), folder, device, group, lambda _: None)
    task = setup.task
    assert isinstance(task, DetectionTask)  # noqa: S101 - tells the type checker what was set up
    timed = TimedTask(**{each.name: getattr(task, each.name) for each in fields(task)})
    fit(setup.model, timed, setup.source, config, NullSink(), group=group)


if __name__ == "__main__":
    main()
