"""The classification recipe of pytorch/vision's references, in public calls of the library.

Its default rate is 0.1 for 256 images a step, over all devices; the rate falls by the cosine that it
offers, as a step every 30 epochs means nothing in a short run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import InterpolationMode  # type: ignore[import-untyped]

from bench.training.protocol import Case, say_epoch, say_saved

from .models import make_model

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _transform(case: Case, *, training: bool) -> Any:
    bilinear = {"interpolation": InterpolationMode.BILINEAR, "antialias": True}
    varied = [transforms.RandomResizedCrop(case.size, **bilinear), transforms.RandomHorizontalFlip()]
    fitted = [transforms.Resize(round(case.size * 256 / 224), **bilinear), transforms.CenterCrop(case.size)]
    tensor = [
        transforms.PILToTensor(),
        transforms.ConvertImageDtype(torch.float),
        transforms.Normalize(_MEAN, _STD),
    ]
    return transforms.Compose([*(varied if training else fitted), *tensor])


def make_dataset(case: Case, split: str) -> Any:
    """`split` is train, with chance, or val."""
    transform = _transform(case, training=split == "train")
    return torchvision.datasets.ImageFolder(f"{case.data}/{split}", transform)


def _data_loader(case: Case, split: str) -> DataLoader[Any]:
    return DataLoader(
        make_dataset(case, split),
        batch_size=case.batch,
        shuffle=split == "train",
        num_workers=case.workers,
        pin_memory=case.device == "cuda",
    )


def train_one_epoch(
    model: nn.Module, criterion: nn.Module, optimizer: torch.optim.Optimizer, loader: Any, device: str
) -> None:
    """As the reference does it, which reads the loss and the accuracy of every step."""
    model.train()
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        output = model(images)
        loss = criterion(output, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item(), (output.argmax(1) == labels).sum().item()


@torch.inference_mode()
def evaluate(model: nn.Module, criterion: nn.Module, loader: Any, device: str) -> float:
    """The accuracy."""
    model.eval()
    hits = 0
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        output = model(images)
        criterion(output, labels).item()
        hits += int((output.argmax(1) == labels).sum())
    return hits / len(loader.dataset)


def run(case: Case) -> Iterator[float]:
    """The accuracy after each epoch; at the end the model is on disk."""
    train_loader, val_loader = _data_loader(case, "train"), _data_loader(case, "val")
    model = make_model(case, len(train_loader.dataset.classes)).to(case.device)  # type: ignore[attr-defined]
    criterion = nn.CrossEntropyLoss()
    rate = 0.01 if case.pretrained else 0.1 * case.batch / 256
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=case.epochs)
    for _ in range(case.epochs):
        train_one_epoch(model, criterion, optimizer, train_loader, case.device)
        lr_scheduler.step()
        yield evaluate(model, criterion, val_loader, case.device)
    torch.save(model.state_dict(), Path(case.out) / "model.pth")


def main() -> None:
    torch.set_num_threads(1)
    for epoch, accuracy in enumerate(run(Case.from_argument()), 1):
        say_epoch(epoch, accuracy)
    say_saved()


if __name__ == "__main__":
    main()
