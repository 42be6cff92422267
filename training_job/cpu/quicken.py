"""Layers that train in fewer CPU seconds: convolutions here, normalisations in blocks.py.

`quicken` puts them in the place of a model's own, with the same parameters under the same names. On a
GPU, and in eval mode and so in every export, they are plain. The gain: docs/adr/0013-cpu-speed.md.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .convolutions import STRIP, DenseFunction, DepthwiseFunction, Pair

# From this many channels on, in and out, and on maps this high and wide, Winograd's transforms pay.
_WINOGRAD_CHANNELS, _WINOGRAD_SIDE = 64, 3
# Maps of at most this many positions, and from this many channels on, are quicker as plain matrix products.
_SMALL_MAP, _MANY_CHANNELS = 49, 256

M = TypeVar("M", bound=nn.Module)


def quicken(model: M) -> M:
    """Exchanges what can be trained faster on a CPU, in place; gives the model back."""
    if next(model.parameters()).device.type != "cpu":
        return model
    from .blocks import fuse_norms  # only here: a GPU's job never loads a compiler
    from .pool import quicken_pools

    fuse_norms(model)
    quicken_pools(model)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Conv2d and (kind := _kind(module)):
            model.set_submodule(name, kind(module))
    return model


def _kind(conv: nn.Conv2d) -> "type[_Quick] | None":
    same_size = tuple(2 * pad + 1 for pad in _pair(conv.padding)) == conv.kernel_size
    if not same_size or conv.padding_mode != "zeros" or conv.dilation != (1, 1) or conv.bias is not None:
        return None
    if conv.groups == conv.in_channels == conv.out_channels:
        return Depthwise if conv.kernel_size in ((3, 3), (5, 5)) else None
    if conv.groups > 1 or conv.kernel_size != (3, 3):
        return None
    if conv.stride == (1, 1) and min(conv.in_channels, conv.out_channels) >= _WINOGRAD_CHANNELS:
        return Winograd
    return Dense if conv.in_channels >= _MANY_CHANNELS else None


def _pair(padding: Any) -> Pair:
    return padding if isinstance(padding, tuple) else (-1, -1)  # "same" and "valid" stay as they are


class _Quick(nn.Conv2d):
    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            _pair(conv.kernel_size),
            _pair(conv.stride),
            _pair(conv.padding),
            groups=conv.groups,
            bias=False,
            device="meta",
        )
        self.weight = conv.weight
        self.train(conv.training)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not self.pays(input):
            return super().forward(input)
        return self.quick(input)

    def pays(self, images: Tensor) -> bool:
        raise NotImplementedError

    def quick(self, images: Tensor) -> Tensor:
        raise NotImplementedError


class Depthwise(_Quick):
    """A depthwise convolution with a faster weight gradient."""

    def pays(self, images: Tensor) -> bool:
        return self.kernel_size[0] > STRIP or images.shape[-2] < self.kernel_size[0]

    def quick(self, images: Tensor) -> Tensor:
        out: Tensor = DepthwiseFunction.apply(images, self.weight, self.stride, self.padding)
        return out


class Dense(_Quick):
    """A 3 x 3 convolution that is a few matrix products where the map is small and the channels many."""

    def pays(self, images: Tensor) -> bool:
        steps = self.stride[0] * self.stride[1]
        few = images.shape[-2] * images.shape[-1] <= steps * _SMALL_MAP
        return few and self.in_channels >= _MANY_CHANNELS

    def quick(self, images: Tensor) -> Tensor:
        out: Tensor = DenseFunction.apply(images, self.weight, self.stride, self.padding)
        return out


class Winograd(Dense):
    """A 3 x 3 convolution of stride 1 in a quarter of the products, but on the smallest maps."""

    def pays(self, images: Tensor) -> bool:
        return images.dtype == torch.float32 and (self._large(images) or super().pays(images))

    def quick(self, images: Tensor) -> Tensor:
        if not self._large(images):
            return super().quick(images)
        from .winograd import WinogradFunction  # as in quicken

        out: Tensor = WinogradFunction.apply(images, self.weight)
        return out

    def _large(self, images: Tensor) -> bool:
        return min(images.shape[-2:]) >= _WINOGRAD_SIDE
