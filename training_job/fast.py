"""Convolutions that train in fewer CPU seconds, where oneDNN has no good kernel; the sums stay the same.

`quicken` puts them in the place of a model's own, with the same parameters under the same names. On a
GPU, and in eval mode and so in every export, they are plain. The gain: docs/adr/0013-cpu-speed.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

# oneDNN 3.12 sums a depthwise weight gradient with its own kernel up to this width; past it, and on maps
# lower than the kernel, with a general one that is up to 50 times slower.
_STRIP = 3
# Maps of at most this many positions, and from this many channels on, are quicker as plain matrix products.
_SMALL_MAP, _MANY_CHANNELS = 49, 256

_Pair = tuple[int, int]
M = TypeVar("M", bound=nn.Module)


def quicken(model: M) -> M:
    """Exchanges the convolutions that can be trained faster on a CPU, in place; gives the model back."""
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
    dense = conv.groups == 1 and conv.kernel_size == (3, 3) and conv.in_channels >= _MANY_CHANNELS
    return Dense if dense else None


def _pair(padding: Any) -> _Pair:
    return padding if isinstance(padding, tuple) else (-1, -1)  # "same" and "valid" stay as they are


class _Quick(nn.Conv2d):
    function: type[torch.autograd.Function]

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
        if not self.training or input.is_cuda or not self.pays(input):
            return super().forward(input)
        out: Tensor = self.function.apply(input, self.weight, self.stride, self.padding)
        return out

    def pays(self, images: Tensor) -> bool:
        raise NotImplementedError


class _DepthwiseFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        to_input, to_weight = ctx.needs_input_grad[:2]
        plain = _backward(gradient, x, weight, ctx.stride, ctx.padding, [to_input, False, False])
        return (
            plain[0] if to_input else None,
            depthwise_weight_gradient(x, gradient, weight, ctx.stride, ctx.padding) if to_weight else None,
            None,
            None,
        )


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    groups = len(weight) if weight.shape[1] == 1 else 1
    out: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), groups, wanted
    )
    return out


def depthwise_weight_gradient(
    x: Tensor, gradient: Tensor, weight: Tensor, stride: _Pair, padding: _Pair
) -> Tensor:
    """What `convolution_backward` gives for the weight, in strips of three columns.

    The rows of `x` are laid out with two columns of zeros between them: so a shift by a column is
    the same memory read from elsewhere, and the strips need no copies of their own.

    Args:
        x: (B, C, H, W), channels_last.
        gradient: of the output, (B, C, H', W'), channels_last.
        weight: (C, 1, k, k) with k of 3 or 5, and padding k // 2.
    """
    count, channels, height, width = x.shape
    size = weight.shape[-1]
    rows = padding[0] if height < size else 0  # oneDNN's kernel wants maps as high as itself
    shape = count, height + 2 * rows, width + 2, channels
    flat = x.new_zeros((shape[0] * shape[1] * shape[2] + 5) * channels)
    body = flat[2 * channels : -3 * channels]
    body.view(shape)[:, rows : rows + height, :width] = x.permute(0, 2, 3, 1)
    strip_weight = weight.new_empty(channels, 1, size, _STRIP)

    def strip(left: int) -> Tensor:
        start = (2 + left - padding[1]) * channels
        shifted = flat[start : start + len(body)].view(shape).permute(0, 3, 1, 2)
        pads = padding[0] - rows, 0
        return _backward(gradient, shifted, strip_weight, stride, pads, [False, True, False])[1]

    return torch.cat([strip(left) for left in range(0, size, _STRIP)], -1)[..., :size]


class Depthwise(_Quick):
    """A depthwise convolution with a faster weight gradient."""

    function = _DepthwiseFunction

    def pays(self, images: Tensor) -> bool:
        return self.kernel_size[0] > _STRIP or images.shape[-2] < self.kernel_size[0]


@dataclass(frozen=True, slots=True)
class _Tap:
    """One element of a kernel, and the rectangles of the output and of the input that meet in it."""

    row: int
    column: int
    outputs: tuple[slice, slice]
    inputs: tuple[slice, slice]


def _taps(x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Iterator[_Tap]:
    """The middle one, which every output has, comes first."""
    size = weight.shape[-1]
    middle_first = sorted(range(size), key=lambda tap: tap != size // 2)
    down, across = (
        {tap: _meeting(tap - pad, step, side, (side + 2 * pad - size) // step + 1) for tap in middle_first}
        for side, step, pad in zip(x.shape[-2:], stride, padding, strict=True)
    )
    for row, (out_rows, in_rows) in down.items():
        for column, (out_columns, in_columns) in across.items():
            if out_rows.stop > out_rows.start and out_columns.stop > out_columns.start:
                yield _Tap(row, column, (out_rows, out_columns), (in_rows, in_columns))


def _meeting(shift: int, stride: int, inputs: int, outputs: int) -> tuple[slice, slice]:
    first = max(0, -(shift // stride))
    last = min(outputs, (inputs - 1 - shift) // stride + 1)
    count = max(last - first, 0)
    start = first * stride + shift
    return slice(first, first + count), slice(start, start + (count - 1) * stride + 1, stride)


class _DenseFunction(torch.autograd.Function):
    """One matrix product for each element of the kernel, over the positions where it meets no padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.taps = list(_taps(x, weight, stride, padding))
        x = x.permute(0, 2, 3, 1)
        first, *others = ctx.taps
        out = x[:, *first.inputs] @ weight[:, :, first.row, first.column].T
        for tap in others:
            out[:, *tap.outputs] += x[:, *tap.inputs] @ weight[:, :, tap.row, tap.column].T
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        x, gradient = x.permute(0, 2, 3, 1), gradients[0].permute(0, 2, 3, 1)
        to_input, to_weight = ctx.needs_input_grad[:2]
        x_gradient = x.new_zeros(x.shape) if to_input else None
        weight_gradient = weight.new_zeros(*weight.shape[2:], *weight.shape[:2]) if to_weight else None
        for tap in ctx.taps:
            part = gradient[:, *tap.outputs].flatten(0, 2)
            if x_gradient is not None:
                target = x_gradient[:, *tap.inputs]
                target += (part @ weight[:, :, tap.row, tap.column]).view(target.shape)
            if weight_gradient is not None:
                torch.mm(part.T, x[:, *tap.inputs].flatten(0, 2), out=weight_gradient[tap.row, tap.column])
        return (
            None if x_gradient is None else x_gradient.permute(0, 3, 1, 2),
            None if weight_gradient is None else weight_gradient.permute(2, 3, 0, 1),
            None,
            None,
        )


class Dense(_Quick):
    """A 3 x 3 convolution that is a few matrix products where the map is small and the channels many."""

    function = _DenseFunction

    def pays(self, images: Tensor) -> bool:
        steps = self.stride[0] * self.stride[1]
        return images.shape[-2] * images.shape[-1] <= steps * _SMALL_MAP
