"""Automatic augmentation on whole batches: random operations, each image its own.

TrivialAugment (Müller and Hutter, 2021, arXiv:2103.10158): one operation of any strength, in its wide
space. RandAugment (Cubuk et al., 2019, arXiv:1909.13719): two of a fixed one, 9 of 30.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

from .geometry import moved

_LEVELS = 30  # the strengths are 0 to 30 of these
_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601

#: Where an operation's strength stands in the matrix of its affine map.
_CELLS = {"shear-x": (0, 1), "shear-y": (1, 0), "translate-x": (0, 2), "translate-y": (1, 2)}


def tint(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Colours changed by factors, 1 for none, float32 (B) each: brightness, saturation, then contrast.

    Together they are one affine map of RGB, so that each pixel is read and written once.
    """
    grey = moved(torch.tensor(_GREY), images.device)
    pixels = images.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H * W, 3)
    b, s, c = (each.view(-1, 1, 1) for each in (brightness, saturation, contrast))
    to_grey = grey.view(3, 1).expand(3, 3)  # on its right: all channels become the luma
    matrix = b * c * (s * torch.eye(3, device=images.device) + (1 - s) * to_grey)
    offset = (1 - c) * b * (images.mean((2, 3)) @ to_grey)[:, None]
    out = torch.baddbmm(offset, pixels, matrix).clamp_(0, 1)
    return out.view(len(images), *images.shape[2:], 3).permute(0, 3, 1, 2)


def _brightness(images: Tensor, strength: Tensor) -> Tensor:
    return images * (1 + strength).view(-1, 1, 1, 1)


def _colour(images: Tensor, strength: Tensor) -> Tensor:
    return tint(images, torch.ones_like(strength), 1 + strength, torch.ones_like(strength))


def _contrast(images: Tensor, strength: Tensor) -> Tensor:
    return tint(images, torch.ones_like(strength), torch.ones_like(strength), 1 + strength)


def _sharpness(images: Tensor, strength: Tensor) -> Tensor:
    # Pillow's smoothing kernel; the outermost pixels stay as they are.
    kernel = moved(torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13, images.device)
    inner = conv2d(images.flatten(0, 1)[:, None], kernel[None, None]).view(*images.shape[:2], -1)
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = inner.view(smooth[..., 1:-1, 1:-1].shape)
    return torch.lerp(smooth, images, (1 + strength).view(-1, 1, 1, 1))


def _posterize(images: Tensor, strength: Tensor) -> Tensor:
    """`strength`: the bits that are lost, of eight."""
    width = torch.exp2(strength.abs().round()).view(-1, 1, 1, 1)
    return (images * 255).round_().div_(width).floor_().mul_(width).div_(255)


def _solarize(images: Tensor, strength: Tensor) -> Tensor:
    threshold = (1 - strength.abs()).view(-1, 1, 1, 1)
    return torch.where(images >= threshold, 1 - images, images)


def _autocontrast(images: Tensor, _: Tensor) -> Tensor:
    out: Tensor = functional.autocontrast(images)
    return out


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    out: Tensor = functional.equalize(images)
    return out


_COLOURS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": _brightness,
    "colour": _colour,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Operations, of which each image gets `picks`, any of them, one after the other.

    Attributes:
        limits: the operations and their greatest strength: of shears a slope, of shifts a share of the
            side, of rotations radians, of colours a relative change, of posterize bits.
        level: the strength of all of them, of `_LEVELS`; None for any.
    """

    limits: Mapping[str, float]
    picks: int
    level: int | None = None

    def draw(self, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Operations by their number, int64 (count, picks), and signed strengths, float32 alike."""
        shape = (count, self.picks)
        operations = generator.integers(len(self.limits), size=shape)
        levels = generator.integers(_LEVELS + 1, size=shape) if self.level is None else self.level
        greatest = np.array(list(self.limits.values()))[operations]
        strengths = greatest * levels / _LEVELS * generator.choice([-1, 1], shape)
        return torch.from_numpy(operations), torch.from_numpy(strengths).float()

    def maps(self, operations: Tensor, strengths: Tensor) -> Tensor:
        """The affine operations of each image together, float32 (B, 3, 3); see `crop_and_flip`."""
        steps = torch.eye(3).repeat(*operations.shape, 1, 1)
        for number, name in enumerate(self.limits):
            chosen = operations == number
            if name in _CELLS:
                steps[(chosen, *_CELLS[name])] = strengths[chosen] * (2 if "translate" in name else 1)
            elif name == "rotate":
                cos, sin = strengths[chosen].cos(), strengths[chosen].sin()
                steps[chosen, 0, 0], steps[chosen, 0, 1] = cos, -sin
                steps[chosen, 1, 0], steps[chosen, 1, 1] = sin, cos
        maps = steps[:, 0]
        for following in range(1, self.picks):
            maps = maps @ steps[:, following]
        return maps

    def recolour(self, images: Tensor, operations: Tensor, strengths: Tensor) -> None:
        """The other operations, in place, on float32 (B, 3, H, W), 0 to 1."""
        names = list(self.limits)
        for chosen, strength in zip(operations.unbind(1), strengths.unbind(1), strict=True):
            for number in chosen.unique().tolist():
                if names[number] not in _COLOURS:
                    continue
                rows = (chosen == number).nonzero().flatten()
                change, strong = moved(strength[rows], images.device), moved(rows, images.device)
                images[strong] = _COLOURS[names[number]](images[strong], change).clamp_(0, 1)


_UNSCALED = {"identity": 0.0, "solarize": 1.0, "autocontrast": 0.0, "equalize": 0.0}


def _limits(
    shear: float, translate: float, rotate: float, colour: float, posterize: float
) -> dict[str, float]:
    colours = dict.fromkeys(("brightness", "colour", "contrast", "sharpness"), colour)
    shears = dict.fromkeys(("shear-x", "shear-y"), shear)
    shifts = dict.fromkeys(("translate-x", "translate-y"), translate)
    return {**_UNSCALED, **shears, **shifts, "rotate": rotate, **colours, "posterize": posterize}


#: Torchvision's spaces; its TrivialAugment shifts by 32 pixels of 224.
POLICIES = {
    "trivialaugment": Policy(_limits(0.99, 32 / 224, np.radians(135), 0.99, 6), picks=1),
    "randaugment": Policy(_limits(0.3, 150 / 331, np.radians(30), 0.9, 4), picks=2, level=9),
}
