import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import torch
from tiny import make_config, make_loaders, make_model, make_work
from torch import Tensor

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import TrainingError
from training_job.classification import ClassificationTask
from training_job.engine import Ending, Fit, fit
from training_job.evaluate import accuracy_of, loss_of, predict
from training_job.figures import EpochFigures, NullSink
from training_job.group import Group
from training_job.memory import memory_errors
from training_job.model import Classifier
from training_job.trainer import Best, Trainer, can_compile, pays_to_compile


@dataclass
class Recorder:
    """A sink that keeps everything, and asks to stop when `stop` says so."""

    stop: Callable[["Recorder"], bool] = lambda _: False
    steps: list[float] = field(default_factory=list)
    epochs: list[EpochFigures] = field(default_factory=list)

    @property
    def stop_requested(self) -> bool:
        return self.stop(self)

    def on_step(self, done: float, images_per_second: float) -> None:
        assert images_per_second > 0
        self.steps.append(done)

    def on_epoch(self, figures: EpochFigures) -> None:
        self.epochs.append(figures)


def run(
    config: TrainingConfig, sink: Recorder | None = None, **options: object
) -> tuple[Classifier, Recorder, Fit]:
    sink = sink or Recorder()
    model = make_model(config)
    return model, sink, fit(model, *make_work(config), config, sink, **options)  # type: ignore[arg-type]


def state(model: Classifier) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_training_learns() -> None:
    """A few epochs tell bright images from dark ones."""
    _, sink, _ = run(make_config(architecture="resnet18", epochs=4, learning_rate=1e-3))
    assert sink.epochs[-1].train_loss < sink.epochs[0].train_loss
    assert max(figures.val_accuracy for figures in sink.epochs) == 1


def test_progress_grows_to_one() -> None:
    """The share that is done grows with every batch, of training and validation, and ends at one."""
    _, sink, result = run(make_config(epochs=2))
    assert sink.steps == sorted(set(sink.steps))
    assert (len(sink.steps), sink.steps[-1]) == (2 * (2 + 1), 1.0)
    assert [figures.epoch for figures in sink.epochs] == [1, 2]
    assert (result.ending, result.epochs_trained) == (Ending.COMPLETE, 2)


def test_best_weights_are_kept() -> None:
    """The model is left with the weights of the best epoch, not of the last one."""
    config = make_config(epochs=5, scheduler="constant", learning_rate=0.02, warmup_epochs=0)
    model, sink, result = run(config)
    best = max(sink.epochs, key=lambda figures: (figures.val_accuracy, -figures.val_loss))
    assert best.epoch != 5, "the run must get worse at its end for this test to say anything"
    _, val_loader = make_loaders(config)
    logits = predict(model, val_loader, lambda _: None)
    assert result.best_epoch == best.epoch
    assert loss_of(logits, val_loader.dataset.labels) == best.val_loss
    assert accuracy_of(logits, val_loader.dataset.labels) == best.val_accuracy


def figures(epoch: int, val_accuracy: float, val_loss: float) -> EpochFigures:
    return EpochFigures(
        epoch=epoch, train_loss=0, train_accuracy=0, val_loss=val_loss, val_accuracy=val_accuracy,
        learning_rate=0, images_per_second=0, epoch_seconds=0,
    )  # fmt: skip


def test_loss_decides_between_equal_accuracies() -> None:
    """Among epochs of the same accuracy the one with the lowest loss is best."""
    best = Best()
    for each in (figures(1, 0.5, 3.0), figures(2, 0.9, 2.0), figures(3, 0.9, 1.0), figures(4, 0.8, 0.1)):
        best.offer(each, torch.nn.Linear(1, 1))
    assert (best.epoch, best.accuracy_epoch) == (3, 2)


def test_early_stopping() -> None:
    """Training ends after as many epochs without a better accuracy as the patience says."""
    config = make_config(epochs=30, early_stopping_patience=3, learning_rate=1e-9)
    _, sink, result = run(config)
    accuracies = [figures.val_accuracy for figures in sink.epochs]
    assert result.ending is Ending.EARLY
    assert result.epochs_trained == len(accuracies) == accuracies.index(max(accuracies)) + 1 + 3


def test_frozen_backbone_stays_bit_identical() -> None:
    """With freezeBackbone only the head changes; running statistics stay too."""
    config = make_config(freeze_backbone=True, epochs=1, learning_rate=0.1)
    before = state(make_model(config))
    model, _, _ = run(config)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"backbone.classifier.3.weight", "backbone.classifier.3.bias"}


def test_stop_keeps_the_best_weights_so_far() -> None:
    """A stop in the second epoch ends it at once, with the weights of the first."""
    config = make_config(epochs=9)
    stop = Recorder(stop=lambda sink: len(sink.steps) == 5)
    model, sink, result = run(config, stop)
    assert (result.ending, result.epochs_trained, result.best_epoch) == (Ending.STOPPED, 1, 1)
    assert len(sink.steps) == 5
    _, val_loader = make_loaders(config)
    logits = predict(model, val_loader, lambda _: None)
    assert loss_of(logits, val_loader.dataset.labels) == sink.epochs[0].val_loss


def test_stop_before_the_first_epoch_keeps_nothing() -> None:
    """A stop in the first epoch says that there is nothing to keep."""
    _, sink, result = run(make_config(), Recorder(stop=lambda _: True))
    assert result == Fit(ending=Ending.STOPPED, epochs_trained=0, best_epoch=0, history=[])
    assert len(sink.steps) == 1


def test_runtime_limit_ends_training() -> None:
    """After the deadline training ends with what it has."""
    seconds = count()
    _, _, result = run(make_config(epochs=1000), deadline=60, clock=lambda: float(next(seconds)))
    assert result.ending is Ending.RUNTIME
    assert 0 < result.epochs_trained < 30


def test_non_finite_loss_names_epoch_and_step() -> None:
    """A loss that explodes ends the run and says where and what to do."""
    config = make_config(optimizer="sgd", learning_rate=10, weight_decay=1, epochs=50, scheduler="constant")
    model = make_model(config)
    with torch.no_grad():
        model.head.weight.fill_(float("inf"))
    with pytest.raises(TrainingError, match=r"epoch 1, step 1.*learningRate") as caught:
        fit(model, *make_work(config), config, NullSink())
    assert caught.value.code == "non-finite-loss"


@pytest.mark.parametrize(
    "parameters",
    [
        {"augmentation": "strong", "mixup": 0.4, "label_smoothing": 0.1},
        {"optimizer": "sgd", "scheduler": "cosine", "class_weights": "balanced"},
        {"batch_size": 2, "scheduler": "constant", "warmup_epochs": 100},
        {"batch_size": 1024, "architecture": "mobilenet_v2"},
    ],
)
def test_every_parameter_trains(parameters: dict[str, object]) -> None:
    """Each option, and batches smaller and larger than the data, give finite figures."""
    _, sink, _ = run(make_config(epochs=1, **parameters))
    assert sink.epochs[0].val_loss < 100


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("can't allocate memory: x")]
)
def test_full_memory_is_explained(error: Exception) -> None:
    """What a full memory raises becomes a sentence with a way out."""
    with pytest.raises(TrainingError, match="batchSize") as caught, memory_errors():
        raise error
    assert caught.value.code == "out-of-memory"


def test_other_runtime_errors_are_left_alone() -> None:
    """An error that has nothing to do with memory is not renamed."""
    with pytest.raises(RuntimeError, match="shape"), memory_errors():
        raise RuntimeError("wrong shape")


_SEEDED = """
import sys, torch; torch.set_num_threads(1)
sys.path[:0] = {path!r}
from test_training_engine import *
print(*seeded_losses())
"""


def seeded_losses() -> list[str]:
    """Of a short run that draws all that there is to draw."""
    config = make_config(architecture="mobilenet_v2", augmentation="strong", mixup=0.2, seed=7)
    _, sink, _ = run(config)
    return [value.hex() for each in sink.epochs for value in (each.train_loss, each.val_loss)]


def test_same_seed_gives_the_same_losses_in_another_process() -> None:
    """Two processes with one seed have the same losses to the last bit, dropout and mixup included."""
    script = [sys.executable, "-c", _SEEDED.format(path=sys.path)]
    other = subprocess.run(script, capture_output=True, text=True, check=True, timeout=120)
    assert other.stdout.split() == seeded_losses()


@dataclass(frozen=True)
class Source:
    """As many steps as a test wants, on a device that need not be there."""

    steps: int
    device: torch.device
    images: int = 8

    def __len__(self) -> int:
        return self.steps

    def batches(self, epoch: int, start: int = 0) -> Iterator[None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("device", "steps", "parameters", "pays"),
    [
        ("cuda", 1000, {}, True),
        ("cuda", 999, {}, False),
        ("cpu", 1000, {}, False),
        ("cuda", 1000, {"compile": "never"}, False),
        ("cuda", 1000, {"architecture": "ssdlite_mobilenet_v2"}, False),
    ],
)
def test_compiling_is_decided_by_the_run_alone(
    device: str, steps: int, parameters: dict[str, object], pays: bool
) -> None:
    """A classifier's run of 10,000 steps or more on a GPU is compiled, unless it must not."""
    config = make_config(epochs=10, **parameters)
    assert pays_to_compile(config, Source(steps, torch.device(device))) is pays


def test_nothing_is_compiled_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no C compiler, as in the container's image, no run fails for the lack of it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_compile()


def test_compiler_and_triton_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a compiler on the path it depends on Triton alone."""
    for folder in (tmp_path / "bin", tmp_path / "triton"):
        folder.mkdir()
    compiler = tmp_path / "bin" / "clang"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(compiler.parent))
    monkeypatch.syspath_prepend(tmp_path)
    assert can_compile()


def test_clipping_bounds_the_step() -> None:
    """With a task that clips, no gradient is longer than it allows."""
    config = make_config(
        optimizer="sgd", momentum=0.0, weight_decay=0.0, scheduler="constant", warmup_epochs=0
    )
    model = make_model(config)
    before = state(model)
    task, source = make_work(config)
    trainer = Trainer(model, Clipped(task, 1e-3), source, config, Group.alone())
    trainer.start_epoch(1)
    trainer.step(next(trainer.batches()))
    moved = [(value - before[name]).square().sum() for name, value in model.named_parameters()]
    assert 0 < torch.stack(moved).sum().sqrt() <= config.learning_rate * 1e-3 * 1.001


@pytest.mark.parametrize(("pretrained", "clip"), [(True, 1.0), (False, None)])
def test_fine_tuning_is_clipped(pretrained: bool, clip: float | None) -> None:
    """What keeps its backbone's statistics takes no step that upsets them; training from scratch is free."""
    task, _ = make_work(make_config(pretrained=pretrained))
    assert task.clip == clip


@dataclass
class Clipped:
    """A task that clips."""

    task: ClassificationTask
    clip: float | None

    def __getattr__(self, name: str) -> object:
        return getattr(self.task, name)
