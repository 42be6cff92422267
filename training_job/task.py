"""What the engine needs of a kind of model, and of what feeds it; it knows nothing else of either."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch came to. The tensors stay on the device: to read them would be to wait for it.

    Attributes:
        loss: float32 (), mean over this process's images of the batch, with its graph.
        hits: int64 (), images whose class was right; None where that means nothing.
        images: this process's, of the batch.
    """

    loss: Tensor
    hits: Tensor | None
    images: int


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a model does on the validation split: mean loss, and accuracy or mAP@0.5, a fraction."""

    loss: float
    accuracy: float


class Task(Protocol):
    """Classification or detection: the loss of a batch, and the judgement of a model."""

    def step(self, model: nn.Module, batch: Any) -> Step:
        """Under autocast. `model` may be wrapped (DDP, torch.compile): it is only called."""

    def evaluate(self, model: nn.Module, on_batch: Callable[[float], None]) -> Scores:
        """On the validation split; calls `on_batch` with the share that is done. All processes join in."""

    @property
    def eval_steps(self) -> int:
        """Batches of an evaluation."""


class Source(Protocol):
    """Batches to train on: this process's part of each global batch."""

    device: torch.device
    images: int  # of the whole training split

    def __len__(self) -> int:
        """Steps an epoch, alike in all processes."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """An epoch's batches from number `start` on.

        What a batch holds depends on (seed, epoch, step) alone, not on what was drawn before and not
        on how many processes share it: so a run goes on anywhere, with any number of processes.
        """
