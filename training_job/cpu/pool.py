"""Max pooling that keeps a byte for each output, where torch keeps its whole input, and eight."""

from typing import Any

import torch
from torch import Tensor, nn

from . import maxima, room
from .blocks import is_quick
from .threads import in_parts


class PoolFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, stride: int, padding: int) -> Tensor:
        """Args:
        x: (B, C, H, W), float32.
        """
        ctx.shape, ctx.how = x.shape, (size, stride, padding)
        out = room.maps(*x.shape[:2], *((side + 2 * padding - size) // stride + 1 for side in x.shape[2:]))
        places = torch.empty_like(_last(out), dtype=torch.uint8)
        arrays = _last(x).numpy(), *ctx.how, _last(out).numpy(), places.numpy()
        in_parts(len(x), lambda first, last, _: maxima.find(*arrays, first, last))
        ctx.save_for_backward(places)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        target = room.maps(*ctx.shape)
        arrays = _last(gradients[0]).numpy(), places.numpy(), *ctx.how, _last(target).numpy()
        in_parts(len(target), lambda first, last, _: maxima.give_back(*arrays, first, last))
        return target, None, None, None


def _last(x: Tensor) -> Tensor:
    """(B, H, W, C), contiguous: of a tensor in channels_last no copy."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


class Pool(nn.MaxPool2d):
    """While training on a CPU; otherwise it is torch's."""

    def forward(self, input: Tensor) -> Tensor:
        if not is_quick(self, input):
            return super().forward(input)
        out: Tensor = PoolFunction.apply(input, self.kernel_size, self.stride, self.padding)
        return out


def quicken_pools(model: nn.Module) -> None:
    """In place: every plain max pooling over squares."""
    for module in model.modules():
        if type(module) is nn.MaxPool2d and _is_plain(module):
            module.__class__ = Pool


def _is_plain(pool: nn.MaxPool2d) -> bool:
    sides = pool.kernel_size, pool.stride, pool.padding, pool.dilation
    is_square = all(isinstance(side, int) for side in sides)
    return is_square and pool.dilation == 1 and not pool.ceil_mode and not pool.return_indices
