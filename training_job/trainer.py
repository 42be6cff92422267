"""A model in training: all that a step changes, and that a checkpoint therefore holds."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from shutil import which
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from chalicelib.contract.config import TrainingConfig, task_of

from .amp import Amp
from .checkpoint import State
from .config import given
from .ema import Ema
from .figures import EpochFigures
from .group import Group
from .optim import Parted, make_lr_scheduler, make_optimizer
from .parallel import Parallel
from .tally import Tally
from .task import Progress, Scores, Source, Task

#: Steps of a run that win back the minute or so that torch.compile takes, at a few milliseconds each: an
#: estimate, as it has run on no GPU yet.
COMPILE_STEPS = 10_000


class Parts(Parted, Protocol):
    """What is asked of a model besides its outputs."""

    def norms(self) -> Iterator[nn.Module]:
        """Layers with running statistics."""


@dataclass(slots=True)
class Best:
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

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Trainer:
    """The parts of a training, at one place of its course.

    Attributes:
        epoch: that goes on; 0 before the head is fitted, and one past the last at the end.
        tally: its steps so far.
        history: of the epochs before it.
        best: of their weights.
        seconds: that training took before the last checkpoint, in all attempts.
    """

    def __init__(
        self, model: nn.Module, task: Task, source: Source, config: TrainingConfig, group: Group
    ) -> None:
        self.model, self.task, self.source, self.group = model, task, source, group
        self.seed, self.batch_size = config.seed, config.batch_size
        # A small set's batches would wear the backbone's statistics away faster than it learns. A detector
        # sees other pictures than its backbone did, and is the better for its own (docs/adr/0015).
        is_plain = task_of(given(config.architecture)) == "classification"
        self.keeps_norms = config.freeze_backbone or (config.pretrained and is_plain)
        if config.freeze_backbone:
            for parameter in cast(Parts, model).body_parameters():
                parameter.requires_grad_(False)
        self.optimizer = make_optimizer(cast(Parts, model), config)
        self.lr_scheduler = make_lr_scheduler(self.optimizer, config, len(source))
        self.amp = Amp(source.device, config.mixed_precision)
        self.parallel = Parallel(model, group, frozen=config.freeze_backbone)
        decay = given(config.ema_decay)
        self.ema = Ema(model, decay) if decay else None
        self.wrapped = self.parallel.wrap()
        if pays_to_compile(config, source) and can_compile():
            self.wrapped = cast(nn.Module, torch.compile(self.wrapped))
        self.epoch, self.seconds = 0, 0.0
        self.history: list[EpochFigures] = []
        self.best, self.tally = Best(), Tally(len(source), source.device)

    @property
    def first_rate(self) -> float:
        """The head's learning rate at the beginning of the epoch."""
        scheduler = self.lr_scheduler
        factor = scheduler.lr_lambdas[0]((self.epoch - 1) * len(self.source))
        return float(scheduler.base_lrs[0]) * factor

    def begin(self, on_batch: Progress) -> Scores | None:
        """See `Task.begin`; the average begins at what it fits."""
        with self.amp.autocast():
            scores = self.task.begin(self.model, on_batch)
        if scores:
            self.parallel.spread(self.model)
        if self.ema and scores:
            self.ema.model.load_state_dict(self.model.state_dict())
        return scores

    def start_epoch(self, epoch: int) -> None:
        self.epoch, self.tally = epoch, Tally(len(self.source), self.source.device)

    def batches(self) -> Iterator[Any]:
        """What is left of the epoch."""
        self.wrapped.train()
        if self.keeps_norms:
            for norm in cast(Parts, self.model).norms():
                norm.eval()
        return self.source.batches(self.epoch, self.tally.done)

    def step(self, batch: Any) -> None:
        """One step of the optimizer."""
        torch.manual_seed(self._step_seed())
        with self.amp.autocast():
            step = self.task.step(self.wrapped, batch)
        # DDP takes the mean of the processes' gradients; the batch's is the sum of their parts.
        self.amp.scaler.scale(step.loss * self.group.size).backward()
        if self.task.clip:
            self.amp.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.task.clip)
        self.amp.scaler.step(self.optimizer)
        self.amp.scaler.update()
        # Not in the next step: its forward pass needs the most memory.
        self.optimizer.zero_grad(set_to_none=True)
        self.lr_scheduler.step()
        if self.ema:
            self.ema.update()
        self.tally.add(step)

    def evaluate(self, on_batch: Progress) -> Scores:
        with self.amp.autocast():
            return self.task.evaluate(self._evaluated(), on_batch)

    def _evaluated(self) -> nn.Module:
        if self.ema:
            return self.ema.model
        # Not what waits for other processes, which may have fewer batches.
        return self.wrapped if self.group.size == 1 else self.model

    def merge(self) -> None:
        """Brings what each process has counted for itself together; all of them call this."""
        if self.tally.merge(self.group):
            self.parallel.average_buffers(self.model, self.ema.model if self.ema else None)

    def keep(self, figures: EpochFigures) -> None:
        """An epoch's figures; and the weights that were evaluated, if they are the best."""
        self.history.append(figures)
        self.best.offer(figures, self.ema.model if self.ema else self.model)

    def state_dict(self) -> State:
        """All of it; the tensors are those in use."""
        return {
            "epoch": self.epoch,
            "steps": len(self.source),
            "batch_size": self.batch_size,
            "seconds": self.seconds,
            "tally": self.tally.state_dict(),
            "history": [asdict(each) for each in self.history],
            "best": self.best.state(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.amp.scaler.state_dict(),
            "ema": self.ema and self.ema.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Goes on from there, with other batches than its own too: at the same share of the epoch."""
        self.start_epoch(state["epoch"])
        self.seconds, self.best = state["seconds"], Best(**state["best"])
        self.history = [EpochFigures(**each) for each in state["history"]]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.amp.scaler.load_state_dict(state["scaler"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.tally.load_state_dict(state["tally"], state["steps"], self.group)
        self._seek((self.epoch - 1) * len(self.source) + self.tally.done)

    def _seek(self, step: int) -> None:
        # The schedule's only state is the number of its steps.
        self.lr_scheduler.last_epoch = step
        pairs = zip(self.lr_scheduler.base_lrs, self.lr_scheduler.lr_lambdas, strict=True)
        rates = [base * factor(step) for base, factor in pairs]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _step_seed(self) -> int:
        place = [self.seed, self.epoch, self.tally.done, self.group.rank]
        return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1)


def pays_to_compile(config: TrainingConfig, source: Source) -> bool:
    """Whether torch.compile wins back its time: told by the run alone, so that each attempt decides alike."""
    if config.compile == "never" or source.device.type != "cuda":
        return False
    is_plain = task_of(given(config.architecture)) == "classification"  # detectors branch on their data
    return is_plain and given(config.epochs) * len(source) >= COMPILE_STEPS


def can_compile() -> bool:
    """Whether torch.compile finds what it needs on a GPU: Triton, which needs a C compiler when it runs.

    The container's image has neither: docs/adr/0020-images.md.
    """
    return find_spec("triton") is not None and (which("gcc") or which("clang")) is not None
