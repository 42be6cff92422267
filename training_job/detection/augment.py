"""Varied images with their boxes, a batch at a time. All chance comes from the generator passed in.

The crops are SSD's (Liu et al., 2016, arXiv:1512.02325, section 2.2): of random size and shape, with an
object's centre inside, and a random least overlap with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from chalicelib.contract.config import TrainingConfig

from ..config import given
from ..geometry import moved
from ..policies import tint
from .boxes import Objects, Targets

Floats = NDArray[np.float64]

# The rest are seen whole, as they are when the model is used: a short run on crops alone finds what is
# large in its frame, and misses what is not.
_CROPPED = 0.5
_SIDES = (0.3, 1.0)  # of a crop, as shares of the image's
_RATIOS = (0.5, 2.0)  # width to height of a crop, on the stretched image
_LEAST_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # infinity in their place: no crop
_ROUNDS, _TRIES = 16, 40
_ZOOM = 2.0  # the most that a view is wider than the image
_LEAST_SIDE = 1e-3  # of a box that a crop has cut, as a share of the crop's side
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """One way to vary images.

    Attributes:
        size: side of the images that come out, in pixels.
        zoom: whether half of the images are shown smaller, on black.
        strength: largest relative change of brightness, saturation and contrast; 0 is none.
    """

    size: int
    crop: bool
    flip: bool
    zoom: bool
    strength: float

    @classmethod
    def of(cls, config: TrainingConfig) -> "Augmentation":
        varied, strong = config.augmentation != "none", config.augmentation == "strong"
        return cls(
            size=given(config.image_size),
            crop=varied,
            flip=varied and config.horizontal_flip,
            zoom=strong,
            strength=0.3 if strong else 0.0,
        )

    @property
    def cache_side(self) -> int:
        """Side of the cached images: a typical crop then has about as many pixels as it needs."""
        return ceil(self.size * 5 / 4) if self.crop else self.size

    def draw(self, objects: Sequence[Objects], generator: Generator) -> "Views":
        """Chooses what is seen of each image."""
        rects = random_crops(objects, generator) if self.crop else np.tile(_WHOLE, (len(objects), 1))
        if self.zoom:
            rects = _zoomed_out(rects, generator)
        flips = generator.random(len(objects)) < 0.5 * self.flip
        return Views(rects, flips, generator.uniform(1 - self.strength, 1 + self.strength, (len(objects), 3)))

    def __call__(self, images: Tensor, rows: Tensor, views: "Views") -> Tensor:
        """Varies some of the cached images.

        Args:
            images: uint8 (N, side, side, 3).
            rows: int64 (B), which of them, on their device.
            views: of these rows.

        Returns:
            float32 (B, 3, size, size), 0 to 1, channels_last, on the device of the images.
        """
        out = cut(images, rows, views, self.size)
        if not self.strength:
            return out
        factors = moved(torch.from_numpy(views.colours).float(), out.device)
        return tint(out, *factors.unbind(1)).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Views:
    """What is seen of each image of a batch.

    Attributes:
        rects: (B, 4): left, top, right, bottom as shares of the image's sides, perhaps beyond it.
        flips: (B): whether it is mirrored.
        colours: (B, 3): factors of brightness, saturation and contrast.
    """

    rects: Floats
    flips: NDArray[np.bool_]
    colours: Floats

    def __getitem__(self, rows: NDArray[np.int64]) -> "Views":
        return Views(self.rects[rows], self.flips[rows], self.colours[rows])

    def targets(self, objects: Sequence[Objects], size: int) -> Targets:
        """Of the first images: the objects whose centre is seen, cut to what is seen of them."""
        return Targets.of([_seen(*each) for each in zip(objects, self.rects, self.flips, strict=False)], size)


def _seen(objects: Objects, rect: Floats, flip: np.bool_) -> Objects:
    start, side = rect[:2], rect[2:] - rect[:2]
    boxes = (objects.boxes - np.tile(start, 2)) / np.tile(side, 2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    boxes = boxes.clip(0, 1)
    kept = ((centres > 0) & (centres < 1) & (boxes[:, 2:] - boxes[:, :2] > _LEAST_SIDE)).all(1)
    boxes = boxes[kept]
    if flip:
        boxes[:, [0, 2]] = 1 - boxes[:, [2, 0]]
    return Objects(boxes.astype(np.float32), objects.labels[kept])


def random_crops(objects: Sequence[Objects], generator: Generator) -> Floats:
    """A crop for each image, or all of it; see the module. Shape (B, 4), as `Views.rects`.

    As in torchvision's RandomIoUCrop, an overlap that no crop reaches is replaced by another; but forty
    crops an image are drawn and judged at once.
    """
    least = generator.choice(_LEAST_OVERLAPS, (len(objects), _ROUNDS))
    least[generator.random(len(objects)) >= _CROPPED, 0] = np.inf
    least[:, -1] = np.inf  # nothing fitted
    rects = _candidates(len(objects), generator)
    ratios = (rects[..., 2] - rects[..., 0]) / (rects[..., 3] - rects[..., 1])
    overlaps = np.where((ratios > _RATIOS[0]) & (ratios < _RATIOS[1]), _overlaps(rects, objects), -1.0)
    fitting = overlaps[:, None, :] >= least[:, :, None]
    images = np.arange(len(objects))
    turn = (fitting.any(2) | np.isinf(least)).argmax(1)
    chosen = rects[images, fitting[images, turn].argmax(1)]
    return np.where(np.isinf(least[images, turn])[:, None], np.array(_WHOLE), chosen)


def _candidates(count: int, generator: Generator) -> Floats:
    sides = generator.uniform(*_SIDES, (count, _TRIES, 2))
    starts = generator.random(sides.shape) * (1 - sides)
    return np.concatenate([starts, starts + sides], 2)


def _overlaps(rects: Floats, objects: Sequence[Objects]) -> Floats:
    """The best IoU of each crop (B, T, 4) with an object whose centre it has; -1 where it has none."""
    out = np.full(rects.shape[:2], -1.0)
    for row, each in enumerate(objects):
        out[row] = _best_overlap(rects[row], each.boxes) if len(each.boxes) else 0.0
    return out


def _best_overlap(rects: Floats, boxes: NDArray[np.float32]) -> Floats:
    crops = rects[:, None]
    corners = np.maximum(crops[..., :2], boxes[:, :2]), np.minimum(crops[..., 2:], boxes[:, 2:])
    shared = (corners[1] - corners[0]).clip(0).prod(2)
    overlap = shared / (_area(crops) + _area(boxes) - shared)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres > crops[..., :2]) & (centres < crops[..., 2:])).all(2)
    best: Floats = np.where(inside, overlap, -1.0).max(1)
    return best


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    area: NDArray[np.floating] = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return area


def _zoomed_out(rects: Floats, generator: Generator) -> Floats:
    """Half of the views widened up to `_ZOOM` times, with what they showed anywhere inside."""
    factors = np.where(generator.random(len(rects)) < 0.5, generator.uniform(1, _ZOOM, len(rects)), 1.0)[
        :, None
    ]
    sides = rects[:, 2:] - rects[:, :2]
    starts = rects[:, :2] - generator.random(sides.shape) * (factors - 1) * sides
    return np.concatenate([starts, starts + factors * sides], 1)


def cut(images: Tensor, rows: Tensor, views: Views, size: int) -> Tensor:
    """What is seen of some images, float32 (B, 3, size, size), 0 to 1, channels_last; black beyond them."""
    if images.is_cuda:
        return _cut_at_once(images[rows], views, size)
    out = torch.zeros((len(rows), 3, size, size), dtype=torch.uint8).to(memory_format=torch.channels_last)
    for index, image in enumerate(rows.tolist()):
        _cut_one(images[image], views.rects[index], out[index])
        if views.flips[index]:
            out[index] = out[index].flip(-1)
    return out.float().div_(255)


def _cut_one(image: Tensor, rect: Floats, out: Tensor) -> None:
    """Shows a part of uint8 (side, side, 3) in uint8 (3, size, size)."""
    seen, start, side = rect.clip(0, 1), np.tile(rect[:2], 2), np.tile(rect[2:] - rect[:2], 2)
    left, top, right, bottom = _pixels(seen, len(image))
    x, y, to_x, to_y = _pixels((seen - start) / side, out.shape[-1])
    crop = image[top:bottom, left:right].permute(2, 0, 1)
    # Antialiased uint8 has a vectorised path on a CPU; grid_sample is several times slower there.
    out[:, y:to_y, x:to_x] = interpolate(crop[None], (to_y - y, to_x - x), mode="bilinear", antialias=True)[0]


def _pixels(rect: Floats, side: int) -> list[int]:
    """Whole pixels, one at least."""
    left, top, right, bottom = (rect * side).round().astype(int).tolist()
    left, top = min(left, side - 1), min(top, side - 1)
    return [left, top, max(right, left + 1), max(bottom, top + 1)]


def _cut_at_once(images: Tensor, views: Views, size: int) -> Tensor:
    """The same in one kernel for all images, without antialiasing."""
    rects, flips = torch.from_numpy(views.rects).float(), torch.from_numpy(views.flips)
    theta = torch.zeros(len(images), 2, 3)
    theta[:, [0, 1], [0, 1]] = rects[:, 2:] - rects[:, :2]
    theta[:, 0, 0] *= torch.where(flips, -1.0, 1.0)
    theta[:, :, 2] = rects[:, :2] + rects[:, 2:] - 1
    grid = affine_grid(moved(theta, images.device), [len(images), 3, size, size], align_corners=False)
    pixels = images.permute(0, 3, 1, 2).float().div_(255)
    return grid_sample(pixels, grid, align_corners=False).contiguous(memory_format=torch.channels_last)
