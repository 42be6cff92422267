"""One model in several processes: each has a part of a batch, and all take the same step."""

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .group import Group


class Parallel:
    """Holds the copies of a model together; with one process it does nothing.

    On GPUs the statistics of BatchNorm are those of the whole batch (SyncBatchNorm). On CPUs, which
    SyncBatchNorm doesn't know, each process has those of its part, and the running ones are averaged.

    Args:
        model: on its device. Until `close` its BatchNorms may be others than its own.
        frozen: its norms are in eval mode.
    """

    def __init__(self, model: nn.Module, group: Group, *, frozen: bool) -> None:
        self.group, self._model = group, model
        self.is_averaged = next(model.buffers(), torch.empty(0)).device.type == "cpu"
        self._replaced: list[tuple[nn.Module, str, nn.Module]] = []
        if group.size > 1 and not (frozen or self.is_averaged):
            self._synchronise(model)

    def wrap(self) -> nn.Module:
        """The model for the forward pass of a step; its backward pass averages the gradients of all.

        Its loss is the process's own, times the number of processes: see `task.Step`.
        """
        if self.group.size == 1:
            return self._model
        # The first step of each process is from rank 0's weights: this copies them.
        return DistributedDataParallel(self._model, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def average_buffers(self, *models: nn.Module | None) -> None:
        """Makes running statistics the mean of all processes'. All of them call this."""
        if self.group.size == 1 or not self.is_averaged:
            return
        for model in filter(None, models):
            for buffer in filter(torch.is_floating_point, model.buffers()):
                self.group.sum(buffer).div_(self.group.size)

    def spread(self, *models: nn.Module | None) -> None:
        """Gives all processes the writer's weights, to the last bit."""
        if self.group.size > 1:
            for model in filter(None, models):
                for tensor in model.state_dict().values():
                    torch.distributed.broadcast(tensor, src=0)

    def close(self) -> None:
        """Gives the model its own BatchNorms back: the others share their tensors, but can't be exported."""
        while self._replaced:
            parent, name, own = self._replaced.pop()
            own.train(getattr(parent, name).training)
            setattr(parent, name, own)

    def _synchronise(self, model: nn.Module) -> None:
        for parent in list(model.modules()):
            for name, part in list(parent.named_children()):
                if isinstance(part, nn.BatchNorm2d):
                    setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(part))
                    self._replaced.append((parent, name, part))
