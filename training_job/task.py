"""What the engine needs of a kind of model, and of what feeds it; it knows nothing else of either."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from chalicelib.contract.results import (
    ClassFigures,
    ConfusionMatrix,
    DataWarning,
    DetectionFigures,
    HeldOut,
    Mistake,
)

from .split import Split

#: Called with the share that is done, 0 to 1.
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch came to. The tensors stay on the device: to read them would be to wait for it.

    Attributes:
        loss: float32 (), the losses of this process's images, summed, over the images of the whole
            batch: the sum over all processes is the batch's mean. With its graph.
        hits: int64 (), images whose class was right; None where that means nothing.
        images: this process's, of the batch.
        total: images of the whole batch; None where this process has them all.
    """

    loss: Tensor
    hits: Tensor | None
    images: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a model does on a split: mean loss, and accuracy or mAP@0.5, a fraction."""

    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """All that the results say of a model on the validation split."""

    scores: Scores
    confusion_matrix: ConfusionMatrix
    per_class: list[ClassFigures]
    misclassified: list[Mistake]
    detection: DetectionFigures | None = None


class Task(Protocol):
    """Classification or detection: the loss of a batch, and the judgement of a model."""

    @property
    def clip(self) -> float | None:
        """The largest norm of the gradients; larger ones are scaled down to it. None leaves them alone."""

    def begin(self, model: nn.Module, on_batch: Progress) -> Scores | None:
        """Fits what needs no gradient descent: the head of a pretrained backbone. This is epoch 0.

        Returns:
            Loss and accuracy on the training split; None where nothing was fitted.
        """

    def step(self, model: nn.Module, batch: Any) -> Step:
        """Under autocast. `model` may be wrapped (DDP, torch.compile): it is only called."""

    def evaluate(self, model: nn.Module, on_batch: Progress) -> Scores:
        """On the validation split. All processes join in, and all get the same."""

    def judge(self, model: nn.Module, on_batch: Progress) -> Judgement:
        """The same, with all that the results show."""

    def held_out(self, model: nn.Module, on_batch: Progress) -> HeldOut | None:
        """On the test split; None where it is empty."""

    @property
    def eval_steps(self) -> int:
        """Batches of an evaluation."""


class Source(Protocol):
    """Batches to train on: this process's part of each global batch."""

    @property
    def device(self) -> torch.device: ...

    @property
    def images(self) -> int:
        """Of the whole training split."""

    def __len__(self) -> int:
        """Steps an epoch, alike in all processes."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """An epoch's batches from number `start` on.

        What a batch holds depends on (seed, epoch, step) alone, not on what was drawn before and not
        on how many processes share it: so a run goes on anywhere, with any number of processes.
        """


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """The decoded images that a run holds."""

    bytes: int
    place: str  # memory or disk


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A run that is ready to train: made by `classification.set_up` or `detection.set_up`.

    Attributes:
        split: without the images that couldn't be decoded.
        val_images: uint8 (N, side, side, 3), RGB: the cached pictures of `split.val`, in its order.
        warnings: what was found about the data.
    """

    model: nn.Module
    task: Task
    source: Source
    split: Split
    val_images: Tensor
    cache: CacheFigures
    warnings: list[DataWarning] = field(default_factory=list)
