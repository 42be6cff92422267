"""What a run and its repetition begin with, alike in both: else their weights would differ."""

import torch

from chalicelib.contract.config import TrainingConfig, task_of

from . import classification
from .config import given
from .dataset import ImageSource
from .group import Group
from .manifest import Manifest
from .task import Progress, Setup
from .weights import checkpoint_dir


def settle(threads: int) -> None:
    """Process-wide settings on which the last bits of a training depend."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True


def set_up(
    config: TrainingConfig,
    manifest: Manifest,
    images: ImageSource,
    device: torch.device,
    group: Group,
    on_progress: Progress,
) -> Setup:
    """See `classification.set_up`, or that of the task that the architecture is for."""
    make = classification.set_up
    if task_of(given(config.architecture)) == "detection":
        from . import detection  # its libraries take a second that classifiers needn't wait for

        make = detection.set_up
    return make(config, manifest, checkpoint_dir(), images, device, group, on_progress)
