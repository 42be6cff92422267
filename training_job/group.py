"""The processes that train one model together: one for each GPU, or one alone."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """This process's place among them. With one process every method is free and changes nothing.

    Attributes:
        rank: 0 is the one that writes: checkpoints, metrics, results.
        local_rank: among the processes of this machine, `local_size` of them.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def alone(cls) -> Self:
        return cls()

    @property
    def writes(self) -> bool:
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's part of `count` rows: all parts together are the whole, in order of rank."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def local_rows(self, count: int) -> slice:
        """The same among the processes of this machine."""
        first, last = (count * (self.local_rank + more) // self.local_size for more in (0, 1))
        return slice(first, last)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in each of them."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is true in any process: what all of them then act on."""
        return flag if self.size == 1 else bool(self.sum(torch.tensor(int(flag))))

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in order of rank, in each of them."""
        if self.size == 1:
            return rows
        parts: list[Tensor | None] = [None] * self.size
        distributed.all_gather_object(parts, rows.cpu())
        return torch.cat([each for each in parts if each is not None])

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()
