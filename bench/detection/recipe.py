"""Torchvision's recipe for a detector, in one process, from its public parts. A line of JSON an epoch.

What references/detection of pytorch/vision does for ssdlite320 (`--data-augmentation ssdlite --opt sgd
--lr 0.15` …): each image is decoded by PIL, and varied by itself, every epoch, in one loader worker;
the model resizes, normalises and matches image by image. AdamW stands in for SGD, as with ours.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors  # type: ignore[import-untyped]
from torchvision.models import get_model  # type: ignore[import-untyped]
from torchvision.transforms import v2  # type: ignore[import-untyped]

from chalicelib.contract.manifest import Entry
from training_job.split import split_of

from .ours import arguments, cpu_seconds
from .voc import VocFolder

Sample = tuple[Tensor, dict[str, Tensor]]


class BoxedFiles(Dataset[Sample]):
    """Images on disk with their boxes."""

    def __init__(self, folder: VocFolder, entries: Sequence[Entry], transforms: v2.Transform) -> None:
        self.folder, self.entries, self.transforms = folder, entries, transforms
        names = sorted({name for entry in folder.entries for name in entry.classes})
        self.numbers = {name: number for number, name in enumerate(names, 1)}

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        entry = self.entries[index]
        image = Image.open(self.folder.paths[entry.image_id]).convert("RGB")
        objects: list[dict[str, Any]] = entry.label  # type: ignore[assignment]
        boxes = tv_tensors.BoundingBoxes(
            [each["box"] for each in objects], format="XYWH", canvas_size=(entry.height, entry.width)
        )
        labels = torch.tensor([self.numbers[each["label"]] for each in objects])
        sample: Sample = self.transforms(image, {"boxes": boxes, "labels": labels})
        return sample


def transforms(*, varied: bool) -> v2.Transform:
    """The preset `ssdlite` of the references, and their end."""
    variations = [v2.RandomIoUCrop(), v2.RandomHorizontalFlip(p=0.5)] if varied else []
    end = [v2.ToDtype(torch.float, scale=True), v2.ConvertBoundingBoxFormat("XYXY")]
    return v2.Compose([v2.ToImage(), *variations, *end, v2.SanitizeBoundingBoxes(), v2.ToPureTensor()])


def collate(batch: Sequence[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    images, targets = zip(*batch, strict=True)
    return list(images), list(targets)


@torch.inference_mode()
def evaluate(model: nn.Module, files: BoxedFiles, batch_size: int) -> float:
    """mAP@0.5, as ours measures it."""
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(backend="faster_coco_eval", iou_thresholds=[0.5])
    metric.warn_on_many_detections = False
    model.eval()
    for images, targets in DataLoader(files, batch_size, num_workers=1, collate_fn=collate):
        metric.update(model(images), targets)
    model.train()
    return float(metric.compute()["map_50"])


def main() -> None:
    told = arguments(__doc__)
    torch.set_num_threads(1)
    torch.manual_seed(told.seed)
    folder = VocFolder.read(told.folder)
    split = split_of(folder.entries, share=0.2, seed=told.seed)
    files = BoxedFiles(folder, split.train, transforms(varied=True))
    unvaried = BoxedFiles(folder, split.val, transforms(varied=False))
    loader = DataLoader(files, told.batch_size, shuffle=True, num_workers=1, collate_fn=collate)
    classes = len(files.numbers) + 1
    model = get_model(told.architecture, weights=None, weights_backbone=None, num_classes=classes).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    evaluating = 0.0
    for _ in range(told.epochs):
        for images, targets in loader:
            loss = sum(model(images, targets).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        trained = cpu_seconds()
        line = {"map50": evaluate(model, unvaried, told.batch_size), "cpu_seconds": trained - evaluating}
        evaluating += cpu_seconds() - trained
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
