"""Figures of a trained model on a split, from its logits."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import ClassFigures, ConfusionMatrix, HeldOut, Mistake

from .loader import EvalLoader
from .manifest import class_of
from .memory import memory_errors
from .task import Judgement, Scores

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
    """Figures of a split that nothing was chosen by; see `judge` for the tensors."""
    return HeldOut(images=len(labels), accuracy=accuracy_of(logits, labels), loss=loss_of(logits, labels))


def confusion_matrix(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """int64 (classes, classes): rows are the true class, columns the predicted one."""
    cells = (labels * num_classes + predicted).bincount(minlength=num_classes**2)
    return cells.view(num_classes, num_classes)


def class_figures(matrix: Tensor, class_names: Sequence[str]) -> list[ClassFigures]:
    """Precision, recall and F1 of each class; 0 where there is nothing to divide by.

    Args:
        matrix: of confusion, int64 (classes, classes).
        class_names: in the order of their numbers.
    """
    right, support, found = matrix.diag().double(), matrix.sum(1), matrix.sum(0)
    divisors = found, support, (found + support) / 2
    figures = [(right / divisor.clamp(min=1)).tolist() for divisor in divisors]
    return [
        ClassFigures(class_=name, precision=precision, recall=recall, f1=f1, support=count)
        for name, precision, recall, f1, count in zip(class_names, *figures, support.tolist(), strict=True)
    ]


def judge(logits: Tensor, labels: Tensor, entries: Sequence[Entry], class_names: Sequence[str]) -> Judgement:
    """What the results say of a classifier.

    Args:
        logits: float32 (N, classes) of the validation split, on the CPU.
        labels: int64 (N).
        entries: the split's, in the same order.
    """
    matrix = confusion_matrix(logits.argmax(1), labels, len(class_names))
    return Judgement(
        scores=Scores(loss=loss_of(logits, labels), accuracy=accuracy_of(logits, labels)),
        confusion_matrix=ConfusionMatrix(classes=list(class_names), matrix=matrix.tolist()),
        per_class=class_figures(matrix, class_names),
        misclassified=mistakes(logits, labels, entries, class_names),
    )


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
