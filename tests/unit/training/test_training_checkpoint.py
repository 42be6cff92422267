"""A run that was interrupted ends as one that never was."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

import pytest
import torch
from test_training_engine import Recorder
from tiny import Tiny, make_config, make_model, make_work
from torch import Tensor

from chalicelib.contract.config import TrainingConfig
from training_job.checkpoint import State, decode, encode
from training_job.engine import Ending, Fit, fit


@dataclass
class MemoryCheckpoints:
    """Keeps every checkpoint as bytes; the machine is reclaimed when `goes` says so."""

    goes: Callable[[], bool] = lambda: False
    kept: dict[tuple[int, int], bytes] = field(default_factory=dict)
    newest: bytes | None = None
    busy: bool = False

    @property
    def urgent(self) -> bool:
        return self.goes()

    def load(self) -> State | None:
        return decode(self.newest) if self.newest else None

    def save(self, state: State, *, epoch: int, step: int, wait: bool = False) -> None:
        self.kept[epoch, step] = encode(state).read()


@dataclass
class Finished:
    state_dict: dict[str, Tensor]
    losses: dict[int, tuple[float, float | None, float, float]]
    result: Fit


def train(config: TrainingConfig, checkpoints: MemoryCheckpoints, sink: Recorder | None = None) -> Finished:
    sink, model = sink or Recorder(), make_model(config) if config.pretrained else Tiny(noisy=True)
    result = fit(model, *make_work(config), config, sink, checkpoints=checkpoints)
    losses = {
        each.epoch: (each.train_loss, each.train_accuracy, each.val_loss, each.learning_rate)
        for each in result.history
    }
    return Finished(model.state_dict(), losses, result)


def assert_same(one: Finished, other: Finished) -> None:
    assert one.losses == other.losses
    assert (one.result.best_epoch, one.result.ending) == (other.result.best_epoch, other.result.ending)
    different = [
        name for name, value in one.state_dict.items() if not torch.equal(value, other.state_dict[name])
    ]
    assert different == []


#: Everything that has a state, or draws.
RICH = make_config(
    epochs=3, batch_size=4, augmentation="strong", mixup=0.2, ema_decay=0.9,
    checkpoint_minutes=1e-9,
)  # fmt: skip


@pytest.mark.parametrize(
    "config", [RICH, make_config(optimizer="sgd", scheduler="cosine", checkpoint_minutes=1e-9)]
)
def test_run_goes_on_from_any_checkpoint_to_the_same_end(config: TrainingConfig) -> None:
    """From the middle or the end of an epoch: the same weights and figures, to the last bit."""
    whole = MemoryCheckpoints()
    expected = train(config, whole)
    steps = 4 if config is RICH else 2
    assert {(1, step) for step in range(1, steps + 1)} | {(2, 0), (config.epochs + 1, 0)} <= whole.kept.keys()
    for place in ((1, 1), (2, 0), (2, steps - 1), (2, steps), (config.epochs + 1, 0)):
        assert_same(train(config, MemoryCheckpoints(newest=whole.kept[place])), expected)


def test_reclaimed_machine_leaves_one_checkpoint_of_where_it_was() -> None:
    """Training ends after its step, keeps that state, and the next run takes the remaining steps alone."""
    sink = Recorder()
    reclaimed = MemoryCheckpoints(goes=lambda: len(sink.steps) == 3)
    config = make_config(epochs=2, batch_size=4)
    interrupted = train(config, reclaimed, sink)
    assert (interrupted.result.ending, list(reclaimed.kept)) == (Ending.RECLAIMED, [(1, 3)])

    rest = Recorder()
    resumed = train(config, MemoryCheckpoints(newest=reclaimed.kept[1, 3]), rest)
    assert_same(resumed, train(config, MemoryCheckpoints()))
    assert len(sink.steps) + len(rest.steps) == 2 * (4 + 2)
    assert rest.steps[0] > sink.steps[-1]
    assert rest.steps[-1] == 1


def test_reclaimed_machine_repeats_no_step_after_its_evaluation_began() -> None:
    """An interrupted evaluation is done again, and the epoch's steps are not."""
    sink = Recorder()
    reclaimed = MemoryCheckpoints(goes=lambda: len(sink.steps) == 5)
    config = make_config(epochs=1, batch_size=4)
    train(config, reclaimed, sink)
    rest = Recorder()
    assert_same(
        train(config, MemoryCheckpoints(newest=reclaimed.kept[1, 4]), rest),
        train(config, MemoryCheckpoints()),
    )
    assert len(rest.steps) == 2


@pytest.mark.parametrize(
    ("seconds", "minutes", "busy", "kept"),
    [
        (1.0, 5.0, False, [5, 7]),  # together they are worth one; and the last
        (10.0, 5.0, False, [2, 3, 4, 5, 6, 7]),
        (10.0, 5.0, True, [7]),  # the one before is still on its way
        (10.0, 1.0, True, [3, 5, 7]),  # but no more than that is ever lost
    ],
)
def test_short_epochs_share_a_checkpoint(seconds: float, minutes: float, busy: bool, kept: list[int]) -> None:
    """Epochs of three steps are kept where they are worth it, and at the latest after checkpointMinutes."""
    checkpoints, now = MemoryCheckpoints(busy=busy), [0.0]

    class Timed(Recorder):
        def on_step(self, done: float, images_per_second: float) -> None:
            now[0] += seconds

    config = make_config(epochs=6, checkpoint_minutes=minutes)
    task, source = make_work(config)
    fit(Tiny(), task, source, config, Timed(), checkpoints=checkpoints, clock=lambda: now[0])
    assert [epoch for epoch, step in checkpoints.kept if step == 0] == kept


def test_head_is_epoch_0_and_not_fitted_again() -> None:
    """A pretrained run shows and keeps its head first; from the checkpoint after that it goes on alike."""
    config = make_config(pretrained=True, architecture="resnet18", epochs=1, learning_rate=1e-9)
    sink, whole = Recorder(), MemoryCheckpoints()
    expected = train(config, whole, sink)
    assert (list(expected.losses), expected.result.epochs_trained) == ([0, 1], 1)
    assert expected.losses[0][1] == 1.0
    assert (sink.steps, sink.steps[-1]) == (sorted(sink.steps), 1.0)
    rest = Recorder()
    assert_same(train(config, MemoryCheckpoints(newest=whole.kept[1, 0]), rest), expected)
    assert (len(rest.steps), [each.epoch for each in rest.epochs]) == (2 + 1, [1])


def test_early_stopping_counts_earlier_attempts() -> None:
    """The patience runs on over attempts."""
    config = make_config(epochs=30, early_stopping_patience=3, learning_rate=1e-9, checkpoint_minutes=1e-9)
    whole = MemoryCheckpoints()
    expected = train(config, whole)
    assert expected.result.ending is Ending.EARLY
    for epoch in range(2, expected.result.epochs_trained + 2):
        assert_same(train(config, MemoryCheckpoints(newest=whole.kept[epoch, 0])), expected)


def test_runtime_counts_earlier_attempts() -> None:
    """What earlier attempts took of maxRuntimeMinutes is gone."""
    config = make_config(epochs=2, checkpoint_minutes=1e-9)
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    first = MemoryCheckpoints()
    fit(Tiny(), *make_work(config), config, Recorder(), checkpoints=first, clock=clock)
    begun = MemoryCheckpoints(newest=first.kept[2, 0])
    deadline = now[0] + decode(first.kept[2, 0])["seconds"] - 1
    result = fit(
        Tiny(), *make_work(config), config, Recorder(), checkpoints=begun, deadline=deadline, clock=clock
    )
    assert (result.ending, result.epochs_trained) == (Ending.RUNTIME, 1)


def test_smaller_batches_go_on_at_the_same_share_of_the_epoch() -> None:
    """With half the batch size the steps that are left, and the learning rate, are those of that place."""
    config, halved = (make_config(epochs=2, batch_size=size, checkpoint_minutes=1e-9) for size in (8, 4))
    whole = MemoryCheckpoints()
    train(config, whole)
    sink = Recorder()
    resumed = train(halved, MemoryCheckpoints(newest=whole.kept[1, 1]), sink)
    assert len(sink.steps) == (2 + 2) + (4 + 2)
    assert resumed.losses[2][3] == train(halved, MemoryCheckpoints()).losses[2][3]


@pytest.mark.parametrize("content", [b"", b"no archive", encode({"a": torch.ones(9)}).read()[:-30]])
def test_damaged_checkpoint_is_none(content: bytes) -> None:
    """What can't be read is no checkpoint, whatever the reason."""
    with pytest.raises(ValueError, match="no checkpoint"):
        decode(content)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return pytest.fail, ("ran code",)


def test_reading_a_checkpoint_runs_no_code() -> None:
    """An object other than plain values and tensors is refused."""
    buffer = BytesIO()
    torch.save({"state": Bomb()}, buffer)
    with pytest.raises(ValueError, match="no checkpoint"):
        decode(buffer.getvalue())
