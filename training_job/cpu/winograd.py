"""Dense 3 x 3 convolutions in a quarter of the products: Winograd's F(4 x 4, 3 x 3), with its gradients."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from . import room, tiles
from .threads import in_parts

# Of a group of images: enough for a good matrix product, and few enough for the processor's cache.
_GROUP_TILES = 192
_scratch = threading.local()


class WinogradFunction(torch.autograd.Function):
    """`conv2d` of stride 1 with one row and column of zeros around; float32, in channels_last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Args:
        x: (B, C, H, W).
        weight: (K, C, 3, 3).
        """
        ctx.save_for_backward(x, weight)
        maps, u = _last(x), _kernels(weight)
        out = room.maps(len(x), len(weight), *x.shape[2:])
        for images, count in _groups(maps):
            v = _inputs(maps, images, count)
            m = torch.bmm(v, u.transpose(1, 2), out=_buffer("m", 36, count, len(weight)))
            _spread(tiles.outputs, m, _last(out), images, count)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        to_input, to_weight = ctx.needs_input_grad
        maps, y_gradient = _last(x), _last(gradients[0])
        x_gradient = room.rows_like(maps) if to_input else None
        u, groups = _kernels(weight), list(_groups(maps))
        # Of a single group, whose products with `u` come first, it takes that one's place.
        name = "u" if len(groups) == 1 else "u_gradient"
        u_gradient = _buffer(name, 36, len(weight), weight.shape[1]) if to_weight else None
        for images, count in groups:
            m = _buffer("m", 36, count, len(weight))
            _spread(tiles.outputs_adjoint, y_gradient, m, images, count)
            if x_gradient is not None:
                v = torch.bmm(m, u, out=_buffer("v", 36, count, weight.shape[1]))
                _spread(tiles.inputs_adjoint, v, x_gradient, images, count)
            if u_gradient is not None:
                v, beta = _inputs(maps, images, count), float(images.start > 0)
                torch.baddbmm(u_gradient, m.transpose(1, 2), v, beta=beta, out=u_gradient)
        return (
            None if x_gradient is None else x_gradient.permute(0, 3, 1, 2),
            None if u_gradient is None else _kernels_adjoint(u_gradient),
        )


def _last(x: Tensor) -> Tensor:
    """(B, H, W, C), contiguous: of a tensor in channels_last no copy."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


def _tiles(maps: Tensor) -> int:
    return -(-maps.shape[1] // 4) * -(-maps.shape[2] // 4)


def _groups(maps: Tensor) -> Iterator[tuple[range, int]]:
    """Images that are treated together, and the tiles that they have."""
    size = max(1, _GROUP_TILES // _tiles(maps))
    for start in range(0, len(maps), size):
        images = range(start, min(start + size, len(maps)))
        yield images, len(images) * _tiles(maps)


def _kernels(weight: Tensor) -> Tensor:
    u = _buffer("u", 36, len(weight), weight.shape[1])
    tiles.kernels(_last(weight).numpy(), u.numpy())
    return u


def _kernels_adjoint(u: Tensor) -> Tensor:
    g = u.new_empty(u.shape[1], 3, 3, u.shape[2])
    tiles.kernels_adjoint(u.numpy(), g.numpy())
    return g.permute(0, 3, 1, 2)


def _inputs(maps: Tensor, images: range, count: int) -> Tensor:
    v = _buffer("v", 36, count, maps.shape[3])
    _spread(tiles.inputs, maps, v, images, count)
    return v


def _spread(
    transform: Callable[..., None], source: Tensor, target: Tensor, images: range, count: int
) -> None:
    """A transform of a group's images, on all threads."""
    arrays, each = (source.numpy(), target.numpy()), count // len(images)

    def work(first: int, last: int, _: int) -> None:
        transform(*arrays, images.start + first, images.start + last, first * each)

    in_parts(len(images), work)


def _buffer(name: str, *shape: int) -> Tensor:
    """Memory that every layer uses in turn: what it held is lost at the next call."""
    size, kept = torch.Size(shape).numel(), getattr(_scratch, name, None)
    if kept is None or len(kept) < size:
        kept = torch.empty(size)
        setattr(_scratch, name, kept)
    return kept[:size].view(shape)
