import numpy as np
import pytest
import torch
from tiny import make_config, make_dataset
from torch import Tensor

from training_job.geometry import crop_and_flip, random_boxes, sample
from training_job.presets import Preset

PRESETS = ["none", "light", "strong", "trivialaugment", "randaugment"]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def vary(preset: Preset, images: Tensor, chance: np.random.Generator) -> Tensor:
    return preset.apply(images, torch.arange(len(images)), preset.draw(len(images), chance))


def ramp(count: int = 2, side: int = 40) -> Tensor:
    """uint8 (count, side, side, 3) that brightens smoothly to the right and downwards."""
    line = torch.linspace(0, 120, side)
    return (line + line.view(-1, 1))[..., None].expand(count, side, side, 3).to(torch.uint8)


def test_no_augmentation_changes_nothing() -> None:
    """With `none` the batch is the cached images, from 0 to 1."""
    preset, images = Preset.of(make_config()), make_dataset(4).images
    assert torch.equal(vary(preset, images, generator()), images.permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize("name", PRESETS[1:])
def test_augmented_batch(name: str) -> None:
    """Every preset gives float images of the wanted size between 0 and 1, different ones each time."""
    preset = Preset.of(make_config(augmentation=name))
    images, chance = make_dataset(6, preset.cache_side).images, generator()
    first, second = vary(preset, images, chance), vary(preset, images, chance)
    assert (first.shape, first.dtype) == ((6, 3, 32, 32), torch.float32)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert not torch.equal(first, second)
    assert torch.equal(first, vary(preset, images, generator()))


@pytest.mark.parametrize("name", PRESETS)
def test_parts_of_a_batch_are_those_of_the_whole(name: str) -> None:
    """Drawn for the whole batch and applied by three processes, the images are those of one process."""
    preset = Preset.of(make_config(augmentation=name))
    images, rows = make_dataset(20, preset.cache_side).images, torch.arange(19, 0, -1)
    draws = preset.draw(len(rows), generator())
    parts = [
        preset.apply(images, rows[part], draws[part]) for part in (slice(5), slice(5, 6), slice(6, None))
    ]
    torch.testing.assert_close(torch.cat(parts), preset.apply(images, rows, draws), atol=1e-6, rtol=0)


def test_cached_images_stay_as_they_are() -> None:
    """No preset writes into the images that the next epochs are made of."""
    for name in PRESETS:
        preset = Preset.of(make_config(augmentation=name))
        images = make_dataset(8, preset.cache_side).images
        vary(preset, images, generator())
        assert torch.equal(images, make_dataset(8, preset.cache_side).images)


def test_horizontal_flip_can_be_forbidden() -> None:
    """Text is never mirrored: brightness that grows to the right always does."""
    preset = Preset.of(make_config(augmentation="light", horizontal_flip=False))
    images = ramp(100, preset.cache_side)
    out = vary(preset, images, generator())
    assert bool((out[..., -1].mean((1, 2)) > out[..., 0].mean((1, 2))).all())
    mirrored = vary(Preset.of(make_config(augmentation="light")), images, generator())
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
    flips = torch.tensor([True, False])
    one_by_one = crop_and_flip(images, torch.arange(2), boxes, flips, 16)
    torch.testing.assert_close(sample(images, boxes, flips, 16), one_by_one, atol=0.03, rtol=0)


def test_only_images_with_a_map_are_sampled() -> None:
    """An affine map moves its own image, and leaves the pixels of the others as without any map."""
    images, boxes, flips = ramp(), torch.tensor([[0, 0, 40, 40]] * 2), torch.tensor([False, False])
    maps = torch.eye(3).repeat(2, 1, 1)
    maps[1, 0, 2] = 1.0  # looks half an image further to the right
    out = crop_and_flip(images, torch.arange(2), boxes, flips, 40, maps)
    assert torch.equal(out[0], images[0].permute(2, 0, 1) / 255)
    torch.testing.assert_close(out[1, :, :, :20], out[0, :, :, 20:], atol=0.01, rtol=0)


def test_strong_erases_a_part_of_some_images() -> None:
    """About a quarter of the images loses a box, which then is grey; the others lose nothing."""
    preset = Preset.of(make_config(augmentation="strong"))
    out = vary(
        preset, torch.zeros((400, preset.cache_side, preset.cache_side, 3), dtype=torch.uint8), generator()
    )
    erased = (out == 0.5).flatten(1).float().mean(1)
    assert 0.15 < (erased > 0).float().mean() < 0.35
    assert 0.01 < erased[erased > 0].min() < erased.max() < 0.25
