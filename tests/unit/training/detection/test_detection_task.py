from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scenes import CPU, SIZE, Pictures, make_config, make_scenes

from chalicelib.contract.errors import TrainingError
from training_job.detection import set_up
from training_job.detection.build import build_detector
from training_job.detection.source import eval_batches
from training_job.engine import Ending, fit
from training_job.figures import NullSink
from training_job.group import Group
from training_job.manifest import Manifest
from training_job.task import Setup


def ready(pictures: Pictures, **parameters: object) -> Setup:
    manifest, config = Manifest(pictures.entries, "0" * 64), make_config(**parameters)
    return set_up(config, manifest, Path("unused"), pictures, CPU, Group.alone(), lambda _: None)


def test_a_run_is_set_up() -> None:
    """Classes, splits and sizes are those of the manifest and the configuration."""
    setup = ready(Pictures(make_scenes(10, empty=2)))
    assert len(setup.split.train) + len(setup.split.val) == 10
    assert setup.source.images == len(setup.split.train)
    assert setup.val_images.shape[1:] == (SIZE, SIZE, 3)
    assert setup.task.clip == 10


def test_the_engine_trains_it() -> None:
    """Two epochs lower the loss; a detector has no training accuracy; the judgement is of the same model."""
    setup, config = ready(Pictures(make_scenes(12, empty=2)), epochs=3), make_config(epochs=3)
    result = fit(setup.model, setup.task, setup.source, config, NullSink())
    first, *_, last = result.history
    assert result.ending is Ending.COMPLETE
    assert last.train_loss < first.train_loss
    assert {each.train_accuracy for each in result.history} == {None}
    judgement = setup.task.judge(setup.model, lambda _: None)
    best = result.history[result.best_epoch - 1]
    assert judgement.scores.accuracy == pytest.approx(best.val_accuracy)
    assert judgement.scores.loss == pytest.approx(best.val_loss, rel=1e-4)
    assert judgement.detection is not None
    assert judgement.detection.map50 == judgement.scores.accuracy
    assert judgement.confusion_matrix.classes == ["green", "red", "background"]
    objects = sum(len(entry.label) for entry in setup.split.val)
    assert sum(map(sum, judgement.confusion_matrix.matrix[:-1])) == objects


def test_one_class_is_enough_and_none_is_not() -> None:
    """A detector of one class trains; pictures without any object are refused before the device is used."""
    scenes = make_scenes(6)
    for objects in scenes.objects:
        objects.labels[:] = 1
    assert ready(Pictures(scenes)).task
    with pytest.raises(TrainingError) as refused:
        ready(Pictures(make_scenes(6, empty=6)))
    assert refused.value.code == "no-trainable-data"


def test_the_test_split_is_held_out() -> None:
    """Its figures are of its own images; without one there are none."""
    pictures = Pictures(make_scenes(8))
    setup = ready(pictures)
    assert setup.task.held_out(setup.model, lambda _: None) is None
    pictures.entries = tuple(
        replace(entry, split="test") if index < 2 else entry for index, entry in enumerate(pictures.entries)
    )
    setup = ready(pictures)
    held_out = setup.task.held_out(setup.model, lambda _: None)
    assert held_out is not None
    assert held_out.images == 2


def test_losses_of_parts_add_up() -> None:
    """The parts of a batch that processes share sum to the batch's loss, as do their weights."""
    model = build_detector("ssdlite_mobilenet_v2", 2, SIZE, seed=0).eval()
    scenes = make_scenes(4, empty=1)

    def sums(batch_size: int) -> torch.Tensor:
        batches = eval_batches(scenes, slice(0, 4), batch_size, CPU)
        losses = [model(images, targets)[0] for images, targets in batches]
        return sum(torch.stack([loss.total, loss.weight]) for loss in losses)  # type: ignore[return-value]

    with torch.no_grad():
        torch.testing.assert_close(sums(4), sums(2), rtol=1e-4, atol=1e-4)
