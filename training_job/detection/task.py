"""Detection, as the engine needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import nn

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import DetectionFigures, HeldOut

from ..group import Group
from ..task import Judgement, Progress, Scores, Step
from .evaluate import average_precision, class_figures, confusion, mistakes, pairs
from .model import Found
from .source import Batch, BoxedImages, eval_batches


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionTask:
    """See `Task`. An accuracy is mAP@0.5; a loss is the mean over what it counts: see `model.Loss`.

    Attributes:
        val, test: images of the input's size.
        val_entries: of `val`.
    """

    val: BoxedImages
    test: BoxedImages
    val_entries: Sequence[Entry]
    class_names: Sequence[str]
    batch_size: int
    device: torch.device
    group: Group
    clip: float | None = 10.0

    @property
    def eval_steps(self) -> int:
        return ceil(len(self.val) / self.group.size / self.batch_size)

    def begin(self, model: nn.Module, on_batch: Progress) -> Scores | None:  # noqa: ARG002 - the Protocol's
        """Nothing: no part of a detector is fitted without gradient descent."""
        return None

    def step(self, model: nn.Module, batch: Batch) -> Step:
        loss = model(batch.images, batch.targets)
        is_part = float(batch.own > 0)
        weight = self.group.sum(loss.weight.detach() * is_part)
        return Step(loss.total * is_part / weight.clamp(min=1), None, batch.own, batch.total)

    def evaluate(self, model: nn.Module, on_batch: Progress) -> Scores:
        found, loss = self._find(model, self.val, on_batch)
        return Scores(loss, average_precision(found, self.val.objects, [0.5])[1])

    def held_out(self, model: nn.Module, on_batch: Progress) -> HeldOut | None:
        if not len(self.test):
            return None
        found, loss = self._find(model, self.test, on_batch)
        accuracy = average_precision(found, self.test.objects, [0.5])[1]
        return HeldOut(images=len(self.test), accuracy=accuracy, loss=loss)

    def judge(self, model: nn.Module, on_batch: Progress) -> Judgement:
        found, loss = self._find(model, self.val, on_batch)
        mean, mean50, a_class = average_precision(found, self.val.objects)
        a_class50 = average_precision(found, self.val.objects, [0.5])[2]
        matched = pairs(found, self.val.objects)
        matrix = confusion(matched, self.class_names)
        return Judgement(
            scores=Scores(loss, mean50),
            confusion_matrix=matrix,
            per_class=class_figures(matrix, a_class, a_class50),
            misclassified=mistakes(matched, self.val_entries, self.class_names),
            detection=DetectionFigures(map50=mean50, map=mean),
        )

    @torch.inference_mode()
    def _find(self, model: nn.Module, split: BoxedImages, on_batch: Progress) -> tuple[list[Found], float]:
        """What is found in all images of the split, in shares of their sides, and the mean loss."""
        model.eval()
        own = self.group.rows(len(split))
        found: list[Found] = []
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(0)  # what a loss is measured on by sampling is the same each time
            for images, targets in eval_batches(split, own, self.batch_size, self.device):
                loss, boxes = model(images, targets)
                found += [_shares(each, images.shape[-1]) for each in boxes]
                sums += torch.stack([loss.total, loss.weight]).cpu()
                on_batch(len(found) / (own.stop - own.start))
        total, weight = self.group.sum(sums).tolist()
        return gathered(found, self.group), total / max(weight, 1.0)


def _shares(found: Found, size: int) -> Found:
    return Found(found.boxes.cpu() / size, found.scores.cpu(), found.labels.cpu())


def gathered(found: Sequence[Found], group: Group) -> list[Found]:
    """What all processes found, in the order of the images."""
    nothing = Found(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    counts = group.gather(torch.tensor([len(each.labels) for each in found], dtype=torch.int64)).tolist()
    columns = ([getattr(each, name) for each in (*found, nothing)] for name in ("boxes", "scores", "labels"))
    parts = (group.gather(torch.cat(column)).split(counts) for column in columns)
    return [Found(*each) for each in zip(*parts, strict=True)]
