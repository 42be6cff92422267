"""Training: tensors in, figures out through a sink. No AWS, no environment, no files."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import TrainingError

from .config import given
from .evaluate import accuracy_of, loss_of, predict
from .figures import EpochFigures, MetricsSink
from .loader import Batch, EvalLoader, TrainLoader
from .memory import memory_errors
from .model import Classifier
from .optim import make_criterion, make_lr_scheduler, make_optimizer, mixed_loss

# A training step reads and writes about three times what a validation step does.
_TRAIN_COST = 3


class Ending(StrEnum):
    """Why training ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    EARLY = "early"
    RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What training came to; the model has the weights of `best_epoch`, 0 where none was finished."""

    ending: Ending
    epochs_trained: int
    best_epoch: int


class _Interrupted(Exception):  # noqa: N818 - no error: a stop or a limit, caught in `fit`
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass(slots=True)
class _Best:
    """The best weights so far: by validation accuracy, then by loss."""

    epoch: int = 0
    score: tuple[float, float] = (-1.0, 0.0)
    accuracy_epoch: int = 0
    state_dict: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, figures: EpochFigures, model: nn.Module) -> None:
        if figures.val_accuracy > self.score[0]:
            self.accuracy_epoch = figures.epoch
        score = (figures.val_accuracy, -figures.val_loss)
        if score > self.score:
            self.epoch, self.score = figures.epoch, score
            self.state_dict = {name: value.clone() for name, value in model.state_dict().items()}


class _Watch:
    """Counts batches, tells the sink, and ends training when that is asked or the time is up."""

    def __init__(self, sink: MetricsSink, total: int, deadline: float, clock: Callable[[], float]) -> None:
        self.sink, self.clock = sink, clock
        self._total, self._deadline = total, deadline
        self._done = self._images = 0
        self._since = clock()

    @property
    def images_per_second(self) -> float:
        return self._images / max(self.clock() - self._since, 1e-9)

    def start_epoch(self) -> None:
        self._images, self._since = 0, self.clock()

    def step(self, cost: int, images: int = 0) -> None:
        self._done += cost
        self._images += images
        self.tell(self.images_per_second)

    def tell(self, images_per_second: float) -> None:
        self.sink.on_step(self._done / self._total, images_per_second)
        if self.sink.stop_requested:
            raise _Interrupted(Ending.STOPPED)
        if self.clock() > self._deadline:
            raise _Interrupted(Ending.RUNTIME)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    model: Classifier
    criterion: nn.Module
    optimizer: Optimizer
    lr_scheduler: LambdaLR
    amp: "_Amp"
    freeze_backbone: bool


class _Amp:
    """Mixed precision: bfloat16 where the GPU has it, else float16 with a scaled loss; none on a CPU.

    Autocast on a CPU without hardware for it is about ten times slower than float32.
    """

    def __init__(self, device: torch.device, wanted: bool) -> None:
        self.enabled = wanted and device.type == "cuda"
        brain = self.enabled and torch.cuda.is_bf16_supported(including_emulation=False)
        self._type, self._dtype = device.type, torch.bfloat16 if brain or not self.enabled else torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.enabled and not brain)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self._type, dtype=self._dtype, enabled=self.enabled)


@memory_errors()
def fit(
    model: Classifier,
    train_loader: TrainLoader,
    val_loader: EvalLoader,
    config: TrainingConfig,
    sink: MetricsSink,
    *,
    deadline: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> Fit:
    """Trains `model` in place and leaves it with the best weights.

    Args:
        config: resolved.
        deadline: the moment of `clock`, in seconds, after which training ends.

    Raises:
        TrainingError: `non-finite-loss`, `out-of-memory`.
    """
    parts = _prepare(model, train_loader, config)
    epochs, best, trained = given(config.epochs), _Best(), 0
    total = epochs * (_TRAIN_COST * len(train_loader) + len(val_loader))
    watch, ending = _Watch(sink, total, deadline, clock), Ending.COMPLETE
    try:
        for trained in range(1, epochs + 1):
            figures = _run_epoch(parts, train_loader, val_loader, trained, watch)
            best.offer(figures, model)
            sink.on_epoch(figures)
            if 0 < config.early_stopping_patience <= trained - best.accuracy_epoch:
                ending = Ending.EARLY
                break
    except _Interrupted as interruption:
        ending, trained = interruption.ending, trained - 1
    if best.state_dict:
        model.load_state_dict(best.state_dict)
    return Fit(ending=ending, epochs_trained=trained, best_epoch=best.epoch)


def _prepare(model: Classifier, loader: TrainLoader, config: TrainingConfig) -> _Parts:
    if config.freeze_backbone:
        for parameter in model.body_parameters():
            parameter.requires_grad_(False)
    optimizer = make_optimizer(model, config)
    return _Parts(
        model=model,
        criterion=make_criterion(config, loader.dataset.labels, model.head.out_features).to(loader.device),
        optimizer=optimizer,
        lr_scheduler=make_lr_scheduler(optimizer, config, len(loader)),
        amp=_Amp(loader.device, config.mixed_precision),
        freeze_backbone=config.freeze_backbone,
    )


def _run_epoch(
    parts: _Parts, train_loader: TrainLoader, val_loader: EvalLoader, epoch: int, watch: _Watch
) -> EpochFigures:
    start = watch.clock()
    learning_rate = parts.optimizer.param_groups[0]["lr"]
    train_loss, train_accuracy = train_one_epoch(parts, train_loader, epoch, watch)
    images_per_second = watch.images_per_second

    with parts.amp.autocast():
        logits = predict(parts.model, val_loader, lambda _: watch.step(1))
    val_loss = loss_of(logits, val_loader.dataset.labels)
    if not math.isfinite(val_loss):  # the last step of the epoch broke the weights
        raise _non_finite(epoch, len(train_loader))
    return EpochFigures(
        epoch=epoch,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=accuracy_of(logits, val_loader.dataset.labels),
        learning_rate=learning_rate,
        images_per_second=images_per_second,
        epoch_seconds=watch.clock() - start,
    )


def train_one_epoch(parts: _Parts, loader: TrainLoader, epoch: int, watch: _Watch) -> tuple[float, float]:
    """One pass over the training split; gives the mean loss and the accuracy."""
    _train_mode(parts)
    loss_sum = correct = 0.0
    watch.start_epoch()
    # Dropout draws from torch's global generator: seeded here, and given back as it was.
    with torch.random.fork_rng([loader.device] if loader.device.type == "cuda" else []):
        torch.manual_seed(loader.seed + epoch)
        for step, batch in enumerate(loader.batches(epoch), 1):
            loss, hits = _train_step(parts, batch)
            if not math.isfinite(loss):
                raise _non_finite(epoch, step)
            loss_sum, correct = loss_sum + loss * len(batch.labels), correct + hits
            watch.step(_TRAIN_COST, len(batch.labels))
    return loss_sum / len(loader.dataset), correct / len(loader.dataset)


def _train_mode(parts: _Parts) -> None:
    parts.model.train()
    if parts.freeze_backbone:
        for norm in parts.model.norms():
            norm.eval()  # its running statistics are part of the backbone


def _train_step(parts: _Parts, batch: Batch) -> tuple[float, int]:
    with parts.amp.autocast():
        logits = parts.model(batch.images)
        loss = mixed_loss(parts.criterion, logits, batch.labels, batch.partner_labels, batch.share)
    parts.optimizer.zero_grad(set_to_none=True)
    parts.amp.scaler.scale(loss).backward()
    parts.amp.scaler.step(parts.optimizer)
    parts.amp.scaler.update()
    parts.lr_scheduler.step()
    hits = (logits.argmax(1) == batch.labels).sum()
    return float(loss.detach()), int(hits)  # waits for the GPU


def _non_finite(epoch: int, step: int) -> TrainingError:
    return TrainingError(
        f"The loss became infinite or undefined in epoch {epoch}, step {step}. Set a lower learningRate.",
        code="non-finite-loss",
    )
