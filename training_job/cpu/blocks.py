"""Modules that take a normalisation with its activation, and a residual, in one: see fused.py.

They become what they are in place, so that parameters, buffers and names stay. In eval mode, and so in
every export, they are torchvision's.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet  # type: ignore[import-untyped]

from .fused import Activation, NormFunction


def is_quick(module: nn.Module, images: Tensor) -> bool:
    """The same for a block and all in it: under autocast the inside has another type than what comes in."""
    is_single = images.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return module.training and images.device.type == "cpu" and is_single


class Norm(nn.BatchNorm2d):
    """Attributes:
    owner: what it is a part of, in a tuple, so that it isn't a part of this. A normalisation itself
        can be in eval mode in the middle of training: it then keeps its statistics.
    activation: that is done here while training.
    """

    owner: tuple[nn.Module]
    activation: Activation

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        if not is_quick(self.owner[0], input):
            return super().forward(input)
        out: Tensor = NormFunction.apply(input, self.weight, self.bias, skip, self, self.activation)
        return out


class Done(nn.Module):
    """An activation that the `Norm` before it does while training."""

    def __init__(self, owner: nn.Module, plain: nn.Module) -> None:
        super().__init__()
        self.owner, self.plain = (owner,), plain

    def forward(self, x: Tensor) -> Tensor:
        if is_quick(self.owner[0], x):
            return x
        out: Tensor = self.plain(x)
        return out


class QuickBasicBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        if not is_quick(self, x):
            return super().forward(x)
        identity = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x))), identity)
        return out


class QuickBottleneck(Bottleneck):
    def forward(self, x: Tensor) -> Tensor:
        if not is_quick(self, x):
            return super().forward(x)
        identity = x if self.downsample is None else self.downsample(x)
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        out: Tensor = self.bn3(self.conv3(inner), identity)
        return out


_BLOCKS: dict[type[nn.Module], type[nn.Module]] = {BasicBlock: QuickBasicBlock, Bottleneck: QuickBottleneck}


def fuse_norms(model: nn.Module) -> None:
    """In place: every normalisation that is followed by nothing, by a clamp or by hard swish."""
    for owner in list(model.modules()):
        if isinstance(owner, nn.Sequential):
            for norm, after in _pairs(owner):
                _fuse(owner, norm, after)
        elif type(owner) in _BLOCKS:
            _fuse_block(owner)
        elif isinstance(owner, ResNet):
            _fuse(owner, "bn1", "relu")


def _pairs(parts: nn.Sequential) -> Iterator[tuple[str, str | None]]:
    """The names of a sequence's normalisations, each with what follows it."""
    names: list[str | None] = [*dict(parts.named_children()), None]
    for norm, after in pairwise(names):
        if norm is not None:
            yield norm, after


def _fuse(owner: nn.Module, norm: str, after: str | None) -> None:
    if not _is_plain(getattr(owner, norm)):
        return
    follower = getattr(owner, after) if after else nn.Identity()
    activation = Activation.of(follower)
    _become_norm(owner, getattr(owner, norm), activation or Activation())
    if activation and after:
        setattr(owner, after, Done(owner, follower))


def _fuse_block(owner: nn.Module) -> None:
    """All of its normalisations or none: the last one takes the residual with it."""
    norms = [norm for name, norm in owner.named_children() if name.startswith("bn")]
    if all(map(_is_plain, norms)):
        for norm in norms:
            _become_norm(owner, norm, Activation(low=0.0))
        owner.__class__ = _BLOCKS[type(owner)]


def _become_norm(owner: nn.Module, norm: nn.Module, activation: Activation) -> None:
    norm.__class__ = Norm
    norm.owner, norm.activation = (owner,), activation  # type: ignore[assignment]


def _is_plain(norm: nn.Module) -> bool:
    """With weights and running statistics."""
    is_plain = type(norm) is nn.BatchNorm2d and norm.affine and norm.track_running_stats
    return is_plain and norm.momentum is not None
