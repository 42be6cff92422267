import numpy as np
import pytest
import torch
from tiny import CPU, make_config, make_dataset
from torch import Tensor

from training_job.loader import EvalLoader, TrainLoader
from training_job.presets import Preset, crop_and_flip, crop_batch, mixup, random_boxes


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ramp(side: int = 40) -> Tensor:
    """uint8 (2, 3, side, side) that brightens smoothly to the right and downwards."""
    line = torch.linspace(0, 120, side)
    return (line + line.view(-1, 1)).expand(2, 3, side, side).to(torch.uint8)


def test_no_augmentation_changes_nothing() -> None:
    """With `none` the batch is the cached images, from 0 to 1."""
    preset, images = Preset.of(make_config()), make_dataset(4).images
    assert torch.equal(preset(images, generator()), images.permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize("name", ["light", "strong"])
def test_augmented_batch(name: str) -> None:
    """Every preset gives float images of the wanted size between 0 and 1, different ones each time."""
    preset = Preset.of(make_config(augmentation=name))
    images, chance = make_dataset(6, preset.cache_side).images, generator()
    first, second = preset(images, chance), preset(images, chance)
    assert first.shape == (6, 3, 32, 32)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert not torch.equal(first, second)
    assert torch.equal(first, preset(images, generator()))


def test_horizontal_flip_can_be_forbidden() -> None:
    """Text is never mirrored: brightness that grows to the right always does."""
    preset = Preset.of(make_config(augmentation="light", horizontal_flip=False))
    images = ramp(preset.cache_side).permute(0, 2, 3, 1).repeat(50, 1, 1, 1)
    out = preset(images, generator())
    assert bool((out[..., -1].mean((1, 2)) > out[..., 0].mean((1, 2))).all())
    mirrored = Preset.of(make_config(augmentation="light"))(images, generator())
    share = (mirrored[..., -1].mean((1, 2)) < mirrored[..., 0].mean((1, 2))).float().mean()
    assert 0.3 < share < 0.7


def test_boxes_lie_inside_the_image() -> None:
    """A crop never leaves its image, and keeps between about a third and all of it."""
    top, left, height, width = random_boxes(2000, 40, generator()).unbind(1)
    assert int(top.min()) >= 0
    assert int(left.min()) >= 0
    assert int((top + height).max()) <= 40
    assert int((left + width).max()) <= 40
    assert 0.3 < float((height * width / 1600).min()) < float((height * width / 1600).max()) <= 1


def test_both_ways_of_cropping_agree() -> None:
    """What a GPU crops in one kernel is what a CPU crops one by one."""
    images, boxes = ramp(), torch.tensor([[4, 10, 20, 24], [0, 0, 40, 40]])
    flips = np.array([True, False])
    one_by_one = crop_and_flip(images, boxes, flips, 16).float() / 255
    torch.testing.assert_close(
        crop_batch(images.float() / 255, boxes, flips, 16), one_by_one, atol=0.03, rtol=0
    )


def test_mixup_mixes_images_and_names_their_partners() -> None:
    """Each mixed image is its own by the larger share, and its partner's by the rest."""
    images = torch.rand(5, 3, 4, 4)
    mixed, partners, share = mixup(images, 0.4, generator(3))
    assert 0.5 <= share <= 1
    torch.testing.assert_close(mixed, share * images + (1 - share) * images[partners])


@pytest.mark.parametrize(("count", "batch_size"), [(2, 8), (9, 8), (17, 8), (3, 2), (33, 32), (64, 32)])
def test_no_batch_of_one(count: int, batch_size: int) -> None:
    """Every image comes once an epoch, and never alone: BatchNorm could not train on it."""
    config = make_config(batch_size=batch_size)
    loader = TrainLoader.of(make_dataset(count), config, Preset.of(config), CPU)
    sizes = [len(batch.labels) for batch in loader.batches(1)]
    assert sum(sizes) == count
    assert min(sizes) >= 2
    assert max(sizes) <= max(batch_size, 3)
    assert len(sizes) == len(loader)


def test_epochs_differ_and_repeat() -> None:
    """Each epoch has an order of its own, the same one whenever it is run."""
    config = make_config(batch_size=16)
    loader = TrainLoader.of(make_dataset(16), config, Preset.of(config), CPU)
    first, again, second = (next(loader.batches(epoch)).images for epoch in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_validation_batches_are_in_order() -> None:
    """Validation images come as they are, in order, in batches of the configured size."""
    dataset = make_dataset(5)
    batches = list(EvalLoader.of(dataset, make_config(batch_size=2), CPU))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat(batches), dataset.images.permute(0, 3, 1, 2) / 255)
