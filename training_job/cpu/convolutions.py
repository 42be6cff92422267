"""Gradients of two kinds of convolution for which oneDNN has no good kernel; the sums stay the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

Pair = tuple[int, int]

# oneDNN 3.12 sums a depthwise weight gradient with its own kernel up to this width; past it, and on maps
# lower than the kernel, with a general one that is up to 50 times slower.
STRIP = 3


class DepthwiseFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
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
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    groups = len(weight) if weight.shape[1] == 1 else 1
    out: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), groups, wanted
    )
    return out


def depthwise_weight_gradient(
    x: Tensor, gradient: Tensor, weight: Tensor, stride: Pair, padding: Pair
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
    strip_weight = weight.new_empty(channels, 1, size, STRIP)

    def strip(left: int) -> Tensor:
        start = (2 + left - padding[1]) * channels
        shifted = flat[start : start + len(body)].view(shape).permute(0, 3, 1, 2)
        pads = padding[0] - rows, 0
        return _backward(gradient, shifted, strip_weight, stride, pads, [False, True, False])[1]

    return torch.cat([strip(left) for left in range(0, size, STRIP)], -1)[..., :size]


@dataclass(frozen=True, slots=True)
class _Tap:
    """One element of a kernel, and the rectangles of the output and of the input that meet in it."""

    row: int
    column: int
    outputs: tuple[slice, slice]
    inputs: tuple[slice, slice]


def _taps(x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Iterator[_Tap]:
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


class DenseFunction(torch.autograd.Function):
    """One matrix product for each element of the kernel, over the positions where it meets no padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
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
