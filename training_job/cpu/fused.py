"""Batch normalisation, activation and residual in one: on a CPU most of their time goes to the memory.

The loops are in norms.py. They see a map as rows of several positions, so that even sixteen channels
fill a processor's vectors, and figures of the channels as columns, as often as a row repeats them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import norms, room
from .threads import in_parts

_WIDTH = 512  # columns of a row, or fewer
_SAMPLE = 64  # rows whose mean is about that of all
_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Activation:
    """What follows a normalisation: a clamp, or hard swish."""

    low: float = -_INFINITY
    high: float = _INFINITY
    swish: bool = False

    @classmethod
    def of(cls, module: nn.Module) -> "Activation | None":
        """None where it is neither."""
        if type(module) is nn.Hardswish:
            return cls(swish=True)
        highs: dict[type[nn.Module], float] = {nn.ReLU: _INFINITY, nn.ReLU6: 6.0}
        return cls(0.0, highs[type(module)]) if type(module) in highs else None

    @property
    def arguments(self) -> tuple[np.float32, np.float32, bool]:
        return np.float32(self.low), np.float32(self.high), self.swish


class NormFunction(torch.autograd.Function):
    """activation(norm(x) + skip); moves the running statistics as BatchNorm2d does."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, skip: Tensor | None,
        norm: nn.BatchNorm2d, activation: Activation,
    ) -> Tensor:  # fmt: skip
        """Args:
        x: (B, C, H, W), float32.
        skip: of the same shape; added before the activation.
        norm: says how, and whether by the batch's own statistics.
        """
        rows, ctx.own, ctx.activation = _rows(x), norm.training, activation
        mean, variance = _own_statistics(norm, rows) if ctx.own else _running_statistics(norm)
        ctx.inverse = (variance + norm.eps).rsqrt()
        scale = weight.detach() * ctx.inverse
        ctx.figures = tuple(_columns(each, rows) for each in (scale, bias.detach() - mean * scale, mean))
        out = room.maps(*x.shape)
        skips = _rows(skip) if skip is not None else _NONE
        arrays = rows.numpy(), skips.numpy(), *ctx.figures[:2], *activation.arguments, _rows(out).numpy()
        in_parts(len(rows), lambda first, last, _: norms.normalize(*arrays, first, last))
        ctx.save_for_backward(x, out if skip is not None else None)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, out = ctx.saved_tensors
        rows, source, has_skip = _rows(x), _rows(gradients[0]), out is not None
        scale, offset, mean = ctx.figures
        inner = room.rows_like(rows) if has_skip else _NONE
        how = scale, offset, *ctx.activation.arguments
        opened = _rows(out) if has_skip else _NONE
        arrays = rows.numpy(), opened.numpy(), source.numpy(), *how, mean
        sums = _sums(
            rows, len(ctx.inverse),
            lambda plain, product, first, last: norms.gradient_sums(
                *arrays, plain, product, inner.numpy(), first, last
            ),
        )  # fmt: skip
        to_bias, to_weight = sums[0], sums[1] * ctx.inverse
        share = float(ctx.own) * len(ctx.inverse) / x.numel()  # a mean where the statistics depend on x
        minus = scale * _columns(to_bias * share, rows)
        slope = scale * _columns(to_weight * ctx.inverse * share, rows)
        target = room.rows_like(rows)
        given = rows.numpy(), (inner if has_skip else source).numpy(), *how
        rest = has_skip, mean, minus, slope, target.numpy()
        in_parts(len(rows), lambda first, last, _: norms.x_gradient(*given, *rest, first, last))
        to_skip = _maps(inner, x) if has_skip else None
        return _maps(target, x), to_weight.float(), to_bias.float(), to_skip, None, None


_NONE = torch.empty(0, 0)


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as rows of some positions each; of channels_last no copy."""
    flat = x.detach().permute(0, 2, 3, 1).contiguous()
    channels, positions, together = x.shape[1], x.numel() // x.shape[1], 1
    while 2 * together * channels <= _WIDTH and positions % (2 * together) == 0:
        together *= 2
    return flat.view(-1, together * channels)


def _maps(rows: Tensor, like: Tensor) -> Tensor:
    count, channels, height, width = like.shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


def _columns(figures: Tensor, rows: Tensor) -> np.ndarray[Any, Any]:
    """Figures of the channels, as float32, for each column of a row."""
    return figures.float().repeat(rows.shape[1] // len(figures)).numpy()


def _sums(rows: Tensor, channels: int, add: Callable[[Any, Any, int, int], None]) -> tuple[Tensor, Tensor]:
    """Two sums over all positions, float64, of each channel; every thread has its own to add to."""
    totals = np.zeros((2, max(1, torch.get_num_threads()), rows.shape[1]))
    in_parts(len(rows), lambda first, last, part: add(totals[0, part], totals[1, part], first, last))
    plain, product = torch.from_numpy(totals.sum(1)).view(2, -1, channels).sum(1)
    return plain, product


def _own_statistics(norm: nn.BatchNorm2d, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the batch; the running ones move towards them.

    What is summed lies around zero, else the square of a mean would swallow the variance.
    """
    channels = norm.num_features
    shift = rows[:_SAMPLE].double().view(-1, channels).mean(0).float()
    arrays = rows.numpy(), _columns(shift, rows)
    plain, square = _sums(
        rows,
        channels,
        lambda total, squares, first, last: norms.moments(*arrays, total, squares, first, last),
    )
    count = rows.numel() // channels
    mean = plain / count
    variance = (square / count - mean.square()).clamp(min=0)
    mean += shift
    momentum = norm.momentum
    assert momentum is not None and norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    assert norm.num_batches_tracked is not None  # noqa: S101 - for mypy: blocks.py takes no other
    norm.running_mean.lerp_(mean.float(), momentum)
    norm.running_var.lerp_((variance * (count / (count - 1))).float(), momentum)
    norm.num_batches_tracked += 1
    return mean, variance


def _running_statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    return norm.running_mean.double(), norm.running_var.double()
