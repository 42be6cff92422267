"""Two images in one: mixup (Zhang et al., 2018, arXiv:1710.09412) and cutmix (Yun et al., 2019,
arXiv:1905.04899).

Each image of a batch is mixed with the next one, the last with the first. The batch is in random order
already; and a process that has a part of it needs one image more than its own, not as many again.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from numpy.random import Generator
from torch import Tensor

from chalicelib.contract.config import TrainingConfig

from .config import given


@dataclass(frozen=True, slots=True)
class Mix:
    """How a batch is mixed.

    Attributes:
        share: of the first of each pair, at least a half: its label is the one that an accuracy counts.
        box: top, left and side of the square that cutmix takes from the other image; None for mixup.
    """

    share: float = 1.0
    box: tuple[int, int, int] | None = None

    def apply(self, images: Tensor) -> Tensor:
        """Each of float (B, 3, H, W) mixed with the one after it, the last with the first."""
        if self.share == 1:
            return images
        others = images.roll(-1, 0)
        if self.box is None:
            return torch.lerp(others, images, self.share)
        top, left, side = self.box
        others_part = others[..., top : top + side, left : left + side]
        images[..., top : top + side, left : left + side] = others_part
        return images


def draw_mix(config: TrainingConfig, generator: Generator) -> Mix:
    """For one batch; where both alphas are set, mixup or cutmix with equal chances."""
    use_cutmix = config.cutmix > 0 and (config.mixup == 0 or generator.random() < 0.5)
    alpha = config.cutmix if use_cutmix else config.mixup
    if not alpha:
        return Mix()
    share = float(generator.beta(alpha, alpha))
    share = max(share, 1 - share)
    return _cut(share, given(config.image_size), generator) if use_cutmix else Mix(share)


def _cut(share: float, size: int, generator: Generator) -> Mix:
    side = int(size * sqrt(1 - share))  # rounded down: a share of a half stays one
    top, left = (int(each) for each in generator.integers(size - side + 1, size=2))
    # Inside the image as a whole, where the paper lets it stick out, and mends the share.
    return Mix(1 - (side / size) ** 2, (top, left, side))
