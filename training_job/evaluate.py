"""Figures of a trained model on a split, from its logits."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import ClassFigures, HeldOut, Mistake

from .loader import EvalLoader
from .manifest import class_of
from .memory import memory_errors

#: As many misclassified images as a person looks through; keeps the results document small.
MAX_MISTAKES = 200


@memory_errors()
@torch.inference_mode()
def predict(model: nn.Module, loader: EvalLoader, on_batch: Callable[[float], None]) -> Tensor:
    """Logits of all images, float32 (N, classes), on the CPU. Leaves the model in eval mode.

    Args:
        on_batch: called after each batch with the share that is done, 0 to 1.
    """
    model.eval()
    parts = []
    for index, images in enumerate(loader, 1):
        parts.append(model(images).float().cpu())
        on_batch(index / len(loader))
    return torch.cat(parts)


def loss_of(logits: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy in nats: no smoothing and no class weights, so runs can be compared."""
    return float(cross_entropy(logits, labels))


def accuracy_of(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1) == labels).double().mean())


def held_out(logits: Tensor, labels: Tensor) -> HeldOut:
    """Figures of a split that nothing was chosen by; see `report.publish` for the tensors."""
    return HeldOut(images=len(labels), accuracy=accuracy_of(logits, labels), loss=loss_of(logits, labels))


def confusion_matrix(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """int64 (classes, classes): rows are the true class, columns the predicted one."""
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    return multiclass_confusion_matrix(predicted, labels, num_classes)


def class_figures(predicted: Tensor, labels: Tensor, class_names: Sequence[str]) -> list[ClassFigures]:
    """Precision, recall and F1 of each class; 0 where there is nothing to divide by.

    Args:
        predicted: classes, int64 (N,).
        labels: the true classes, likewise.
        class_names: in the order of their numbers.
    """
    # Seconds to import, and wanted only when a run has something to show.
    from torchmetrics.functional.classification import (
        multiclass_f1_score,
        multiclass_precision,
        multiclass_recall,
    )

    functions = (multiclass_precision, multiclass_recall, multiclass_f1_score)
    figures = [each(predicted, labels, len(class_names), average="none").tolist() for each in functions]
    support = labels.bincount(minlength=len(class_names)).tolist()
    return [
        ClassFigures(class_=name, precision=precision, recall=recall, f1=f1, support=count)
        for name, precision, recall, f1, count in zip(class_names, *figures, support, strict=True)
    ]


def mistakes(
    logits: Tensor, labels: Tensor, entries: Sequence[Entry], class_names: Sequence[str]
) -> list[Mistake]:
    """Images taken for another class, the surest first, at most `MAX_MISTAKES`."""
    confidence, predicted = logits.softmax(1).max(1)
    wrong = (predicted != labels).nonzero().flatten()
    worst = wrong[confidence[wrong].argsort(descending=True, stable=True)][:MAX_MISTAKES]
    return [
        Mistake(
            image_id=entries[index].image_id,
            file_name=entries[index].file_name,
            true=class_of(entries[index]),
            predicted=class_names[int(predicted[index])],
            confidence=float(confidence[index]),
        )
        for index in worst.tolist()
    ]
