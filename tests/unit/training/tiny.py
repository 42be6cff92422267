"""Tiny data: what a test of the training needs, small enough for one core."""

from collections.abc import Iterator
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor, nn

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry
from training_job.classification import ClassificationTask, make_task
from training_job.dataset import Dataset, Splits
from training_job.group import Group
from training_job.loader import EvalLoader, TrainLoader
from training_job.model import Classifier, build_model
from training_job.presets import Preset
from training_job.split import Split
from training_job.task import CacheFigures

CPU = torch.device("cpu")


def make_entries(*labels: str) -> list[Entry]:
    """One entry a label, with ids that count up."""
    size = {"size_bytes": 5, "width": 8, "height": 8}
    return [
        Entry(image_id=f"{index:026d}", label=label, file_name=f"{index}.png", sha256="", **size)
        for index, label in enumerate(labels)
    ]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """An image as a file's bytes."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def make_dataset(count: int, side: int = 32, num_classes: int = 2) -> Dataset:
    """Images that are the brighter the higher their class: a few steps learn it."""
    labels = torch.arange(count) % num_classes
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 60, (count, side, side, 3), generator=generator)
    return Dataset((noise + 180 * labels.view(-1, 1, 1, 1) // (num_classes - 1)).to(torch.uint8), labels)


def make_config(**parameters: object) -> TrainingConfig:
    small = {
        "pretrained": False,
        "architecture": "mobilenet_v3_small",
        "image_size": 32,
        "epochs": 2,
        "batch_size": 8,
        "augmentation": "none",
    }
    return TrainingConfig(**{**small, **parameters}).resolved()  # type: ignore[arg-type]


class Tiny(nn.Module):
    """A classifier of microseconds.

    Args:
        noisy: it has running statistics, and draws.
    """

    def __init__(self, *, noisy: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        norm = (nn.BatchNorm1d(48), nn.Dropout(0.2)) if noisy else (nn.LayerNorm(48),)
        self.body = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), *norm, nn.Linear(48, 8), nn.GELU())
        self.head = nn.Linear(8, 2)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images * self.scale))
        return logits

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.head.parameters())

    def body_parameters(self) -> list[nn.Parameter]:
        return list(self.body.parameters())

    def norms(self) -> Iterator[nn.Module]:
        return (each for each in self.body if isinstance(each, nn.BatchNorm1d))


def make_model(config: TrainingConfig, num_classes: int = 2) -> Classifier:
    return build_model(config.architecture, num_classes, seed=config.seed)


def make_loaders(config: TrainingConfig, count: int = 16) -> tuple[TrainLoader, EvalLoader]:
    """`count` training images and 8 validation images of two classes."""
    preset = Preset.of(config)
    train = TrainLoader.of(make_dataset(count, preset.cache_side), config, preset, CPU)
    return train, EvalLoader.of(make_dataset(8), config, CPU)


def make_work(
    config: TrainingConfig, count: int = 16, group: Group | None = None
) -> tuple[ClassificationTask, TrainLoader]:
    """What the engine trains with: the same data as `make_loaders`, as a task and its source."""
    group, preset = group or Group.alone(), Preset.of(config)
    train, val = make_dataset(count, preset.cache_side), make_dataset(8)
    split = Split((), tuple(make_entries(*map(str, val.labels.tolist()))))
    data = Splits(train, val, make_dataset(0), split, CacheFigures(0, "memory"), [])
    return make_task(config, data, ["0", "1"], CPU, group), TrainLoader.of(train, config, preset, CPU, group)
