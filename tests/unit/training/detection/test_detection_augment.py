import numpy as np
import pytest
import torch
from scenes import SIZE, make_config, make_objects, make_scenes
from torch import Tensor

from training_job.detection.augment import Augmentation, Views, _cut_at_once, cut, random_crops
from training_job.detection.boxes import Targets

STILL = np.ones((1, 3))


def views_of(rect: tuple[float, ...], flip: bool) -> Views:
    return Views(np.array([rect]), np.array([flip]), STILL)


def shown(image: Tensor, targets: Targets) -> tuple[float, float]:
    """Brightness inside the first box, and outside of it."""
    left, top, right, bottom = targets.boxes[0, 0].round().int().tolist()
    inside = torch.zeros(image.shape[1:], dtype=torch.bool)
    inside[top:bottom, left:right] = True
    bright = image.max(0).values
    return float(bright[inside].mean()), float(bright[~inside].max())


@pytest.mark.parametrize("augmentation", ["light", "strong"])
@pytest.mark.parametrize("is_gpu_way", [False, True])
def test_boxes_stay_on_their_objects(augmentation: str, is_gpu_way: bool) -> None:
    """However an image is cropped, mirrored and zoomed, its box is where the bright rectangle is."""
    preset, scenes = Augmentation.of(make_config(augmentation=augmentation)), make_scenes(8, 80)
    generator, seen = np.random.default_rng(3), 0
    for _ in range(6):
        views = preset.draw(scenes.objects, generator)
        targets = views.targets(scenes.objects, SIZE)
        images = (
            _cut_at_once(scenes.images, views, SIZE)
            if is_gpu_way
            else cut(scenes.images, torch.arange(8), views, SIZE)
        )
        for index in range(8):
            one = Targets(targets.boxes[[index]], targets.labels[[index]])
            width, height = (one.boxes[0, 0, 2:] - one.boxes[0, 0, :2]).tolist()
            if not one.labels.any() or min(width, height) < 8 or width * height > 0.7 * SIZE**2:
                continue
            inside, _ = shown(images[index], one)
            seen += 1
            assert inside > 0.8
            assert images[index].max(0).values.mean() < inside
    assert seen > 20


def test_a_view_is_cut_and_mirrored() -> None:
    """The right half, mirrored: a box in it is twice as wide, and on the other side."""
    objects = [make_objects((0.5, 0.2, 0.75, 0.4))]
    targets = views_of((0.5, 0.0, 1.0, 1.0), flip=True).targets(objects, 100)
    torch.testing.assert_close(targets.boxes[0, 0], torch.tensor([50.0, 20.0, 100.0, 40.0]))


def test_a_view_wider_than_the_image_shows_it_on_black() -> None:
    """The image fills the quarter that it is given, and what is beyond it is black."""
    image = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
    out = cut(image, torch.tensor([0]), views_of((0.0, 0.0, 2.0, 2.0), flip=False), 8)
    assert out[0, :, :4, :4].min() == 1
    assert out[0, :, 4:].max() == out[0, :, :, 4:].max() == 0


def test_objects_whose_centre_is_cut_off_are_gone() -> None:
    """A box that is half inside stays, cut; one whose centre is outside is no object of the view."""
    objects = [make_objects((0.0, 0.0, 0.6, 0.5), (0.4, 0.0, 1.0, 0.5), labels=[1, 2])]
    targets = views_of((0.0, 0.0, 0.5, 1.0), flip=False).targets(objects, 100)
    assert targets.labels.tolist() == [[1]]
    torch.testing.assert_close(targets.boxes[0, 0], torch.tensor([0.0, 0.0, 100.0, 50.0]))


def test_every_crop_keeps_an_object() -> None:
    """A crop has the centre of an object at least; about half of the images are seen whole."""
    objects = [make_objects((0.0, 0.0, 0.1, 0.1), (0.8, 0.8, 1.0, 1.0))] * 200
    rects = random_crops(objects, np.random.default_rng(0))
    counts = Views(rects, np.zeros(200, bool), STILL).targets(objects, 100).labels.count_nonzero(1)
    assert counts.min() >= 1
    assert 0.35 < (rects[:, 2:] - rects[:, :2] == 1).all(1).mean() < 0.65


def test_none_changes_nothing() -> None:
    """Without augmentation the pixels are the cached ones and the boxes their own."""
    preset, scenes = Augmentation.of(make_config(augmentation="none")), make_scenes(2)
    views = preset.draw(scenes.objects, np.random.default_rng(0))
    images = preset(scenes.images, torch.tensor([1, 0]), views)
    assert torch.equal(images, scenes.images[[1, 0]].permute(0, 3, 1, 2).float() / 255)
    assert torch.equal(views.targets(scenes.objects, SIZE).boxes, Targets.of(scenes.objects, SIZE).boxes)
