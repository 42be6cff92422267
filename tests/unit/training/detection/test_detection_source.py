import pytest
import torch
from scenes import make_scenes, make_source

from training_job.detection.source import Batch
from training_job.group import Group


def is_same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.targets.boxes, other.targets.boxes)


def test_an_epoch_goes_on_anywhere() -> None:
    """From any step on the batches are those of the whole epoch; another epoch has others."""
    source = make_source(make_scenes(10), augmentation="strong")
    whole = list(source.batches(1))
    assert len(whole) == len(source) == 3
    assert all(is_same(*pair) for pair in zip(whole[1:], source.batches(1, start=1), strict=True))
    assert not is_same(whole[0], next(source.batches(2)))


@pytest.mark.parametrize("size", [2, 3])
def test_processes_share_a_batch(size: int) -> None:
    """The parts of all processes together are the batch of one alone, boxes and all."""
    scenes = make_scenes(8)
    [whole, *_] = make_source(scenes, augmentation="strong").batches(1)
    groups = [Group(rank=rank, size=size) for rank in range(size)]
    parts = [next(make_source(scenes, group, augmentation="strong").batches(1)) for group in groups]
    assert sum(part.own for part in parts) == whole.total == parts[0].total == 4
    images = torch.cat([part.images[: part.own] for part in parts])
    assert torch.equal(images, whole.images)
    labels = torch.cat([part.targets.labels[: part.own, 0] for part in parts])
    assert torch.equal(labels, whole.targets.labels[:, 0])


def test_no_process_trains_on_less_than_two_images() -> None:
    """Where there are fewer than two for each, others of the batch come along without counting."""
    groups = [Group(rank=rank, size=8) for rank in range(8)]
    parts = [next(make_source(make_scenes(4), group).batches(1)) for group in groups]
    assert sum(part.own for part in parts) == 4
    assert {len(part.images) for part in parts} == {2}
    assert {len(part.targets.labels) for part in parts} == {1}


def test_a_single_image_comes_twice() -> None:
    """Batch normalisation can't train on one alone."""
    [batch] = make_source(make_scenes(1)).batches(1)
    assert len(batch.images) == 2
