"""timm: its data, model, optimizer and schedule, in the loop of its train script.

With the script's defaults, but crop and flip alone for the augmentation, as everyone here, and no
warm-up: its five epochs would be the whole of a short run.
"""

from pathlib import Path
from typing import Any

import torch
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.models import create_model
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, accuracy
from torch import nn

from bench.training.protocol import Case, say_epoch, say_saved

#: timm's names of torchvision's models.
_NAMES = {"mobilenet_v3_small": "mobilenetv3_small_100", "mobilenet_v2": "mobilenetv2_100"}


def _loader(case: Case, model: nn.Module, *, training: bool) -> Any:
    split = "train" if training else "val"
    config = resolve_data_config({"input_size": (3, case.size, case.size)}, model=model)
    return create_loader(
        create_dataset("", root=case.data, split=split, is_training=training, batch_size=case.batch),
        input_size=config["input_size"],
        batch_size=case.batch,
        is_training=training,
        color_jitter=0.0,
        interpolation="bilinear",
        mean=config["mean"],
        std=config["std"],
        crop_pct=config["crop_pct"],
        num_workers=case.workers,
        pin_memory=case.device == "cuda",
        device=torch.device(case.device),
    )


def train_one_epoch(
    model: nn.Module, loader: Any, optimizer: Any, criterion: nn.Module, lr_scheduler: Any, updates: int
) -> int:
    """Returns the number of updates so far."""
    model.train()
    for images, labels in loader:
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        updates += 1
        lr_scheduler.step_update(num_updates=updates)
    return updates


@torch.inference_mode()
def validate(model: nn.Module, loader: Any, criterion: nn.Module) -> float:
    """The accuracy."""
    model.eval()
    losses, top1 = AverageMeter(), AverageMeter()
    for images, labels in loader:
        output = model(images)
        losses.update(criterion(output, labels).item(), len(images))
        top1.update(accuracy(output, labels)[0].item(), len(images))
    return float(top1.avg) / 100


def main() -> None:
    case = Case.from_argument()
    torch.set_num_threads(1)
    num_classes = len(list((Path(case.data) / "train").iterdir()))
    model = create_model(_NAMES.get(case.model, case.model), num_classes=num_classes).to(case.device)
    train_loader, val_loader = _loader(case, model, training=True), _loader(case, model, training=False)
    optimizer = create_optimizer_v2(model, "sgd", lr=0.1 * case.batch / 256, weight_decay=2e-5, momentum=0.9)
    lr_scheduler, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=case.epochs, warmup_epochs=0, updates_per_epoch=len(train_loader)
    )
    updates = 0
    for epoch in range(1, case.epochs + 1):
        criterion = LabelSmoothingCrossEntropy(0.1)
        updates = train_one_epoch(model, train_loader, optimizer, criterion, lr_scheduler, updates)
        say_epoch(epoch, validate(model, val_loader, nn.CrossEntropyLoss()))
        lr_scheduler.step(epoch)
    torch.save({"state_dict": model.state_dict()}, Path(case.out) / "model.pth.tar")
    say_saved()


if __name__ == "__main__":
    main()
