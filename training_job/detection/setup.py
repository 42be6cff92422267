"""What a detection run begins with."""

from collections.abc import Mapping
from pathlib import Path

import torch

from chalicelib.contract.config import TrainingConfig

from ..checks import data_warnings, unreadable_images
from ..config import given
from ..dataset import Images, ImageSource, load_images
from ..feed import Feed
from ..group import Group
from ..heap import keep_freed_memory
from ..manifest import Manifest
from ..split import split_of
from ..task import Progress, Setup
from ..weights import load_detector_weights
from .augment import Augmentation
from .boxes import objects_of
from .build import build_detector
from .source import BoxedImages, TrainBatches
from .task import DetectionTask

_MIN_CLASSES = 1  # besides the background


def set_up(
    config: TrainingConfig,
    manifest: Manifest,
    pretrained_dir: Path,
    images: ImageSource,
    device: torch.device,
    group: Group,
    on_progress: Progress,
) -> Setup:
    """Loads the data and builds the model; see `classification.set_up`.

    Raises:
        TrainingError: `weights-missing`, `weights-corrupt`, `no-trainable-data`, and what `load_images` says.
    """
    if device.type == "cpu":
        keep_freed_memory()
    architecture, size, names = given(config.architecture), given(config.image_size), manifest.class_names
    weights = load_detector_weights(architecture, pretrained_dir) if config.pretrained else None
    split = split_of(manifest.entries, share=config.validation_split, seed=config.seed)
    split.check(_MIN_CLASSES)
    augmentation = Augmentation.of(config)
    parts = (split.train, augmentation.cache_side), (split.val, size), (split.test, size)
    loaded = load_images(images, parts, on_progress, cache_gigabytes=config.cache_gigabytes, group=group)
    left = split.without(loaded.unreadable)
    left.check(_MIN_CLASSES)
    model = build_detector(architecture, len(names), size, seed=config.seed, pretrained=weights).to(device)
    numbers = {name: number for number, name in enumerate(names, 1)}
    train, val, test = (_boxed(part, numbers) for part in loaded.parts)
    return Setup(
        model=model,
        task=DetectionTask(
            val=val,
            test=test,
            val_entries=left.val,
            class_names=names,
            batch_size=given(config.batch_size),
            device=device,
            group=group,
        ),
        source=TrainBatches(
            split=train,
            batch_size=given(config.batch_size),
            augmentation=augmentation,
            seed=config.seed,
            device=device,
            group=group,
            feed=Feed.of(train.images, device),
        ),
        split=left,
        val_images=val.images,
        cache=loaded.cache,
        warnings=[*data_warnings(left), *unreadable_images(loaded.unreadable)],
    )


def _boxed(part: Images, numbers: Mapping[str, int]) -> BoxedImages:
    return BoxedImages(part.pixels, [objects_of(entry, numbers) for entry in part.entries])
