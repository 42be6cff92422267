"""Tiny pictures with objects: bright rectangles on a dark ground."""

from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry
from training_job.detection.augment import Augmentation
from training_job.detection.boxes import Objects, Targets
from training_job.detection.source import BoxedImages, TrainBatches
from training_job.feed import Feed
from training_job.group import Group

CPU = torch.device("cpu")
SIZE = 64


def make_config(**parameters: Any) -> TrainingConfig:
    small = {"architecture": "ssdlite_mobilenet_v2", "pretrained": False, "image_size": SIZE, "epochs": 2}
    return TrainingConfig(**{**small, "batch_size": 4, **parameters}).resolved()


def make_objects(*boxes: tuple[float, float, float, float], labels: list[int] | None = None) -> Objects:
    """Boxes as shares of the sides, of class 1 if nothing else is said."""
    numbers = np.array([1] * len(boxes) if labels is None else labels, np.int64)
    return Objects(np.array(boxes, np.float32).reshape(-1, 4), numbers)


def make_targets(*objects: Objects, size: int = SIZE) -> Targets:
    return Targets.of(objects, size)


def make_scenes(count: int, side: int = SIZE, *, empty: int = 0) -> BoxedImages:
    """Images of one bright rectangle each, of class 1 or 2 by its colour; the last `empty` of none."""
    generator = np.random.default_rng(0)
    images, objects = np.full((count, side, side, 3), 30, np.uint8), []
    for index in range(count):
        width, height = generator.uniform(0.3, 0.6, 2)
        left, top = generator.random(2) * (1 - np.array([width, height]))
        pixels = [round(each * side) for each in (left, top, left + width, top + height)]
        if index >= count - empty:
            objects.append(make_objects())
            continue
        images[index, pixels[1] : pixels[3], pixels[0] : pixels[2], index % 2] = 250
        box = tuple(each / side for each in pixels)
        objects.append(make_objects(box, labels=[1 + index % 2]))  # type: ignore[arg-type]
    return BoxedImages(torch.from_numpy(images), objects)


def make_source(scenes: BoxedImages, group: Group | None = None, **parameters: Any) -> TrainBatches:
    config = make_config(**parameters)
    return TrainBatches(
        split=scenes,
        batch_size=4,
        augmentation=Augmentation.of(config),
        seed=config.seed,
        device=CPU,
        group=group or Group.alone(),
        feed=Feed.of(scenes.images, CPU),
    )


class Pictures:
    """Scenes as files: an `ImageSource`, and their entries."""

    def __init__(self, scenes: BoxedImages) -> None:
        self.bodies = {f"{index:026d}": _png(image) for index, image in enumerate(scenes.images)}
        self.entries = tuple(
            _entry(name, objects, len(scenes.images[0]))
            for name, objects in zip(self.bodies, scenes.objects, strict=True)
        )

    def get(self, image_id: str) -> bytes:
        return self.bodies[image_id]


def _png(image: torch.Tensor) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image.numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def _entry(name: str, objects: Objects, side: int) -> Entry:
    boxes = (objects.boxes * side).tolist()
    label = [
        {"label": ("red", "green")[number - 1], "box": [left, top, right - left, bottom - top]}
        for number, (left, top, right, bottom) in zip(objects.labels.tolist(), boxes, strict=True)
    ]
    return Entry(
        image_id=name, file_name=f"{name}.png", label=label, sha256="", size_bytes=1, width=side, height=side
    )
