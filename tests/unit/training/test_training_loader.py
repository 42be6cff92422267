from dataclasses import replace

import pytest
import torch
from tiny import CPU, make_config, make_dataset
from torch import Tensor

from chalicelib.contract.config import TrainingConfig
from training_job.dataset import Dataset
from training_job.feed import Feed
from training_job.group import Group
from training_job.loader import Batch, EvalLoader, TrainLoader
from training_job.presets import Preset

MIXED = {"augmentation": "randaugment", "mixup": 0.4, "cutmix": 1.0}


def loader_of(config: TrainingConfig, count: int = 16, group: Group | None = None) -> TrainLoader:
    preset = Preset.of(config)
    return TrainLoader.of(make_dataset(count, preset.cache_side), config, preset, CPU, group)


def groups(size: int) -> list[Group]:
    return [Group(rank=rank, size=size, local_rank=rank, local_size=size) for rank in range(size)]


def is_same(one: Batch, other: Batch) -> bool:
    pairs = [
        [getattr(each, name) for each in (one, other)] for name in ("images", "labels", "partner_labels")
    ]
    return all(torch.equal(*pair) for pair in pairs) and (one.share, one.total) == (other.share, other.total)


@pytest.mark.parametrize(("count", "batch_size"), [(2, 8), (9, 8), (17, 8), (3, 2), (33, 32), (64, 32)])
def test_no_batch_of_one(count: int, batch_size: int) -> None:
    """Every image comes once an epoch, and never alone: BatchNorm could not train on it."""
    loader = loader_of(make_config(batch_size=batch_size), count)
    sizes = [len(batch.labels) for batch in loader.batches(1)]
    assert sum(sizes) == count == loader.images
    assert min(sizes) >= 2
    assert max(sizes) <= max(batch_size, 3)
    assert len(sizes) == len(loader)


def test_labels_go_with_their_images() -> None:
    """After shuffling each label is still that of its image: bright ones are of class 1."""
    for batch in loader_of(make_config(batch_size=4)).batches(1):
        assert torch.equal((batch.images.mean((1, 2, 3)) > 0.5).long(), batch.labels)


def test_epochs_differ_and_repeat() -> None:
    """Each epoch has an order of its own, the same one whenever it is run; so has each seed."""
    loader = loader_of(make_config(batch_size=16))
    first, again, second = (next(loader.batches(epoch)) for epoch in (1, 1, 2))
    other = next(replace(loader, config=replace(loader.config, seed=1)).batches(1))
    assert is_same(first, again)
    assert not is_same(first, second)
    assert not is_same(first, other)


@pytest.mark.parametrize("parameters", [{}, MIXED, {**MIXED, "balanced_sampling": True}])
def test_an_epoch_goes_on_anywhere(parameters: dict[str, object]) -> None:
    """From any step on, the batches are those of an epoch that was run from its start."""
    loader = loader_of(make_config(batch_size=4, **parameters))
    whole, rest = list(loader.batches(3)), list(loader.batches(3, 2))
    assert len(whole) == 4
    assert all(is_same(*pair) for pair in zip(whole[2:], rest, strict=True))
    assert list(loader.batches(3, 4)) == []


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("parameters", [{}, {"augmentation": "strong"}, MIXED])
def test_processes_share_each_batch(size: int, parameters: dict[str, object]) -> None:
    """What all processes have together is the batch that one process alone would have."""
    config = make_config(batch_size=7, **parameters)
    alone = loader_of(config, 20)
    for batch, *parts in zip(
        alone.batches(1), *(loader_of(config, 20, group).batches(1) for group in groups(size)), strict=True
    ):
        own = [part.images[: len(part.labels)] for part in parts]
        torch.testing.assert_close(torch.cat(own), batch.images, atol=1e-6, rtol=0)
        assert torch.equal(torch.cat([part.labels for part in parts]), batch.labels)
        assert torch.equal(torch.cat([part.partner_labels for part in parts]), batch.partner_labels)
        assert {part.total for part in parts} == {len(batch.labels)}
        assert {part.share for part in parts} == {batch.share}


def test_a_part_of_one_image_gets_another_without_a_label() -> None:
    """With more processes than a batch has pairs, each still has two images, and each label counts once."""
    config = make_config(batch_size=3, mixup=0.4)
    for parts in zip(*(loader_of(config, 6, group).batches(1) for group in groups(4)), strict=True):
        assert {len(part.images) for part in parts} == {2}
        assert sum(len(part.labels) for part in parts) == 3 == parts[0].total


def test_mixed_images_name_their_partners() -> None:
    """The partner's label is that of the image that was mixed in."""
    loader = loader_of(make_config(batch_size=16, mixup=1.0))
    for epoch in range(5):
        [batch] = loader.batches(epoch)
        brightness = batch.share * batch.labels + (1 - batch.share) * batch.partner_labels
        torch.testing.assert_close(
            batch.images.mean((1, 2, 3)), 30 / 255 + 180 / 255 * brightness, atol=0.03, rtol=0
        )


class CopyingFeed(Feed):
    """A feed as to another device, which here is the same one."""

    copies = True

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], torch.arange(len(rows))


@pytest.mark.parametrize("parameters", [{}, MIXED])
def test_batches_that_are_copied_are_the_same(parameters: dict[str, object]) -> None:
    """Copied one batch ahead, or read where they are: the batches are equal."""
    loader = loader_of(make_config(batch_size=4, **parameters))
    copying = replace(loader, feed=CopyingFeed(loader.dataset.images, CPU))
    pairs = zip(loader.batches(1, 1), copying.batches(1, 1), strict=True)
    assert [is_same(*pair) for pair in pairs] == [True] * 3


def test_balanced_sampling_draws_the_classes_equally() -> None:
    """Of 2 against 18 images an epoch has ten each, the rare ones equally often, no common one twice."""
    labels = torch.tensor([0] * 18 + [1] * 2)
    images = torch.arange(20, dtype=torch.uint8).view(-1, 1, 1, 1).expand(20, 32, 32, 3)
    config = make_config(batch_size=20, balanced_sampling=True)
    loader = TrainLoader.of(Dataset(images, labels), config, Preset.of(config), CPU)
    epochs = [next(loader.batches(epoch)) for epoch in (1, 2)]
    for batch in epochs:
        numbers = (batch.images[:, 0, 0, 0] * 255).round().int()
        assert torch.equal(labels[numbers], batch.labels)
        counts = numbers.bincount(minlength=20)
        assert counts[18:].tolist() == [5, 5]
        assert (int(counts[:18].sum()), int(counts[:18].max())) == (10, 1)
    assert not torch.equal(*(batch.images for batch in epochs))


def test_validation_batches_are_in_order() -> None:
    """Validation images come as they are, in order, in batches of the configured size."""
    dataset = make_dataset(5)
    batches = list(EvalLoader.of(dataset, make_config(batch_size=2), CPU))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat(batches), dataset.images.permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize(("count", "size"), [(5, 2), (2, 3)])
def test_processes_share_a_validation_split(count: int, size: int) -> None:
    """The parts in order of rank are the split in order, and there are as many batches as are said."""
    dataset = make_dataset(count)
    loaders = [EvalLoader.of(dataset, make_config(batch_size=2), CPU, group) for group in groups(size)]
    batches = [list(loader) for loader in loaders]
    assert [len(each) for each in batches] == [len(loader) for loader in loaders]
    assert all(batches)
    together = torch.cat([images for each in batches for images in each])
    assert torch.equal(together, dataset.images.permute(0, 3, 1, 2) / 255)


def test_an_empty_split_has_no_batch() -> None:
    """Without test images there is nothing to evaluate."""
    loader = EvalLoader.of(make_dataset(2), make_config(), CPU)
    empty = EvalLoader.of(Dataset(loader.dataset.images[:0], loader.dataset.labels[:0]), make_config(), CPU)
    assert (len(loader), len(empty), list(empty)) == (1, 0, [])
