"""The moving average of the weights."""

import pytest
import torch
from test_training_engine import Recorder
from tiny import Tiny, make_config, make_work
from torch import nn

from training_job.ema import Ema
from training_job.engine import fit
from training_job.evaluate import loss_of, predict


def test_average_follows_the_formula() -> None:
    """Each step moves weights and running statistics by one less the decay, which rises at first."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        model[0].weight.zero_()
    ema = Ema(model, decay=0.5)
    expected = 0.0
    for step, value in enumerate([1.0, 3.0, 2.0, 5.0, 4.0, 1.0, 0.0, 8.0, 2.0, 7.0], 1):
        with torch.no_grad():
            model[0].weight.fill_(value)
            model[1].running_mean.fill_(value)
            model[1].num_batches_tracked.fill_(step)
        ema.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert ema.model[0].weight.item() == pytest.approx(expected)
        assert ema.model[1].running_mean.item() == pytest.approx(expected)
        assert ema.model[1].num_batches_tracked == step


def test_averaged_weights_are_evaluated_and_kept() -> None:
    """The model is left with the averaged weights of the best epoch, whose figures were shown."""
    config = make_config(epochs=4, ema_decay=0.5, learning_rate=1e-3)
    model, sink = Tiny(noisy=True), Recorder()
    task, source = make_work(config)
    result = fit(model, task, source, config, sink)
    loss = loss_of(predict(model, task.val, lambda _: None), task.val.dataset.labels)
    assert loss == next(each.val_loss for each in sink.epochs if each.epoch == result.best_epoch)

    raw = Recorder()
    fit(Tiny(noisy=True), *make_work(config), make_config(epochs=4, learning_rate=1e-3), raw)
    assert [each.train_loss for each in raw.epochs] == [each.train_loss for each in sink.epochs]
    assert [each.val_loss for each in raw.epochs] != [each.val_loss for each in sink.epochs]


def test_average_of_a_model_with_batch_norm_learns() -> None:
    """Averaged statistics fit averaged weights: the average tells the classes apart as the model does."""
    config = make_config(epochs=20, batch_size=4, ema_decay=0.9, learning_rate=1e-2)
    sink = Recorder()
    fit(Tiny(noisy=True), *make_work(config), config, sink)
    assert sink.epochs[-1].val_loss < 0.1
