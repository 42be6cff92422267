"""The processes that train one model together: one for each GPU, or one alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, distributed
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")
#: After this a process that neither answers nor dies is given up.
_TIMEOUT = timedelta(minutes=10)
_ENDING = "ending"


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """This process's place among them. With one process every method is free and changes nothing.

    A tensor on a GPU goes by NCCL; one on the CPU by gloo, which waits for no GPU. Where another
    process has died, all methods that wait for it raise RuntimeError.

    Attributes:
        rank: 0 is the one that writes: checkpoints, metrics, results.
        local_rank: among the processes of this machine, `local_size` of them.
        store: outlives the processes, as torchrun's agent keeps it.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    store: Store | None = field(default=None, repr=False, compare=False)

    @classmethod
    def alone(cls) -> Self:
        return cls()

    @classmethod
    def join(cls, environment: Mapping[str, str]) -> Self:
        """The group that torchrun's variables tell of; without them this process is alone."""
        if "LOCAL_RANK" not in environment:
            return cls.alone()
        local_rank, backend = int(environment["LOCAL_RANK"]), "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank)
            backend = "cpu:gloo,cuda:nccl"
        store, rank, size = next(rendezvous("env://"))
        distributed.init_process_group(
            backend,
            store=PrefixStore("group", store),
            rank=rank,
            world_size=size,
            timeout=_TIMEOUT,
        )
        local_size = int(environment["LOCAL_WORLD_SIZE"])
        return cls(rank=rank, size=size, local_rank=local_rank, local_size=local_size, store=store)

    @property
    def writes(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """This process's GPU, by its number: a thread's own current device is the first one."""
        return torch.device("cuda", self.local_rank) if torch.cuda.is_available() else torch.device("cpu")

    def rows(self, count: int) -> slice:
        """This process's part of `count` rows: all parts together are the whole, in order of rank."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def local_rows(self, count: int) -> slice:
        """The same among the processes of this machine."""
        first, last = (count * (self.local_rank + more) // self.local_size for more in (0, 1))
        return slice(first, last)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in each of them, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is true in any process: what all of them then act on."""
        return flag if self.size == 1 else bool(self.sum(torch.tensor(int(flag))))

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in order of rank, in each of them; as many as each has."""
        if self.size == 1:
            return rows
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, rows.cpu())
        return torch.cat(parts).to(rows.device)

    def share(self, value: T | None) -> T:
        """The writer's value, in each process."""
        values: list[Any] = [value]
        if self.size > 1:
            distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        first: T = values[0]
        return first

    def wait(self) -> None:
        """Until all processes are here. What a GPU still computes isn't waited for."""
        self.any(False)

    def ended(self, ending: str | None = None) -> str | None:
        """How the run ends, as the first process said that had something to say; None: nobody has yet.

        Args:
            ending: what this process has to say, if it isn't too late.

        Raises:
            RuntimeError: the main machine is gone.
        """
        if self.store is None or (ending is None and not self.store.check([_ENDING])):
            return ending
        return self.store.compare_set(_ENDING, "", ending or "").decode()
