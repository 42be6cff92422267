"""Training: tensors in, figures out through a sink. No AWS, no environment, no files."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import TrainingError

from .checkpoint import Checkpoints, NullCheckpoints
from .config import given
from .figures import EpochFigures, MetricsSink
from .group import Group
from .memory import memory_errors
from .task import Scores, Source, Task
from .trainer import Trainer
from .watch import Ending, Interrupted, Watch

__all__ = ["Ending", "Fit", "fit"]

# In units of one step's evaluation: a training step reads and writes about three times as much, and
# the head on a frozen backbone takes the features of each image and of its mirror image.
_TRAIN_COST, _HEAD_COST = 3, 2
#: Between two looks at the losses, each of which waits for the GPU.
_LOOK_SECONDS = 2.0
#: What took less is sooner trained again than kept: short epochs share a checkpoint.
_KEEP_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What training came to; the model has the weights of `best_epoch`.

    Attributes:
        epochs_trained: without the head's, epoch 0.
        best_epoch: 0 where that is the head's, or none was finished.
        history: every finished epoch's, those of earlier attempts too; empty where nothing is to be kept.
    """

    ending: Ending
    epochs_trained: int
    best_epoch: int
    history: list[EpochFigures]


@memory_errors()
def fit(
    model: nn.Module,
    task: Task,
    source: Source,
    config: TrainingConfig,
    sink: MetricsSink,
    *,
    group: Group | None = None,
    checkpoints: Checkpoints | None = None,
    deadline: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> Fit:
    """Trains `model` in place, from the newest checkpoint on, and leaves it with the best weights.

    Args:
        config: resolved.
        checkpoints: without them the run begins at its beginning and leaves none.
        deadline: the moment of `clock`, in seconds, after which training ends. Earlier attempts count.

    Raises:
        TrainingError: `non-finite-loss`, `out-of-memory`.
    """
    group, checkpoints = group or Group.alone(), checkpoints or NullCheckpoints()
    trainer = Trainer(model, task, source, config, group)
    run = _Run(trainer, config, sink, checkpoints, deadline, clock)
    # Dropout draws from torch's global generator: seeded at each step, and given back as it was.
    with torch.random.fork_rng([source.device] if source.device.type == "cuda" else []):
        ending = run.to_the_end()
        trainer.parallel.close()
    if ending is not Ending.RECLAIMED and trainer.best.state_dict:
        model.load_state_dict(trainer.best.state_dict)
    history = trainer.history
    trained = history[-1].epoch if history else 0
    return Fit(ending=ending, epochs_trained=trained, best_epoch=trainer.best.epoch, history=history)


class _Run:
    """The course of a training: epoch after epoch, with checkpoints after and within them."""

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        sink: MetricsSink,
        checkpoints: Checkpoints,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self.trainer, self.config, self.sink = trainer, config, sink
        self.checkpoints, self.clock = checkpoints, clock
        if state := checkpoints.load():
            trainer.load_state_dict(state)
        self.spent, self.start = trainer.seconds, clock()
        self.saved = self.looked = self.start
        steps, batches = len(trainer.source), trainer.task.eval_steps
        head = (_HEAD_COST * steps + batches) * config.pretrained
        self.watch = Watch(
            sink, checkpoints, trainer.group, clock=clock, deadline=deadline - self.spent,
            total=head + given(config.epochs) * (_TRAIN_COST * steps + batches),
        )  # fmt: skip
        if trainer.epoch:
            self.watch.done = head + (trainer.epoch - 1) * (_TRAIN_COST * steps + batches)
            self.watch.done += _TRAIN_COST * trainer.tally.done

    def to_the_end(self) -> Ending:
        trainer = self.trainer
        try:
            if trainer.epoch == 0:
                self._begin()
            while not self._is_over():
                self._epoch()
        except Interrupted as interruption:
            if interruption.ending is Ending.RECLAIMED and trainer.epoch:
                self._save(wait=True)
            return interruption.ending
        return Ending.COMPLETE if trainer.epoch > given(self.config.epochs) else Ending.EARLY

    def _is_over(self) -> bool:
        if self.trainer.epoch > given(self.config.epochs):
            return True
        since = self.trainer.epoch - 1 - self.trainer.best.accuracy_epoch
        return 0 < self.config.early_stopping_patience <= since

    def _begin(self) -> None:
        """Epoch 0: what is fitted without gradient descent, if anything is."""
        trainer, start = self.trainer, self.clock()
        images, cost, done = trainer.source.images, _HEAD_COST * len(trainer.source), 0

        def on_batch(share: float) -> None:
            nonlocal done
            units = round(share * cost) - done
            done += units
            self.watch.batch(units, share * images / self._since(start))

        scores = trainer.begin(on_batch)
        if scores:
            speed = images / self._since(start)
            self._finish(scores.loss, scores.accuracy, self._evaluate(speed), 0.0, speed, start)
        trainer.start_epoch(1)
        if scores:
            self._save()

    def _epoch(self) -> None:
        trainer, start = self.trainer, self.clock()
        before = trainer.tally.seconds
        self._train(start, before)
        trainer.merge()
        loss, accuracy = trainer.tally.means(trainer.group)  # waits for the GPU, so that the clock is right
        trainer.tally.seconds = before + self._since(start)
        self._check(loss)
        speed = self._speed()
        scores = self._evaluate(speed)
        self._finish(loss, accuracy, scores, trainer.first_rate, speed, start - before)
        trainer.start_epoch(trainer.epoch + 1)
        is_worth_it = self.clock() - self.saved >= _KEEP_SECONDS and not self.checkpoints.busy
        if self._is_due() or is_worth_it or self._is_over():
            self._save()

    def _train(self, start: float, before: float) -> None:
        trainer = self.trainer
        for batch in trainer.batches():
            trainer.step(batch)
            trainer.tally.seconds = before + self._since(start)
            if self.clock() - self.looked >= _LOOK_SECONDS:
                self.looked = self.clock()
                self._check(0.0)
            if self.watch.step(_TRAIN_COST, self._speed(), is_due=self._is_due()):
                self._save()

    def _evaluate(self, speed: float) -> Scores:
        done = 0

        def on_batch(share: float) -> None:
            nonlocal done
            units = round(share * self.trainer.task.eval_steps) - done
            done += units
            self.watch.batch(units, speed)

        return self.trainer.evaluate(on_batch)

    def _finish(
        self, loss: float, accuracy: float | None, scores: Scores, rate: float, speed: float, start: float
    ) -> None:
        """Keeps an epoch's figures, and its weights if they are the best."""
        if not math.isfinite(scores.loss):  # the last step of the epoch broke the weights
            raise _non_finite(self.trainer.epoch, len(self.trainer.source))
        figures = EpochFigures(
            epoch=self.trainer.epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            learning_rate=rate,
            images_per_second=speed,
            epoch_seconds=self._since(start),
        )
        self.trainer.keep(figures)
        self.sink.on_epoch(figures)

    def _check(self, loss: float) -> None:
        step = self.trainer.tally.first_non_finite()
        if step is not None or not math.isfinite(loss):  # of another process, then
            raise _non_finite(self.trainer.epoch, step or len(self.trainer.source))

    def _is_due(self) -> bool:
        return self.clock() - self.saved >= 60 * self.config.checkpoint_minutes

    def _save(self, *, wait: bool = False) -> None:
        self.saved, trainer = self.clock(), self.trainer
        trainer.merge()
        if trainer.group.writes:
            trainer.seconds = self.spent + self._since(self.start)
            state, step = trainer.state_dict(), trainer.tally.done
            self.checkpoints.save(state, epoch=trainer.epoch, step=step, wait=wait)

    def _speed(self) -> float:
        return self.trainer.tally.images / max(self.trainer.tally.seconds, 1e-9)

    def _since(self, start: float) -> float:
        return max(self.clock() - start, 1e-9)


def _non_finite(epoch: int, step: int) -> TrainingError:
    return TrainingError(
        f"The loss became infinite or undefined in epoch {epoch}, step {step}. Set a lower learningRate.",
        code="non-finite-loss",
    )
