"""Classification: one class an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.results import HeldOut

from .config import given
from .cpu.quicken import quicken
from .dataset import Dataset, ImageSource, Splits, load_splits
from .evaluate import accuracy_of, held_out, judge, loss_of, predict
from .group import Group
from .head import fit_head
from .heap import keep_freed_memory
from .loader import Batch, EvalLoader, TrainLoader
from .manifest import Manifest
from .model import Classifier, build_model
from .optim import Losses
from .presets import Preset
from .split import Split, split_of
from .task import Judgement, Progress, Scores, Setup, Step
from .weights import load_weights

#: docs/adr/0013: from 128 px on fine-tuning was unsteady without it.
_FINE_TUNING_CLIP = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassificationTask:
    """Cross-entropy on images of one class each; see `task.Task`."""

    config: TrainingConfig
    train: Dataset
    val: EvalLoader
    test: EvalLoader
    split: Split
    class_names: list[str]
    criterion: Losses
    device: torch.device
    group: Group

    @property
    def clip(self) -> float | None:
        """Of a backbone that keeps its statistics: nothing else holds back a step that upsets its maps."""
        return _FINE_TUNING_CLIP if self.config.pretrained else None

    @property
    def eval_steps(self) -> int:
        return len(self.val)

    def begin(self, model: nn.Module, on_batch: Progress) -> Scores | None:
        if not self.config.pretrained:
            return None
        return fit_head(
            cast(Classifier, model), self.train, self.config, self.device, on_batch, group=self.group
        )

    def step(self, model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.images)
        losses = self.criterion(logits, batch.labels, batch.partner_labels, batch.share)
        hits = (logits[: len(batch.labels)].argmax(1) == batch.labels).sum()
        return Step(losses.sum() / batch.total, hits, len(batch.labels), batch.total)

    def evaluate(self, model: nn.Module, on_batch: Progress) -> Scores:
        logits, labels = self._predict(model, self.val, on_batch)
        return Scores(loss=loss_of(logits, labels), accuracy=accuracy_of(logits, labels))

    def judge(self, model: nn.Module, on_batch: Progress) -> Judgement:
        return judge(*self._predict(model, self.val, on_batch), self.split.val, self.class_names)

    def held_out(self, model: nn.Module, on_batch: Progress) -> HeldOut | None:
        if not self.split.test:
            return None
        return held_out(*self._predict(model, self.test, on_batch))

    def _predict(self, model: nn.Module, loader: EvalLoader, on_batch: Progress) -> tuple[Tensor, Tensor]:
        """Logits and labels of the whole split, in its order."""
        return self.group.gather(predict(model, loader, on_batch)), loader.dataset.labels


def set_up(
    config: TrainingConfig,
    manifest: Manifest,
    pretrained_dir: Path,
    images: ImageSource,
    device: torch.device,
    group: Group,
    on_progress: Progress,
) -> Setup:
    """Loads the data and builds the model.

    Args:
        config: resolved.
        pretrained_dir: where the files of `weights` are.
        on_progress: called with the share of the images that are there.

    Raises:
        TrainingError: `weights-missing`, `weights-corrupt`, `no-trainable-data`, and what `load_splits` says.
    """
    if device.type == "cpu":
        keep_freed_memory()
    architecture = given(config.architecture)
    weights = load_weights(architecture, pretrained_dir) if config.pretrained else None
    preset, names = Preset.of(config), manifest.class_names
    split = split_of(manifest.entries, share=config.validation_split, seed=config.seed)
    split.check()
    sides = preset.cache_side, given(config.image_size)
    data = load_splits(
        images, split, names, sides, on_progress, cache_gigabytes=config.cache_gigabytes, group=group
    )
    data.split.check()
    model = build_model(
        architecture, len(names), seed=config.seed, image_size=given(config.image_size), pretrained=weights
    )
    return Setup(
        model=quicken(model.to(device)),
        task=make_task(config, data, names, device, group),
        source=TrainLoader.of(data.train, config, preset, device, group),
        split=data.split,
        val_images=data.val.images,
        cache=data.cache,
        warnings=data.warnings,
    )


def make_task(
    config: TrainingConfig, data: Splits, class_names: list[str], device: torch.device, group: Group
) -> ClassificationTask:
    """The task on data that are there."""
    return ClassificationTask(
        config=config,
        train=data.train,
        val=EvalLoader.of(data.val, config, device, group),
        test=EvalLoader.of(data.test, config, device, group),
        split=data.split,
        class_names=class_names,
        criterion=Losses.of(config, data.train.labels, len(class_names), device),
        device=device,
        group=group,
    )
