"""Tiny data: what a test of the training needs, small enough for one core."""

import torch

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry
from training_job.dataset import Dataset
from training_job.loader import EvalLoader, TrainLoader
from training_job.model import Classifier, build_model
from training_job.presets import Preset

CPU = torch.device("cpu")


def make_entries(*labels: str) -> list[Entry]:
    """One entry a label, with ids that count up."""
    size = {"size_bytes": 5, "width": 8, "height": 8}
    return [
        Entry(image_id=f"{index:026d}", label=label, file_name=f"{index}.png", sha256="", **size)
        for index, label in enumerate(labels)
    ]


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


def make_model(config: TrainingConfig, num_classes: int = 2) -> Classifier:
    return build_model(config.architecture, num_classes, seed=config.seed)


def make_loaders(config: TrainingConfig, count: int = 16) -> tuple[TrainLoader, EvalLoader]:
    """`count` training images and 8 validation images of two classes."""
    preset = Preset.of(config)
    train = TrainLoader.of(make_dataset(count, preset.cache_side), config, preset, CPU)
    return train, EvalLoader.of(make_dataset(8), config, CPU)
